//! What one `UpdateTable` asks for: almost always one thing, for AWS refuses nearly every pair.

use super::rejection::{Rejection, Result};
use super::schema;
use super::table::Units;
use super::wire::{self, BillingMode};

/// One change that an `UpdateTable` asks for.
#[derive(Debug, Clone)]
pub(super) enum Concern {
    Billing(BillingMode),
    Throughput(Units),
    Limits(wire::Limits),
    Warm(wire::Warm),
    IndexChange(wire::IndexChange),
    IndexCreation(Box<wire::GlobalIndex>),
    IndexDeletion(String),
    Stream(wire::Stream),
    Encryption(wire::Encryption),
    Class(wire::Class),
    Protection(bool),
    Replicas(Vec<wire::ReplicaUpdate>),
}

/// Everything that one `UpdateTable` asks for, in the order in which it is applied.
#[derive(Debug, Clone)]
pub(super) struct Concerns(pub(super) Vec<Concern>);

const ALONE: &str = "must be the only operation in the request";

impl Concerns {
    /// Reads a request and checks what AWS checks before it looks at the table.
    pub(super) fn of(request: &wire::UpdateTable) -> Result<Self> {
        let mut concerns = Vec::new();
        let mut add = |concern: Option<Concern>| concerns.extend(concern);
        add(request.billing_mode.map(Concern::Billing));
        let throughput = request.provisioned_throughput.map(schema::throughput).transpose()?;
        add(throughput.map(Concern::Throughput));
        // Empty members count for nothing beside others, and alone are an error of AWS's own.
        add(request.on_demand_throughput.filter(|limits| !limits.is_empty()).map(Concern::Limits));
        add(request.warm_throughput.filter(|warm| !warm.is_empty()).map(Concern::Warm));
        for update in request.global_secondary_index_updates.iter().flatten() {
            add(Some(index_concern(update)?));
        }
        add(request.stream_specification.clone().map(Concern::Stream));
        add(request.encryption.clone().map(Concern::Encryption));
        add(request.table_class.map(Concern::Class));
        add(request.deletion_protection_enabled.map(Concern::Protection));
        let replicas = request.replica_updates.clone().filter(|updates| !updates.is_empty());
        add(replicas.map(Concern::Replicas));
        let concerns = Self(concerns);
        concerns.check_presence(request)?;
        concerns.check_indexes()?;
        concerns.check_combination()?;
        Ok(concerns)
    }

    fn check_presence(&self, request: &wire::UpdateTable) -> Result<()> {
        let empty_list = request.global_secondary_index_updates.as_ref().is_some_and(Vec::is_empty);
        match (self.0.is_empty(), empty_list) {
            (false, true) => {
                Err(Rejection::invalid("List of GlobalSecondaryIndexUpdates is empty"))
            }
            (false, false) => Ok(()),
            (true, _)
                if request.on_demand_throughput.is_some() || request.warm_throughput.is_some() =>
            {
                Err(Rejection::internal_failure())
            }
            (true, _) => Err(Rejection::validation(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, \
                 GlobalSecondaryIndexUpdates, SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, \
                 ReplicaTransitRoleArn, MultiRegionConsistency, DeletionProtectionEnabled, OnDemandThroughput, \
                 WarmThroughput or TableClass is required",
            )),
        }
    }

