//! What a table, or a replica, has in its region for itself.

use super::reader::{Node, Object};
use crate::observe::{OWN_TAGS, TAG_PREFIX};
use crate::schema::{
    Destination, Document, Insights, InsightsMode, Policy, Precision, Recovery, Settings, Tags,
};

/// Limit of the service, from "Quotas in Amazon DynamoDB".
const TAGS_MAX: usize = 50;

/// Names of the properties that are read here.
pub(super) const KNOWN: [&str; 6] = [
    "ContributorInsightsSpecification",
    "DeletionProtectionEnabled",
    "KinesisStreamSpecification",
    "PointInTimeRecoverySpecification",
    "ResourcePolicy",
    "Tags",
];

/// Reads the settings; those of indexes are read with the indexes.
pub(super) fn read(fields: &Object<'_>) -> Settings {
    Settings {
        recovery: fields.get("PointInTimeRecoverySpecification").and_then(|node| recovery(&node)),
        destination: fields.get("KinesisStreamSpecification").and_then(|node| destination(&node)),
        insights: insights(fields),
        index_insights: [].into(),
        policy: fields.get("ResourcePolicy").and_then(|node| policy(&node)),
        tags: fields.get("Tags").and_then(|node| tags(&node)),
        deletion_protection: fields
            .get("DeletionProtectionEnabled")
            .and_then(|node| node.boolean()),
    }
}

fn recovery(node: &Node<'_>) -> Option<Recovery> {
    let fields = node.object(&["PointInTimeRecoveryEnabled", "RecoveryPeriodInDays"])?;
    let enabled = fields.required("PointInTimeRecoveryEnabled")?.boolean()?;
    let days = fields.get("RecoveryPeriodInDays");
    if !enabled {
        if let Some(days) = days {
            days.problem("cannot be given while PointInTimeRecoveryEnabled is false");
        }
        return Some(Recovery::Off);
    }
    let Some(days) = days else { return Some(Recovery::Days(Recovery::DEFAULT_DAYS)) };
    let number = days.integer()?;
    if let Ok(number @ 1..=35) = u32::try_from(number) {
        Some(Recovery::Days(number))
    } else {
        days.problem(format!("expected 1 to 35 days, found {number}"));
        None
    }
}

fn destination(node: &Node<'_>) -> Option<Destination> {
    let fields = node.object(&["StreamArn", "ApproximateCreationDateTimePrecision"])?;
    let stream = fields.required("StreamArn");
    let arn = stream.as_ref().and_then(Node::text)?;
    if let Some(stream) = stream.filter(|_| !(arn.starts_with("arn:") && arn.contains(":kinesis:")))
    {
        stream.problem(format!("{arn:?} is not the ARN of a Kinesis stream"));
        return None;
    }
    let precision = fields.get("ApproximateCreationDateTimePrecision").and_then(|node| {
        node.one_of(&[
            ("MILLISECOND", Precision::Millisecond),
            ("MICROSECOND", Precision::Microsecond),
        ])
    });
    Some(Destination::Stream { arn, precision })
}

/// Reads `ContributorInsightsSpecification` of a table, a replica or an index.
pub(super) fn insights(fields: &Object<'_>) -> Option<Insights> {
    let fields = fields.get("ContributorInsightsSpecification")?.object(&["Enabled", "Mode"])?;
    let enabled = fields.required("Enabled")?.boolean()?;
    let mode = fields.get("Mode");
    if let (Some(mode), false) = (&mode, enabled) {
        mode.problem("cannot be given while Enabled is false");
    }
    let mode = mode.and_then(|node| {
        node.one_of(&[
            ("ACCESSED_AND_THROTTLED_KEYS", InsightsMode::AccessedAndThrottledKeys),
            ("THROTTLED_KEYS", InsightsMode::ThrottledKeys),
        ])
    });
    Some(if enabled { Insights::On(mode) } else { Insights::Off })
}

fn policy(node: &Node<'_>) -> Option<Policy> {
    let fields = node.object(&["PolicyDocument"])?;
    let node = fields.required("PolicyDocument")?;
    let document = Document::new(node.json_object()?);
    let bytes = document.json().len();
    if bytes > Document::BYTES_MAX {
        node.problem(format!("expected at most {} bytes, found {bytes}", Document::BYTES_MAX));
    }
    if let Some(action) = document.locks_out() {
        node.problem(format!(
            "a Deny without a Condition takes {action} from everyone, this function included, so that no deploy could \
             mend it; narrow its Principal or its Action, or give it a Condition"
        ));
    }
    Some(Policy::Document(document))
}

fn tags(node: &Node<'_>) -> Option<Tags> {
    let mut tags = Tags::new();
    for element in node.items() {
        let fields = element.object(&["Key", "Value"])?;
        let key = fields.required("Key").and_then(|node| node.text())?;
        let value = match fields.required("Value") {
            Some(node) => node.text_or_empty()?,
            None => continue,
        };
        if key.starts_with("aws:") || key.starts_with(TAG_PREFIX) {
            element.problem(format!("the tag key {key} is reserved"));
        }
        if tags.insert(key.clone(), value).is_some() {
            element.problem(format!("the tag {key} is given twice"));
        }
    }
    if tags.len() > TAGS_MAX - OWN_TAGS {
        node.problem(format!("at most {} tags can be given", TAGS_MAX - OWN_TAGS));
    }
    Some(tags)
}
