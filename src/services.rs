//! The clients of the AWS services that a run uses; whoever makes them decides where requests go.

mod environment;

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;

pub use self::environment::LOCAL_REGION;
use crate::autoscaling::Scaler;
use crate::dynamo::Dynamo;
use crate::kms::Kms;
use crate::stacks::Stacks;
use crate::states::Driver;
use crate::streams::Streams;

/// The services of one account, as seen from one region; cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    /// DynamoDB.
    pub dynamo: Dynamo,
    /// DynamoDB's streams.
    pub streams: Streams,
    /// Auto scaling.
    pub scaler: Scaler,
    /// Keys.
    pub kms: Kms,
    /// CloudFormation, as far as it is asked what a stack is going through.
    pub stacks: Arc<dyn Stacks>,
    /// Who goes on with what takes longer than an invocation, where somebody does.
    pub driver: Option<Arc<dyn Driver>>,
    /// DynamoDB of other regions, where replicas are.
    pub regions: Regions,
}

impl Services {
    /// DynamoDB in another region.
    #[must_use]
    pub fn dynamo_in(&self, region: &str) -> Dynamo {
        self.dynamo.elsewhere((self.regions.0)(region))
    }
}

/// Makes clients of DynamoDB in other regions, by their names.
#[derive(Clone)]
pub struct Regions(Arc<dyn Fn(&str) -> Client + Send + Sync>);

impl Regions {
    /// Takes what makes a client for a region.
    #[must_use]
    pub fn new(client: impl Fn(&str) -> Client + Send + Sync + 'static) -> Self {
        Self(Arc::new(client))
    }
}

impl fmt::Debug for Regions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Regions")
    }
}
