//! The only file that sends Application Auto Scaling requests: what scales the throughput of tables and indexes.
//!
//! Targets and policies are apart from the tables that they scale: DynamoDB does not show them, and they outlive the
//! table (AWS documentation, "Managing throughput capacity automatically with DynamoDB auto scaling").
#![expect(clippy::disallowed_methods, reason = "this is the one place that sends")]

use std::collections::BTreeMap;

use aws_sdk_applicationautoscaling::Client;
use aws_sdk_applicationautoscaling::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_applicationautoscaling::types as sdk;

use crate::dynamo::{Class, Error, Service};
use crate::schema::{AutoScaling, Dimension, Range, Scaling, Tracking, Utilisation};

type Result<T> = std::result::Result<T, Error>;

/// Pages that are read at most.
const PAGES_MAX: usize = 20;

/// An Application Auto Scaling client that classifies errors.
#[derive(Debug, Clone)]
pub struct Scaler(Client);

/// Auto scaling of a table and of its indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScalingOf {
    /// Of the table.
    pub table: AutoScaling,
    /// Of its indexes by name.
    pub indexes: BTreeMap<String, AutoScaling>,
}

impl Scaler {
    /// Takes a configured client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// Reports what scales a table and these indexes of it. What nothing scales takes one request.
    ///
    /// # Errors
    /// [`Class::Unsupported`] on engines without auto scaling.
    pub async fn of_table(
        &self,
        table: &str,
        indexes: impl IntoIterator<Item = &str>,
    ) -> Result<ScalingOf> {
        let names: BTreeMap<String, Option<String>> = std::iter::once(None)
            .chain(indexes.into_iter().map(|index| Some(index.to_owned())))
            .map(|index| (resource(table, index.as_deref()), index))
            .collect();
        let mut scaling = ScalingOf {
            table: AutoScaling::OFF,
            indexes: names
                .values()
                .flatten()
                .map(|name| (name.clone(), AutoScaling::OFF))
                .collect(),
        };
        let mut policies: BTreeMap<String, Vec<sdk::ScalingPolicy>> = BTreeMap::new();
        for target in self.targets(table, names.keys().cloned().collect()).await? {
            let (id, scaled) = (target.resource_id(), target.scalable_dimension());
            let (Some(index), Some(dimension)) = (names.get(id), dimension(scaled)) else {
                continue;
            };
            if !policies.contains_key(id) {
                policies.insert(id.to_owned(), self.policies(table, id).await?);
            }
            let mut own =
                policies[id].iter().filter(|policy| policy.scalable_dimension() == scaled);
            let range = Range {
                min: unsigned(target.min_capacity()),
                max: unsigned(target.max_capacity()),
                tracking: own.find_map(|policy| tracking_of(policy, dimension)),
            };
            let of = match index {
                None => &mut scaling.table,
                Some(index) => scaling.indexes.entry(index.clone()).or_default(),
            };
            *of.of_mut(dimension) = Some(Scaling::Between(range));
        }
        Ok(scaling)
    }

