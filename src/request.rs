//! Stage one: an event becomes an envelope that can always be answered, before its properties are looked at.
//!
//! A property that does not parse must not cost the answer: CloudFormation would wait for its whole
//! `ServiceTimeout`. So the envelope takes nothing but the fields that answering needs, and leaves
//! the properties as JSON for [`crate::desired`].

use std::fmt;

use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// What CloudFormation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKind {
    /// The resource is new.
    Create,
    /// A property changed, or an update is being rolled back.
    Update,
    /// The resource, or the identity it had before, is to go.
    Delete,
    /// A word that the protocol does not know.
    Unknown(String),
}

/// The outer fields of a custom-resource request.
///
/// Source: "Custom resource request objects" in the CloudFormation user guide.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// What is asked for.
    pub kind: RequestKind,
    /// Where the answer goes; a bearer credential. `None` where it has been answered, and something goes on.
    pub response_url: Option<ResponseUrl>,
    /// ARN of the stack.
    pub stack_id: String,
    /// Id of the request; not unique across retried deployments.
    pub request_id: String,
    /// The resource's name in the template.
    pub logical_id: String,
    /// The id that an earlier answer gave; absent on Create.
    pub physical_id: Option<String>,
    /// `ResourceProperties` as they came.
    pub properties: Value,
    /// `OldResourceProperties`; Update only.
    pub old_properties: Option<Value>,
}

impl Envelope {
    /// Reads the envelope of an event.
    ///
    /// # Errors
    /// [`NotARequest`] where a field that answering needs is missing, or where the response URL is not on an allowed host.
    pub fn read(event: &Value, hosts: &AllowedHosts) -> Result<Self, NotARequest> {
        let url = event.get("ResponseURL").and_then(Value::as_str).filter(|url| !url.is_empty());
        Self::kept(event, Some(url.ok_or(NotARequest::Missing("ResponseURL"))?), hosts)
    }

