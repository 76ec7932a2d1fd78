//! The only file that sends KMS requests: which key a name means, and whether a table can be encrypted with it.
#![expect(clippy::disallowed_methods, reason = "this is the one place that sends")]

use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyState};

use crate::dynamo::{Class, Error, Service};

/// A KMS client that classifies errors.
#[derive(Debug, Clone)]
pub struct Kms(Client);

/// What a name of a key leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundKey {
    /// The key with this ARN.
    Arn(String),
    /// No key that a table can have, for this reason.
    Unusable(String),
    /// This engine has no keys.
    Unsupported,
}

impl Kms {
    /// Takes a configured client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// Finds the key that an alias, an id or an ARN of either names.
    ///
    /// # Errors
    /// As classified; a key that does not exist is no error but [`FoundKey::Unusable`].
    pub async fn find(&self, name: &str) -> Result<FoundKey, Error> {
        let described = self.0.describe_key().key_id(name).send().await;
        let described = described
            .map_err(|error| Error::of(Service::Kms, "DescribeKey", name, &error))
            .map(|output| output.key_metadata);
        match described {
            Ok(Some(key)) => Ok(found(&key)),
            Ok(None) => Ok(FoundKey::Unusable("KMS says nothing about it".to_owned())),
            Err(error) => match error.class {
                Class::Missing => Ok(FoundKey::Unusable("KMS knows no such key".to_owned())),
                Class::Unsupported => Ok(FoundKey::Unsupported),
                _ => Err(error),
            },
        }
    }
}

/// Tables take symmetric keys that are enabled; with others the change fails inside DynamoDB, each time (measured by
/// aws-controllers-k8s/dynamodb-controller, docs/api-quirks).
fn found(key: &KeyMetadata) -> FoundKey {
    let spec = key.key_spec().filter(|spec| **spec != KeySpec::SymmetricDefault);
    let state = key.key_state().filter(|state| **state != KeyState::Enabled);
    match (spec, state, key.arn()) {
        (Some(spec), _, _) => FoundKey::Unusable(format!(
            "it is of the kind {}, not SYMMETRIC_DEFAULT",
            spec.as_str()
        )),
        (None, Some(state), _) => FoundKey::Unusable(format!("it is {}", state.as_str())),
        (None, None, Some(arn)) => FoundKey::Arn(arn.to_owned()),
        (None, None, None) => FoundKey::Unusable("KMS does not tell its ARN".to_owned()),
    }
}
