//! Asks CloudFormation what a stack is going through, which no custom-resource request says.
#![expect(clippy::disallowed_methods, reason = "this is the one place that asks CloudFormation")]

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};

use crate::dynamo::chain;

/// Tries of one question.
const TRIES: usize = 2;
/// Most that an answer may take; the custom resource's own answer is waiting.
const ANSWER: Duration = Duration::from_secs(5);

/// Who knows what stacks are going through.
pub trait Stacks: fmt::Debug + Send + Sync {
    /// The status of the stack with this ARN.
    ///
    /// # Errors
    /// [`Unreadable`], whatever the reason: the caller does what is safe without it.
    fn status<'a>(&'a self, stack_id: &'a str) -> BoxFuture<'a, Result<StackStatus, Unreadable>>;
}

/// `StackStatus`, as CloudFormation words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackStatus(pub String);

/// What a stack is going through, as far as it makes a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its update is taken back, or has failed and may be.
    RollsBack,
    /// It goes as a whole, or its creation is taken back.
    Ends,
    /// Any other: it is created or updated, or has been.
    Goes,
}

impl StackStatus {
    /// The phase that the status belongs to.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let status = self.0.as_str();
        if status.starts_with("UPDATE_ROLLBACK_") || status == "UPDATE_FAILED" {
            Phase::RollsBack
        } else if status.starts_with("DELETE_") || status.starts_with("ROLLBACK_") {
            Phase::Ends
        } else {
            Phase::Goes
        }
    }
}

impl fmt::Display for StackStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a status could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the status of the stack could not be read ({0}); the function's role needs cloudformation:DescribeStacks on it"
)]
pub struct Unreadable(pub String);

/// CloudFormation itself: one signed request of its query protocol.
#[derive(Debug, Clone)]
pub struct CloudFormation {
    http: reqwest::Client,
    credentials: Option<SharedCredentialsProvider>,
    region: Option<String>,
    endpoint: Option<String>,
}

impl CloudFormation {
    /// Asks with the region and the credentials of `config`, at `endpoint` or else where `config` sends all requests or
    /// else at the region's own. Sends nothing.
    ///
    /// # Errors
    /// Where the TLS backend cannot start.
    pub fn new(config: &SdkConfig, endpoint: Option<String>) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(3))
            .timeout(ANSWER)
            .build()?;
        Ok(Self {
            http,
            credentials: config.credentials_provider(),
            region: config.region().map(ToString::to_string),
            endpoint: endpoint.or_else(|| config.endpoint_url().map(str::to_owned)),
        })
    }

    async fn ask(&self, stack_id: &str) -> Result<StackStatus, Unreadable> {
        let request = Question::new(self, stack_id)?;
        let provider = self.credentials.as_ref().ok_or_else(|| because("no credentials"))?;
        let credentials = tokio::time::timeout(ANSWER, provider.provide_credentials()).await;
        let credentials = credentials.map_err(|_| because("the credentials took too long"))?;
        let credentials = credentials.map_err(|error| Unreadable(chain(&error)))?;
        let mut last = because("nobody asked");
        for _ in 0..TRIES {
            match self.send(&request, &credentials).await {
                Reply::Body(body) => {
                    let status = element(&body, "StackStatus");
                    return status.map(StackStatus).ok_or_else(|| because("an answer without it"));
                }
                Reply::Refused(why) => return Err(Unreadable(why)),
                Reply::Failed(why) => last = Unreadable(why),
            }
        }
        Err(last)
    }

    async fn send(&self, question: &Question<'_>, credentials: &Credentials) -> Reply {
        let headers = match question.signature(credentials) {
            Ok(headers) => headers,
            Err(why) => return Reply::Refused(why),
        };
        let request = self.http.post(question.url.clone()).header(CONTENT_TYPE, FORM);
        let request =
            headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let response = match request.body(question.body.clone()).send().await {
            Ok(response) => response,
            Err(error) => return Reply::Failed(chain(&error.without_url())),
        };
        let status = response.status();
        let body = match response.text().await {
            Ok(body) => body,
            Err(error) => return Reply::Failed(chain(&error.without_url())),
        };
        if status.is_success() {
            return Reply::Body(body);
        }
        let said = |name| element(&body, name).unwrap_or_default();
        let why = format!("HTTP status {}, {} {}", status.as_u16(), said("Code"), said("Message"));
        let why = why.trim_end_matches([' ', ',']).to_owned();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Reply::Failed(why)
        } else {
            Reply::Refused(why)
        }
    }
}