    /// Reads the envelope of an event that was kept apart from its response URL.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn kept(
        event: &Value,
        url: Option<&str>,
        hosts: &AllowedHosts,
    ) -> Result<Self, NotARequest> {
        let text = |name: &'static str| {
            let value = event.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            value.map(str::to_owned).ok_or(NotARequest::Missing(name))
        };
        Ok(Self {
            response_url: url.map(|url| ResponseUrl::parse(url, hosts)).transpose()?,
            stack_id: text("StackId")?,
            request_id: text("RequestId")?,
            logical_id: text("LogicalResourceId")?,
            kind: match event.get("RequestType").and_then(Value::as_str) {
                Some("Create") => RequestKind::Create,
                Some("Update") => RequestKind::Update,
                Some("Delete") => RequestKind::Delete,
                other => RequestKind::Unknown(other.unwrap_or("nothing").to_owned()),
            },
            physical_id: text("PhysicalResourceId").ok(),
            properties: event.get("ResourceProperties").cloned().unwrap_or(Value::Null),
            old_properties: event.get("OldResourceProperties").cloned(),
        })
    }

    /// The event again, without its response URL.
    #[must_use]
    pub(crate) fn to_event(&self) -> Value {
        let kind = match &self.kind {
            RequestKind::Create => "Create",
            RequestKind::Update => "Update",
            RequestKind::Delete => "Delete",
            RequestKind::Unknown(word) => word,
        };
        let mut event = json!({
            "RequestType": kind,
            "StackId": self.stack_id,
            "RequestId": self.request_id,
            "LogicalResourceId": self.logical_id,
            "ResourceProperties": self.properties,
        });
        if let Some(id) = &self.physical_id {
            event["PhysicalResourceId"] = json!(id);
        }
        if let Some(old) = &self.old_properties {
            event["OldResourceProperties"] = old.clone();
        }
        event
    }

    /// The unique part of the stack's ARN, or the whole id where it is no ARN.
    #[must_use]
    pub fn stack_uuid(&self) -> &str {
        self.stack_id.rsplit('/').next().unwrap_or(&self.stack_id)
    }

    /// The stack's name, or its whole id where that is no ARN.
    #[must_use]
    pub fn stack_name(&self) -> &str {
        self.stack_id.split('/').nth(1).unwrap_or(&self.stack_id)
    }

    /// The ledger partition of this resource: `<stack uuid>/<logical id>`. Also the value of the owner tag.
    #[must_use]
    pub fn scope(&self) -> String {
        format!("{}/{}", self.stack_uuid(), self.logical_id)
    }

    /// Whether the physical id is one that another resource of ours was given.
    #[must_use]
    pub fn names_another_resource(&self) -> bool {
        let named = self.physical_id.as_deref().and_then(|id| id.strip_prefix("tablewright:"));
        let named = named.and_then(|named| named.rsplit_once(':'));
        named.is_some_and(|(resource, _)| {
            resource != format!("{}:{}", self.stack_uuid(), self.logical_id)
        })
    }

    /// The id of the run that this request starts.
    ///
    /// Lambda delivers an event at least once, so equal deliveries must give equal ids; CloudFormation
    /// re-sends a `RequestId` with a new response URL when a deployment is retried, and that is another run.
    #[must_use]
    pub fn run_id(&self) -> String {
        let url = self.response_url.as_ref().map_or("", |url| url.0.as_str());
        let url = hex(&Sha256::digest(url));
        let parts = [&self.stack_id, &self.logical_id, &self.request_id, &url];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hex(&hash.finalize())[..16].to_owned()
    }

    /// The id that the answer to this request carries: for the generation that CloudFormation holds, and where none is
    /// named, the id that was received.
    ///
    /// Create decides it from the stack and the resource alone, so that whoever answers says the same. Another one makes
    /// CloudFormation replace the resource: it deletes the old identity when the whole stack has succeeded, or the new
    /// one when it has not ("Replacing a custom resource during an update", CloudFormation user guide).
    #[must_use]
    pub fn physical_id_of(&self, generation: Option<u64>) -> String {
        let kept = generation.is_none_or(|generation| generation == self.generation());
        let received = self.physical_id.clone().filter(|_| kept);
        let generation = generation.unwrap_or(FIRST_GENERATION);
        received.unwrap_or_else(|| {
            format!("tablewright:{}:{}:{generation}", self.stack_uuid(), self.logical_id)
        })
    }

    /// The generation of the table set that the received physical id names; the first where it names none.
    #[must_use]
    pub fn generation(&self) -> u64 {
        let id = self.physical_id.as_deref().unwrap_or_default();
        id.strip_prefix("tablewright:")
            .and_then(|rest| rest.rsplit(':').next())
            .and_then(|number| number.parse().ok())
            .unwrap_or(FIRST_GENERATION)
    }
}

/// The generation of a table set that is new.
const FIRST_GENERATION: u64 = 1;

/// Hash of a set of properties, the same for equal declarations; what only CloudFormation reads is left out.
#[must_use]
pub fn properties_hash(properties: &Value) -> String {
    let mut properties = properties.clone();
    if let Some(fields) = properties.as_object_mut() {
        for name in crate::desired::NOT_OURS {
            fields.remove(name);
        }
    }
    hex(&Sha256::digest(properties.to_string()))[..16].to_owned()
}

