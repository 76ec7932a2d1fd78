//! The plane as the services that a function uses.

use std::sync::Arc;

use aws_sdk_dynamodb::config::{Credentials, Region};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::ControlPlane;
use crate::dynamo::Dynamo;
use crate::kms::Kms;
use crate::services::Services;
use crate::stacks::{StackStatus, Stacks, Unreadable};

impl ControlPlane {
    /// Clients in process of all services that a function uses, for [`Handler::new`](crate::handler::Handler::new).
    #[must_use]
    pub fn services(&self) -> Services {
        let kms = aws_sdk_kms::Config::builder()
            .behavior_version(aws_sdk_kms::config::BehaviorVersion::latest())
            .region(Region::new(self.lock().account.region.clone()))
            .credentials_provider(Credentials::new("strict", "strict", None, None, "tablewright"))
            .http_client(self.http_client());
        Services {
            dynamo: Dynamo::new(self.client()),
            kms: Kms::new(aws_sdk_kms::Client::from_conf(kms.build())),
            stacks: Arc::new(NoStacks),
        }
    }
}

/// Knows of no stack.
#[derive(Debug)]
struct NoStacks;

impl Stacks for NoStacks {
    fn status<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<StackStatus, Unreadable>> {
        async { Err(Unreadable("a control plane has no stacks".to_owned())) }.boxed()
    }
}
