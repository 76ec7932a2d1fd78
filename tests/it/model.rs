//! Tables of every kind for property tests, and what DynamoDB does to one for a step.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use tablewright::plan::{Setting, TableStep};
use tablewright::schema::{
    AttributeType, Capacity, Destination, Document, Index, Insights, InsightsMode, KeyElement,
    KeyRole, KeySchema, Limits, Policy, Precision, Projection, Recovery, Settings, Stream, Table,
    TableClass, Throughput, TimeToLive, Warm,
};

/// Does to a table what DynamoDB would do for a step; panics where it would refuse.
pub(crate) fn apply(table: &mut Table, step: &TableStep) {
    match step.clone() {
        TableStep::Create(_) | TableStep::Adopt | TableStep::Settle { .. } => {}
        TableStep::Billing { to, indexes, .. } => {
            table.capacity = to;
            for index in table.global_indexes.values_mut() {
                index.capacity = match to {
                    Capacity::Provisioned(_) => indexes[&index.name],
                    Capacity::OnDemand(_) => Capacity::OnDemand(Limits::default()),
                };
            }
        }
        TableStep::Throughput { table: own, indexes } => {
            if let Some(own) = own {
                table.capacity = Capacity::Provisioned(own);
            }
            for (name, capacity) in indexes {
                table.global_indexes.get_mut(&name).unwrap().capacity = capacity;
            }
        }
        TableStep::Limits(limits) => table.capacity = Capacity::OnDemand(limits),
        TableStep::IndexLimits(name, limits) => {
            table.global_indexes.get_mut(&name).unwrap().capacity = Capacity::OnDemand(limits);
        }
        TableStep::CreateIndex { index, attributes, .. } => {
            assert!(index.keys.names().all(|key| attributes.contains_key(key)), "untyped key");
            table.attributes.extend(attributes);
            table.settings.index_insights.insert(index.name.clone(), Insights::Off);
            let index = Index { warm: Some(warmed(index.warm)), ..index };
            let before = table.global_indexes.insert(index.name.clone(), index);
            assert!(before.is_none(), "made twice");
        }
        TableStep::DeleteIndex(name) => {
            table.settings.index_insights.remove(&name);
            table.global_indexes.remove(&name).expect("it is there to be removed");
        }
        TableStep::Stream(stream) => {
            let is_on = table.stream.is_some_and(|stream| stream != Stream::Off);
            assert!(
                stream == Stream::Off || !is_on,
                "a view type cannot change while the stream is on"
            );
            table.stream = Some(stream);
        }
        TableStep::Encryption(encryption) => table.encryption = Some(encryption),
        TableStep::Class(class) => table.class = Some(class),
        TableStep::Warm(warm) => raise(&mut table.warm, warm),
        TableStep::IndexWarm(name, warm) => {
            raise(&mut table.global_indexes.get_mut(&name).unwrap().warm, warm);
        }
        TableStep::TimeToLive { attribute, on } => {
            let is_on = matches!(table.time_to_live, Some(TimeToLive::On(_)));
            assert!(!(on && is_on), "the attribute cannot change while expiry is on");
            table.time_to_live = Some(if on { TimeToLive::On(attribute) } else { TimeToLive::Off });
        }
        TableStep::Setting(setting) => {
            if let Setting::Insights { index: Some(index), .. } = &setting {
                assert!(table.global_indexes.contains_key(index), "no index {index}");
            }
            set(&mut table.settings, setting);
        }
    }
    *table = table.clone().normalised();
}

fn raise(live: &mut Option<Warm>, to: Warm) {
    let before = live.unwrap();
    assert!(before.is_met_by(to) && before != to, "warm throughput {before} cannot become {to}");
    *live = Some(to);
}

