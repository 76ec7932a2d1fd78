//! What DynamoDB's errors mean: one table from code and message to a class, and the error type that carries it.
//!
//! One code stands for many conditions (a `LimitExceededException` is a busy tag lock, a spent quota or
//! a wrong table), so the message decides. The texts were measured against the live service by the probe
//! catalogue of `aws-controllers-k8s/dynamodb-controller`, `docs/api-quirks`.

use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The table, index or sub-resource does not exist.
    Missing,
    /// A table of that name exists already.
    Exists,
    /// Something else is going on with the resource; wait for it.
    Busy,
    /// Too many requests; send again more slowly.
    Throttled,
    /// A quota is spent; nothing helps but time.
    Blocked,
    /// The change is already in place, if a fresh read agrees.
    Satisfied,
    /// This engine does not implement the operation or the feature.
    Unsupported,
    /// The role may not do this.
    Denied,
    /// No answer came.
    Unreachable,
    /// DynamoDB failed.
    Internal,
    /// The request is wrong and will stay wrong.
    Permanent,
}

/// First match wins; an empty text matches every message of the code.
const RULES: &[(&str, &str, Class)] = &[
    ("ResourceNotFoundException", "", Class::Missing),
    ("TableNotFoundException", "", Class::Missing),
    ("IndexNotFoundException", "", Class::Missing),
    ("ResourceInUseException", "Table already exists", Class::Exists),
    ("ResourceInUseException", "Cannot create preexisting table", Class::Exists),
    ("TableInUseException", "", Class::Busy),
    ("ResourceInUseException", "", Class::Busy),
    ("LimitExceededException", "Table tags are being updated", Class::Busy),
    ("LimitExceededException", "Only 1 online index", Class::Busy),
    ("LimitExceededException", "simultaneous", Class::Throttled),
    ("LimitExceededException", "too many table operations", Class::Throttled),
    ("LimitExceededException", "decreases are limited", Class::Blocked),
    ("LimitExceededException", "Encryption mode changes are limited", Class::Blocked),
    ("LimitExceededException", "Updates to TableClass are limited", Class::Blocked),
    ("LimitExceededException", "", Class::Permanent),
    ("ThrottlingException", "modified within the previous", Class::Busy),
    ("ThrottlingException", "", Class::Throttled),
    ("ThrottledException", "", Class::Throttled),
    ("RequestLimitExceeded", "", Class::Throttled),
    ("ProvisionedThroughputExceededException", "", Class::Throttled),
    ("ContinuousBackupsUnavailableException", "", Class::Busy),
    ("ValidationException", "Time to live has been modified multiple times", Class::Blocked),
    ("ValidationException", "Cannot describe time to live while", Class::Busy),
    ("ValidationException", "will not change", Class::Satisfied),
    ("ValidationException", "Table is already encrypted", Class::Satisfied),
    ("ValidationException", "Table already has an enabled stream", Class::Satisfied),
    ("ValidationException", "Table has no stream to disable", Class::Satisfied),
    ("ValidationException", "TimeToLive is already", Class::Satisfied),
    ("ValidationException", "Attempting to create an index which already exists", Class::Satisfied),
    // Every UpdateTable sent here carries a change, so this answer means that the engine overlooked it.
    ("ValidationException", "At least one of", Class::Unsupported),
    ("ValidationException", "Nothing to update", Class::Unsupported),
    ("ValidationException", "", Class::Permanent),
    ("UnknownOperationException", "", Class::Unsupported),
    ("NotImplemented", "", Class::Unsupported),
    ("TransactionConflictException", "", Class::Throttled),
    ("TransactionInProgressException", "", Class::Throttled),
    ("BackupInUseException", "", Class::Busy),
    ("AccessDeniedException", "", Class::Denied),
    ("UnrecognizedClientException", "", Class::Denied),
    ("InvalidSignatureException", "", Class::Denied),
    ("ExpiredTokenException", "", Class::Denied),
    ("InternalServerError", "", Class::Internal),
    ("InternalFailure", "", Class::Internal),
    ("ServiceUnavailable", "", Class::Internal),
];

/// Classifies an error by its code and message.
#[must_use]
pub(super) fn classify(code: &str, message: &str) -> Class {
    let rule = RULES.iter().find(|(rule, text, _)| *rule == code && message.contains(text));
    rule.map_or(Class::Permanent, |(_, _, class)| *class)
}

/// An error of one DynamoDB request: what was sent, to what, and what came back.
#[derive(Debug, Clone)]
pub struct Error {
    /// The API operation, as `UpdateTable`.
    pub action: &'static str,
    /// The table it was sent for.
    pub resource: String,
    /// What to do about it.
    pub class: Class,
    /// DynamoDB's own words, or why none came.
    pub message: String,
}

impl Error {
    pub(super) fn from_sdk<E>(action: &'static str, resource: &str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (class, message) = match (error, error.code()) {
            (SdkError::ServiceError(_), Some(code)) => {
                let message = error.message().unwrap_or_default();
                (classify(code, message), format!("{code}: {message}"))
            }
            (SdkError::ServiceError(_) | SdkError::ResponseError(_), _) => {
                (Class::Internal, chain(error))
            }
            (SdkError::ConstructionFailure(_), _) => (Class::Permanent, chain(error)),
            _ => (Class::Unreachable, chain(error)),
        };
        Self { action, resource: resource.to_owned(), class, message }
    }

    /// Whether sending the same again soon may work. What cannot be reached the SDK has tried again already.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.class, Class::Busy | Class::Throttled | Class::Internal)
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, resource, message, .. } = self;
        match self.class {
            Class::Denied => write!(
                f,
                "dynamodb:{action} on {resource} is denied to this function's role: {message}"
            ),
            Class::Unreachable => write!(
                f,
                "DynamoDB could not be reached for {action} on {resource}: {message}; \
                 check the endpoint, the VPC route and the security group"
            ),
            Class::Blocked => write!(
                f,
                "{action} on {resource} is blocked by a quota: {message}; deploy again when it allows"
            ),
            _ => write!(f, "{action} on {resource} failed: {message}"),
        }
    }
}

/// An error with all its causes: SDK errors say nothing useful by themselves.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_decides_where_one_code_means_many_things() {
        for (code, message, class) in [
            ("ResourceInUseException", "Table already exists: orders", Class::Exists),
            (
                "ResourceInUseException",
                "Attempt to change a resource which is still in use",
                Class::Busy,
            ),
            (
                "LimitExceededException",
                "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
                Class::Busy,
            ),
            (
                "LimitExceededException",
                "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day",
                Class::Blocked,
            ),
            ("LimitExceededException", "per-table limit of 20", Class::Permanent),
            ("ValidationException", "TimeToLive is already disabled", Class::Satisfied),
            ("ValidationException", "One or more parameter values were invalid", Class::Permanent),
            ("UnknownOperationException", "", Class::Unsupported),
            ("ThrottlingException", "Rate exceeded", Class::Throttled),
            ("SomethingNew", "nobody has seen", Class::Permanent),
        ] {
            assert_eq!(classify(code, message), class, "{code}: {message}");
        }
    }
}
