//! The services of the environment's account and region, as the AWS SDK reads them.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_sdk_dynamodb::config::Credentials;

use super::{Regions, Services};
use crate::autoscaling::Scaler;
use crate::dynamo::Dynamo;
use crate::kms::Kms;
use crate::stacks::CloudFormation;
use crate::states::{Driver, StateMachine};
use crate::streams::Streams;

impl Services {
    /// Those that the environment's credentials, region and endpoints lead to.
    ///
    /// # Errors
    /// Where no HTTPS client can be made.
    pub async fn from_env() -> Result<Self, reqwest::Error> {
        services(|loader| loader).await
    }

    /// The same at another endpoint. One on this machine checks no credentials, so that some are made up where the
    /// environment has none, and a region as well.
    ///
    /// # Errors
    /// As of [`Self::from_env`].
    pub async fn from_env_at(endpoint: &str) -> Result<Self, reqwest::Error> {
        let is_here = reqwest::Url::parse(endpoint).is_ok_and(|url| {
            url.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"))
        });
        let is_unset = |name: &str| std::env::var_os(name).is_none();
        services(|loader| {
            let mut loader = loader.endpoint_url(endpoint);
            if is_here && is_unset("AWS_ACCESS_KEY_ID") && is_unset("AWS_PROFILE") {
                let local = Credentials::new("local", "local", None, None, "tablewright");
                loader = loader.credentials_provider(local);
            }
            if is_here && is_unset("AWS_REGION") && is_unset("AWS_DEFAULT_REGION") {
                loader = loader.region(Region::new(LOCAL_REGION));
            }
            loader
        })
        .await
    }
}

/// Region of engines on this machine, unless the environment says another.
pub const LOCAL_REGION: &str = "eu-west-1";

/// Clients that give up on a dead connection in seconds: the answer is waiting.
async fn services(
    with: impl FnOnce(ConfigLoader) -> ConfigLoader,
) -> Result<Services, reqwest::Error> {
    let retries = RetryConfig::standard()
        .with_max_attempts(4)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_secs(2));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(20))
        .build();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(retries)
        .timeout_config(timeouts);
    let config = with(loader).load().await;
    let endpoint = |service: &str| std::env::var(format!("AWS_ENDPOINT_URL_{service}")).ok();
    let machine = std::env::var("TABLEWRIGHT_STATE_MACHINE_ARN").ok().filter(|arn| !arn.is_empty());
    let function = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    let driver = machine.map(|arn| StateMachine::new(&config, arn, function, endpoint("SFN")));
    let driver = driver.transpose()?;
    Ok(Services {
        dynamo: Dynamo::new(aws_sdk_dynamodb::Client::new(&config)),
        streams: Streams::new(aws_sdk_dynamodbstreams::Client::from_conf(streams(&config))),
        scaler: Scaler::new(aws_sdk_applicationautoscaling::Client::new(&config)),
        kms: Kms::new(aws_sdk_kms::Client::new(&config)),
        stacks: Arc::new(CloudFormation::new(&config, endpoint("CLOUDFORMATION"))?),
        driver: driver.map(|driver| Arc::new(driver) as Arc<dyn Driver>),
        regions: Regions::new(move |region| {
            let config = aws_sdk_dynamodb::config::Builder::from(&config);
            let config = config.region(Region::new(region.to_owned())).build();
            aws_sdk_dynamodb::Client::from_conf(config)
        }),
    })
}

/// Streams are found where DynamoDB is: an engine that stands in for one stands in for both.
fn streams(config: &aws_config::SdkConfig) -> aws_sdk_dynamodbstreams::Config {
    let mut streams = aws_sdk_dynamodbstreams::config::Builder::from(config);
    let own = std::env::var("AWS_ENDPOINT_URL_DYNAMODB_STREAMS");
    if let (Err(_), Ok(endpoint)) = (own, std::env::var("AWS_ENDPOINT_URL_DYNAMODB")) {
        streams = streams.endpoint_url(endpoint);
    }
    streams.build()
}
