//! Changes of indexes, stream, encryption, class and deletion protection.

use super::account::Account;
use super::capacity::no_index;
use super::concerns::Concerns;
use super::engine;
use super::flights::Job;
use super::rejection::{Rejection, Result};
use super::schema;
use super::table::Table;
use super::wire::{self, Class, EncryptionType};

impl Account {
    pub(super) fn check_index_creation(
        &self,
        table: &Table,
        index: &wire::GlobalIndex,
        request: &wire::UpdateTable,
        concerns: &Concerns,
    ) -> Result<()> {
        let name = &index.index_name;
        if table.has_index(name) {
            return Err(Rejection::validation(format!(
                "One or more parameter values were invalid: Attempting to create an index which already exists. \
                 Index: {name}"
            )));
        }
        let Some(attributes) = &request.attribute_definitions else {
            return Err(Rejection::invalid(format!(
                "AttributeDefinitions is not specified for index: {name}"
            )));
        };
        let is_defined = |key: &&wire::Key| {
            let given = attributes.iter().any(|given| given.attribute_name == key.attribute_name);
            !given && !table.attributes.contains_key(&key.attribute_name)
        };
        if let Some(key) = index.key_schema.iter().find(is_defined) {
            return Err(Rejection::invalid(format!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [{}]",
                key.attribute_name
            )));
        }
        let billing = concerns.billing().unwrap_or(table.billing);
        let new = schema::global_index(index, billing)?;
        let projections = table.indexes.iter().map(|index| &index.projection);
        let projections =
            projections.chain(table.local_indexes.iter().map(|index| &index.projection));
        schema::check_projected(projections.chain([&new.projection]), &self.quotas)?;
        if table.indexes.len() >= self.quotas.global_indexes {
            return Err(Rejection::limit(format!(
                "Number of global secondary indexes exceeds per-table limit of {}",
                self.quotas.global_indexes
            )));
        }
        Ok(())
    }

    pub(super) fn create_index(
        &mut self,
        name: &str,
        index: &wire::GlobalIndex,
        request: &wire::UpdateTable,
    ) -> Result<()> {
        let until = self.now.plus(self.durations.index_allocation);
        let table = self.at(name);
        let new = schema::global_index(index, table.billing)?;
        for attribute in request.attribute_definitions.iter().flatten() {
            let key = attribute.attribute_name.clone();
            table.attributes.entry(key).or_insert(attribute.attribute_type);
        }
        let index_name = new.name.clone();
        table.indexes.push(new);
        table.prune_attributes();
        table.start(Job::IndexAllocation(index_name), until);
        Ok(())
    }

    pub(super) fn check_index_deletion(table: &Table, index: &str) -> Result<()> {
        match table.index(index) {
            Some(_) => Ok(()),
            None => Err(no_index(index, &table.name)),
        }
    }

    pub(super) fn delete_index(&mut self, name: &str, index: &str) -> Result<()> {
        let until = self.now.plus(self.durations.index_delete);
        let table = self.at(name);
        let was_backfilling = table.is_doing(|job| *job == Job::IndexBackfill(index.to_owned()));
        table.flights.retain(|flight| flight.job != Job::IndexBackfill(index.to_owned()));
        table.start(Job::IndexDeletion(index.to_owned()), until);
        if was_backfilling { Ok(()) } else { self.engine.delete_index(name, index) }
    }

    pub(super) fn check_stream(table: &Table, stream: &wire::Stream) -> Result<()> {
        let enabled = stream
            .stream_enabled
            .ok_or_else(|| Rejection::missing_member("streamSpecification.streamEnabled"))?;
        match (enabled, stream.stream_view_type, table.stream) {
            (true, None, _) => Err(Rejection::invalid(
                "If stream is being enabled then UpdateViewType is required",
            )),
            (false, Some(_), _) => Err(Rejection::invalid(
                "If stream is being disabled, then UpdateViewType must not be specified",
            )),
            (true, Some(_), Some(_)) => Err(Rejection::validation(format!(
                "Table already has an enabled stream: TableName: {}",
                table.name
            ))),
            (false, None, None) => Err(Rejection::validation(format!(
                "Table has no stream to disable: TableName: {}",
                table.name
            ))),
            (false, None, Some(_)) if !table.features.replicas.is_empty() => Err(
                Rejection::invalid("Disabling Stream is not allowed for a Global Table replica."),
            ),
            (true, Some(_), None) | (false, None, Some(_)) => Ok(()),
        }
    }

    /// A new stream has a new ARN; that of an old one stays known.
    pub(super) fn switch_stream(&mut self, name: &str, stream: &wire::Stream) -> Result<()> {
        let view = stream.stream_view_type;
        let arn = self.engine.set_stream(name, view)?.map(|arn| self.own_arn(&arn));
        let until = self.now.plus(self.durations.stream);
        let table = self.at(name);
        table.stream = view;
        if view.is_some() {
            table.stream_arn = arn;
        }
        table.start(Job::Stream, until);
        Ok(())
    }

    /// An ARN of the engine's account as one of this account.
    pub(super) fn own_arn(&self, arn: &str) -> String {
        arn.replacen(&engine::arn_prefix(), &self.arn_prefix(), 1)
    }

    /// ARN of the key that is asked for; none for AWS's own.
    pub(super) fn encryption_key(
        &mut self,
        encryption: &wire::Encryption,
    ) -> Result<Option<String>> {
        let wire::Encryption { enabled, kind, key } = encryption;
        if *enabled == Some(false) {
            return match (kind, key) {
                (Some(_), _) => {
                    Err(Rejection::invalid("SSEType can not be specified if Enabled is false"))
                }
                (None, Some(_)) => Err(Rejection::invalid(
                    "KMSMasterKeyId can not be specified if Enabled is false",
                )),
                (None, None) => Ok(None),
            };
        }
        match (kind, key) {
            (Some(EncryptionType::Aes256), _) => {
                Err(Rejection::invalid("SSEType AES256 is not supported"))
            }
            (None, Some(_)) => {
                Err(Rejection::invalid("SSEType KMS is required if KMSMasterKeyId is specified"))
            }
            (Some(EncryptionType::Kms), Some(key)) => self.usable_key(key).map(Some),
            (Some(EncryptionType::Kms), None) => Ok(Some(self.managed_key())),
            (None, None) if *enabled == Some(true) => Ok(Some(self.managed_key())),
            (None, None) => Ok(None),
        }
    }

    /// Only the ARN of the key in use is seen to be the same; its alias or id is taken for a change.
    pub(super) fn check_encryption(
        &mut self,
        name: &str,
        encryption: &wire::Encryption,
    ) -> Result<()> {
        let key = self.encryption_key(encryption)?;
        let table = self.table(name)?;
        self.check_key(table)?;
        if key.is_none() && table.encryption.is_none() {
            return Err(Rejection::invalid("Table is already encrypted by default"));
        }
        if encryption.key.is_some() && encryption.key == table.encryption {
            return Err(Rejection::invalid(
                "Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to \
                 change Master Key",
            ));
        }
        table.uses.may_encrypt(self.now, &self.clock, &self.quotas)
    }

    pub(super) fn encrypt(&mut self, name: &str, encryption: &wire::Encryption) -> Result<()> {
        let key = self.encryption_key(encryption)?;
        let (now, time) = (self.now, self.durations.encryption);
        let table = self.at(name);
        table.uses.encryption.push(now);
        // The old key is shown for about the first third.
        table.start(Job::Encryption { key, shown: now.plus(time / 3) }, now.plus(time));
        Ok(())
    }

    /// Once the quota is spent, even the class that the table has is refused.
    pub(super) fn check_class(&self, table: &Table, class: Class) -> Result<()> {
        if table.class.is_none() && class == Class::Standard {
            return Ok(());
        }
        table.uses.may_change_class(self.now, &self.quotas)
    }

    pub(super) fn change_class(&mut self, name: &str, class: Class) {
        let (now, until) = (self.now, self.now.plus(self.durations.class));
        let table = self.at(name);
        table.uses.class.push(now);
        table.start(Job::Class(class), until);
    }

    /// Only a change of the setting has to wait for the last one.
    pub(super) fn check_protection(&self, table: &Table, on: bool) -> Result<()> {
        if table.protected == on {
            return Ok(());
        }
        table.uses.may_protect(&table.name, self.now, &self.clock, &self.quotas)
    }

    pub(super) fn protect(&mut self, name: &str, on: bool) {
        let now = self.now;
        let table = self.at(name);
        if table.protected != on {
            table.protected = on;
            table.uses.protection = Some(now);
        }
    }
}
