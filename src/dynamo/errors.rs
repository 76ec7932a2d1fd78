//! What DynamoDB's errors mean: one table from code and message to a class, and the error type that carries it.
//!
//! One code stands for many conditions (a `LimitExceededException` is a busy tag lock, a spent quota or
//! a wrong table), so the message decides. The texts were measured against the live service by the probe
//! catalogue of `aws-controllers-k8s/dynamodb-controller`, `docs/api-quirks`.

use std::fmt;
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::clock;

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
    /// A quota is spent; nothing helps but time, this long at most.
    Blocked(Duration),
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

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MONTH: Duration = Duration::from_hours(24 * 30);

/// First match wins; an empty text matches every message of the code.
const RULES: &[(&str, &str, Class)] = &[
    ("ResourceNotFoundException", "", Class::Missing),
    ("TableNotFoundException", "", Class::Missing),
    ("IndexNotFoundException", "", Class::Missing),
    ("PolicyNotFoundException", "", Class::Missing),
    // KMS and Application Auto Scaling have words of their own.
    ("NotFoundException", "", Class::Missing),
    ("ObjectNotFoundException", "", Class::Missing),
    ("ConcurrentUpdateException", "", Class::Busy),
    ("DependencyTimeoutException", "", Class::Internal),
    ("KMSInternalException", "", Class::Internal),
    ("InternalServiceException", "", Class::Internal),
    ("ResourceInUseException", "Table already exists", Class::Exists),
    ("ResourceInUseException", "Cannot create preexisting table", Class::Exists),
    ("TableInUseException", "", Class::Busy),
    ("ResourceInUseException", "", Class::Busy),
    ("LimitExceededException", "Table tags are being updated", Class::Busy),
    ("LimitExceededException", "Only 1 online index", Class::Busy),
    ("LimitExceededException", "restore operations can be done simultaneously", Class::Busy),
    ("LimitExceededException", "simultaneous", Class::Throttled),
    ("LimitExceededException", "too many table operations", Class::Throttled),
    // Four in a UTC day, then one an hour; changes of key: four in 24 hours, then one in six.
    ("LimitExceededException", "decreases are limited", Class::Blocked(HOUR)),
    ("LimitExceededException", "Encryption mode changes are limited", Class::Blocked(DAY)),
    ("LimitExceededException", "Update to PayPerRequest mode are limited", Class::Blocked(DAY)),
    ("LimitExceededException", "Updates to TableClass are limited", Class::Blocked(MONTH)),
    ("LimitExceededException", "", Class::Permanent),
    ("ThrottlingException", "modified within the previous", Class::Busy),
    ("ThrottlingException", "", Class::Throttled),
    ("ThrottledException", "", Class::Throttled),
    ("RequestLimitExceeded", "", Class::Throttled),
    ("ProvisionedThroughputExceededException", "", Class::Throttled),
    ("ContinuousBackupsUnavailableException", "", Class::Busy),
    ("ValidationException", "Time to live has been modified multiple times", Class::Blocked(HOUR)),
    ("ValidationException", "it has acted as a source region", Class::Blocked(DAY)),
    ("ValidationException", "Cannot describe time to live while", Class::Busy),
    ("ValidationException", "is not in a valid state to", Class::Busy),
    ("ValidationException", "while replica server-side encryption", Class::Busy),
    ("ValidationException", "of replica is not allowed while", Class::Busy),
    ("ValidationException", "will not change", Class::Satisfied),
    ("ValidationException", "Table is already encrypted", Class::Satisfied),
    ("ValidationException", "Table already has an enabled stream", Class::Satisfied),
    ("ValidationException", "Table has no stream to disable", Class::Satisfied),
    ("ValidationException", "TimeToLive is already", Class::Satisfied),
    ("ValidationException", "Precision is already set", Class::Satisfied),
    ("ValidationException", "decreasing WarmThroughput is not supported", Class::Satisfied),
    ("ValidationException", "Attempting to create an index which already exists", Class::Satisfied),
    // Every UpdateTable sent here carries a change, so this answer means that the engine overlooked it.
    ("ValidationException", "At least one of", Class::Unsupported),
    ("ValidationException", "Nothing to update", Class::Unsupported),
    ("ValidationException", "", Class::Permanent),
    ("UnknownOperationException", "", Class::Unsupported),
    ("InvalidAction", "", Class::Unsupported),
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
pub fn classify(code: &str, message: &str) -> Class {
    let rule = RULES.iter().find(|(rule, text, _)| *rule == code && message.contains(text));
    rule.map_or(Class::Permanent, |(_, _, class)| *class)
}

/// Whom a request was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// DynamoDB.
    DynamoDb,
    /// DynamoDB Streams.
    Streams,
    /// Application Auto Scaling.
    AutoScaling,
    /// Key Management Service.
    Kms,
}

