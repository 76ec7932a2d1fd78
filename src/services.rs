//! The clients of the AWS services that a run uses; whoever makes them decides where requests go.

use std::sync::Arc;

use crate::dynamo::Dynamo;
use crate::kms::Kms;
use crate::stacks::Stacks;

/// The services of one account, as seen from one region; cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    /// DynamoDB.
    pub dynamo: Dynamo,
    /// Keys.
    pub kms: Kms,
    /// CloudFormation, as far as it is asked what a stack is going through.
    pub stacks: Arc<dyn Stacks>,
}