    /// One action for each index, and one creation or deletion for all.
    fn check_indexes(&self) -> Result<()> {
        let mut names: Vec<_> = self.0.iter().filter_map(Concern::index).collect();
        names.sort_unstable();
        if let Some([twice, ..]) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Rejection::invalid(format!(
                "Only one global secondary index update per index is allowed simultaneously. Index: {twice}"
            )));
        }
        let online = self.0.iter().filter(|concern| concern.is_online_index()).count();
        if online > 1 { Err(one_online_index()) } else { Ok(()) }
    }

    /// Which changes may share a call; the texts sound as if waiting would help, but it does not.
    fn check_combination(&self) -> Result<()> {
        let has = |wanted: fn(&Concern) -> bool| self.0.iter().any(wanted);
        let many = self.0.len() > 1;
        for (exclusive, name) in [
            (has(|c| matches!(c, Concern::Replicas(_))), "Replica modification"),
            (has(|c| matches!(c, Concern::Encryption(_))), "Server-Side Encryption modification"),
            (has(|c| matches!(c, Concern::Class(_))), "TableClass modification"),
            (has(|c| matches!(c, Concern::Protection(_))), "DeletionProtection modification"),
        ] {
            if many && exclusive {
                return Err(Rejection::invalid(format!("{name} {ALONE}")));
            }
        }
        let has_limits = has(|c| matches!(c, Concern::Limits(_)));
        if has_limits && has(|c| !matches!(c, Concern::Limits(_) | Concern::Billing(_))) {
            return Err(Rejection::invalid(
                "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request",
            ));
        }
        let has_warm = has(|c| matches!(c, Concern::Warm(_)));
        let creates = has(|c| matches!(c, Concern::IndexCreation(_)));
        if has_warm && creates {
            return Err(Rejection::invalid(
                "Create global secondary index cannot be specified when updating WarmThroughput",
            ));
        }
        let warms_index = |c: &Concern| matches!(c, Concern::IndexChange(index) if index.warm_throughput.is_some());
        if many && (has_warm || has(warms_index)) {
            return Err(Rejection::invalid(format!("WarmThroughput {ALONE}")));
        }
        self.check_iops()
    }

    fn check_iops(&self) -> Result<()> {
        let has = |wanted: fn(&Concern) -> bool| self.0.iter().any(wanted);
        let has_throughput = has(|c| {
            matches!(c, Concern::Throughput(_) | Concern::Billing(BillingMode::Provisioned))
        });
        let has_stream = has(|c| matches!(c, Concern::Stream(_)));
        let has_online_index = has(Concern::is_online_index);
        let removes_index = has(|c| matches!(c, Concern::IndexDeletion(_)));
        let has_billing = has(|c| matches!(c, Concern::Billing(_)));
        let changes_index = has(|c| matches!(c, Concern::IndexChange(_)));
        if has_stream && (has_throughput || changes_index) {
            return Err(Rejection::invalid(
                "You cannot modify stream status while updating table IOPS",
            ));
        }
        // Only the creation of an index was seen to share a call with these.
        let is_removal_with_iops = removes_index && (has_billing || changes_index);
        if has_online_index && has_throughput || is_removal_with_iops {
            return Err(Rejection::invalid(
                "You cannot create or delete index while updating table IOPS",
            ));
        }
        if has_online_index && has_stream {
            return Err(Rejection::invalid(
                "You cannot create or delete index while changing stream status",
            ));
        }
        Ok(())
    }

    /// The billing mode that is asked for.
    pub(super) fn billing(&self) -> Option<BillingMode> {
        self.0.iter().find_map(|concern| match concern {
            Concern::Billing(mode) => Some(*mode),
            _ => None,
        })
    }

    /// The throughput that is asked for.
    pub(super) fn throughput(&self) -> Option<Units> {
        self.0.iter().find_map(|concern| match concern {
            Concern::Throughput(units) => Some(*units),
            _ => None,
        })
    }

    /// What is asked for about an index that is there.
    pub(super) fn index_change(&self, name: &str) -> Option<&wire::IndexChange> {
        self.0.iter().find_map(|concern| match concern {
            Concern::IndexChange(change) if change.index_name == name => Some(change),
            _ => None,
        })
    }
}

impl Concern {
    fn index(&self) -> Option<&str> {
        match self {
            Self::IndexChange(change) => Some(&change.index_name),
            Self::IndexCreation(index) => Some(&index.index_name),
            Self::IndexDeletion(name) => Some(name),
            Self::Billing(_)
            | Self::Throughput(_)
            | Self::Limits(_)
            | Self::Warm(_)
            | Self::Stream(_)
            | Self::Encryption(_)
            | Self::Class(_)
            | Self::Protection(_)
            | Self::Replicas(_) => None,
        }
    }

    pub(super) fn is_online_index(&self) -> bool {
        matches!(self, Self::IndexCreation(_) | Self::IndexDeletion(_))
    }
}

pub(super) fn one_online_index() -> Rejection {
    Rejection::limit("Only 1 online index can be created or deleted simultaneously per table")
}

fn index_concern(update: &wire::IndexUpdate) -> Result<Concern> {
    let wire::IndexUpdate { create, update, delete } = update.clone();
    match (create, update, delete) {
        (Some(create), None, None) => Ok(Concern::IndexCreation(Box::new(create))),
        (None, Some(update), None) => {
            let name = &update.index_name;
            if update.warm_throughput.is_some_and(|warm| warm.is_empty()) {
                return Err(Rejection::invalid(format!(
                    "WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond specified for \
                     index: {name}"
                )));
            }
            Ok(Concern::IndexChange(update))
        }
        (None, None, Some(delete)) => Ok(Concern::IndexDeletion(delete.index_name)),
        (None, None, None) => Err(Rejection::invalid(
            "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
             GlobalSecondaryIndexUpdate.Delete must not be null",
        )),
        _ => Err(Rejection::invalid(
            "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object",
        )),
    }
}
