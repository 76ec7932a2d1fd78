//! Streams as AWS divides them: a shard takes records for four hours and is then followed by others, records go after a day,
//! and places in a shard expire. The engine has one shard for ever; this is a view of it.

use std::collections::BTreeMap;

use dynoxide::streams::LOCAL_REGION;
use serde_json::{Value, json};

use super::account::Account;
use super::engine;
use super::rejection::{Rejection, Result};

/// How long a shard takes records ("every four hours or so", measured by users; AWS documents none).
const ROLL_SECONDS: u64 = 4 * 60 * 60;
/// How long records are kept (AWS documentation, "Change data capture for DynamoDB Streams").
const KEPT_SECONDS: u64 = 24 * 60 * 60;
/// How long a place in a shard holds (AWS documentation, `GetShardIterator`).
const PLACE_SECONDS: u64 = 15 * 60;
/// Before every number that the engine gives.
const ORIGIN: &str = "100000000000000000000";

/// One shard: those of the first four hours are one, of all later ones two, each with half of the items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shard {
    period: u64,
    half: u64,
}

impl Shard {
    fn all_of(period: u64) -> impl Iterator<Item = Self> {
        (0..if period == 0 { 1 } else { 2 }).map(move |half| Self { period, half })
    }

    fn id(self) -> String {
        format!("shardId-{:020}-{:08}", self.period, self.half)
    }

    fn read(id: &str) -> Option<Self> {
        let (period, half) = id.strip_prefix("shardId-")?.split_once('-')?;
        Some(Self { period: period.parse().ok()?, half: half.parse().ok()? })
    }

    fn parent(self) -> Option<Self> {
        let period = self.period.checked_sub(1)?;
        Some(Self { period, half: if period == 0 { 0 } else { self.half } })
    }
}

/// A stream of the engine, from the second in which it was turned on.
struct Stream<'a> {
    arn: &'a str,
    since: u64,
    now: u64,
}

impl<'a> Stream<'a> {
    fn of(arn: &'a str, now: u64) -> Result<Self> {
        let label = arn.rsplit_once("/stream/").and_then(|(_, label)| label.split('.').next());
        let since = label.and_then(|label| label.parse().ok());
        let since = since.ok_or_else(|| Rejection::no_resource(format!("Stream: {arn}")))?;
        Ok(Self { arn, since, now })
    }

    fn period(&self, second: u64) -> u64 {
        second.saturating_sub(self.since) / ROLL_SECONDS
    }

    fn is_closed(&self, shard: Shard) -> bool {
        self.period(self.now) > shard.period
    }

    fn is_kept(&self, second: u64) -> bool {
        second + KEPT_SECONDS > self.now
    }

    fn shards(&self) -> impl Iterator<Item = Shard> {
        let oldest = self.period(self.now.saturating_sub(KEPT_SECONDS));
        (oldest..=self.period(self.now)).flat_map(Shard::all_of)
    }

    /// The shard of a record; none of this stream where an earlier one has made it.
    fn shard_of(&self, record: &Value) -> Option<Shard> {
        let second = second_of(record);
        let period = (second >= self.since).then(|| self.period(second))?;
        let keys = record["dynamodb"]["Keys"].as_object()?;
        let keys: BTreeMap<_, _> =
            keys.iter().map(|(name, value)| (name, value.to_string())).collect();
        let sum: u64 = format!("{keys:?}").bytes().map(u64::from).sum();
        Some(Shard { period, half: if period == 0 { 0 } else { sum % 2 } })
    }
}

impl Account {
    pub(super) fn stream_call(&self, operation: &str, request: &Value) -> Result<Value> {
        let now = self.seconds();
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        match operation {
            "DescribeStream" => self.describe_stream(&Stream::of(text("StreamArn"), now)?),
            "GetShardIterator" => {
                let stream = Stream::of(text("StreamArn"), now)?;
                let number = request["SequenceNumber"].as_str();
                self.shard_iterator(&stream, text("ShardId"), text("ShardIteratorType"), number)
            }
            _ => self.stream_records(text("ShardIterator"), now),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a date after 1970"
    )]
    fn seconds(&self) -> u64 {
        self.clock.timestamp(self.now) as u64
    }

    fn describe_stream(&self, stream: &Stream<'_>) -> Result<Value> {
        let described = json!({ "StreamArn": self.engine_arn(stream.arn) }).to_string();
        let mut described = self.engine_answer("DescribeStream", &described)?;
        let mut numbers: BTreeMap<Shard, (String, String)> = BTreeMap::new();
        let mut after = ORIGIN.to_owned();
        loop {
            let records = self.records_after(stream.arn, &after)?;
            let Some(last) = records.last() else { break };
            number_of(last).clone_into(&mut after);
            for record in &records {
                let Some(shard) = stream.shard_of(record) else { continue };
                let number = number_of(record).to_owned();
                let range = numbers.entry(shard).or_insert_with(|| (number.clone(), String::new()));
                range.1 = number;
            }
        }
        let shard = |shard: Shard| {
            let mut range = json!({});
            if let Some((first, last)) = numbers.get(&shard) {
                range["StartingSequenceNumber"] = json!(first);
                if stream.is_closed(shard) {
                    range["EndingSequenceNumber"] = json!(last);
                }
            }
            let mut described = json!({ "ShardId": shard.id(), "SequenceNumberRange": range });
            if let Some(parent) = shard.parent() {
                described["ParentShardId"] = json!(parent.id());
            }
            described
        };
        described["StreamDescription"]["StreamArn"] = json!(stream.arn);
        described["StreamDescription"]["Shards"] = stream.shards().map(shard).collect();
        Ok(described)
    }

