//! Changes of billing mode, throughput, on-demand limits and warm throughput, of a table and of its indexes.

use super::account::Account;
use super::concerns::Concerns;
use super::flights::Job;
use super::rejection::{Rejection, Result};
use super::schema;
use super::table::{Capacity, Table, Units};
use super::wire::{self, BillingMode, IndexChange};

impl Table {
    /// Whether the billing mode is being switched.
    pub(super) fn is_switching(&self) -> bool {
        self.is_doing(|job| *job == Job::Billing)
    }
}

impl Account {
    /// A table that becomes provisioned needs throughput for itself and for every index in the same call.
    pub(super) fn check_billing(
        &self,
        table: &Table,
        mode: BillingMode,
        concerns: &Concerns,
    ) -> Result<()> {
        match mode {
            BillingMode::PayPerRequest if concerns.throughput().is_some() => {
                Err(Rejection::invalid(schema::NO_THROUGHPUT))
            }
            BillingMode::PayPerRequest if table.billing == mode || table.is_switching() => Ok(()),
            BillingMode::PayPerRequest => {
                table.uses.may_switch_to_on_demand(self.now, &self.clock, &self.quotas)
            }
            BillingMode::Provisioned if concerns.throughput().is_none() => Err(Rejection::invalid(
                "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
            )),
            BillingMode::Provisioned if table.billing == mode => Ok(()),
            BillingMode::Provisioned => {
                let without = table.indexes.iter().find(|index| {
                    let change = concerns.index_change(&index.name);
                    change.is_none_or(|change| change.provisioned_throughput.is_none())
                });
                match without {
                    Some(index) => Err(Rejection::invalid(format!(
                        "ProvisionedThroughput must be specified for index: {}",
                        index.name
                    ))),
                    None => Ok(()),
                }
            }
        }
    }

    pub(super) fn check_throughput(
        &self,
        table: &Table,
        units: Units,
        concerns: &Concerns,
    ) -> Result<()> {
        if concerns.billing().unwrap_or(table.billing) == BillingMode::PayPerRequest {
            return Err(Rejection::invalid(schema::NO_THROUGHPUT));
        }
        // What it had before a switch is nothing that it could be less than.
        if table.is_on_demand() {
            return Ok(());
        }
        self.check_units(&table.capacity, units, "table")
    }

    fn check_units(&self, capacity: &Capacity, units: Units, what: &str) -> Result<()> {
        let current = capacity.provisioned;
        if units == current {
            let of = if what == "table" { "the table".to_owned() } else { what.to_owned() };
            return Err(Rejection::validation(format!(
                "The provisioned throughput for the {what} will not change. The requested value equals the current \
                 value. Current ReadCapacityUnits provisioned for {of}: {}. Requested ReadCapacityUnits: {}. Current \
                 WriteCapacityUnits provisioned for {of}: {}. Requested WriteCapacityUnits: {}. Refer to the Amazon \
                 DynamoDB Developer Guide for current limits and how to request higher limits.",
                current.read, units.read, current.write, units.write,
            )));
        }
        if units.is_below(current) {
            capacity.decreases.admit(self.now, &self.clock, &self.quotas)?;
        }
        Ok(())
    }

    pub(super) fn check_table_limits(
        table: &Table,
        limits: &wire::Limits,
        concerns: &Concerns,
    ) -> Result<()> {
        if concerns.billing().unwrap_or(table.billing) == BillingMode::Provisioned {
            let member = schema::first_limit(limits);
            return Err(Rejection::invalid(format!(
                "{member} for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED"
            )));
        }
        schema::check_limits(limits, "table")
    }

    pub(super) fn check_warm(table: &Table, warm: wire::Warm) -> Result<()> {
        schema::next_warm(warm, table.capacity.warm, "table").map(drop)
    }

    pub(super) fn check_index_change(
        &self,
        table: &Table,
        change: &IndexChange,
        concerns: &Concerns,
    ) -> Result<()> {
        let name = &change.index_name;
        let Some(index) = table.index(name) else {
            // Warm throughput of an index that is not there is more than AWS can take.
            return Err(match change.warm_throughput {
                Some(_) => Rejection::internal_failure(),
                None => no_index(name, &table.name),
            });
        };
        if let Some(warm) = change.warm_throughput {
            return schema::next_warm(warm, index.capacity.warm, &format!("index {name}"))
                .map(drop);
        }
        let units = change.provisioned_throughput.map(schema::throughput).transpose()?;
        let limits = change.on_demand_throughput.filter(|limits| !limits.is_empty());
        match (concerns.billing().unwrap_or(table.billing), units, limits) {
            (BillingMode::Provisioned, Some(_), None) if table.is_on_demand() => Ok(()),
            (BillingMode::Provisioned, Some(units), None) => {
                self.check_units(&index.capacity, units, &format!("index {name}"))
            }
            (BillingMode::Provisioned, _, Some(limits)) => {
                let member = schema::first_limit(&limits);
                Err(Rejection::invalid(format!(
                    "{member} for OnDemandThroughput for index: {name} cannot be specified when table BillingMode is \
                     PROVISIONED"
                )))
            }
            (BillingMode::Provisioned, None, None) => Err(Rejection::invalid(format!(
                "Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: {name}"
            ))),
            (BillingMode::PayPerRequest, None, Some(limits)) => {
                schema::check_limits(&limits, &format!("index : {name}"))
            }
            (BillingMode::PayPerRequest, _, _) => Err(Rejection::invalid(format!(
                "The only Updates for index: {name} when TableThroughputMode is PAY_PER_REQUEST can be to \
                 OnDemandThroughput, WarmThroughput"
            ))),
        }
    }