impl Stacks for CloudFormation {
    fn status<'a>(&'a self, stack_id: &'a str) -> BoxFuture<'a, Result<StackStatus, Unreadable>> {
        async move {
            let answer = self.ask(stack_id).await;
            match &answer {
                Ok(status) => tracing::info!(%status, "CloudFormation says what the stack is going through"),
                Err(error) => tracing::warn!(%error, "CloudFormation does not say what the stack is going through"),
            }
            answer
        }
        .boxed()
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// What came of one try.
enum Reply {
    Body(String),
    /// Asking again gives the same.
    Refused(String),
    /// Asking again may help.
    Failed(String),
}

fn because(why: &str) -> Unreadable {
    Unreadable(why.to_owned())
}

/// One `DescribeStacks` request, to be signed for each try.
struct Question<'a> {
    url: Url,
    body: String,
    region: &'a str,
}

impl<'a> Question<'a> {
    fn new(asker: &'a CloudFormation, stack_id: &str) -> Result<Self, Unreadable> {
        let region = asker.region.as_deref().ok_or_else(|| because("no region"))?;
        let own = || own_endpoint(stack_id, region);
        let endpoint = asker.endpoint.clone().unwrap_or_else(own);
        let url = Url::parse(&endpoint)
            .map_err(|error| Unreadable(format!("the endpoint {endpoint}: {error}")))?;
        // The encoding of a query is that of a form.
        let mut form = url.clone();
        form.set_query(None);
        form.query_pairs_mut()
            .append_pair("Action", "DescribeStacks")
            .append_pair("Version", "2010-05-15")
            .append_pair("StackName", stack_id);
        let body = form.query().unwrap_or_default().to_owned();
        Ok(Self { url, body, region })
    }

    /// The headers that make it a signed request.
    fn signature(&self, credentials: &Credentials) -> Result<Vec<(String, String)>, String> {
        let identity = credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("cloudformation")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| chain(&error))?
            .into();
        let signed = [(CONTENT_TYPE.as_str(), FORM)].into_iter();
        let body = SignableBody::Bytes(self.body.as_bytes());
        let request = SignableRequest::new("POST", self.url.as_str(), signed, body);
        let request = request.map_err(|error| chain(&error))?;
        let (instructions, _) =
            sign(request, &parameters).map_err(|error| chain(&error))?.into_parts();
        let headers = instructions.headers();
        Ok(headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// CloudFormation's endpoint in a region, by the partition that the stack's ARN names; from the `partitions` data of
/// the AWS SDKs.
fn own_endpoint(stack_id: &str, region: &str) -> String {
    let domain = match stack_id.split(':').nth(1) {
        Some("aws-cn") => "amazonaws.com.cn",
        Some("aws-eusc") => "amazonaws.eu",
        Some("aws-iso") => "c2s.ic.gov",
        Some("aws-iso-b") => "sc2s.sgov.gov",
        Some("aws-iso-e") => "cloud.adc-e.uk",
        Some("aws-iso-f") => "csp.hci.ic.gov",
        _ => "amazonaws.com",
    };
    format!("https://cloudformation.{region}.{domain}/")
}

/// The text of the first element of this name. All that a template brings along is escaped in the answer, so that
/// none of it can pass for an element.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_that_of_the_stack_s_partition() {
        for (partition, endpoint) in [
            ("aws", "https://cloudformation.eu-west-1.amazonaws.com/"),
            ("aws-us-gov", "https://cloudformation.eu-west-1.amazonaws.com/"),
            ("aws-cn", "https://cloudformation.eu-west-1.amazonaws.com.cn/"),
            ("aws-eusc", "https://cloudformation.eu-west-1.amazonaws.eu/"),
        ] {
            let arn = format!("arn:{partition}:cloudformation:eu-west-1:1:stack/Shop/11aa");
            assert_eq!(own_endpoint(&arn, "eu-west-1"), endpoint);
        }
    }

    #[test]
    fn each_status_belongs_to_a_phase() {
        let phase = |status: &str| StackStatus(status.to_owned()).phase();
        for status in [
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_ROLLBACK_FAILED",
            "UPDATE_FAILED",
        ] {
            assert_eq!(phase(status), Phase::RollsBack, "{status}");
        }
        for status in ["DELETE_IN_PROGRESS", "DELETE_FAILED", "ROLLBACK_IN_PROGRESS"] {
            assert_eq!(phase(status), Phase::Ends, "{status}");
        }
        for status in [
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "UPDATE_COMPLETE",
            "SOMETHING_NEW",
        ] {
            assert_eq!(phase(status), Phase::Goes, "{status}");
        }
    }
}
