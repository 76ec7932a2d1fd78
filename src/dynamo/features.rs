//! Features of tables that have operations of their own: expiry, recovery, Kinesis, insights, policy, tags, backups.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types as sdk;

use super::{Class, Dynamo, Error, Result, Service, convert, found};
use crate::schema::{
    Destination, Document, Insights, InsightsMode, Policy, Precision, Recovery, TimeToLive,
};

impl Dynamo {
    /// Reports how items expire.
    ///
    /// # Errors
    /// [`Class::Busy`] or [`Class::Missing`] while the table is being created.
    pub async fn time_to_live(&self, name: &str) -> Result<TimeToLive> {
        let call = self.client.describe_time_to_live().table_name(name).send();
        let described = self.send("DescribeTimeToLive", name, call).await?;
        let described = described.time_to_live_description;
        let status = described.as_ref().and_then(|ttl| ttl.time_to_live_status.as_ref());
        let on = matches!(
            status,
            Some(sdk::TimeToLiveStatus::Enabled | sdk::TimeToLiveStatus::Enabling)
        );
        let attribute = described.as_ref().and_then(|ttl| ttl.attribute_name.clone());
        Ok(attribute.filter(|_| on).map_or(TimeToLive::Off, TimeToLive::On))
    }

    /// Turns expiry by `attribute` on or off; turning it off takes the attribute that is active.
    ///
    /// # Errors
    /// [`Class::Blocked`] within about an hour of the last change.
    pub async fn set_time_to_live(&self, name: &str, attribute: &str, on: bool) -> Result<()> {
        let specification = sdk::TimeToLiveSpecification::builder()
            .attribute_name(attribute)
            .enabled(on)
            .build()
            .map_err(|error| invalid("UpdateTimeToLive", name, &error))?;
        let call = self
            .client
            .update_time_to_live()
            .table_name(name)
            .time_to_live_specification(specification)
            .send();
        self.send("UpdateTimeToLive", name, call).await.map(drop)
    }

    /// Reports point-in-time recovery.
    ///
    /// # Errors
    /// [`Class::Unsupported`] on engines without continuous backups.
    pub async fn recovery(&self, name: &str) -> Result<Recovery> {
        let call = self.client.describe_continuous_backups().table_name(name).send();
        let described = self.send("DescribeContinuousBackups", name, call).await?;
        let recovery = described
            .continuous_backups_description
            .and_then(|backups| backups.point_in_time_recovery_description);
        let Some(recovery) = recovery else { return Ok(Recovery::Off) };
        if recovery.point_in_time_recovery_status != Some(sdk::PointInTimeRecoveryStatus::Enabled) {
            return Ok(Recovery::Off);
        }
        let days = recovery.recovery_period_in_days.and_then(|days| u32::try_from(days).ok());
        Ok(Recovery::Days(days.unwrap_or(Recovery::DEFAULT_DAYS)))
    }

    /// Turns point-in-time recovery on or off.
    ///
    /// # Errors
    /// [`Class::Busy`] for some seconds after the table was made.
    pub async fn set_recovery(&self, name: &str, recovery: Recovery) -> Result<()> {
        let builder = sdk::PointInTimeRecoverySpecification::builder();
        let specification = match recovery {
            Recovery::Off => builder.point_in_time_recovery_enabled(false),
            Recovery::Days(days) => builder
                .point_in_time_recovery_enabled(true)
                .recovery_period_in_days(i32::try_from(days).unwrap_or(i32::MAX)),
        };
        let specification = specification
            .build()
            .map_err(|error| invalid("UpdateContinuousBackups", name, &error))?;
        let call = self
            .client
            .update_continuous_backups()
            .table_name(name)
            .point_in_time_recovery_specification(specification)
            .send();
        self.send("UpdateContinuousBackups", name, call).await.map(drop)
    }

