//! Application Auto Scaling: targets and policies, which DescribeTable never shows and which outlive their table.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::{Account, read};
use super::describe::insert;
use super::rejection::{Rejection, Result};
use super::table::Units;

/// What is scaled: `table/orders` or `table/orders/index/by_status`, and reads or writes of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    resource_id: String,
    scalable_dimension: String,
}

/// The bounds of what is scaled.
#[derive(Debug, Clone)]
struct Target {
    min: u64,
    max: u64,
    role: Option<String>,
    created: f64,
}

/// Targets and their policies. One policy by name; another name replaces it.
#[derive(Debug, Default)]
pub(super) struct Scaling {
    targets: BTreeMap<Dimension, Target>,
    policies: BTreeMap<Dimension, Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Filter {
    resource_ids: Option<Vec<String>>,
    resource_id: Option<String>,
    scalable_dimension: Option<String>,
    policy_names: Option<Vec<String>>,
}

impl Account {
    pub(super) fn serve_autoscaling(&mut self, operation: &str, request: &Value) -> Result<Value> {
        if request["ServiceNamespace"].as_str().is_some_and(|name| name != "dynamodb") {
            return Err(Rejection::validation("only the service namespace dynamodb is here"));
        }
        match operation {
            "RegisterScalableTarget" => self.register_target(request),
            "DeregisterScalableTarget" => self.deregister_target(request),
            "DescribeScalableTargets" => self.describe_targets(request),
            "PutScalingPolicy" => self.put_scaling_policy(request),
            "DeleteScalingPolicy" => self.delete_scaling_policy(request),
            "DescribeScalingPolicies" => self.describe_scaling_policies(request),
            "ListTagsForResource" => Ok(json!({ "Tags": {} })),
            _ => Err(Rejection::unknown_operation()),
        }
    }

    /// A minimum above what the table has makes it scale at once.
    fn register_target(&mut self, request: &Value) -> Result<Value> {
        let dimension: Dimension = read(request)?;
        let known = self.scaling.targets.get(&dimension);
        let figure = |member: &str, known: Option<u64>| {
            request[member].as_u64().or(known).ok_or_else(|| {
                Rejection::validation(format!("{member} is required for a new scalable target"))
            })
        };
        let min = figure("MinCapacity", known.map(|known| known.min))?;
        let max = figure("MaxCapacity", known.map(|known| known.max))?;
        if max < min {
            return Err(Rejection::validation(
                "Maximum capacity cannot be less than minimum capacity",
            ));
        }
        let created = known.map_or(self.clock.timestamp(self.now), |known| known.created);
        let (table, index) = self.scaled(&dimension)?;
        let role = request["RoleARN"].as_str().map(str::to_owned);
        self.scaling.targets.insert(dimension.clone(), Target { min, max, role, created });
        self.scale_up(&table, index.as_deref(), dimension.is_read(), min);
        let arn = self.scaling_arn("scalable-target", &dimension);
        Ok(json!({ "ScalableTargetARN": arn }))
    }

    /// The table and the index of a dimension, which must be there.
    fn scaled(&self, dimension: &Dimension) -> Result<(String, Option<String>)> {
        let (table, index) = dimension.names();
        let found = table.and_then(|table| self.tables.get(table));
        let found = found.filter(|table| index.is_none_or(|index| table.index(index).is_some()));
        let table = found.ok_or_else(|| {
            Rejection::validation(format!(
                "DynamoDB table or index does not exist: {}",
                dimension.resource_id
            ))
        })?;
        Ok((table.name.clone(), index.map(str::to_owned)))
    }

    fn scale_up(&mut self, table: &str, index: Option<&str>, is_read: bool, min: u64) {
        let current =
            self.tables.get(table).filter(|table| !table.is_on_demand()).and_then(|table| {
                match index {
                    Some(index) => table.index(index).map(|index| index.capacity.provisioned),
                    None => Some(table.capacity.provisioned),
                }
            });
        let Some(current) = current else { return };
        let wanted = if is_read {
            Units { read: current.read.max(min), ..current }
        } else {
            Units { write: current.write.max(min), ..current }
        };
        if wanted == current {
            return;
        }
        match index {
            Some(index) => self.change_index_throughput(table, index, wanted),
            None => self.change_throughput(table, wanted),
        }
    }

    fn deregister_target(&mut self, request: &Value) -> Result<Value> {
        let dimension: Dimension = read(request)?;
        self.scaling
            .targets
            .remove(&dimension)
            .ok_or_else(|| no_target("scalable target", &dimension))?;
        self.scaling.policies.remove(&dimension);
        Ok(json!({}))
    }

    fn describe_targets(&self, request: &Value) -> Result<Value> {
        let filter: Filter = read(request)?;
        let service_role = format!(
            "arn:aws:iam::{}:role/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/\
             AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
            self.id
        );
        let targets = self.scaling.targets.iter().filter(|(dimension, _)| filter.takes(dimension));
        let shown = targets.map(|(dimension, target)| {
            json!({
                "ServiceNamespace": "dynamodb",
                "ResourceId": dimension.resource_id,
                "ScalableDimension": dimension.scalable_dimension,
                "ScalableTargetARN": self.scaling_arn("scalable-target", dimension),
                "MinCapacity": target.min,
                "MaxCapacity": target.max,
                "RoleARN": target.role.as_deref().unwrap_or(&service_role),
                "CreationTime": target.created,
                "SuspendedState": {
                    "DynamicScalingInSuspended": false,
                    "DynamicScalingOutSuspended": false,
                    "ScheduledScalingSuspended": false,
                },
            })
        });
        Ok(json!({ "ScalableTargets": shown.collect::<Vec<_>>() }))
    }

