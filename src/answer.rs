//! The one response to CloudFormation: its body, its 4,096 bytes, and the PUT that sends it.
#![expect(clippy::disallowed_methods, reason = "this is the one place that answers")]

mod receiver;

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

pub use self::receiver::{Put, Receiver};
use crate::dynamo::chain;
use crate::request::{Envelope, ResponseUrl};

/// Largest body that CloudFormation takes, in bytes, inclusive ("Custom resource response objects").
pub const BODY_BYTES_MAX: usize = 4096;

/// What a shortened reason keeps while there is data to drop instead, in bytes of JSON.
const REASON_BYTES_KEPT: usize = 1024;

/// Tries of one answer.
const TRIES: usize = 5;

/// How the request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// As asked.
    Success,
    /// Not as asked.
    Failed,
}

/// What is answered, before it is cut to size.
#[derive(Debug, Clone)]
pub struct Answer {
    /// How the request ended.
    pub status: Status,
    /// What a person reads; may be empty on success.
    pub reason: String,
    /// Where to read more; kept whole when the reason is shortened.
    pub pointer: String,
    /// Attributes of the resource, the most important first.
    pub data: Vec<(String, String)>,
    /// The generation that the physical id names; `None` keeps the id that was received.
    pub generation: Option<u64>,
}

/// The body, without null fields: CloudFormation refuses an answer with `"Reason": null`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    status: Status,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    data: Map<String, Value>,
}

impl Answer {
    /// The body for `envelope`, of at most [`BODY_BYTES_MAX`] bytes.
    ///
    /// The reason gives way first, down to a readable length; then data from the least important on; then the rest
    /// of the reason. Nothing is ever cut inside a character.
    #[must_use]
    pub fn body(&self, envelope: &Envelope) -> String {
        let whole = self.render(envelope, &self.reason, self.data.len());
        if whole.len() <= BODY_BYTES_MAX {
            return whole;
        }
        for kept in (0..=self.data.len()).rev() {
            // One character of a reason brings the key, the pointer and the space between them along.
            let bare = self.render(envelope, "x", kept).len() - 1;
            let room = BODY_BYTES_MAX.saturating_sub(bare);
            if room >= REASON_BYTES_KEPT || kept == 0 {
                let reason = shorten(&self.reason, room);
                return self.render(envelope, &reason, kept);
            }
        }
        unreachable!("the loop ends with no data kept")
    }

    fn render(&self, envelope: &Envelope, reason: &str, data_kept: usize) -> String {
        let reason = match (reason.is_empty(), self.pointer.is_empty(), self.status) {
            (true, _, Status::Success) | (_, true, _) => reason.to_owned(),
            (true, false, Status::Failed) => self.pointer.clone(),
            (false, false, _) => format!("{reason} {}", self.pointer),
        };
        let data = self.data[..data_kept].iter();
        let body = Body {
            status: self.status,
            reason,
            physical_resource_id: &envelope.physical_id_of(self.generation),
            stack_id: &envelope.stack_id,
            request_id: &envelope.request_id,
            logical_resource_id: &envelope.logical_id,
            data: data.map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect(),
        };
        serde_json::to_string(&body).expect("strings and maps of strings serialise")
    }
}

/// The longest beginning of `text` whose JSON form, with an ellipsis, takes at most `room` bytes more than nothing.
fn shorten(text: &str, room: usize) -> String {
    let json_bytes = |text: &str| serde_json::to_string(text).map_or(0, |json| json.len() - 2);
    if json_bytes(text) <= room {
        return text.to_owned();
    }
    let ellipsis = "…";
    let mut left = room.saturating_sub(ellipsis.len());
    let mut end = 0;
    for (start, character) in text.char_indices() {
        let mut buffer = [0; 4];
        let bytes = json_bytes(character.encode_utf8(&mut buffer));
        if bytes > left {
            break;
        }
        left -= bytes;
        end = start + character.len_utf8();
    }
    if room < ellipsis.len() { String::new() } else { format!("{}{ellipsis}", &text[..end]) }
}

/// Why an answer did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The other side will not take it, however often it is sent.
    #[error(
        "the answer was refused with HTTP status {0}; CloudFormation waits until its ServiceTimeout"
    )]
    Refused(u16),
    /// It could not be delivered.
    #[error(
        "the answer could not be delivered: {0}; check the route to S3 (a VPC needs a gateway endpoint)"
    )]
    Undelivered(String),
}

/// Sends answers.
#[derive(Debug, Clone)]
pub struct Sender(Way);

#[derive(Debug, Clone)]
enum Way {
    Http(reqwest::Client),
    /// No sockets: CloudFormation's part is played in process, where paused time must not take a socket for waiting.
    InProcess(Receiver),
}