    async fn targets(&self, table: &str, ids: Vec<String>) -> Result<Vec<sdk::ScalableTarget>> {
        let mut targets = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let call = self
                .0
                .describe_scalable_targets()
                .service_namespace(sdk::ServiceNamespace::Dynamodb)
                .set_resource_ids(Some(ids.clone()))
                .set_next_token(next);
            let page = call.send().await;
            let page =
                page.map_err(|error| classified("DescribeScalableTargets", table, &error))?;
            targets.extend(page.scalable_targets.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(targets)
    }

    async fn policies(&self, table: &str, id: &str) -> Result<Vec<sdk::ScalingPolicy>> {
        let mut policies = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let call = self
                .0
                .describe_scaling_policies()
                .service_namespace(sdk::ServiceNamespace::Dynamodb)
                .resource_id(id)
                .set_next_token(next);
            let page = call.send().await;
            let page =
                page.map_err(|error| classified("DescribeScalingPolicies", table, &error))?;
            policies.extend(page.scaling_policies.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(policies)
    }

    /// Scales one dimension of a table or of an index: registers the range, then puts the policy. Both replace what
    /// there is.
    ///
    /// # Errors
    /// [`Class::Busy`] while another change of the same target is under way.
    pub async fn scale(
        &self,
        table: &str,
        index: Option<&str>,
        dimension: Dimension,
        range: &Range,
    ) -> Result<()> {
        let (id, scaled) = (resource(table, index), scalable(index, dimension));
        let call = self
            .0
            .register_scalable_target()
            .service_namespace(sdk::ServiceNamespace::Dynamodb)
            .resource_id(&id)
            .scalable_dimension(scaled.clone())
            .min_capacity(signed(range.min))
            .max_capacity(signed(range.max));
        let registered = call.send().await;
        registered.map_err(|error| classified("RegisterScalableTarget", table, &error))?;
        let Some(tracking) = &range.tracking else { return Ok(()) };
        let call = self
            .0
            .put_scaling_policy()
            .policy_name(tracking.policy.clone().unwrap_or_else(|| policy_name(dimension)))
            .service_namespace(sdk::ServiceNamespace::Dynamodb)
            .resource_id(&id)
            .scalable_dimension(scaled)
            .policy_type(sdk::PolicyType::TargetTrackingScaling)
            .target_tracking_scaling_policy_configuration(tracking_request(tracking, dimension));
        let put = call.send().await;
        put.map(drop).map_err(|error| classified("PutScalingPolicy", table, &error))
    }

    /// Ends the scaling of one dimension; the policies of a target go with it. What is not scaled is no error.
    ///
    /// # Errors
    /// [`Class::Busy`] while another change of the same target is under way.
    pub async fn unscale(
        &self,
        table: &str,
        index: Option<&str>,
        dimension: Dimension,
    ) -> Result<()> {
        let call = self
            .0
            .deregister_scalable_target()
            .service_namespace(sdk::ServiceNamespace::Dynamodb)
            .resource_id(resource(table, index))
            .scalable_dimension(scalable(index, dimension));
        let ended = call.send().await;
        match ended.map_err(|error| classified("DeregisterScalableTarget", table, &error)) {
            Err(error) if error.class == Class::Missing => Ok(()),
            ended => ended.map(drop),
        }
    }
}

fn classified<E>(action: &'static str, table: &str, error: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    Error::of(Service::AutoScaling, action, table, error)
}

fn resource(table: &str, index: Option<&str>) -> String {
    match index {
        None => format!("table/{table}"),
        Some(index) => format!("table/{table}/index/{index}"),
    }
}

fn policy_name(dimension: Dimension) -> String {
    format!("tablewright-{dimension}")
}

fn scalable(index: Option<&str>, dimension: Dimension) -> sdk::ScalableDimension {
    match (index, dimension) {
        (None, Dimension::Read) => sdk::ScalableDimension::DynamoDbTableReadCapacityUnits,
        (None, Dimension::Write) => sdk::ScalableDimension::DynamoDbTableWriteCapacityUnits,
        (Some(_), Dimension::Read) => sdk::ScalableDimension::DynamoDbIndexReadCapacityUnits,
        (Some(_), Dimension::Write) => sdk::ScalableDimension::DynamoDbIndexWriteCapacityUnits,
    }
}

fn dimension(scaled: &sdk::ScalableDimension) -> Option<Dimension> {
    use sdk::ScalableDimension as S;
    match scaled {
        S::DynamoDbTableReadCapacityUnits | S::DynamoDbIndexReadCapacityUnits => {
            Some(Dimension::Read)
        }
        S::DynamoDbTableWriteCapacityUnits | S::DynamoDbIndexWriteCapacityUnits => {
            Some(Dimension::Write)
        }
        _ => None,
    }
}

fn metric(dimension: Dimension) -> sdk::MetricType {
    match dimension {
        Dimension::Read => sdk::MetricType::DynamoDbReadCapacityUtilization,
        Dimension::Write => sdk::MetricType::DynamoDbWriteCapacityUtilization,
    }
}

/// Reads a policy that keeps the utilisation of a dimension at a target.
fn tracking_of(policy: &sdk::ScalingPolicy, dimension: Dimension) -> Option<Tracking> {
    let configuration = policy.target_tracking_scaling_policy_configuration()?;
    let tracked = configuration.predefined_metric_specification()?.predefined_metric_type();
    let cooldown = |seconds: Option<i32>| seconds.and_then(|seconds| u32::try_from(seconds).ok());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
    let target = Utilisation((configuration.target_value() * 100.0).round() as u32);
    (*tracked == metric(dimension)).then(|| Tracking {
        policy: Some(policy.policy_name().to_owned()),
        target,
        scale_in_cooldown: cooldown(configuration.scale_in_cooldown()),
        scale_out_cooldown: cooldown(configuration.scale_out_cooldown()),
        only_out: configuration.disable_scale_in().unwrap_or(false),
    })
}

fn tracking_request(
    tracking: &Tracking,
    dimension: Dimension,
) -> sdk::TargetTrackingScalingPolicyConfiguration {
    let metric = sdk::PredefinedMetricSpecification::builder()
        .predefined_metric_type(metric(dimension))
        .build()
        .expect("every required field is set");
    sdk::TargetTrackingScalingPolicyConfiguration::builder()
        .target_value(f64::from(tracking.target.0) / 100.0)
        .predefined_metric_specification(metric)
        .set_scale_in_cooldown(tracking.scale_in_cooldown.map(signed))
        .set_scale_out_cooldown(tracking.scale_out_cooldown.map(signed))
        .disable_scale_in(tracking.only_out)
        .build()
        .expect("every required field is set")
}

fn signed(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn unsigned(n: i32) -> u32 {
    u32::try_from(n).unwrap_or(0)
}