    /// Reports the Kinesis stream that changes go to, and what is going on with it.
    ///
    /// # Errors
    /// [`Class::Unsupported`] on engines without Kinesis.
    pub async fn destination(&self, name: &str) -> Result<(Destination, Option<String>)> {
        let call = self.client.describe_kinesis_streaming_destination().table_name(name).send();
        let described = self.send("DescribeKinesisStreamingDestination", name, call).await?;
        Ok(destination(described.kinesis_data_stream_destinations()))
    }

    /// Sends changes to a Kinesis stream. Whether that works shows later.
    ///
    /// # Errors
    /// [`Class::Busy`] in the middle of another change.
    pub async fn start_destination(
        &self,
        name: &str,
        arn: &str,
        precision: Option<Precision>,
    ) -> Result<()> {
        let configuration = precision.map(|precision| {
            sdk::EnableKinesisStreamingConfiguration::builder()
                .approximate_creation_date_time_precision(convert::precision_request(precision))
                .build()
        });
        let call = self
            .client
            .enable_kinesis_streaming_destination()
            .table_name(name)
            .stream_arn(arn)
            .set_enable_kinesis_streaming_configuration(configuration)
            .send();
        self.send("EnableKinesisStreamingDestination", name, call).await.map(drop)
    }

    /// Stops sending changes to a Kinesis stream.
    ///
    /// # Errors
    /// [`Class::Busy`] in the middle of another change.
    pub async fn stop_destination(&self, name: &str, arn: &str) -> Result<()> {
        let call =
            self.client.disable_kinesis_streaming_destination().table_name(name).stream_arn(arn);
        self.send("DisableKinesisStreamingDestination", name, call.send()).await.map(drop)
    }

    /// Changes how exact the timestamps in a Kinesis stream are.
    ///
    /// # Errors
    /// [`Class::Busy`] in the middle of another change.
    pub async fn set_destination_precision(
        &self,
        name: &str,
        arn: &str,
        precision: Precision,
    ) -> Result<()> {
        let configuration = sdk::UpdateKinesisStreamingConfiguration::builder()
            .approximate_creation_date_time_precision(convert::precision_request(precision))
            .build();
        let call = self
            .client
            .update_kinesis_streaming_destination()
            .table_name(name)
            .stream_arn(arn)
            .update_kinesis_streaming_configuration(configuration)
            .send();
        self.send("UpdateKinesisStreamingDestination", name, call).await.map(drop)
    }

    /// Reports contributor insights of a table or of one of its indexes, and what is going on with them.
    ///
    /// # Errors
    /// [`Class::Missing`] where there is no such index.
    pub async fn insights(
        &self,
        name: &str,
        index: Option<&str>,
    ) -> Result<(Insights, Option<String>)> {
        let call = self
            .client
            .describe_contributor_insights()
            .table_name(name)
            .set_index_name(index.map(str::to_owned))
            .send();
        let described = self.send("DescribeContributorInsights", name, call).await?;
        let status = described.contributor_insights_status();
        let mode = match described.contributor_insights_mode() {
            Some(sdk::ContributorInsightsMode::ThrottledKeys) => InsightsMode::ThrottledKeys,
            _ => InsightsMode::AccessedAndThrottledKeys,
        };
        let insights = match status {
            Some(
                sdk::ContributorInsightsStatus::Enabled | sdk::ContributorInsightsStatus::Enabling,
            ) => Insights::On(Some(mode)),
            Some(sdk::ContributorInsightsStatus::Failed) => {
                let failure = described.failure_exception();
                let words = failure.and_then(|failure| failure.exception_description());
                Insights::Failed(words.unwrap_or("DynamoDB does not say why").to_owned())
            }
            _ => Insights::Off,
        };
        let passing = status.filter(|status| {
            matches!(
                status,
                sdk::ContributorInsightsStatus::Enabling
                    | sdk::ContributorInsightsStatus::Disabling
            )
        });
        let passing = passing.map(|status| format!("contributor insights are {}", status.as_str()));
        Ok((insights, passing))
    }

