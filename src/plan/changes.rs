//! The steps that lead from one table to another: each a single API call, in an order that DynamoDB accepts, or refused.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::{
    AttributeType, Capacity, Encryption, Index, Limits, Recovery, Stream, Table, TableClass,
    Throughput, TimeToLive,
};

/// One change of one table; each is one API call that DynamoDB accepts by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableStep {
    /// `CreateTable` with all that it takes; the rest follows as steps of their own.
    Create(Box<Table>),
    /// Takes a table over that nobody owns.
    Adopt,
    /// Records that a table left the declaration; it stays.
    Release,
    /// Waits until an earlier change, of this resource or of somebody else, is done.
    Settle {
        /// What is going on.
        reason: String,
    },
    /// Switches the billing mode, with the throughput of every index that stays.
    Billing {
        /// The mode it had.
        from: Capacity,
        /// The mode it gets.
        to: Capacity,
        /// Throughput of its indexes; empty on the way to on demand.
        indexes: BTreeMap<String, Capacity>,
    },
    /// Changes provisioned throughput.
    Throughput {
        /// Of the table.
        table: Option<Throughput>,
        /// Of indexes.
        indexes: BTreeMap<String, Capacity>,
    },
    /// Changes the on-demand limits of the table.
    Limits(Limits),
    /// Changes the on-demand limits of an index.
    IndexLimits(String, Limits),
    /// Adds a global index.
    CreateIndex {
        /// The index.
        index: Index,
        /// Types of the table's keys and of its own.
        attributes: BTreeMap<String, AttributeType>,
    },
    /// Removes a global index.
    DeleteIndex(String),
    /// Turns the stream on or off.
    Stream(Stream),
    /// Changes the encryption key.
    Encryption(Encryption),
    /// Changes the table class.
    Class(TableClass),
    /// Turns expiry on or off; the attribute is the one that is or becomes active.
    TimeToLive {
        /// Attribute that holds the expiry.
        attribute: String,
        /// On or off.
        on: bool,
    },
    /// Changes point-in-time recovery.
    Recovery(Recovery),
    /// Sets tags.
    Tag(BTreeMap<String, String>),
    /// Takes tags away that an earlier declaration had set.
    Untag(BTreeSet<String>),
    /// Turns deletion protection on or off.
    DeletionProtection(bool),
}

impl TableStep {
    /// The step as a person reads it.
    #[must_use]
    pub fn line(&self, table: &str) -> String {
        let listed = |indexes: &BTreeMap<String, Capacity>| {
            let each = indexes.iter().map(|(name, capacity)| format!(", index {name} {capacity}"));
            each.collect::<String>()
        };
        match self {
            Self::Create(shape) => {
                let indexes = shape.global_indexes.len() + shape.local_indexes.len();
                let with = match indexes {
                    0 => String::new(),
                    1 => ", 1 index".to_owned(),
                    n => format!(", {n} indexes"),
                };
                format!("+ table {table}: create ({}, {}{with})", shape.keys, shape.capacity)
            }
            Self::Adopt => format!("~ table {table}: take over the existing table"),
            Self::Release => format!("~ table {table}: left the declaration; it stays"),
            Self::Settle { reason } => format!("~ table {table}: wait, {reason}"),
            Self::Billing { from, to, indexes } => {
                format!("~ table {table}: billing {from} -> {to}{}", listed(indexes))
            }
            Self::Throughput { table: own, indexes } => {
                let own = own.map(|own| own.to_string()).unwrap_or_default();
                format!("~ table {table}: throughput {own}{}", listed(indexes))
            }
            Self::Limits(limits) => format!("~ table {table}: on demand{limits}"),
            Self::IndexLimits(index, limits) => {
                format!("~ table {table}: index {index} on demand{limits}")
            }
            Self::CreateIndex { index, .. } => format!(
                "+ table {table}: index {} ({}; {})",
                index.name, index.keys, index.projection
            ),
            Self::DeleteIndex(index) => format!("- table {table}: index {index}"),
            Self::Stream(stream) => format!("~ table {table}: stream {stream}"),
            Self::Encryption(encryption) => format!("~ table {table}: encryption {encryption}"),
            Self::Class(class) => format!("~ table {table}: class {class}"),
            Self::TimeToLive { attribute, on: true } => {
                format!("~ table {table}: time to live on {attribute}")
            }
            Self::TimeToLive { .. } => format!("~ table {table}: time to live off"),
            Self::Recovery(recovery) => {
                format!("~ table {table}: point-in-time recovery {recovery}")
            }
            Self::Tag(tags) => {
                let keys: Vec<_> = tags.keys().map(String::as_str).collect();
                format!("~ table {table}: tag {}", keys.join(", "))
            }
            Self::Untag(keys) => {
                let keys: Vec<_> = keys.iter().map(String::as_str).collect();
                format!("~ table {table}: untag {}", keys.join(", "))
            }
            Self::DeletionProtection(on) => {
                let word = if *on { "on" } else { "off" };
                format!("~ table {table}: deletion protection {word}")
            }
        }
    }

