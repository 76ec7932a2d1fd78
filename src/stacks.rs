//! Asks CloudFormation what a stack is going through, which no custom-resource request says.

use std::fmt;

use aws_config::SdkConfig;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::Url;

use crate::signed::{self, Post, Reply, Signer};

/// Tries of one question.
const TRIES: usize = 2;

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
    signer: Signer,
    endpoint: Option<String>,
}

impl CloudFormation {
    /// Asks with the region and the credentials of `config`, at `endpoint` or else where `config` sends all requests or
    /// else at the region's own. Sends nothing.
    ///
    /// # Errors
    /// Where the TLS backend cannot start.
    pub fn new(config: &SdkConfig, endpoint: Option<String>) -> Result<Self, reqwest::Error> {
        let signer = Signer::new(config, "cloudformation")?;
        let endpoint = endpoint.or_else(|| config.endpoint_url().map(str::to_owned));
        Ok(Self { signer, endpoint })
    }

    async fn ask(&self, stack_id: &str) -> Result<StackStatus, Unreadable> {
        let question = self.question(stack_id).map_err(Unreadable)?;
        let reply = self.signer.send(&question, TRIES).await.map_err(Unreadable)?;
        match reply {
            Reply::Body(body) => {
                let status = element(&body, "StackStatus").map(StackStatus);
                status.ok_or_else(|| Unreadable("an answer without it".to_owned()))
            }
            Reply::Refused(refusal) => {
                let said = |name| element(&refusal.body, name).unwrap_or_default();
                let why =
                    format!("HTTP status {}, {} {}", refusal.status, said("Code"), said("Message"));
                Err(Unreadable(why.trim_end_matches([' ', ',']).to_owned()))
            }
            Reply::Failed(why) => Err(Unreadable(why)),
        }
    }

    /// One `DescribeStacks` request.
    fn question(&self, stack_id: &str) -> Result<Post, String> {
        let region = self.signer.region()?;
        let own = || signed::endpoint("cloudformation", stack_id, region);
        let endpoint = self.endpoint.clone().unwrap_or_else(own);
        let url =
            Url::parse(&endpoint).map_err(|error| format!("the endpoint {endpoint}: {error}"))?;
        // The encoding of a query is that of a form.
        let mut form = url.clone();
        form.set_query(None);
        form.query_pairs_mut()
            .append_pair("Action", "DescribeStacks")
            .append_pair("Version", "2010-05-15")
            .append_pair("StackName", stack_id);
        let body = form.query().unwrap_or_default().to_owned();
        let headers = vec![("content-type", "application/x-www-form-urlencoded")];
        Ok(Post { url, headers, body })
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
