//! How DynamoDB says no: error codes and texts, as measured by `aws-controllers-k8s/dynamodb-controller`
//! (`docs/api-quirks`).

use serde_json::{Value, json};

/// A call that was not carried out.
#[derive(Debug, Clone)]
pub(super) struct Rejection {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    /// The body where it is more than code and message.
    body: Option<String>,
}

pub(super) type Result<T> = std::result::Result<T, Rejection>;

impl Rejection {
    fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), body: None }
    }

    /// The answer's body, in the JSON protocol of AWS.
    pub(super) fn body(&self) -> String {
        let short = || json!({ "__type": self.code, "message": self.message }).to_string();
        self.body.clone().unwrap_or_else(short)
    }

    /// An error that the engine answered with.
    pub(super) fn of_engine(status: u16, body: &str, message: String) -> Self {
        let parsed: Value = serde_json::from_str(body).unwrap_or_default();
        let kind = parsed["__type"].as_str().unwrap_or("InternalServerError");
        let code = kind.rsplit_once('#').map_or(kind, |(_, code)| code).to_owned();
        Self { status, code, message, body: Some(body.to_owned()) }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationException", message)
    }

    pub(super) fn trimmed() -> Self {
        let message = "The operation attempted to read past the oldest stream record in a shard.";
        Self::new(400, "TrimmedDataAccessException", message)
    }

    pub(super) fn expired_iterator() -> Self {
        Self::new(400, "ExpiredIteratorException", "Iterator expired. The iterator has expired.")
    }

    pub(super) fn serialization(message: impl Into<String>) -> Self {
        Self::new(400, "SerializationException", message)
    }

    /// The most common of the texts that a request is refused with.
    pub(super) fn invalid(reason: impl AsRef<str>) -> Self {
        let reason = reason.as_ref();
        Self::validation(format!("One or more parameter values were invalid: {reason}"))
    }

    /// A value outside of what the API's model allows.
    pub(super) fn constraint(value: &str, member: &str, constraint: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}"
        ))
    }

    pub(super) fn missing_member(member: &str) -> Self {
        Self::constraint("null", member, "Member must not be null")
    }

    pub(super) fn table_exists(name: &str) -> Self {
        Self::new(400, "ResourceInUseException", format!("Table already exists: {name}"))
    }

    pub(super) fn in_use(state: impl AsRef<str>) -> Self {
        let state = state.as_ref();
        let message = format!("Attempt to change a resource which is still in use: {state}");
        Self::new(400, "ResourceInUseException", message)
    }

    /// What tables with replicas answer, whatever is in the way.
    pub(super) fn replicated_in_use() -> Self {
        let message = "The resource which you are attempting to change is in use.";
        Self::new(400, "ResourceInUseException", message)
    }

    pub(super) fn no_resource(what: impl AsRef<str>) -> Self {
        let message = format!("Requested resource not found: {}", what.as_ref());
        Self::new(400, "ResourceNotFoundException", message)
    }

    pub(super) fn no_table(name: &str) -> Self {
        Self::no_resource(format!("Table: {name} not found"))
    }

    /// What item operations answer.
    pub(super) fn nothing() -> Self {
        Self::new(400, "ResourceNotFoundException", "Requested resource not found")
    }

    /// What the operations of backups answer.
    pub(super) fn table_not_found(name: &str) -> Self {
        Self::new(400, "TableNotFoundException", format!("Table not found: {name}"))
    }

    pub(super) fn backup_not_found(arn: &str) -> Self {
        Self::new(400, "BackupNotFoundException", format!("Backup not found: {arn}"))
    }

    pub(super) fn backup_in_use(arn: &str) -> Self {
        Self::new(400, "BackupInUseException", format!("Backup is being used: {arn}"))
    }

    pub(super) fn backups_unavailable(name: &str) -> Self {
        let message =
            format!("Backups are being enabled for the table: {name}. Please retry later");
        Self::new(400, "ContinuousBackupsUnavailableException", message)
    }

    pub(super) fn table_already_exists(name: &str) -> Self {
        let message = format!("Table already exists: {name}");
        Self::new(400, "TableAlreadyExistsException", message)
    }

    pub(super) fn no_policy(what: &str) -> Self {
        let message =
            format!("Resource-based policy not found for the provided ResourceArn: {what}");
        Self::new(400, "PolicyNotFoundException", message)
    }

    pub(super) fn denied(message: &str) -> Self {
        Self::new(400, "AccessDeniedException", message)
    }

    /// What Application Auto Scaling answers.
    pub(super) fn object_not_found(message: &str) -> Self {
        Self::new(400, "ObjectNotFoundException", message)
    }

    /// What KMS answers.
    pub(super) fn no_key(named: &str) -> Self {
        Self::new(400, "NotFoundException", format!("Invalid keyId '{named}'"))
    }

    pub(super) fn limit(what: impl AsRef<str>) -> Self {
        let message = format!("Subscriber limit exceeded: {}", what.as_ref());
        Self::new(400, "LimitExceededException", message)
    }

    pub(super) fn throttled(message: impl Into<String>) -> Self {
        Self::new(400, "ThrottlingException", message)
    }

    pub(super) fn throughput_exceeded() -> Self {
        Self::new(
            400,
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded. \
             Consider increasing your provisioning level with the UpdateTable API.",
        )
    }

    /// What a request shape that AWS does not handle gets: a failure without a word.
    pub(super) fn internal_failure() -> Self {
        Self::new(500, "InternalFailure", "")
    }

    pub(super) fn internal_error(message: impl Into<String>) -> Self {
        Self::new(500, "InternalServerError", message)
    }

    pub(super) fn unknown_operation() -> Self {
        Self::new(400, "UnknownOperationException", "")
    }
}
