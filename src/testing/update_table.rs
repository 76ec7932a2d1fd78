//! `UpdateTable`: checked as a whole, then applied as a whole or not at all.

use serde_json::{Value, json};

use super::account::{Account, read};
use super::admission;
use super::concerns::{Concern, Concerns};
use super::rejection::{Rejection, Result};
use super::table::Table;
use super::wire::{self, BillingMode};

/// What a change does to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It is counted against the account's rate of changes.
    Change,
    /// It is made at once and not counted.
    Free,
    /// It is answered as if it were a change, and there is none.
    Nothing,
}

impl Account {
    pub(super) fn update_table(&mut self, request: &Value) -> Result<Value> {
        let request: wire::UpdateTable = read(request)?;
        if request.vector_index_updates.is_some() {
            return Err(Rejection::validation("the strict control plane has no vector indexes"));
        }
        if request.multi_region_consistency.is_some() {
            return Err(Rejection::validation(
                "the strict control plane has no multi-region strong consistency",
            ));
        }
        let concerns = Concerns::of(&request)?;
        let named = request.table_name.as_deref();
        let named = named.ok_or_else(|| Rejection::missing_member("tableName"))?;
        let name = self.name_of(named).to_owned();
        let table = self.steady_table(&name)?;
        for concern in &concerns.0 {
            admission::admit(table, concern)?;
        }
        for concern in &concerns.0 {
            self.check(&name, &request, &concerns, concern)?;
        }
        let table = &self.tables[&name];
        let effects: Vec<_> = concerns.0.iter().map(|concern| effect(table, concern)).collect();
        if effects.contains(&Effect::Change) {
            if !table.is_operating() {
                self.admit_operation(false)?;
            }
            self.admit_mutation()?;
        }
        for (concern, effect) in concerns.0.iter().zip(&effects) {
            if *effect != Effect::Nothing {
                self.apply(&name, &request, &concerns, concern)?;
            }
        }
        let mut description = self.description(&self.tables[&name]);
        if effects.contains(&Effect::Nothing) {
            description["TableStatus"] = json!("UPDATING");
        }
        Ok(json!({ "TableDescription": description }))
    }

    /// Whether the change can be made to the table as it is.
    fn check(
        &mut self,
        name: &str,
        request: &wire::UpdateTable,
        concerns: &Concerns,
        concern: &Concern,
    ) -> Result<()> {
        let table = self.table(name)?;
        match concern {
            Concern::Billing(mode) => self.check_billing(table, *mode, concerns),
            Concern::Throughput(units) => self.check_throughput(table, *units, concerns),
            Concern::Limits(limits) => Self::check_table_limits(table, limits, concerns),
            Concern::Warm(warm) => Self::check_warm(table, *warm),
            Concern::IndexChange(change) => self.check_index_change(table, change, concerns),
            Concern::IndexCreation(index) => {
                self.check_index_creation(table, index, request, concerns)
            }
            Concern::IndexDeletion(index) => Self::check_index_deletion(table, index),
            Concern::Stream(stream) => Self::check_stream(table, stream),
            Concern::Encryption(encryption) => self.check_encryption(name, encryption),
            Concern::Class(class) => self.check_class(table, *class),
            Concern::Protection(on) => self.check_protection(table, *on),
            Concern::Replicas(updates) => self.check_replicas(table, updates),
        }
    }

    fn apply(
        &mut self,
        name: &str,
        request: &wire::UpdateTable,
        concerns: &Concerns,
        concern: &Concern,
    ) -> Result<()> {
        match concern {
            Concern::Billing(mode) => self.switch_billing(name, *mode, concerns),
            // In a billing switch it is part of the switch.
            Concern::Throughput(_) | Concern::IndexChange(_) if self.is_switching(name) => {}
            Concern::Throughput(units) => self.change_throughput(name, *units),
            Concern::Limits(limits) => self.at(name).capacity.limit(limits),
            Concern::Warm(warm) => self.warm_up(name, *warm)?,
            Concern::IndexChange(change) => self.change_index(name, change)?,
            Concern::IndexCreation(index) => self.create_index(name, index, request)?,
            Concern::IndexDeletion(index) => self.delete_index(name, index)?,
            Concern::Stream(stream) => self.switch_stream(name, stream)?,
            Concern::Encryption(encryption) => self.encrypt(name, encryption)?,
            Concern::Class(class) => self.change_class(name, *class),
            Concern::Protection(on) => self.protect(name, *on),
            Concern::Replicas(updates) => self.change_replicas(name, updates)?,
        }
        Ok(())
    }
}

fn effect(table: &Table, concern: &Concern) -> Effect {
    match concern {
        // Also the way back to on-demand while the table is being provisioned, which is lost.
        Concern::Billing(BillingMode::PayPerRequest)
            if table.is_on_demand() || table.is_switching() =>
        {
            Effect::Nothing
        }
        Concern::Class(class) if *class == table.class.unwrap_or(wire::Class::Standard) => {
            Effect::Nothing
        }
        Concern::Protection(_) => Effect::Free,
        Concern::Billing(_)
        | Concern::Throughput(_)
        | Concern::Limits(_)
        | Concern::Warm(_)
        | Concern::IndexChange(_)
        | Concern::IndexCreation(_)
        | Concern::IndexDeletion(_)
        | Concern::Stream(_)
        | Concern::Encryption(_)
        | Concern::Class(_)
        | Concern::Replicas(_) => Effect::Change,
    }
}
