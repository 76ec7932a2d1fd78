//! The Lambda entry point: reads the environment, builds the clients, and polls the runtime.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;

use crate::answer::Sender;
use crate::autoscaling::Scaler;
use crate::deadline::Deadline;
use crate::dynamo::Dynamo;
use crate::handler::{Handler, Invocation};
use crate::kms::Kms;
use crate::migrator::{BuildError, Migrator};
use crate::request::AllowedHosts;
use crate::services::{Regions, Services};
use crate::stacks::CloudFormation;
use crate::states::{Driver, StateMachine};
use crate::streams::Streams;
use crate::{clock, logging};

/// Serves a list of migrations as a Lambda function, until Lambda ends the process.
///
/// It takes what [`build`](crate::migrator::Builder::build) returns: a list that is refused is answered to CloudFormation,
/// where ending the process would leave the stack waiting for an hour.
///
/// The migration files of the folder that `TABLEWRIGHT_MIGRATIONS` names take their places among them; without it, those of
/// `migrations` in the function's package or, where there is none, of `/opt/migrations`, where layers are.
///
/// # Errors
/// Where the runtime API cannot be reached, or no HTTPS client can be made.
pub async fn run(migrator: Result<Migrator, BuildError>) -> Result<(), Error> {
    logging::init();
    let hosts = std::env::var("TABLEWRIGHT_RESPONSE_HOSTS").unwrap_or_default();
    let services = services().await?;
    let migrator = migrator.and_then(with_files);
    let handler =
        Handler::new(services, migrator.map(Arc::new), AllowedHosts::parse(&hosts), Sender::new()?);
    let handler = &handler;
    let serve = |event: LambdaEvent<Value>| async move {
        let invocation = Invocation {
            id: event.context.request_id.clone(),
            deadline: deadline(event.context.deadline),
            log_stream: event.context.env_config.log_stream.clone(),
        };
        let result = Box::pin(handler.handle(event.payload, invocation)).await;
        result.map_err(|error| Diagnostic {
            error_type: error.name().to_owned(),
            error_message: error.to_string(),
        })
    };
    lambda_runtime::run(service_fn(serve)).await
}

/// Adds the migration files that were deployed with the function.
fn with_files(migrator: Migrator) -> Result<Migrator, BuildError> {
    if let Ok(named) = std::env::var("TABLEWRIGHT_MIGRATIONS") {
        return migrator.and_folder(named);
    }
    let task = std::env::var("LAMBDA_TASK_ROOT").map(|root| Path::new(&root).join("migrations"));
    let places = task.into_iter().chain([PathBuf::from("/opt/migrations")]);
    match places.into_iter().find(|place| place.is_dir()) {
        Some(folder) => migrator.and_folder(folder),
        None => Ok(migrator),
    }
}

/// Clients that give up on a dead connection in seconds: the answer is waiting.
async fn services() -> Result<Services, reqwest::Error> {
    let retries = RetryConfig::standard()
        .with_max_attempts(4)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_secs(2));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(20))
        .build();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(retries)
        .timeout_config(timeouts)
        .load()
        .await;
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

/// Turns Lambda's wall-clock deadline into one of the process's own clock.
///
/// `cargo lambda watch` sends the length of an invocation where Lambda sends the moment of its end.
fn deadline(deadline_ms: u64) -> Deadline {
    const LONGEST: Duration = Duration::from_hours(24);
    let given = Duration::from_millis(deadline_ms);
    let left = if given < LONGEST {
        given
    } else {
        given.saturating_sub(Duration::from_millis(clock::now_ms()))
    };
    Deadline::after(left)
}