    /// Whether a table shows that the step is done. What the table does not report does not count as done.
    #[must_use]
    pub fn is_done(&self, live: &Table) -> bool {
        let index_capacities = |indexes: &BTreeMap<String, Capacity>| {
            let done = |(name, capacity): (&String, &Capacity)| {
                let index = live.global_indexes.get(name);
                index.is_none_or(|index| !index.capacity.differs_from(*capacity))
            };
            indexes.iter().all(done)
        };
        match self {
            Self::Create(_) | Self::Adopt | Self::Release => false,
            // Only a settled table is asked.
            Self::Settle { .. } => true,
            Self::Billing { to, indexes, .. } => live.capacity == *to && index_capacities(indexes),
            Self::Throughput { table, indexes } => {
                let own = table.is_none_or(|own| live.capacity == Capacity::Provisioned(own));
                own && index_capacities(indexes)
            }
            Self::Limits(limits) => live.capacity == Capacity::OnDemand(*limits),
            Self::IndexLimits(name, limits) => {
                let index = live.global_indexes.get(name);
                index.is_none_or(|index| index.capacity == Capacity::OnDemand(*limits))
            }
            Self::CreateIndex { index, .. } => {
                live.global_indexes.get(&index.name).is_some_and(|live| same_shape(index, live))
            }
            Self::DeleteIndex(name) => !live.global_indexes.contains_key(name),
            Self::Stream(stream) => live.stream == Some(*stream),
            Self::Encryption(encryption) => {
                live.encryption.as_ref() == Some(encryption)
                    || is_default_kms(Some(encryption), live.encryption.as_ref())
            }
            Self::Class(class) => live.class == Some(*class),
            Self::TimeToLive { attribute, on } => {
                let is_on = live.time_to_live == Some(TimeToLive::On(attribute.clone()));
                live.time_to_live.is_some() && is_on == *on
            }
            Self::Recovery(recovery) => live.recovery == Some(*recovery),
            Self::Tag(tags) => live
                .tags
                .as_ref()
                .is_some_and(|live| tags.iter().all(|(key, value)| live.get(key) == Some(value))),
            Self::Untag(keys) => live
                .tags
                .as_ref()
                .is_some_and(|live| !keys.iter().any(|key| live.contains_key(key))),
            Self::DeletionProtection(on) => live.deletion_protection == Some(*on),
        }
    }

    /// Whether the step turns a feature off that the wanted table is to be without.
    fn turns_off(&self, want: &Table) -> bool {
        match self {
            Self::Stream(Stream::Off) => want.stream == Some(Stream::Off),
            Self::TimeToLive { on: false, .. } => want.time_to_live == Some(TimeToLive::Off),
            Self::Recovery(Recovery::Off) | Self::DeletionProtection(false) => true,
            _ => false,
        }
    }

    /// Whether the step takes effect at once and loses nothing, so that a rollback may take it.
    pub(super) fn is_cheap(&self) -> bool {
        matches!(
            self,
            Self::Throughput { .. } | Self::Limits(_) | Self::IndexLimits(..) | Self::Tag(_)
        )
    }
}

/// What leads from one table to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Changes in the order they are made.
    pub steps: Vec<TableStep>,
    /// Removals, made after the migrations.
    pub removals: Vec<TableStep>,
    /// Changes that DynamoDB cannot make to a table.
    pub refused: Vec<String>,
}

