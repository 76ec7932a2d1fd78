//! The clients of the AWS services that a run uses; whoever makes them decides where requests go.

use crate::dynamo::Dynamo;
use crate::kms::Kms;

/// The services of one account, as seen from one region; cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    /// DynamoDB.
    pub dynamo: Dynamo,
    /// Keys.
    pub kms: Kms,
}