    /// Changes contributor insights of a table or of one of its indexes.
    ///
    /// # Errors
    /// [`Class::Busy`] while the index is being made.
    pub async fn set_insights(
        &self,
        name: &str,
        index: Option<&str>,
        insights: &Insights,
    ) -> Result<()> {
        let (action, mode) = match insights {
            Insights::On(mode) => (sdk::ContributorInsightsAction::Enable, *mode),
            Insights::Off | Insights::Failed(_) => (sdk::ContributorInsightsAction::Disable, None),
        };
        let call = self
            .client
            .update_contributor_insights()
            .table_name(name)
            .set_index_name(index.map(str::to_owned))
            .contributor_insights_action(action)
            .set_contributor_insights_mode(mode.map(convert::insights_mode_request))
            .send();
        self.send("UpdateContributorInsights", name, call).await.map(drop)
    }

    /// Reads the resource policy of the table with this ARN.
    ///
    /// # Errors
    /// [`Class::Unsupported`] on engines without policies.
    pub async fn policy(&self, name: &str, arn: &str) -> Result<Policy> {
        let call = self.client.get_resource_policy().resource_arn(arn).send();
        let output = found(self.send("GetResourcePolicy", name, call).await)?;
        let Some(json) = output.and_then(|output| output.policy) else { return Ok(Policy::Off) };
        let document = serde_json::from_str(&json)
            .map_err(|error| invalid("GetResourcePolicy", name, &error))?;
        Ok(Policy::Document(Document::new(document)))
    }

    /// Puts a resource policy in place of what there is.
    ///
    /// # Errors
    /// [`Class::Busy`] for some seconds after the last change.
    pub async fn put_policy(&self, name: &str, arn: &str, policy: &Document) -> Result<()> {
        let call = self.client.put_resource_policy().resource_arn(arn).policy(policy.json());
        self.send("PutResourcePolicy", name, call.send()).await.map(drop)
    }

    /// Takes the resource policy away. Where there is none, that is no error.
    ///
    /// # Errors
    /// [`Class::Busy`] for some seconds after the last change.
    pub async fn delete_policy(&self, name: &str, arn: &str) -> Result<()> {
        let call = self.client.delete_resource_policy().resource_arn(arn).send();
        found(self.send("DeleteResourcePolicy", name, call).await).map(drop)
    }

    /// All tags of the table with this ARN.
    ///
    /// # Errors
    /// As classified.
    pub async fn tags(&self, name: &str, arn: &str) -> Result<BTreeMap<String, String>> {
        /// DynamoDB answers ten tags a page and keeps at most 50.
        const PAGES_MAX: usize = 20;
        let mut tags = BTreeMap::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let call = self.client.list_tags_of_resource().resource_arn(arn).set_next_token(next);
            let page = self.send("ListTagsOfResource", name, call.send()).await?;
            tags.extend(page.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)));
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        Ok(tags)
    }

    /// Sets tags; others stay as they are.
    ///
    /// # Errors
    /// As classified.
    pub async fn tag(&self, name: &str, arn: &str, tags: &BTreeMap<String, String>) -> Result<()> {
        let tags = Some(convert::tag_requests(tags));
        let call = self.client.tag_resource().resource_arn(arn).set_tags(tags).send();
        self.send("TagResource", name, call).await.map(drop)
    }

    /// Takes tags away by key.
    ///
    /// # Errors
    /// As classified.
    pub async fn untag(&self, name: &str, arn: &str, keys: Vec<String>) -> Result<()> {
        let call = self.client.untag_resource().resource_arn(arn).set_tag_keys(Some(keys)).send();
        self.send("UntagResource", name, call).await.map(drop)
    }

    /// Starts an on-demand backup and returns its ARN.
    ///
    /// # Errors
    /// [`Class::Unsupported`] on engines without backups.
    pub async fn create_backup(&self, name: &str, backup: &str) -> Result<String> {
        let call = self.client.create_backup().table_name(name).backup_name(backup).send();
        let output = self.send("CreateBackup", name, call).await?;
        Ok(output.backup_details.map(|details| details.backup_arn).unwrap_or_default())
    }

    /// Whether a backup can be restored from.
    ///
    /// # Errors
    /// As classified.
    pub async fn backup_available(&self, name: &str, arn: &str) -> Result<bool> {
        let call = self.client.describe_backup().backup_arn(arn).send();
        let output = self.send("DescribeBackup", name, call).await?;
        let details = output.backup_description.and_then(|backup| backup.backup_details);
        Ok(details.is_some_and(|details| details.backup_status == sdk::BackupStatus::Available))
    }
}