/// Compares a wanted table with a live one. Features that the wanted one leaves out, or that the live one does not
/// report, are left alone.
#[must_use]
pub fn changes(want: &Table, live: &Table) -> Changes {
    let mut changes = Changes { refused: refused(want, live), ..Changes::default() };
    let gone = live.global_indexes.keys().filter(|name| !want.global_indexes.contains_key(*name));
    let removals: Vec<_> = gone.cloned().map(TableStep::DeleteIndex).collect();
    let to_provisioned =
        matches!((live.capacity, want.capacity), (Capacity::OnDemand(_), Capacity::Provisioned(_)));
    if to_provisioned {
        // The switch has to name the throughput of every index, and a removed one has none.
        changes.steps.extend(removals);
    } else {
        changes.removals = removals;
    }
    let steps = &mut changes.steps;
    capacity(want, live, steps);
    for (name, index) in &want.global_indexes {
        if !live.global_indexes.contains_key(name) {
            let used = |attribute: &String| index.keys.uses(attribute) || want.keys.uses(attribute);
            let mut attributes = want.attributes.clone();
            attributes.retain(|attribute, _| used(attribute));
            steps.push(TableStep::CreateIndex { index: index.clone(), attributes });
        }
    }
    stream(want, live, steps);
    if differs(want.encryption.as_ref(), live.encryption.as_ref())
        && !is_default_kms(want.encryption.as_ref(), live.encryption.as_ref())
    {
        steps.extend(want.encryption.clone().map(TableStep::Encryption));
    }
    if differs(want.class.as_ref(), live.class.as_ref()) {
        steps.extend(want.class.map(TableStep::Class));
    }
    time_to_live(want, live, steps);
    if differs(want.recovery.as_ref(), live.recovery.as_ref()) {
        steps.extend(want.recovery.map(TableStep::Recovery));
    }
    if let (Some(want), Some(live)) = (&want.tags, &live.tags) {
        let missing = want.iter().filter(|(key, value)| live.get(*key) != Some(*value));
        let missing: BTreeMap<_, _> = missing.map(|(k, v)| (k.clone(), v.clone())).collect();
        if !missing.is_empty() {
            steps.push(TableStep::Tag(missing));
        }
    }
    if differs(want.deletion_protection.as_ref(), live.deletion_protection.as_ref()) {
        steps.extend(want.deletion_protection.map(TableStep::DeletionProtection));
    }
    // What ends in "off" cannot be taken back when a later step fails: a stream gets another ARN, recovery loses its past.
    let (ends, steps): (Vec<_>, Vec<_>) =
        std::mem::take(&mut changes.steps).into_iter().partition(|step| step.turns_off(want));
    changes.steps = steps;
    changes.removals.extend(ends);
    changes
}

/// Whether both sides know a feature and disagree.
fn differs<T: PartialEq>(want: Option<&T>, live: Option<&T>) -> bool {
    matches!((want, live), (Some(want), Some(live)) if want != live)
}

/// A declaration that names no key means `aws/dynamodb`, which DynamoDB reports by its ARN.
fn is_default_kms(want: Option<&Encryption>, live: Option<&Encryption>) -> bool {
    matches!((want, live), (Some(Encryption::Kms(None)), Some(Encryption::Kms(_))))
}

fn capacity(want: &Table, live: &Table, steps: &mut Vec<TableStep>) {
    let stays = |name: &&String| live.global_indexes.contains_key(*name);
    let staying = want.global_indexes.iter().filter(|(name, _)| stays(name));
    match (live.capacity, want.capacity) {
        (Capacity::Provisioned(_), Capacity::OnDemand(_)) => {
            let indexes = BTreeMap::new();
            steps.push(TableStep::Billing { from: live.capacity, to: want.capacity, indexes });
            for (name, index) in staying {
                if let Capacity::OnDemand(limits) = index.capacity
                    && limits != Limits::default()
                {
                    steps.push(TableStep::IndexLimits(name.clone(), limits));
                }
            }
        }
        (Capacity::OnDemand(_), Capacity::Provisioned(_)) => {
            let indexes = staying.map(|(name, index)| (name.clone(), index.capacity)).collect();
            steps.push(TableStep::Billing { from: live.capacity, to: want.capacity, indexes });
        }
        (Capacity::Provisioned(from), Capacity::Provisioned(to)) => {
            let changed = staying
                .filter(|(name, index)| {
                    live.global_indexes[*name].capacity.differs_from(index.capacity)
                })
                .map(|(name, index)| (name.clone(), index.capacity));
            let indexes: BTreeMap<_, _> = changed.collect();
            let table = (from != to).then_some(to);
            if table.is_some() || !indexes.is_empty() {
                steps.push(TableStep::Throughput { table, indexes });
            }
        }
        (Capacity::OnDemand(from), Capacity::OnDemand(to)) => {
            if from != to {
                steps.push(TableStep::Limits(to));
            }
            for (name, index) in staying {
                if let (Capacity::OnDemand(from), Capacity::OnDemand(to)) =
                    (live.global_indexes[name].capacity, index.capacity)
                    && from != to
                {
                    steps.push(TableStep::IndexLimits(name.clone(), to));
                }
            }
        }
    }
}

