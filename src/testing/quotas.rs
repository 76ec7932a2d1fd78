//! What AWS allows how often, and what has been used of it.

use std::time::Duration;

use super::clock::{Clock, Moment};
use super::rejection::{Rejection, Result};

/// What AWS allows how often and how many.
///
/// The defaults are AWS's, from its documentation and as measured by
/// `aws-controllers-k8s/dynamodb-controller` (`docs/api-quirks`).
#[derive(Debug, Clone, PartialEq)]
pub struct Quotas {
    /// Global indexes of a table.
    pub global_indexes: usize,
    /// Local indexes of a table.
    pub local_indexes: usize,
    /// Attributes that the indexes of a table project by name, all together.
    pub projected_attributes: usize,
    /// Tags of a table.
    pub tags: usize,
    /// Decreases of throughput in a UTC day, for a table and for each index; after them one per
    /// [`decrease_interval`](Self::decrease_interval).
    pub decreases: u32,
    /// Time between further decreases.
    pub decrease_interval: Duration,
    /// Switches of a table to on-demand in 24 hours.
    pub switches_to_on_demand: usize,
    /// Changes of the encryption key in 24 hours; after them one per
    /// [`encryption_interval`](Self::encryption_interval).
    pub encryption_changes: usize,
    /// Time between further changes of the key.
    pub encryption_interval: Duration,
    /// Changes of the table class in 30 days.
    pub class_changes: usize,
    /// Time between changes of the expiry. AWS says about an hour; half an hour was measured.
    pub time_to_live_interval: Duration,
    /// Time between changes of deletion protection.
    pub protection_interval: Duration,
    /// Time between changes of the resource policy.
    pub policy_interval: Duration,
    /// CloudWatch rules of contributor insights in the account: two for a table or an index, four where it has a sort
    /// key.
    pub insights_rules: usize,
    /// How long a replica cannot go after another one was made from it.
    pub replica_source_interval: Duration,
    /// Tables of the account that are being made, changed or removed at once.
    pub operations: usize,
    /// The same for a table made with indexes.
    pub operations_with_indexes: usize,
    /// Changes of anything in the account; `None` for any number.
    pub mutations: Option<Rate>,
}

/// A number of calls at once, and how fast it comes back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls at once.
    pub burst: u32,
    /// Further calls a second.
    pub per_second: f64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            global_indexes: 20,
            local_indexes: 5,
            projected_attributes: 100,
            tags: 50,
            decreases: 4,
            decrease_interval: Duration::from_hours(1),
            switches_to_on_demand: 4,
            encryption_changes: 4,
            encryption_interval: Duration::from_hours(6),
            class_changes: 2,
            time_to_live_interval: Duration::from_hours(1),
            protection_interval: Duration::from_secs(15),
            policy_interval: Duration::from_secs(15),
            insights_rules: 100,
            replica_source_interval: Duration::from_hours(24),
            operations: 500,
            operations_with_indexes: 250,
            mutations: Some(Rate { burst: 10, per_second: 10.0 }),
        }
    }
}

impl Quotas {
    /// No change has to wait for the one before it; how many of something a table can have stays.
    #[must_use]
    pub fn without_waits() -> Self {
        let none = Duration::ZERO;
        Self {
            decreases: u32::MAX,
            decrease_interval: none,
            switches_to_on_demand: usize::MAX,
            encryption_changes: usize::MAX,
            encryption_interval: none,
            class_changes: usize::MAX,
            time_to_live_interval: none,
            protection_interval: none,
            policy_interval: none,
            replica_source_interval: none,
            mutations: None,
            ..Self::default()
        }
    }
}

const DAY: Duration = Duration::from_hours(24);

/// When one table has used what is counted per table.
#[derive(Debug, Clone, Default)]
pub(super) struct Uses {
    pub(super) encryption: Vec<Moment>,
    pub(super) class: Vec<Moment>,
    pub(super) on_demand: Vec<Moment>,
    pub(super) protection: Option<Moment>,
}