impl Service {
    /// What the names of its actions begin with in a policy.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::DynamoDb | Self::Streams => "dynamodb",
            Self::AutoScaling => "application-autoscaling",
            Self::Kms => "kms",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DynamoDb => "DynamoDB",
            Self::Streams => "DynamoDB Streams",
            Self::AutoScaling => "Application Auto Scaling",
            Self::Kms => "KMS",
        })
    }
}

/// An error of one request: what was sent, to whom, for what, and what came back.
#[derive(Debug, Clone)]
pub struct Error {
    /// Whom it was sent to.
    pub service: Service,
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
        Self::of(Service::DynamoDb, action, resource, error)
    }

    pub(crate) fn of<E>(
        service: Service,
        action: &'static str,
        resource: &str,
        error: &SdkError<E>,
    ) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (class, message) = match (error, error.code()) {
            (SdkError::ServiceError(_), Some(code)) => {
                let message = error.message().unwrap_or_default();
                (classify(code, message), format!("{code}: {message}"))
            }
            (SdkError::ServiceError(_), None) if is_unknown_operation(error) => {
                (Class::Unsupported, "UnknownOperationException".to_owned())
            }
            (SdkError::ServiceError(_) | SdkError::ResponseError(_), _) => {
                (Class::Internal, chain(error))
            }
            (SdkError::ConstructionFailure(_), _) => (Class::Permanent, chain(error)),
            _ => (Class::Unreachable, chain(error)),
        };
        Self { service, action, resource: resource.to_owned(), class, message }
    }

    /// Whether sending the same again soon may work. What cannot be reached the SDK has tried again already.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.class, Class::Busy | Class::Throttled | Class::Internal)
    }

    /// When a spent quota allows the next change, in milliseconds since the epoch: as DynamoDB says, or else the latest.
    #[must_use]
    pub fn blocked_until_ms(&self) -> Option<u64> {
        let Class::Blocked(longest) = self.class else { return None };
        let latest = || clock::now_ms() + u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        // The window of the quota is named first, the next change last.
        let mut named = self.message.split_whitespace().rev().filter_map(|word| {
            let moment = word.trim_end_matches(['.', ',', 'Z']);
            clock::parse_ms(&format!("{moment}Z"))
        });
        Some(named.next().unwrap_or_else(latest))
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, action, resource, message, .. } = self;
        match self.class {
            Class::Denied => write!(
                f,
                "{}:{action} on {resource} is denied to this function's role: {message}",
                service.prefix()
            ),
            // The SDK asks for them before it sends anything, and has no type of error for that.
            Class::Unreachable if message.contains("credential") => write!(
                f,
                "{service} was not asked for {action} on {resource}, for want of credentials: {message}; \
                 give it a role, a profile or AWS_ACCESS_KEY_ID, or the endpoint of an engine on this machine"
            ),
            Class::Unreachable => write!(
                f,
                "{service} could not be reached for {action} on {resource}: {message}; \
                 check the endpoint, the VPC route and the security group"
            ),
            Class::Blocked(_) => write!(
                f,
                "{action} on {resource} is blocked by a quota until {}: {message}; deploy again then",
                self.blocked_until_ms().map(clock::format_ms).unwrap_or_default()
            ),
            _ => write!(f, "{action} on {resource} failed: {message}"),
        }
    }
}