fn set(live: &mut Settings, setting: Setting) {
    match setting {
        Setting::Recovery(recovery) => live.recovery = Some(recovery),
        Setting::StartDestination { arn, precision } => {
            let is_on = matches!(live.destination, Some(Destination::Stream { .. }));
            assert!(!is_on, "a table has one destination");
            let precision = precision.or(Some(Precision::Millisecond));
            live.destination = Some(Destination::Stream { arn, precision });
        }
        Setting::StopDestination { arn } => {
            let Some(Destination::Stream { arn: on, .. }) = &live.destination else {
                panic!("there is no destination to stop")
            };
            assert_eq!(*on, arn);
            live.destination = Some(Destination::Off);
        }
        Setting::DestinationPrecision { arn, precision } => {
            live.destination = Some(Destination::Stream { arn, precision: Some(precision) });
        }
        Setting::Insights { index, to } => {
            let to = match to {
                Insights::On(mode) => {
                    Insights::On(mode.or(Some(InsightsMode::AccessedAndThrottledKeys)))
                }
                other => other,
            };
            match index {
                None => live.insights = Some(to),
                Some(index) => drop(live.index_insights.insert(index, to)),
            }
        }
        Setting::Policy(policy) => live.policy = Some(policy),
        Setting::Tag(tags) => live.tags.get_or_insert_default().extend(tags),
        Setting::Untag(keys) => {
            live.tags.get_or_insert_default().retain(|key, _| !keys.contains(key));
        }
        Setting::DeletionProtection(on) => live.deletion_protection = Some(on),
    }
}

fn warmed(asked: Option<Warm>) -> Warm {
    asked.unwrap_or_default().or_more(Warm::ON_DEMAND)
}

fn throughput() -> impl Strategy<Value = Throughput> {
    (1_u64..5, 1_u64..5).prop_map(|(read, write)| Throughput { read, write })
}

fn limits() -> impl Strategy<Value = Limits> {
    (prop::option::of(1_u64..5), prop::option::of(1_u64..5))
        .prop_map(|(read, write)| Limits { read, write })
}

fn capacity(provisioned: bool) -> impl Strategy<Value = Capacity> {
    if provisioned {
        throughput().prop_map(Capacity::Provisioned).boxed()
    } else {
        limits().prop_map(Capacity::OnDemand).boxed()
    }
}

fn warm() -> impl Strategy<Value = Option<Warm>> {
    let figures = (prop::option::of(12_000_u64..12_004), prop::option::of(4_000_u64..4_004));
    let warm = figures.prop_map(|(read, write)| Warm { read, write });
    prop::option::of(warm.prop_filter("one figure at least", |warm| *warm != Warm::default()))
}

fn insights() -> impl Strategy<Value = Insights> {
    let mode = prop_oneof![
        Just(InsightsMode::AccessedAndThrottledKeys),
        Just(InsightsMode::ThrottledKeys)
    ];
    prop_oneof![Just(Insights::Off), prop::option::of(mode).prop_map(Insights::On)]
}

/// An index whose name gives its key away, so that two of one name never contradict each other, and its insights.
fn index(provisioned: bool) -> impl Strategy<Value = (Index, Option<Insights>)> {
    let index = (0_u8..5, capacity(provisioned), warm()).prop_map(|(number, capacity, warm)| {
        let key = KeyElement { name: format!("k{}", number / 2), role: KeyRole::Hash };
        Index {
            name: format!("by_{number}"),
            keys: KeySchema(vec![key]),
            projection: if number % 2 == 0 { Projection::All } else { Projection::KeysOnly },
            capacity,
            warm,
        }
    });
    (index, prop::option::of(insights()))
}

fn settings() -> impl Strategy<Value = Settings> {
    let recovery = prop_oneof![Just(Recovery::Off), (1_u32..=35).prop_map(Recovery::Days)];
    let precision = prop_oneof![Just(Precision::Millisecond), Just(Precision::Microsecond)];
    let stream = ("arn:aws:kinesis:[ab]", prop::option::of(precision))
        .prop_map(|(arn, precision)| Destination::Stream { arn, precision });
    let destination = prop_oneof![Just(Destination::Off), stream];
    let document =
        |sid: String| Document::new(json!({ "Statement": [{ "Sid": sid, "Effect": "Allow" }] }));
    let policy =
        prop_oneof![Just(Policy::Off), "[AB]".prop_map(move |sid| Policy::Document(document(sid)))];
    (
        prop::option::of(recovery),
        prop::option::of(destination),
        prop::option::of(insights()),
        prop::option::of(policy),
        prop::option::of(prop::collection::btree_map("[a-c]", "[xy]", 0..3)),
        prop::option::of(any::<bool>()),
    )
        .prop_map(|(recovery, destination, insights, policy, tags, deletion_protection)| {
            Settings {
                recovery,
                destination,
                insights,
                index_insights: BTreeMap::new(),
                policy,
                tags,
                deletion_protection,
            }
        })
}

