//! A request at which a fault comes about: it fails, or the process dies there.

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
pub(crate) enum Fault {
    /// It fails, and is never sent.
    Fails,
    /// The process ends there.
    Crash,
}

/// Which requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    All,
    Writes,
}

/// Counts requests and brings the fault about at one of them.
#[derive(Debug, Clone)]
pub(crate) struct Trap {
    fault: Fault,
    counts: Counts,
    at: usize,
    seen: Arc<AtomicUsize>,
    pub(crate) crashed: Arc<Notify>,
}

impl Trap {
    pub(crate) fn at(request: usize, fault: Fault) -> Self {
        let (seen, crashed) = Default::default();
        Self { fault, counts: Counts::All, at: request, seen, crashed }
    }

    /// Only requests that write are counted, and meet the fault; a dead process sends no others either.
    pub(crate) fn at_write(write: usize, fault: Fault) -> Self {
        Self { counts: Counts::Writes, ..Self::at(write, fault) }
    }

    /// A client with this configuration that meets the trap, and tries nothing again.
    pub(crate) fn client(&self, config: Builder) -> Client {
        let config = config.retry_config(RetryConfig::disabled()).interceptor(self.clone());
        Client::from_conf(config.build())
    }

    pub(crate) fn has_sprung(&self) -> bool {
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
            if self.fault == Fault::Fails || !self.has_sprung() {
                return Ok(());
            }
            self.seen.load(Ordering::SeqCst)
        } else {
            self.seen.fetch_add(1, Ordering::SeqCst)
        };
        match self.fault {
            Fault::Fails if number == self.at => Err("trapped".into()),
            // A dead process sends nothing more.
            Fault::Crash if number >= self.at => {
                self.crashed.notify_one();
                Err("dead".into())
            }
            _ => Ok(()),
        }
    }
}