    fn shard_iterator(
        &self,
        stream: &Stream<'_>,
        shard: &str,
        kind: &str,
        number: Option<&str>,
    ) -> Result<Value> {
        if !stream.shards().any(|other| other.id() == shard) {
            return Err(Rejection::no_resource(format!(
                "Shard: {shard} in Stream: {}",
                stream.arn
            )));
        }
        let after = match (kind, number) {
            ("TRIM_HORIZON", None) => ORIGIN.to_owned(),
            ("LATEST", None) => self.newest(stream.arn)?,
            ("AT_SEQUENCE_NUMBER", Some(number)) => before(number)?,
            ("AFTER_SEQUENCE_NUMBER", Some(number)) => number.to_owned(),
            _ => return Err(Rejection::invalid("ShardIteratorType does not fit SequenceNumber")),
        };
        if let Some(number) = number {
            let named = self.records_after(stream.arn, &before(number)?)?.into_iter().next();
            if named.is_some_and(|record| {
                number_of(&record) == number && !stream.is_kept(second_of(&record))
            }) {
                return Err(Rejection::trimmed());
            }
        }
        Ok(json!({ "ShardIterator": place(stream.arn, shard, &after, stream.now) }))
    }

    fn stream_records(&self, place_: &str, now: u64) -> Result<Value> {
        let parsed: Value = serde_json::from_str(place_)
            .map_err(|_| Rejection::invalid("Invalid ShardIterator"))?;
        let text = |name: &str| parsed[name].as_str().unwrap_or_default();
        let (arn, id) = (text("stream"), text("shard"));
        let stream = Stream::of(arn, now)?;
        if parsed["at"].as_u64().unwrap_or_default() + PLACE_SECONDS < now {
            return Err(Rejection::expired_iterator());
        }
        let shard = Shard::read(id).ok_or_else(|| Rejection::invalid("Invalid ShardIterator"))?;
        let records = self.records_after(arn, text("after"))?;
        let is_later = |record: &Value| {
            stream.shard_of(record).is_some_and(|other| other.period > shard.period)
        };
        let is_end =
            stream.is_closed(shard) && (records.is_empty() || records.iter().any(is_later));
        let after = records.last().map_or(text("after"), number_of);
        let next = place(arn, id, after, now);
        let is_here = |record: &Value| {
            stream.shard_of(record) == Some(shard) && stream.is_kept(second_of(record))
        };
        let mut here: Vec<_> = records.iter().filter(|record| is_here(record)).cloned().collect();
        for record in &mut here {
            if record["awsRegion"] == LOCAL_REGION {
                record["awsRegion"] = json!(self.region);
            }
        }
        let mut answer = json!({ "Records": here });
        if !is_end {
            answer["NextShardIterator"] = json!(next);
        }
        Ok(answer)
    }

    /// Up to a thousand records of the engine's one shard after a number.
    fn records_after(&self, arn: &str, number: &str) -> Result<Vec<Value>> {
        let arn = self.engine_arn(arn);
        let described =
            self.engine_answer("DescribeStream", &json!({ "StreamArn": arn }).to_string())?;
        let mut request = json!({
            "StreamArn": arn,
            "ShardId": described["StreamDescription"]["Shards"][0]["ShardId"],
            "ShardIteratorType": "TRIM_HORIZON",
        });
        if number != ORIGIN {
            request["ShardIteratorType"] = json!("AFTER_SEQUENCE_NUMBER");
            request["SequenceNumber"] = json!(number);
        }
        let place = self.engine_answer("GetShardIterator", &request.to_string())?;
        let request = json!({ "ShardIterator": place["ShardIterator"] }).to_string();
        let mut answer = self.engine_answer("GetRecords", &request)?;
        Ok(answer["Records"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    fn newest(&self, arn: &str) -> Result<String> {
        let request = json!({ "StreamArn": self.engine_arn(arn) }).to_string();
        let described = self.engine_answer("DescribeStream", &request)?;
        let range = &described["StreamDescription"]["Shards"][0]["SequenceNumberRange"];
        Ok(range["EndingSequenceNumber"].as_str().unwrap_or(ORIGIN).to_owned())
    }

    fn engine_arn(&self, arn: &str) -> String {
        arn.replacen(&self.arn_prefix(), &engine::arn_prefix(), 1)
    }

    fn engine_answer(&self, operation: &str, request: &str) -> Result<Value> {
        let answer = self.engine.call(operation, request)?;
        serde_json::from_str(&answer).map_err(|error| Rejection::internal_error(error.to_string()))
    }
}

fn place(arn: &str, shard: &str, after: &str, now: u64) -> String {
    json!({ "stream": arn, "shard": shard, "after": after, "at": now }).to_string()
}

/// The number before one.
fn before(number: &str) -> Result<String> {
    let parsed: Option<u128> = number.parse().ok().filter(|_| number.len() >= ORIGIN.len());
    let before = parsed.and_then(|number| number.checked_sub(1));
    before
        .map(|before| before.to_string())
        .ok_or_else(|| Rejection::validation("Invalid SequenceNumber for the shard"))
}

fn number_of(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or(ORIGIN)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a date after 1970")]
fn second_of(record: &Value) -> u64 {
    record["dynamodb"]["ApproximateCreationDateTime"].as_f64().unwrap_or_default() as u64
}