    /// The new mode is shown at once, and on-demand limits are lost with the mode they belong to.
    pub(super) fn switch_billing(&mut self, name: &str, mode: BillingMode, concerns: &Concerns) {
        let now = self.now;
        let (first, again) = (self.durations.billing_first, self.durations.billing_again);
        let table = self.at(name);
        if table.billing == mode {
            return;
        }
        table.billing = mode;
        let was_so = match mode {
            BillingMode::PayPerRequest => {
                let since = table.on_demand_since.replace(now);
                table.uses.on_demand.push(now);
                since.is_some()
            }
            BillingMode::Provisioned => std::mem::replace(&mut table.was_provisioned, true),
        };
        table.capacity.switch(concerns.throughput());
        for index in &mut table.indexes {
            let change = concerns.index_change(&index.name);
            let units = change.and_then(|change| change.provisioned_throughput);
            // Checked before.
            index.capacity.switch(units.and_then(|units| schema::throughput(units).ok()));
        }
        table.start(Job::Billing, now.plus(if was_so { again } else { first }));
    }

    /// Whether this call switches the billing mode.
    pub(super) fn is_switching(&self, name: &str) -> bool {
        self.tables.get(name).is_some_and(Table::is_switching)
    }

    pub(super) fn change_throughput(&mut self, name: &str, units: Units) {
        let (now, until) = (self.now, self.now.plus(self.durations.throughput));
        let clock = self.clock.clone();
        let table = self.at(name);
        if units.is_below(table.capacity.provisioned) {
            table.capacity.decreases.record(now, &clock);
        }
        table.start(Job::Throughput(units), until);
    }

    pub(super) fn change_index_throughput(&mut self, name: &str, index: &str, units: Units) {
        let (now, until) = (self.now, self.now.plus(self.durations.throughput));
        let clock = self.clock.clone();
        let table = self.at(name);
        if let Some(index) = table.index_mut(index)
            && units.is_below(index.capacity.provisioned)
        {
            index.capacity.decreases.record(now, &clock);
        }
        table.start(Job::IndexThroughput(index.to_owned(), units), until);
    }

    pub(super) fn warm_up(&mut self, name: &str, warm: wire::Warm) -> Result<()> {
        let current = self.table(name)?.capacity.warm;
        let units = schema::next_warm(warm, current, "table")?;
        let until = self.now.plus(self.warming_time(current));
        let table = self.at(name);
        // The last one wins, and the time goes on from the first.
        let earlier = table.flights.iter_mut().find(|flight| matches!(flight.job, Job::Warm(_)));
        match earlier {
            Some(flight) => flight.job = Job::Warm(units),
            None => table.start(Job::Warm(units), until),
        }
        Ok(())
    }

    fn warming_time(&self, current: Units) -> std::time::Duration {
        if current == Units::ON_DEMAND {
            self.durations.warm_throughput
        } else {
            self.durations.warm_throughput_again
        }
    }

    pub(super) fn change_index(&mut self, name: &str, change: &IndexChange) -> Result<()> {
        let now = self.now;
        let until = now.plus(self.durations.throughput);
        let index_name = change.index_name.clone();
        let current = self.table(name)?.index(&index_name).map(|index| index.capacity.warm);
        let warmed = now.plus(self.warming_time(current.unwrap_or_default()));
        let table = self.at(name);
        let Some(index) = table.index_mut(&index_name) else {
            return Err(no_index(&index_name, name));
        };
        if let Some(warm) = change.warm_throughput {
            let units =
                schema::next_warm(warm, index.capacity.warm, &format!("index {index_name}"))?;
            table.start(Job::IndexWarm(index_name, units), warmed);
        } else if let Some(units) = change.provisioned_throughput {
            let units = schema::throughput(units)?;
            self.change_index_throughput(name, &index_name, units);
        } else if let Some(limits) = &change.on_demand_throughput {
            index.capacity.limit(limits);
            table.start(Job::IndexLimits(index_name), until);
        }
        Ok(())
    }
}

impl Capacity {
    /// Becomes provisioned with these units, or on demand.
    fn switch(&mut self, units: Option<Units>) {
        self.provisioned = units.unwrap_or_default();
        self.read_limit = None;
        self.write_limit = None;
        self.warm = self.warm.max(units.unwrap_or(Units::ON_DEMAND));
    }
}

pub(super) fn no_index(index: &str, table: &str) -> Rejection {
    Rejection::no_resource(format!("Index {index} for table {table}"))
}
