//! The keys of KMS that a table can be encrypted with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::account::Account;
use super::clock::Moment;
use super::rejection::{Rejection, Result};
use super::table::Table;

/// The alias of the key that AWS manages for DynamoDB.
const MANAGED: &str = "alias/aws/dynamodb";

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// It can.
    Enabled,
    /// It was disabled: encrypting a table with it is a `ValidationException`, and a table that is encrypted with it
    /// loses its items, then becomes `INACCESSIBLE_ENCRYPTION_CREDENTIALS`.
    Disabled,
    /// It is asymmetric: encrypting a table with it is HTTP 500, however often it is tried.
    Asymmetric,
}

/// Keys by id, and ids by alias.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: BTreeMap<String, Key>,
    aliases: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    state: KeyState,
    since: Moment,
}

impl Account {
    /// Makes a key that goes by this alias, or points the alias to a new one. Returns its ARN.
    pub(super) fn add_key(&mut self, alias: &str, state: KeyState) -> String {
        let id = self.dice.uuid();
        let key = Key { state, since: self.clock.now() };
        self.keys.keys.insert(id.clone(), key);
        let alias = alias.strip_prefix("alias/").unwrap_or(alias);
        self.keys.aliases.insert(format!("alias/{alias}"), id.clone());
        self.key_arn(&id)
    }

    /// Enables or disables a key.
    pub(super) fn set_key(&mut self, named: &str, state: KeyState) {
        let since = self.clock.now();
        if let Some(id) = self.find_key(named).map(|(id, _)| id) {
            self.keys.keys.insert(id, Key { state, since });
        }
    }

    /// Since when the key of a table is disabled.
    fn key_lost(&self, table: &Table) -> Option<Moment> {
        let id = table.encryption.as_ref()?.rsplit('/').next()?;
        let key = self.keys.keys.get(id)?;
        (key.state == KeyState::Disabled).then_some(key.since)
    }

    /// Since when a table has no key any more, as AWS finds out in the end.
    pub(super) fn inaccessible_since(&self, table: &Table) -> Option<Moment> {
        let found_out = self.key_lost(table)?.plus(self.durations.key_loss);
        (self.now >= found_out).then_some(found_out)
    }

    /// What needs the key of a table works for some time after it was disabled.
    pub(super) fn check_key(&self, table: &Table) -> Result<()> {
        let lost = self.key_lost(table).map(|lost| lost.plus(self.durations.key_cache));
        match lost.filter(|lost| self.now >= *lost) {
            Some(_) => Err(key_disabled(table.encryption.as_deref().unwrap_or_default())),
            None => Ok(()),
        }
    }

    fn key_arn(&self, id: &str) -> String {
        format!("arn:aws:kms:{}:{}:key/{id}", self.region, self.id)
    }

    /// ARN of the key that AWS manages for this account; it is made when it is first used.
    pub(super) fn managed_key(&mut self) -> String {
        match self.keys.aliases.get(MANAGED).cloned() {
            Some(id) => self.key_arn(&id),
            None => self.add_key(MANAGED, KeyState::Enabled),
        }
    }

    /// ARN of a key given by ARN, alias ARN, alias or id.
    pub(super) fn usable_key(&mut self, named: &str) -> Result<String> {
        let (id, state) = self.find_key(named).ok_or_else(|| {
            let what = if named.contains("alias/") { "Alias" } else { "Key" };
            Rejection::validation(format!(
                "KMS validation error: com.amazonaws.services.kms.model.NotFoundException: {what} {named} is not found."
            ))
        })?;
        let arn = self.key_arn(&id);
        match state {
            KeyState::Enabled => Ok(arn),
            KeyState::Disabled => Err(key_disabled(&arn)),
            KeyState::Asymmetric => Err(Rejection::internal_error(
                "KMS internal error: com.amazonaws.services.kms.model.AWSKMSException: EncryptionContext is \
                 supported only when creating a grant for a symmetric encryption KMS key.",
            )),
        }
    }

    fn find_key(&mut self, named: &str) -> Option<(String, KeyState)> {
        let prefix = format!("arn:aws:kms:{}:{}:", self.region, self.id);
        let named = named.strip_prefix(&prefix).unwrap_or(named);
        if named == MANAGED {
            self.managed_key();
        }
        let id = match named.strip_prefix("key/") {
            Some(id) => id,
            None => self.keys.aliases.get(named).map_or(named, String::as_str),
        };
        let key = self.keys.keys.get(id)?;
        Some((id.to_owned(), key.state))
    }

    pub(super) fn serve_kms(&mut self, operation: &str, request: &Value) -> Result<Value> {
        if operation != "DescribeKey" {
            return Err(Rejection::unknown_operation());
        }
        let named = request["KeyId"].as_str().unwrap_or_default();
        let (id, state) = self.find_key(named).ok_or_else(|| Rejection::no_key(named))?;
        let manager = if self.keys.aliases.get(MANAGED) == Some(&id) { "AWS" } else { "CUSTOMER" };
        Ok(json!({ "KeyMetadata": {
            "AWSAccountId": self.id,
            "KeyId": id,
            "Arn": self.key_arn(&id),
            "Enabled": state != KeyState::Disabled,
            "KeyState": if state == KeyState::Disabled { "Disabled" } else { "Enabled" },
            "KeySpec": if state == KeyState::Asymmetric { "RSA_2048" } else { "SYMMETRIC_DEFAULT" },
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeyManager": manager,
        }}))
    }
}

fn key_disabled(arn: &str) -> Rejection {
    Rejection::validation(format!(
        "KMS key disabled error: com.amazonaws.services.kms.model.DisabledException: {arn} is disabled."
    ))
}