impl Uses {
    pub(super) fn may_encrypt(&self, now: Moment, clock: &Clock, quotas: &Quotas) -> Result<()> {
        let recent = self.encryption.iter().filter(|used| now.since(**used) < DAY).count();
        let Some(last) = self.encryption.last() else { return Ok(()) };
        let next = last.plus(quotas.encryption_interval);
        if recent < quotas.encryption_changes || now >= next {
            return Ok(());
        }
        let first = self.encryption[self.encryption.len() - recent];
        Err(Rejection::limit(format!(
            "Encryption mode changes are limited in the 24h window ending at {}. After the first {} change, each \
             subsequent change in the same window can be performed at most once every {} seconds. Number of updates \
             today: {recent}. Last change at {}. Next changes can be made at {}.",
            clock.text(first.plus(DAY)),
            quotas.encryption_changes,
            quotas.encryption_interval.as_secs(),
            clock.text(*last),
            clock.text(next),
        )))
    }

    pub(super) fn may_change_class(&self, now: Moment, quotas: &Quotas) -> Result<()> {
        let recent = self.class.iter().filter(|used| now.since(**used) < DAY * 30).count();
        if recent < quotas.class_changes {
            return Ok(());
        }
        let times = quotas.class_changes;
        Err(Rejection::limit(format!(
            "Updates to TableClass are limited to {times} times in 30 day(s)."
        )))
    }

    pub(super) fn may_switch_to_on_demand(
        &self,
        now: Moment,
        clock: &Clock,
        quotas: &Quotas,
    ) -> Result<()> {
        let recent = self.on_demand.iter().filter(|used| now.since(**used) < DAY).count();
        let (Some(last), true) = (self.on_demand.last(), recent >= quotas.switches_to_on_demand)
        else {
            return Ok(());
        };
        let first = self.on_demand[self.on_demand.len() - recent];
        Err(Rejection::limit(format!(
            "Update to PayPerRequest mode are limited to {} times in 1 day(s). Last update at {}. Next update can be \
             made at {}",
            quotas.switches_to_on_demand,
            clock.text(*last),
            clock.text(first.plus(DAY)),
        )))
    }

    pub(super) fn may_protect(
        &self,
        table: &str,
        now: Moment,
        clock: &Clock,
        quotas: &Quotas,
    ) -> Result<()> {
        let Some(next) = self.protection.map(|last| last.plus(quotas.protection_interval)) else {
            return Ok(());
        };
        if now >= next {
            return Ok(());
        }
        let milliseconds = quotas.protection_interval.as_millis();
        let next = clock.text(next);
        let next = next.trim_end_matches('Z');
        Err(Rejection::throttled(format!(
            "Deletion protection setting for table {table} modified within the previous {milliseconds} milliseconds. \
             Please try again after {next}"
        )))
    }
}

/// Decreases of the throughput of one table or index.
#[derive(Debug, Clone, Default)]
pub(super) struct Decreases {
    day: u64,
    today: u32,
    pub(super) last: Option<Moment>,
}

impl Decreases {
    pub(super) fn today(&self, now: Moment, clock: &Clock) -> u32 {
        if self.day == clock.day(now) { self.today } else { 0 }
    }

    pub(super) fn admit(&self, now: Moment, clock: &Clock, quotas: &Quotas) -> Result<()> {
        let today = self.today(now, clock);
        let Some(last) = self.last else { return Ok(()) };
        let next = last.plus(quotas.decrease_interval).min(clock.midnight(now));
        if today < quotas.decreases || now >= next {
            return Ok(());
        }
        Err(Rejection::limit(format!(
            "Provisioned throughput decreases are limited within a given UTC day. After the first {} decreases, each \
             subsequent decrease in the same UTC day can be performed at most once every {} seconds. Number of \
             decreases today: {today}. Last decrease at {}. Next decrease can be made at {}",
            quotas.decreases,
            quotas.decrease_interval.as_secs(),
            clock.long_text(last),
            clock.long_text(next),
        )))
    }

    pub(super) fn record(&mut self, now: Moment, clock: &Clock) {
        self.today = self.today(now, clock) + 1;
        self.day = clock.day(now);
        self.last = Some(now);
    }
}

/// How many changes the account may make just now.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    used: f64,
    at: Moment,
}

impl Limiter {
    pub(super) fn admit(&mut self, now: Moment, quotas: &Quotas) -> Result<()> {
        let Some(rate) = quotas.mutations else { return Ok(()) };
        let back = now.since(self.at).as_secs_f64() * rate.per_second;
        self.used = (self.used - back).max(0.0);
        self.at = now;
        if self.used + 1.0 > f64::from(rate.burst) {
            return Err(Rejection::throttled(
                "The rate of control plane requests made by this account is too high",
            ));
        }
        self.used += 1.0;
        Ok(())
    }
}
