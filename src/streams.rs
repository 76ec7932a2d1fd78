//! The only file that sends requests to DynamoDB Streams: the shards of a stream, and the records of each in their order.
#![expect(clippy::disallowed_methods, reason = "this is the one place that sends")]

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodbstreams::types as sdk;
use futures::FutureExt;

use crate::dynamo::{Class, Error, Service, WireItem};

const TRIMMED: &str = "TrimmedDataAccessException";
const EXPIRED: &str = "ExpiredIteratorException";

/// A client of DynamoDB Streams that classifies errors.
#[derive(Debug, Clone)]
pub struct Streams(Client);

/// Part of a stream: the changes of some of a table's items, for some hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: String,
    /// The shard that held the same items before.
    pub parent: Option<String>,
    /// Number of its first record, where there is one.
    pub first: Option<String>,
}

/// From where a shard is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// From the oldest record that there still is.
    Oldest,
    /// From the record of this number.
    At(String),
    /// After the record of this number.
    After(String),
}

/// One change of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number; grows along a shard.
    pub number: String,
    /// When it was made, in milliseconds since the epoch, as DynamoDB says and to the second at best.
    pub at_ms: u64,
    /// Key of the item.
    pub key: WireItem,
    /// The item before, where there was one.
    pub before: Option<WireItem>,
    /// The item after, where there is one.
    pub after: Option<WireItem>,
    /// Whether nobody but DynamoDB made it, as when an item expires.
    pub by_service: bool,
}

/// What a place in a shard leads to.
#[derive(Debug)]
pub enum Read<T> {
    /// There it is.
    Found(T),
    /// The records there are gone: a stream keeps them for 24 hours.
    Trimmed,
    /// The place does not hold any more; another one of the same number does.
    Expired,
}

/// Records of a shard.
#[derive(Debug)]
pub struct Records {
    /// In their order. None says little: more can follow at once.
    pub records: Vec<Record>,
    /// Where the shard goes on; `None` at its end.
    pub next: Option<String>,
}

impl Streams {
    /// Takes a configured client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// All shards of a stream that it still has; `None` where the stream is not on yet.
    ///
    /// # Errors
    /// As classified.
    pub async fn shards(&self, stream: &str) -> Result<Option<Vec<Shard>>, Error> {
        let (mut shards, mut start) = (Vec::new(), None);
        loop {
            let call = self
                .0
                .describe_stream()
                .stream_arn(stream)
                .set_exclusive_start_shard_id(start)
                .send()
                .boxed();
            let described =
                call.await.map_err(|error| failure("DescribeStream", stream, &error))?;
            let Some(described) = described.stream_description else { return Ok(None) };
            if described.stream_status == Some(sdk::StreamStatus::Enabling) {
                return Ok(None);
            }
            shards.extend(described.shards.unwrap_or_default().into_iter().filter_map(shard));
            start = described.last_evaluated_shard_id;
            if start.is_none() {
                return Ok(Some(shards));
            }
        }
    }

    /// A place in a shard; it holds for some minutes.
    ///
    /// # Errors
    /// As classified.
    pub async fn place(
        &self,
        stream: &str,
        shard: &str,
        start: &Start,
    ) -> Result<Read<String>, Error> {
        let (kind, number) = match start {
            Start::Oldest => (sdk::ShardIteratorType::TrimHorizon, None),
            Start::At(number) => (sdk::ShardIteratorType::AtSequenceNumber, Some(number)),
            Start::After(number) => (sdk::ShardIteratorType::AfterSequenceNumber, Some(number)),
        };
        let call = self
            .0
            .get_shard_iterator()
            .stream_arn(stream)
            .shard_id(shard)
            .shard_iterator_type(kind)
            .set_sequence_number(number.cloned())
            .send()
            .boxed();
        match call.await {
            Ok(output) => Ok(Read::Found(output.shard_iterator.unwrap_or_default())),
            Err(error) if error.code() == Some(TRIMMED) => Ok(Read::Trimmed),
            Err(error) => Err(failure("GetShardIterator", stream, &error)),
        }
    }

