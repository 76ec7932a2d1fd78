//! Requests to AWS that are not worth an SDK of their own: signed, sent, and sorted by whether asking again helps.
#![expect(clippy::disallowed_methods, reason = "this is the one place that sends them")]

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::{StatusCode, Url};

use crate::dynamo::chain;

/// Most that an answer may take; the custom resource's own answer is waiting.
const ANSWER: Duration = Duration::from_secs(5);

/// Sends signed requests to one service.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    http: reqwest::Client,
    credentials: Option<SharedCredentialsProvider>,
    region: Option<String>,
    service: &'static str,
}

/// One POST, to be signed for each try.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// Where it goes.
    pub(crate) url: Url,
    /// Headers that are signed.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    /// What is asked.
    pub(crate) body: String,
}

/// What came of one try.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// What is asked for.
    Body(String),
    /// Asking again gives the same.
    Refused(Refusal),
    /// Asking again may help.
    Failed(String),
}

/// An answer that is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub(crate) status: u16,
    /// What the service says, in its own form.
    pub(crate) body: String,
}

impl Signer {
    /// Signs with the region and the credentials of `config`. Sends nothing.
    ///
    /// # Errors
    /// Where the TLS backend cannot start.
    pub(crate) fn new(config: &SdkConfig, service: &'static str) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(3))
            .timeout(ANSWER)
            .build()?;
        Ok(Self {
            http,
            credentials: config.credentials_provider(),
            region: config.region().map(ToString::to_string),
            service,
        })
    }

    /// The region that it signs for.
    pub(crate) fn region(&self) -> Result<&str, String> {
        self.region.as_deref().ok_or_else(|| "no region".to_owned())
    }

    /// Sends a request, `tries` times where asking again may help.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub(crate) async fn send(&self, post: &Post, tries: usize) -> Result<Reply, String> {
        let region = self.region()?;
        let provider = self.credentials.as_ref().ok_or("no credentials")?;
        let credentials = tokio::time::timeout(ANSWER, provider.provide_credentials()).await;
        let credentials = credentials.map_err(|_| "the credentials took too long".to_owned())?;
        let credentials = credentials.map_err(|error| chain(&error))?;
        let mut last = "nobody asked".to_owned();
        for _ in 0..tries {
            let headers = self.signature(post, region, &credentials)?;
            match self.try_once(post, headers).await {
                Reply::Failed(why) => last = why,
                reply @ (Reply::Body(_) | Reply::Refused(_)) => return Ok(reply),
            }
        }
        Ok(Reply::Failed(last))
    }

    async fn try_once(&self, post: &Post, signature: Vec<(String, String)>) -> Reply {
        let request = self.http.post(post.url.clone());
        let request = post
            .headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        let request = signature
            .into_iter()
            .fold(request, |request, (name, value)| request.header(name, value));
        let response = match request.body(post.body.clone()).send().await {
            Ok(response) => response,
            Err(error) => return Reply::Failed(chain(&error.without_url())),
        };
        let status = response.status();
        let body = match response.text().await {
            Ok(body) => body,
            Err(error) => return Reply::Failed(chain(&error.without_url())),
        };
        if status.is_success() {
            Reply::Body(body)
        } else if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Reply::Failed(format!("HTTP status {}", status.as_u16()))
        } else {
            Reply::Refused(Refusal { status: status.as_u16(), body })
        }
    }

    /// The headers that make it a signed request.
    fn signature(
        &self,
        post: &Post,
        region: &str,
        credentials: &Credentials,
    ) -> Result<Vec<(String, String)>, String> {
        let identity = credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| chain(&error))?
            .into();
        let body = SignableBody::Bytes(post.body.as_bytes());
        let signed = post.headers.iter().copied();
        let request = SignableRequest::new("POST", post.url.as_str(), signed, body);
        let request = request.map_err(|error| chain(&error))?;
        let (instructions, _) =
            sign(request, &parameters).map_err(|error| chain(&error))?.into_parts();
        let headers = instructions.headers();
        Ok(headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// The endpoint of a service in a region, by the partition that an ARN names; from the `partitions` data of the AWS SDKs.
pub(crate) fn endpoint(service: &str, arn: &str, region: &str) -> String {
    let domain = match arn.split(':').nth(1) {
        Some("aws-cn") => "amazonaws.com.cn",
        Some("aws-eusc") => "amazonaws.eu",
        Some("aws-iso") => "c2s.ic.gov",
        Some("aws-iso-b") => "sc2s.sgov.gov",
        Some("aws-iso-e") => "cloud.adc-e.uk",
        Some("aws-iso-f") => "csp.hci.ic.gov",
        _ => "amazonaws.com",
    };
    format!("https://{service}.{region}.{domain}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_that_of_the_partition() {
        for (partition, domain) in [
            ("aws", "amazonaws.com"),
            ("aws-us-gov", "amazonaws.com"),
            ("aws-cn", "amazonaws.com.cn"),
            ("aws-eusc", "amazonaws.eu"),
        ] {
            let arn = format!("arn:{partition}:cloudformation:eu-west-1:1:stack/Shop/11aa");
            let expected = format!("https://cloudformation.eu-west-1.{domain}/");
            assert_eq!(endpoint("cloudformation", &arn, "eu-west-1"), expected);
        }
    }
}