/// Any table of one key; what it leaves out, if anything, is unmanaged.
pub(crate) fn any_table() -> impl Strategy<Value = Table> {
    let stream = prop_oneof![Just(Stream::Off), Just(Stream::KeysOnly), Just(Stream::NewImage)];
    let ttl = prop_oneof![Just(TimeToLive::Off), "[ab]".prop_map(TimeToLive::On)];
    let class = prop_oneof![Just(TableClass::Standard), Just(TableClass::InfrequentAccess)];
    let features = (prop::option::of(stream), prop::option::of(class), prop::option::of(ttl));
    any::<bool>().prop_flat_map(move |provisioned| {
        let indexes = prop::collection::vec(index(provisioned), 0..5);
        (capacity(provisioned), indexes, features.clone(), warm(), settings()).prop_map(
            |(capacity, indexes, (stream, class, time_to_live), warm, settings)| {
                let key = |name: &str| (name.to_owned(), AttributeType::String);
                let insights = indexes
                    .iter()
                    .filter_map(|(index, insights)| Some((index.name.clone(), insights.clone()?)));
                let hash = KeyElement { name: "pk".to_owned(), role: KeyRole::Hash };
                let table = Table {
                    name: "orders".to_owned(),
                    keys: KeySchema(vec![hash]),
                    attributes: ["pk", "k0", "k1", "k2"].map(key).into(),
                    settings: Settings { index_insights: insights.collect(), ..settings },
                    global_indexes: indexes
                        .into_iter()
                        .map(|(index, _)| (index.name.clone(), index))
                        .collect(),
                    local_indexes: BTreeMap::new(),
                    capacity,
                    warm,
                    stream,
                    encryption: None,
                    class,
                    time_to_live,
                };
                table.normalised()
            },
        )
    })
}

/// A live table knows all of its features.
pub(crate) fn live(table: Table) -> Table {
    let all_off = table.global_indexes.keys().map(|name| (name.clone(), Insights::Off));
    let on = |insights: Insights| match insights {
        Insights::On(mode) => Insights::On(mode.or(Some(InsightsMode::ThrottledKeys))),
        other => other,
    };
    let settings = table.settings;
    let mut index_insights: BTreeMap<_, _> = all_off.collect();
    index_insights.extend(settings.index_insights.into_iter().map(|(name, is)| (name, on(is))));
    let destination = match settings.destination.unwrap_or(Destination::Off) {
        Destination::Stream { arn, precision } => {
            Destination::Stream { arn, precision: precision.or(Some(Precision::Millisecond)) }
        }
        other => other,
    };
    let warm_index =
        |(name, index): (String, Index)| (name, Index { warm: Some(warmed(index.warm)), ..index });
    Table {
        warm: Some(warmed(table.warm)),
        global_indexes: table.global_indexes.into_iter().map(warm_index).collect(),
        stream: table.stream.or(Some(Stream::Off)),
        class: table.class.or(Some(TableClass::Standard)),
        time_to_live: table.time_to_live.or(Some(TimeToLive::Off)),
        settings: Settings {
            recovery: settings.recovery.or(Some(Recovery::Off)),
            destination: Some(destination),
            insights: Some(on(settings.insights.unwrap_or(Insights::Off))),
            index_insights,
            policy: settings.policy.or(Some(Policy::Off)),
            tags: settings.tags.or_else(|| Some(BTreeMap::new())),
            deletion_protection: settings.deletion_protection.or(Some(false)),
        },
        ..table
    }
}
