//! A request at which something happens to whoever sends it: it fails, or the process dies there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use tokio::sync::Notify;

/// What happens at the chosen request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It fails, and is never sent.
    Fails,
    /// The process ends there: neither that request nor any later one is sent.
    Crash,
}

/// Which requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    All,
    Writes,
}

/// Counts the requests of a client, and has a mishap at one of them. Clones are the same one.
///
/// A test that lets the process die drops the future that was at work when [`crashed`](Self::crashed) comes to its end.
#[derive(Debug, Clone)]
pub struct Trap {
    mishap: Mishap,
    counts: Counts,
    at: usize,
    seen: Arc<AtomicUsize>,
    crashed: Arc<Notify>,
}

impl Trap {
    /// At this request, counted from 0.
    #[must_use]
    pub fn at(request: usize, mishap: Mishap) -> Self {
        let (seen, crashed) = Default::default();
        Self { mishap, counts: Counts::All, at: request, seen, crashed }
    }

    /// At this request of those that write, counted from 0.
    #[must_use]
    pub fn at_write(write: usize, mishap: Mishap) -> Self {
        Self { counts: Counts::Writes, ..Self::at(write, mishap) }
    }

    /// A client with this configuration that meets the trap, and tries nothing again.
    #[must_use]
    pub fn client(&self, config: Builder) -> Client {
        let config = config.retry_config(RetryConfig::disabled()).interceptor(self.clone());
        Client::from_conf(config.build())
    }

    /// Comes to its end when the process is to die.
    pub async fn crashed(&self) {
        self.crashed.notified().await;
    }

    /// Whether the request has come.
    #[must_use]
    pub fn has_sprung(&self) -> bool {
        self.seen.load(Ordering::SeqCst) > self.at
    }
}

impl Intercept for Trap {
    fn name(&self) -> &'static str {
        "trap"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or_default();
        let reads = ["GetItem", "Query", "Scan", "DescribeTable", "ListTagsOfResource"];
        let is_read = reads.iter().any(|operation| target.ends_with(operation));
        let number = if is_read && self.counts == Counts::Writes {
            // It stands before the next write.
            if self.mishap == Mishap::Fails || !self.has_sprung() {
                return Ok(());
            }
            self.seen.load(Ordering::SeqCst)
        } else {
            self.seen.fetch_add(1, Ordering::SeqCst)
        };
        match self.mishap {
            Mishap::Fails if number == self.at => Err("trapped".into()),
            // A dead process sends nothing more.
            Mishap::Crash if number >= self.at => {
                self.crashed.notify_one();
                Err("dead".into())
            }
            Mishap::Fails | Mishap::Crash => Ok(()),
        }
    }
}
