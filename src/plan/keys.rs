//! Encryption keys that are declared by another name than their ARN.

use std::collections::BTreeMap;

use crate::kms::FoundKey;
use crate::schema::{Encryption, Table};

/// Puts the ARN in the place of another name of the key; returns what a person should know.
///
/// # Errors
/// Where there is no such key, or none that a table can have.
pub(super) fn resolve(
    table: &mut Table,
    keys: &BTreeMap<String, FoundKey>,
) -> Result<Option<String>, String> {
    let Some(name) = table.encryption.as_ref().and_then(Encryption::unresolved) else {
        return Ok(None);
    };
    let of = format!("table {}: the key {name}", table.name);
    match keys.get(name) {
        Some(FoundKey::Arn(arn)) => {
            table.encryption = Some(Encryption::Kms(Some(arn.clone())));
            Ok(None)
        }
        Some(FoundKey::Unusable(why)) => Err(format!("{of} cannot encrypt it: {why}")),
        None | Some(FoundKey::Unsupported) => {
            table.encryption = None;
            Ok(Some(format!(
                "{of} could not be looked up on this engine; encryption is left as it is"
            )))
        }
    }
}
