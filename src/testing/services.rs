//! The plane as the services that a function uses.

use std::sync::Arc;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::ControlPlane;
use crate::autoscaling::Scaler;
use crate::dynamo::Dynamo;
use crate::kms::Kms;
use crate::services::{Regions, Services};
use crate::stacks::{StackStatus, Stacks, Unreadable};
use crate::streams::Streams;

impl ControlPlane {
    /// Clients in process of all services that a function uses, for [`Handler::new`](crate::handler::Handler::new).
    ///
    /// Other regions are not there: whoever has replicas with settings of their own puts a plane in the place of each.
    #[must_use]
    pub fn services(&self) -> Services {
        let region = Region::new(self.lock().account.region.clone());
        let credentials = || Credentials::new("strict", "strict", None, None, "tablewright");
        let scaler = aws_sdk_applicationautoscaling::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region.clone())
            .credentials_provider(credentials())
            .http_client(self.http_client());
        let streams = aws_sdk_dynamodbstreams::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region.clone())
            .credentials_provider(credentials())
            .http_client(self.http_client());
        let kms = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(credentials())
            .http_client(self.http_client());
        let plane = self.clone();
        Services {
            dynamo: Dynamo::new(self.client()),
            streams: Streams::new(aws_sdk_dynamodbstreams::Client::from_conf(streams.build())),
            scaler: Scaler::new(aws_sdk_applicationautoscaling::Client::from_conf(scaler.build())),
            kms: Kms::new(aws_sdk_kms::Client::from_conf(kms.build())),
            stacks: Arc::new(NoStacks),
            driver: None,
            regions: Regions::new(move |region| {
                let config = plane.config().region(Region::new(region.to_owned()));
                aws_sdk_dynamodb::Client::from_conf(config.build())
            }),
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