impl Sender {
    /// Makes a client that follows no redirects and gives up soon.
    ///
    /// # Errors
    /// Where the TLS backend cannot start.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(5))
            .build()?;
        Ok(Self(Way::Http(client)))
    }

    /// The same with connections of its own, for use on another runtime.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn apart(&self) -> Result<Self, reqwest::Error> {
        match &self.0 {
            Way::Http(_) => Self::new(),
            Way::InProcess(_) => Ok(self.clone()),
        }
    }

    /// Puts the bodies there instead of sending them.
    pub(crate) fn keeping(receiver: Receiver) -> Self {
        Self(Way::InProcess(receiver))
    }

    /// Puts the body to the presigned URL: no content type, for the signature covers an empty one.
    ///
    /// Network errors, 5xx and 429 are tried again; any other status but success is final.
    ///
    /// # Errors
    /// [`SendError`]; it never holds the URL.
    pub async fn send(&self, url: &ResponseUrl, body: &str) -> Result<(), SendError> {
        let attempt = || async {
            let status = self.put(url, body).await?;
            if status.is_success() {
                Ok(())
            } else if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                Err(SendError::Undelivered(format!("HTTP status {}", status.as_u16())))
            } else {
                Err(SendError::Refused(status.as_u16()))
            }
        };
        attempt
            .retry(
                ExponentialBuilder::default()
                    .with_jitter()
                    .with_min_delay(Duration::from_millis(200))
                    .with_max_delay(Duration::from_secs(3))
                    .with_max_times(TRIES - 1),
            )
            .when(|error| matches!(error, SendError::Undelivered(_)))
            .notify(|error, pause| tracing::warn!(%error, ?pause, "answering again"))
            .await
    }

    /// Puts the body once.
    async fn put(&self, url: &ResponseUrl, body: &str) -> Result<StatusCode, SendError> {
        let client = match &self.0 {
            Way::Http(client) => client,
            Way::InProcess(receiver) => {
                let status = receiver.put(url.expose().as_str(), body);
                return StatusCode::from_u16(status)
                    .map_err(|error| SendError::Undelivered(error.to_string()));
            }
        };
        let request = client.put(url.expose().clone());
        let request = request.header(reqwest::header::CONTENT_TYPE, "").body(body.to_owned());
        match request.send().await {
            Ok(response) => Ok(response.status()),
            Err(error) => Err(SendError::Undelivered(chain(&error.without_url()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::request::AllowedHosts;

    fn envelope() -> Envelope {
        let event = json!({
            "RequestType": "Create", "ResponseURL": "http://127.0.0.1/a", "RequestId": "r1",
            "LogicalResourceId": "Data", "StackId": "arn:aws:cloudformation:eu-west-1:1:stack/Shop/11aa",
        });
        Envelope::read(&event, &AllowedHosts::parse("127.0.0.1")).unwrap()
    }

    fn answer(reason: &str, data: Vec<(String, String)>) -> Answer {
        let pointer = "(run 0011223344556677)".to_owned();
        Answer {
            status: Status::Failed,
            reason: reason.to_owned(),
            pointer,
            data,
            generation: None,
        }
    }

    #[test]
    fn nothing_is_null_and_ids_are_echoed() {
        let answer = Answer {
            status: Status::Success,
            reason: String::new(),
            pointer: String::new(),
            data: vec![],
            generation: None,
        };
        let body: Value = serde_json::from_str(&answer.body(&envelope())).unwrap();
        assert_eq!(
            body,
            json!({
                "Status": "SUCCESS", "PhysicalResourceId": "tablewright:11aa:Data:1",
                "StackId": "arn:aws:cloudformation:eu-west-1:1:stack/Shop/11aa",
                "RequestId": "r1", "LogicalResourceId": "Data",
            })
        );
    }

    #[test]
    fn a_new_generation_is_a_new_physical_id() {
        let said = |generation| {
            let answer = Answer { generation, ..answer("", vec![]) };
            let body: Value = serde_json::from_str(&answer.body(&envelope())).unwrap();
            body["PhysicalResourceId"].as_str().unwrap().to_owned()
        };
        assert_eq!(said(None), "tablewright:11aa:Data:1");
        assert_eq!(said(Some(1)), "tablewright:11aa:Data:1");
        assert_eq!(said(Some(2)), "tablewright:11aa:Data:2");
    }

    #[test]
    fn data_gives_way_from_its_end() {
        let data: Vec<_> = (0..200).map(|n| (format!("t{n:03}.Arn"), "a".repeat(60))).collect();
        let body = answer("short", data).body(&envelope());
        let body: Value = serde_json::from_str(&body).unwrap();
        let kept = body["Data"].as_object().unwrap();
        assert!(kept.contains_key("t000.Arn") && !kept.contains_key("t199.Arn"));
        assert_eq!(body["Reason"], "short (run 0011223344556677)");
    }

    proptest! {
        #[test]
        fn a_body_always_fits_and_always_parses(
            reason in "\\PC{0,300}|[\\x00-\\x7f]{0,6000}|[äö€😀\"\\\\]{0,4000}",
            data in prop::collection::vec(("[a-z]{1,40}", "\\PC{0,120}"), 0..60),
            status in prop_oneof![Just(Status::Success), Just(Status::Failed)],
        ) {
            let body = Answer { status, ..answer(&reason, data) }.body(&envelope());
            prop_assert!(body.len() <= BODY_BYTES_MAX, "{} bytes", body.len());
            let body: Value = serde_json::from_str(&body).unwrap();
            let Some(said) = body["Reason"].as_str() else {
                prop_assert!(status == Status::Success && reason.is_empty());
                return Ok(());
            };
            prop_assert!(said.ends_with("(run 0011223344556677)"));
            let said = said.trim_end_matches("(run 0011223344556677)").trim_end_matches(' ');
            let said = said.trim_end_matches('…');
            prop_assert!(reason.starts_with(said) || reason.trim_end().starts_with(said));
        }
    }
}