/// Why an event is not a request that can be answered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotARequest {
    /// A field that answering needs is not there.
    #[error("the event is not a CloudFormation custom-resource request: it has no {0}")]
    Missing(&'static str),
    /// The response URL is not one to send anything to.
    #[error(
        "the response URL is refused: {reason} (host {host}); \
         name the host in TABLEWRIGHT_RESPONSE_HOSTS if this is a local run"
    )]
    RefusedUrl {
        /// Host of the URL, the only part of it that is ever shown.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A presigned response URL; its `Debug` and `Display` show the host alone.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseUrl(Url);

impl ResponseUrl {
    /// Takes an URL on an allowed host.
    ///
    /// # Errors
    /// [`NotARequest::RefusedUrl`] for any other.
    pub fn parse(text: &str, hosts: &AllowedHosts) -> Result<Self, NotARequest> {
        let refused =
            |host: &str, reason| NotARequest::RefusedUrl { host: host.to_owned(), reason };
        let url = Url::parse(text).map_err(|_| refused("unreadable", "it is not a URL"))?;
        let host = url.host_str().unwrap_or("none").to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(&host, "it carries a user name"));
        }
        if hosts.extra.contains(&host) && matches!(url.scheme(), "http" | "https") {
            return Ok(Self(url));
        }
        if url.scheme() != "https" || url.port().is_some() {
            return Err(refused(&host, "it is not https on the standard port"));
        }
        if !is_aws_s3(&host) {
            return Err(refused(&host, "it is not one of AWS's S3 hosts"));
        }
        Ok(Self(url))
    }

    /// The URL itself, for the one place that sends the answer.
    pub(crate) fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/<redacted>", self.0.scheme(), self.0.host_str().unwrap_or("none"))
    }
}

/// Hosts beside AWS's own that an answer may be sent to; for local runs.
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts {
    extra: Vec<String>,
}

impl AllowedHosts {
    /// Reads a comma-separated list, the form of `TABLEWRIGHT_RESPONSE_HOSTS`.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        let hosts = list.split(',').map(str::trim).filter(|host| !host.is_empty());
        Self { extra: hosts.map(str::to_owned).collect() }
    }
}

/// Domains of the AWS partitions, from the `partitions` data of the AWS SDKs.
const PARTITION_DOMAINS: [&str; 7] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];