    /// Up to a thousand records from a place on.
    ///
    /// # Errors
    /// As classified.
    pub async fn records(&self, stream: &str, place: &str) -> Result<Read<Records>, Error> {
        let output = match self.0.get_records().shard_iterator(place).send().boxed().await {
            Ok(output) => output,
            Err(error) if error.code() == Some(TRIMMED) => return Ok(Read::Trimmed),
            Err(error) if error.code() == Some(EXPIRED) => return Ok(Read::Expired),
            Err(error) => return Err(failure("GetRecords", stream, &error)),
        };
        let records: Result<Vec<_>, Unknown> =
            output.records.unwrap_or_default().into_iter().map(record).collect();
        let records = records.map_err(|Unknown| Error {
            service: Service::Streams,
            action: "GetRecords",
            resource: stream.to_owned(),
            class: Class::Permanent,
            message: "a record is not in a form that this build knows".to_owned(),
        })?;
        let next = output.next_shard_iterator.filter(|next| !next.is_empty());
        Ok(Read::Found(Records { records, next }))
    }
}

fn failure<E>(action: &'static str, stream: &str, error: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let is_limited = error.code() == Some("LimitExceededException");
    let error = Error::of(Service::Streams, action, stream, error);
    // Of a table these words mean a limit that stays; of a stream, too many requests.
    if is_limited { Error { class: Class::Throttled, ..error } } else { error }
}

fn shard(shard: sdk::Shard) -> Option<Shard> {
    let first = shard.sequence_number_range.and_then(|range| range.starting_sequence_number);
    Some(Shard { id: shard.shard_id?, parent: shard.parent_shard_id, first })
}

/// Something is not in a form that this SDK knows.
struct Unknown;

fn record(record: sdk::Record) -> Result<Record, Unknown> {
    let by_service = record
        .user_identity
        .as_ref()
        .is_some_and(|identity| identity.principal_id.as_deref() == Some("dynamodb.amazonaws.com"));
    let change = record.dynamodb.ok_or(Unknown)?;
    let at = change.approximate_creation_date_time.and_then(|at| at.to_millis().ok());
    Ok(Record {
        number: change.sequence_number.ok_or(Unknown)?,
        at_ms: at.and_then(|at| u64::try_from(at).ok()).unwrap_or_default(),
        key: item(change.keys.ok_or(Unknown)?)?,
        before: change.old_image.map(item).transpose()?,
        after: change.new_image.map(item).transpose()?,
        by_service,
    })
}

fn item(attributes: HashMap<String, sdk::AttributeValue>) -> Result<WireItem, Unknown> {
    attributes.into_iter().map(|(name, one)| Ok((name, value(one)?))).collect()
}

/// The SDK of streams has types of its own for the same values.
fn value(of: sdk::AttributeValue) -> Result<AttributeValue, Unknown> {
    Ok(match of {
        sdk::AttributeValue::S(text) => AttributeValue::S(text),
        sdk::AttributeValue::N(number) => AttributeValue::N(number),
        sdk::AttributeValue::B(bytes) => AttributeValue::B(bytes),
        sdk::AttributeValue::Bool(is) => AttributeValue::Bool(is),
        sdk::AttributeValue::Null(is) => AttributeValue::Null(is),
        sdk::AttributeValue::Ss(texts) => AttributeValue::Ss(texts),
        sdk::AttributeValue::Ns(numbers) => AttributeValue::Ns(numbers),
        sdk::AttributeValue::Bs(all) => AttributeValue::Bs(all),
        sdk::AttributeValue::M(map) => AttributeValue::M(item(map)?),
        sdk::AttributeValue::L(list) => {
            AttributeValue::L(list.into_iter().map(value).collect::<Result<_, _>>()?)
        }
        _ => return Err(Unknown),
    })
}