    fn put_scaling_policy(&mut self, request: &Value) -> Result<Value> {
        let dimension: Dimension = read(request)?;
        if !self.scaling.targets.contains_key(&dimension) {
            return Err(no_target("scalable target", &dimension));
        }
        let configuration = &request["TargetTrackingScalingPolicyConfiguration"];
        let value = configuration["TargetValue"].as_f64().unwrap_or_default();
        if !(10.0..=90.0).contains(&value) {
            return Err(Rejection::validation(format!(
                "For predefined metric type DynamoDBReadCapacityUtilization, target value must be between '10.0' and \
                 '90.0', but was '{value:.1}'."
            )));
        }
        let arn = self.scaling_arn("scaling-policy", &dimension);
        let earlier = self.scaling.policies.get(&dimension);
        let earlier = earlier.filter(|earlier| earlier["PolicyName"] == request["PolicyName"]);
        let created = earlier.map_or(json!(self.clock.timestamp(self.now)), |earlier| {
            earlier["CreationTime"].clone()
        });
        let mut policy = json!({
            "PolicyARN": arn,
            "PolicyName": request["PolicyName"],
            "ServiceNamespace": "dynamodb",
            "ResourceId": dimension.resource_id,
            "ScalableDimension": dimension.scalable_dimension,
            "PolicyType": "TargetTrackingScaling",
            "CreationTime": created,
            "Alarms": [],
        });
        let given = (!configuration.is_null()).then(|| configuration.clone());
        insert(&mut policy, [("TargetTrackingScalingPolicyConfiguration", given)]);
        self.scaling.policies.insert(dimension, policy);
        Ok(json!({ "PolicyARN": arn, "Alarms": [] }))
    }

    fn delete_scaling_policy(&mut self, request: &Value) -> Result<Value> {
        let dimension: Dimension = read(request)?;
        let policy = self.scaling.policies.get(&dimension);
        if policy.is_none_or(|policy| policy["PolicyName"] != request["PolicyName"]) {
            return Err(no_target("scaling policy", &dimension));
        }
        self.scaling.policies.remove(&dimension);
        Ok(json!({}))
    }

    fn describe_scaling_policies(&self, request: &Value) -> Result<Value> {
        let filter: Filter = read(request)?;
        let policies = self.scaling.policies.iter().filter(|(dimension, policy)| {
            let name = policy["PolicyName"].as_str().unwrap_or_default();
            let is_named = |names: &Vec<String>| names.iter().any(|wanted| wanted == name);
            filter.takes(dimension) && filter.policy_names.as_ref().is_none_or(is_named)
        });
        Ok(json!({ "ScalingPolicies": policies.map(|(_, policy)| policy).collect::<Vec<_>>() }))
    }

    /// Whether writes of the table, or of an index, have both a target and a policy.
    pub(super) fn scales_writes(&self, table: &str, index: Option<&str>) -> bool {
        let dimension = match index {
            Some(index) => Dimension {
                resource_id: format!("table/{table}/index/{index}"),
                scalable_dimension: "dynamodb:index:WriteCapacityUnits".to_owned(),
            },
            None => Dimension {
                resource_id: format!("table/{table}"),
                scalable_dimension: "dynamodb:table:WriteCapacityUnits".to_owned(),
            },
        };
        self.scaling.targets.contains_key(&dimension)
            && self.scaling.policies.contains_key(&dimension)
    }

    fn scaling_arn(&self, kind: &str, dimension: &Dimension) -> String {
        let Self { region, id, .. } = self;
        let Dimension { resource_id, scalable_dimension } = dimension;
        format!(
            "arn:aws:application-autoscaling:{region}:{id}:{kind}/{resource_id}:{scalable_dimension}"
        )
    }
}

impl Dimension {
    /// The table and, for an index, its name.
    fn names(&self) -> (Option<&str>, Option<&str>) {
        let mut parts = self.resource_id.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("table"), table, None, None) => (table, None),
            (Some("table"), table, Some("index"), index) => (table, index),
            _ => (None, None),
        }
    }

    fn is_read(&self) -> bool {
        self.scalable_dimension.ends_with("ReadCapacityUnits")
    }
}

impl Filter {
    fn takes(&self, dimension: &Dimension) -> bool {
        let is_wanted = |ids: &Vec<String>| ids.contains(&dimension.resource_id);
        self.resource_ids.as_ref().is_none_or(is_wanted)
            && self.resource_id.as_ref().is_none_or(|id| *id == dimension.resource_id)
            && self
                .scalable_dimension
                .as_ref()
                .is_none_or(|wanted| *wanted == dimension.scalable_dimension)
    }
}

fn no_target(what: &str, dimension: &Dimension) -> Rejection {
    Rejection::object_not_found(&format!(
        "No {what} found for service namespace: dynamodb, resource ID: {}, scalable dimension: {}",
        dimension.resource_id, dimension.scalable_dimension
    ))
}