/// Whether `host` is S3 in some partition: `….s3.<region>.<domain>`, `….s3.<domain>` or `….s3-<region>.<domain>`.
fn is_aws_s3(host: &str) -> bool {
    PARTITION_DOMAINS.iter().any(|domain| {
        let Some(labels) = host.strip_suffix(domain).and_then(|head| head.strip_suffix('.')) else {
            return false;
        };
        let mut from_the_right = labels.rsplit('.');
        let s3 = |label: Option<&str>| label.is_some_and(|l| l == "s3" || l.starts_with("s3-"));
        s3(from_the_right.next()) || s3(from_the_right.next())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AWS: &str = "https://cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com/\
                       arn%3Aaws%3Acloudformation%7Cx?X-Amz-Signature=deadbeef";

    fn event(url: &str) -> Value {
        json!({
            "RequestType": "Create", "ResponseURL": url, "RequestId": "r1", "LogicalResourceId": "Data",
            "StackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/Shop/11aa", "ResourceProperties": {},
        })
    }

    fn read(event: &Value) -> Result<Envelope, NotARequest> {
        Envelope::read(event, &AllowedHosts::parse("127.0.0.1, localhost"))
    }

    #[test]
    fn identity_comes_from_stack_and_resource() {
        let envelope = read(&event(AWS)).unwrap();
        assert_eq!(envelope.scope(), "11aa/Data");
        assert_eq!(envelope.stack_name(), "Shop");
        assert_eq!(envelope.physical_id_of(None), "tablewright:11aa:Data:1");
        assert_eq!(envelope.generation(), 1);
    }

    #[test]
    fn an_id_names_another_resource_where_it_is_one_of_ours_and_not_this_one() {
        for (received, names_another) in [
            ("tablewright:11aa:Data:1", false),
            ("tablewright:11aa:Data:7", false),
            ("tablewright:22bb:Data:1", true),
            ("tablewright:11aa:Other:1", true),
            ("made-up-by-cloudformation", false),
        ] {
            let mut event = event(AWS);
            event["PhysicalResourceId"] = json!(received);
            assert_eq!(read(&event).unwrap().names_another_resource(), names_another, "{received}");
        }
    }

    #[test]
    fn the_physical_id_stays_until_the_generation_is_another() {
        for (received, generation, second) in [
            ("tablewright:11aa:Data:7", 7, "tablewright:11aa:Data:8"),
            ("made-up-by-cloudformation", 1, "tablewright:11aa:Data:8"),
        ] {
            let mut event = event(AWS);
            event["PhysicalResourceId"] = json!(received);
            let envelope = read(&event).unwrap();
            assert_eq!(envelope.generation(), generation);
            assert_eq!(envelope.physical_id_of(None), received);
            assert_eq!(envelope.physical_id_of(Some(generation)), received);
            assert_eq!(envelope.physical_id_of(Some(8)), second);
        }
    }

    #[test]
    fn an_equal_delivery_is_the_same_run_and_another_url_is_another() {
        let first = read(&event(AWS)).unwrap().run_id();
        assert_eq!(first, read(&event(AWS)).unwrap().run_id());
        assert_ne!(first, read(&event(&format!("{AWS}0"))).unwrap().run_id());
    }

    #[test]
    fn nothing_prints_the_signature() {
        let envelope = read(&event(AWS)).unwrap();
        let url = envelope.response_url.as_ref().unwrap();
        let printed = format!("{envelope:?} {url} {url:?} {}", envelope.to_event());
        assert!(!printed.contains("deadbeef") && !printed.contains("Signature"), "{printed}");
    }

    #[test]
    fn a_kept_event_is_the_same_request() {
        let mut event = event(AWS);
        for kind in ["Create", "Update", "Delete", "Dance"] {
            event["RequestType"] = json!(kind);
            event["PhysicalResourceId"] = json!("tablewright:11aa:Data:7");
            event["OldResourceProperties"] = json!({"Tables": ["x"]});
            let first = read(&event).unwrap();
            let hosts = AllowedHosts::parse("");
            let again = Envelope::kept(&first.to_event(), Some(AWS), &hosts).unwrap();
            assert_eq!(again.run_id(), first.run_id());
            assert_eq!(format!("{again:?}"), format!("{first:?}"));
        }
    }

    #[test]
    fn the_url_is_sent_as_it_came() {
        assert_eq!(read(&event(AWS)).unwrap().response_url.unwrap().expose().as_str(), AWS);
    }

    #[test]
    fn only_s3_hosts_of_aws_and_named_hosts_are_allowed() {
        for allowed in [
            AWS,
            "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/x",
            "https://bucket.s3-eu-west-1.amazonaws.com/x",
            "https://bucket.s3.cn-north-1.amazonaws.com.cn/x",
            "http://127.0.0.1:9010/answer",
            "https://localhost/answer",
        ] {
            assert!(read(&event(allowed)).is_ok(), "{allowed}");
        }
        for refused in [
            "http://bucket.s3.eu-west-1.amazonaws.com/x",
            "https://bucket.s3.eu-west-1.amazonaws.com:8443/x",
            "https://user@bucket.s3.eu-west-1.amazonaws.com/x",
            "https://evil.example/x?secret=1",
            "https://s3.amazonaws.com.evil.example/x",
            "https://evil-amazonaws.com/x",
            "https://ec2.eu-west-1.amazonaws.com/x",
            "http://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "nonsense",
        ] {
            let refusal = read(&event(refused)).unwrap_err();
            assert!(matches!(refusal, NotARequest::RefusedUrl { .. }), "{refused}");
            assert!(!refusal.to_string().contains("secret"), "{refusal}");
        }
    }

    #[test]
    fn a_missing_field_is_named() {
        let mut event = event(AWS);
        event.as_object_mut().unwrap().remove("StackId");
        assert_eq!(read(&event).unwrap_err(), NotARequest::Missing("StackId"));
        assert_eq!(read(&json!("text")).unwrap_err(), NotARequest::Missing("ResponseURL"));
    }

    #[test]
    fn the_hash_of_properties_leaves_out_what_only_cloudformation_reads() {
        let plain = properties_hash(&json!({"Tables": []}));
        assert_eq!(
            plain,
            properties_hash(&json!({"Tables": [], "ServiceToken": "x", "ServiceTimeout": "9"}))
        );
        assert_ne!(plain, properties_hash(&json!({"Tables": [1]})));
    }
}