/// A view type cannot change while the stream is on.
fn stream(want: &Table, live: &Table, steps: &mut Vec<TableStep>) {
    let (Some(want), Some(live)) = (want.stream, live.stream) else { return };
    if want == live {
        return;
    }
    if want != Stream::Off && live != Stream::Off {
        steps.push(TableStep::Stream(Stream::Off));
    }
    steps.push(TableStep::Stream(want));
}

/// The attribute cannot change while expiry is on.
fn time_to_live(want: &Table, live: &Table, steps: &mut Vec<TableStep>) {
    let (Some(want), Some(live)) = (&want.time_to_live, &live.time_to_live) else { return };
    if want == live {
        return;
    }
    if let TimeToLive::On(attribute) = live {
        steps.push(TableStep::TimeToLive { attribute: attribute.clone(), on: false });
    }
    if let TimeToLive::On(attribute) = want {
        steps.push(TableStep::TimeToLive { attribute: attribute.clone(), on: true });
    }
}

/// Differences that only a new table, or an index under a new name, can bring.
fn refused(want: &Table, live: &Table) -> Vec<String> {
    let name = &want.name;
    let mut refused = Vec::new();
    if want.keys != live.keys {
        refused.push(format!(
            "table {name}: the key cannot change (declared {}, live {}); declare a table under a new name \
             and copy the items with a migration",
            want.keys, live.keys
        ));
    }
    for key in live.keys.names().filter(|key| want.keys.uses(key)) {
        if let Some((want, live)) = types_differ(want, live, key) {
            refused.push(format!(
                "table {name}: the type of key attribute {key} cannot change (declared {want}, live {live}); \
                 declare a table under a new name and copy the items with a migration"
            ));
        }
    }
    let local_names = want.local_indexes.keys().chain(live.local_indexes.keys());
    for index in local_names.collect::<BTreeSet<_>>() {
        let differs = match (want.local_indexes.get(index), live.local_indexes.get(index)) {
            (Some(want), Some(live)) => !same_shape(want, live),
            _ => true,
        };
        if differs {
            refused.push(format!(
                "table {name}: the local index {index} cannot be {} after the table was made; \
                 use a global index, or a table under a new name",
                match (
                    want.local_indexes.contains_key(index),
                    live.local_indexes.contains_key(index)
                ) {
                    (true, false) => "added",
                    (false, true) => "removed",
                    _ => "changed",
                }
            ));
        }
    }
    for (index, wanted) in &want.global_indexes {
        let Some(found) = live.global_indexes.get(index) else { continue };
        let retyped = found.keys.names().find_map(|key| types_differ(want, live, key));
        if !same_shape(wanted, found) || retyped.is_some() {
            refused.push(format!(
                "table {name}: the index {index} cannot change in place (declared {}; {}, live {}; {}); \
                 declare it under a new name, move its readers, then remove this one",
                wanted.keys, wanted.projection, found.keys, found.projection
            ));
        }
    }
    refused
}

fn same_shape(a: &Index, b: &Index) -> bool {
    a.keys == b.keys && a.projection == b.projection
}

fn types_differ(want: &Table, live: &Table, key: &str) -> Option<(AttributeType, AttributeType)> {
    let (want, live) = (*want.attributes.get(key)?, *live.attributes.get(key)?);
    (want != live).then_some((want, live))
}