/// A table has one destination that is not disabled; those that were stay in the list for a while.
fn destination(listed: &[sdk::KinesisDataStreamDestination]) -> (Destination, Option<String>) {
    let is = |status: sdk::DestinationStatus| {
        listed.iter().find(move |one| one.destination_status.as_ref() == Some(&status))
    };
    let stream = |one: &sdk::KinesisDataStreamDestination| Destination::Stream {
        arn: one.stream_arn.clone().unwrap_or_default(),
        precision: Some(match one.approximate_creation_date_time_precision {
            Some(sdk::ApproximateCreationDateTimePrecision::Microsecond) => Precision::Microsecond,
            _ => Precision::Millisecond,
        }),
    };
    for status in [sdk::DestinationStatus::Enabling, sdk::DestinationStatus::Updating] {
        if let Some(one) = is(status.clone()) {
            return (stream(one), Some(format!("the Kinesis stream is {}", status.as_str())));
        }
    }
    let passing = is(sdk::DestinationStatus::Disabling)
        .map(|_| "the Kinesis stream before is DISABLING".to_owned());
    if let Some(one) = is(sdk::DestinationStatus::Active) {
        return (stream(one), passing);
    }
    let failed = is(sdk::DestinationStatus::EnableFailed).filter(|_| passing.is_none());
    let failed = failed.map(|one| Destination::Failed {
        arn: one.stream_arn.clone().unwrap_or_default(),
        reason: one
            .destination_status_description
            .clone()
            .unwrap_or_else(|| "DynamoDB does not say why".to_owned()),
    });
    (failed.unwrap_or(Destination::Off), passing)
}

fn invalid(action: &'static str, resource: &str, error: &dyn std::error::Error) -> Error {
    Error {
        service: Service::DynamoDb,
        action,
        resource: resource.to_owned(),
        class: Class::Permanent,
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use sdk::DestinationStatus::{Active, Disabled, Disabling, EnableFailed, Enabling};

    use super::*;

    #[test]
    fn of_many_listed_destinations_the_one_that_is_not_disabled_counts() {
        let one = |arn: &str, status| {
            sdk::KinesisDataStreamDestination::builder()
                .stream_arn(arn)
                .destination_status(status)
                .build()
        };
        let to = |arn: &str| Destination::Stream {
            arn: arn.to_owned(),
            precision: Some(Precision::Millisecond),
        };
        let failed = Destination::Failed {
            arn: "b".to_owned(),
            reason: "DynamoDB does not say why".to_owned(),
        };
        for (listed, found, is_passing) in [
            (vec![], Destination::Off, false),
            (vec![one("a", Disabled)], Destination::Off, false),
            (vec![one("a", Disabled), one("b", Active)], to("b"), false),
            (vec![one("a", Disabled), one("b", Enabling)], to("b"), true),
            (vec![one("a", Disabling)], Destination::Off, true),
            (vec![one("a", Disabled), one("b", EnableFailed)], failed, false),
            (vec![one("a", Active), one("b", EnableFailed)], to("a"), false),
        ] {
            let (destination, passing) = destination(&listed);
            assert_eq!((destination, passing.is_some()), (found, is_passing), "{listed:?}");
        }
    }
}
