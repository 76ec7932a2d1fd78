//! The Lambda entry point: reads the environment, builds the clients, and polls the runtime.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde_json::Value;

use crate::answer::Sender;
use crate::deadline::Deadline;
use crate::handler::{Handler, Invocation};
use crate::migrator::{BuildError, Migrator};
use crate::request::AllowedHosts;
use crate::services::Services;
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
    let services = Services::from_env().await?;
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