/// Whether an endpoint that is another service's said so: it does in XML, whatever it was asked in.
fn is_unknown_operation<E>(error: &SdkError<E>) -> bool {
    let body = error.raw_response().and_then(|response| response.body().bytes());
    body.is_some_and(|body| body.starts_with(b"<UnknownOperationException"))
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
        let in_use = "ResourceInUseException";
        let limit = "LimitExceededException";
        let invalid = "ValidationException";
        for (code, message, class) in [
            (in_use, "Table already exists: orders", Class::Exists),
            (in_use, "Attempt to change a resource which is still in use", Class::Busy),
            (in_use, "The resource which you are attempting to change is in use.", Class::Busy),
            (limit, "Subscriber limit exceeded: Table tags are being updated: orders", Class::Busy),
            (
                limit,
                "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
                Class::Busy,
            ),
            (limit, "Too many operations are in progress simultaneously", Class::Throttled),
            (
                limit,
                "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day",
                Class::Blocked(HOUR),
            ),
            (limit, "Encryption mode changes are limited in the 24h window", Class::Blocked(DAY)),
            (
                limit,
                "Limit exceeded for replica in us-east-1. Updates to TableClass are limited to 2 times in 30 day(s)",
                Class::Blocked(MONTH),
            ),
            (limit, "per-table limit of 20", Class::Permanent),
            (
                limit,
                "This request would have caused the limit to be exceeded for the account",
                Class::Permanent,
            ),
            ("ThrottlingException", "Rate exceeded", Class::Throttled),
            (
                "ThrottlingException",
                "The rate of control plane requests made by this account is too high",
                Class::Throttled,
            ),
            (
                "ThrottlingException",
                "Deletion protection setting for table orders modified within the previous 15000 milliseconds. \
                 Please try again after 2026-10-08T23:07:38.207",
                Class::Busy,
            ),
            (
                invalid,
                "Time to live has been modified multiple times within a fixed interval",
                Class::Blocked(HOUR),
            ),
            (
                invalid,
                "Replica cannot be deleted because it has acted as a source region for new replica(s)",
                Class::Blocked(DAY),
            ),
            (invalid, "Cannot describe time to live while table is being created", Class::Busy),
            (
                invalid,
                "Table or Index is not in a valid state to update Key Access Insights",
                Class::Busy,
            ),
            (
                invalid,
                "Table is not in a valid state to enable Kinesis Streaming Destination",
                Class::Busy,
            ),
            (invalid, "Create/Update/Delete of replica is not allowed while", Class::Busy),
            (invalid, "TimeToLive is already disabled", Class::Satisfied),
            (invalid, "The provisioned throughput for the table will not change", Class::Satisfied),
            // They speak of a state and mean the combination of two changes in one request.
            (invalid, "You cannot update stream while updating table IOPS", Class::Permanent),
            (invalid, "Resource cannot be deleted as it is currently protected", Class::Permanent),
            (invalid, "One or more parameter values were invalid", Class::Permanent),
            ("ContinuousBackupsUnavailableException", "Backups are being enabled", Class::Busy),
            ("UnknownOperationException", "", Class::Unsupported),
            ("InvalidAction", "", Class::Unsupported),
            ("SomethingNew", "nobody has seen", Class::Permanent),
        ] {
            assert_eq!(classify(code, message), class, "{code}: {message}");
        }
    }

    #[test]
    fn a_spent_quota_says_when_it_allows_the_next_change() {
        let blocked = |message: &str| {
            let error = Error {
                service: Service::DynamoDb,
                action: "UpdateTable",
                resource: "orders".to_owned(),
                class: Class::Blocked(HOUR),
                message: message.to_owned(),
            };
            error.blocked_until_ms().unwrap()
        };
        let said = blocked(
            "Encryption mode changes are limited in the 24h window ending at 2026-11-24T18:00:00.000Z. \
             Next changes can be made at 2026-11-24T19:31:09.090Z.",
        );
        assert_eq!(clock::format_ms(said), "2026-11-24T19:31:09.09Z");
        let from_now = blocked("Time to live has been modified multiple times") - clock::now_ms();
        assert!((3_590_000..=3_600_000).contains(&from_now), "{from_now}");
    }
}
