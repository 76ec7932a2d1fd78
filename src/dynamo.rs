//! The only file that sends DynamoDB requests: one method an operation, each error classified.
#![expect(clippy::disallowed_methods, reason = "this is the one place that sends")]

mod batch;
mod convert;
mod describe;
mod edit;
mod errors;
mod features;
mod items;
mod replicas;
mod tables;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use backon::{ExponentialBuilder, Retryable};
use futures::TryFutureExt;
use futures::future::BoxFuture;

pub(crate) use self::batch::{BATCH_MAX, Fate, Fates};
pub use self::describe::{Description, IndexPhase, Status};
pub(crate) use self::edit::{ATTRIBUTES_MAX, Edit, Kind, Statement, key_of};
pub(crate) use self::errors::chain;
pub use self::errors::{Class, Error, Service, classify};
pub(crate) use self::items::{Executed, Repeat};
pub use self::items::{ItemWrite, Page, Transacted, WireItem, Written};
pub(crate) use self::values::{canonical_number, digest, same, size};

type Result<T> = std::result::Result<T, Error>;

/// A DynamoDB client that classifies errors and counts what it sends.
#[derive(Debug, Clone)]
pub struct Dynamo {
    client: Client,
    /// The same, but it tries nothing again: for callers that have to know of every refusal.
    once: Client,
    sent: Arc<AtomicU64>,
}

impl Dynamo {
    /// Takes a configured client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { once: without_retries(&client), client, sent: Arc::default() }
    }

    /// The SDK's client, for code that users write.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The same with a client of another region; what it sends is counted together.
    #[must_use]
    pub fn elsewhere(&self, client: Client) -> Self {
        Self { once: without_retries(&client), client, sent: Arc::clone(&self.sent) }
    }

    /// The same with connections of its own: those of a client belong to the runtime that opened them.
    pub(crate) fn apart(&self) -> Self {
        self.elsewhere(Client::from_conf(self.client.config().clone()))
    }

    /// The region that it speaks to.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.client.config().region().map(AsRef::as_ref)
    }

    /// How many requests were sent so far, the SDK's own retries not counted.
    #[must_use]
    pub fn requests_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Boxed, for the SDK's futures are nested so deeply that callers of callers would not compile.
    fn send<'a, T, E>(
        &'a self,
        action: &'static str,
        resource: &'a str,
        call: impl Future<Output = std::result::Result<T, SdkError<E>>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>>
    where
        T: 'a,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.sent.fetch_add(1, Ordering::Relaxed);
        Box::pin(call.map_err(move |error| Error::from_sdk(action, resource, &error)))
    }
}

fn without_retries(client: &Client) -> Client {
    let config = client.config().to_builder().retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

/// Sends a request again while its error is one that passes, for a bounded time.
pub(crate) async fn patiently<T, F, Fut>(request: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    again_while(Error::is_transient, request).await
}

/// The same for a request that the SDK does not try again: a connection that broke is one that passes, too.
pub(crate) async fn patiently_alone<T, F, Fut>(request: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    again_while(|error| error.is_transient() || error.class == Class::Unreachable, request).await
}

async fn again_while<T, F, Fut>(passes: impl FnMut(&Error) -> bool, request: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    request
        .retry(
            ExponentialBuilder::default()
                .with_jitter()
                .with_min_delay(Duration::from_millis(50))
                .with_max_delay(Duration::from_secs(2))
                .with_max_times(6),
        )
        .when(passes)
        .await
}

/// Turns "not found" into `None`.
fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.class == Class::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

/// DynamoDB refuses empty lists; an absent one is what is meant.
fn some_list<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
