//! Tables of every kind for property tests, and what DynamoDB does to one for a step.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use tablewright::plan::{Setting, TableStep};
use tablewright::schema::{
    AttributeType, AutoScaling, Capacity, Destination, Dimension, Document, Index, Insights,
    InsightsMode, KeyElement, KeyRole, KeySchema, Limits, Policy, Precision, Projection, Range,
    Recovery, Replica, Scaling, Settings, Stream, Table, TableClass, Throughput, TimeToLive,
    Tracking, Utilisation, Warm,
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
            for settings in all_settings(table) {
                settings.index_insights.insert(index.name.clone(), Insights::Off);
            }
            table.index_scaling.insert(index.name.clone(), AutoScaling::OFF);
            let index = Index { warm: Some(warmed(index.warm)), ..index };
            let before = table.global_indexes.insert(index.name.clone(), index);
            assert!(before.is_none(), "made twice");
        }
        TableStep::DeleteIndex(name) => {
            for settings in all_settings(table) {
                settings.index_insights.remove(&name);
            }
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
        TableStep::Scale { index, dimension, range } => {
            assert!(matches!(table.capacity, Capacity::Provisioned(_)), "nothing to be scaled");
            *scaling(table, index).of_mut(dimension) = Some(Scaling::Between(named(range)));
        }
        TableStep::Unscale { index, dimension } => {
            let of = scaling(table, index);
            assert!(of.scales(dimension), "nothing scales it");
            *of.of_mut(dimension) = Some(Scaling::Off);
        }
        TableStep::CreateReplica { region, key, class } => {
            assert!(can_be_replicated(table), "writes do not scale");
            table.stream = Some(Stream::NewAndOldImages);
            let class = class.or(table.class);
            let settings = live_settings(Settings::default(), &table.global_indexes);
            let replicas = table.replicas.as_mut().unwrap();
            let before = replicas.insert(region, Replica { key, class, settings });
            assert!(before.is_none(), "made twice");
        }
        TableStep::ReplicaClass { region, class } => replica(table, &region).class = Some(class),
        TableStep::ReplicaSetting { region, setting } => {
            set(&mut replica(table, &region).settings, setting);
        }
        TableStep::DeleteReplica(region) => {
            let gone = table.replicas.as_mut().unwrap().remove(&region);
            assert!(gone.is_some(), "it is there to be removed");
        }
    }
    let is_replicated = table.replicas.as_ref().is_some_and(|replicas| !replicas.is_empty());
    assert!(!is_replicated || table.stream != Some(Stream::Off), "replication reads the stream");
    *table = table.clone().normalised();
}

/// The settings of the table and of its replicas.
fn all_settings(table: &mut Table) -> impl Iterator<Item = &mut Settings> {
    let replicas = table.replicas.iter_mut().flatten().map(|(_, replica)| &mut replica.settings);
    std::iter::once(&mut table.settings).chain(replicas)
}

fn scaling(table: &mut Table, index: Option<String>) -> &mut AutoScaling {
    match index {
        None => &mut table.scaling,
        Some(index) => table.index_scaling.get_mut(&index).unwrap(),
    }
}

fn replica<'a>(table: &'a mut Table, region: &str) -> &'a mut Replica {
    table.replicas.as_mut().unwrap().get_mut(region).unwrap()
}

fn can_be_replicated(table: &Table) -> bool {
    let scales = |of: &AutoScaling| of.scales(Dimension::Write);
    let indexes = table.global_indexes.keys().all(|name| scales(&table.index_scaling[name]));
    matches!(table.capacity, Capacity::OnDemand(_)) || (scales(&table.scaling) && indexes)
}

/// A live policy has a name and cooldowns.
fn named(mut range: Range) -> Range {
    if let Some(tracking) = &mut range.tracking {
        tracking.policy.get_or_insert_with(|| "policy".to_owned());
        tracking.scale_in_cooldown.get_or_insert(0);
        tracking.scale_out_cooldown.get_or_insert(0);
    }
    range
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

fn range() -> impl Strategy<Value = Range> {
    let cooldown = || prop::option::of(0_u32..2);
    (1_u32..3, 3_u32..5, 20_u32..22, cooldown(), cooldown(), any::<bool>()).prop_map(
        |(min, max, target, scale_in_cooldown, scale_out_cooldown, only_out)| Range {
            min,
            max,
            tracking: Some(Tracking {
                policy: None,
                target: Utilisation(target * 100),
                scale_in_cooldown,
                scale_out_cooldown,
                only_out,
            }),
        },
    )
}

/// Auto scaling of what is provisioned; `None` where it is unmanaged.
fn auto_scaling(provisioned: bool) -> impl Strategy<Value = AutoScaling> {
    if !provisioned {
        return Just(AutoScaling::default()).boxed();
    }
    let scaling = || prop_oneof![Just(Scaling::Off), range().prop_map(Scaling::Between)];
    (prop::option::of(scaling()), prop::option::of(scaling()))
        .prop_map(|(read, write)| AutoScaling { read, write })
        .boxed()
}

fn any_class() -> impl Strategy<Value = Option<TableClass>> {
    let class = prop_oneof![Just(TableClass::Standard), Just(TableClass::InfrequentAccess)];
    prop::option::of(class)
}

fn any_replicas() -> impl Strategy<Value = Option<BTreeMap<String, Replica>>> {
    let replica = (any_class(), settings(), prop::option::of(insights()));
    let replica = replica.prop_map(|(class, settings, watched)| {
        let index_insights =
            watched.map(|watched| ("by_0".to_owned(), watched)).into_iter().collect();
        Replica { key: None, class, settings: Settings { index_insights, ..settings } }
    });
    prop::option::of(prop::collection::btree_map("(eu-west-2|us-east-1)", replica, 0..3))
}

/// Any table of one key that a declaration can have; what it leaves out, if anything, is unmanaged.
pub(crate) fn any_table() -> impl Strategy<Value = Table> {
    let stream = prop_oneof![Just(Stream::Off), Just(Stream::KeysOnly), Just(Stream::NewImage)];
    let ttl = prop_oneof![Just(TimeToLive::Off), "[ab]".prop_map(TimeToLive::On)];
    any::<bool>().prop_flat_map(move |provisioned| {
        let scaled_index = (index(provisioned), auto_scaling(provisioned));
        let features = (
            prop::option::of(stream.clone()),
            any_class(),
            prop::option::of(ttl.clone()),
            warm(),
            auto_scaling(provisioned),
        );
        let indexes = prop::collection::vec(scaled_index, 0..5);
        (capacity(provisioned), indexes, features, settings(), any_replicas()).prop_map(
            |(capacity, indexes, features, settings, replicas)| {
                put_together(capacity, indexes, features, settings, replicas)
            },
        )
    })
}

type Indexed = ((Index, Option<Insights>), AutoScaling);
type Features = (Option<Stream>, Option<TableClass>, Option<TimeToLive>, Option<Warm>, AutoScaling);

fn put_together(
    capacity: Capacity,
    indexes: Vec<Indexed>,
    features: Features,
    settings: Settings,
    replicas: Option<BTreeMap<String, Replica>>,
) -> Table {
    let (stream, class, time_to_live, warm, scaling) = features;
    let key = |name: &str| (name.to_owned(), AttributeType::String);
    let hash = KeyElement { name: "pk".to_owned(), role: KeyRole::Hash };
    let mut table = Table {
        name: "orders".to_owned(),
        keys: KeySchema(vec![hash]),
        attributes: ["pk", "k0", "k1", "k2"].map(key).into(),
        global_indexes: BTreeMap::new(),
        local_indexes: BTreeMap::new(),
        capacity,
        warm,
        scaling,
        index_scaling: BTreeMap::new(),
        stream,
        encryption: None,
        class,
        time_to_live,
        settings,
        replicas,
    };
    for ((index, watched), scaled) in indexes {
        let name = index.name.clone();
        table.settings.index_insights.extend(watched.map(|watched| (name.clone(), watched)));
        table.index_scaling.insert(name.clone(), scaled);
        table.global_indexes.insert(name, index);
    }
    as_can_be_declared(table).normalised()
}

/// Leaves out what the parser refuses with replicas.
fn as_can_be_declared(mut table: Table) -> Table {
    let names: Vec<_> = table.global_indexes.keys().cloned().collect();
    let is_replicated = table.replicas.as_ref().is_some_and(|replicas| !replicas.is_empty());
    for (_, replica) in table.replicas.iter_mut().flatten() {
        replica.settings.index_insights.retain(|name, _| names.contains(name));
    }
    if is_replicated {
        table.stream = table.stream.map(|_| Stream::NewAndOldImages);
    }
    if is_replicated && matches!(table.capacity, Capacity::Provisioned(_)) {
        let range = Range { min: 1, max: 9, tracking: None };
        for of in std::iter::once(&mut table.scaling).chain(table.index_scaling.values_mut()) {
            of.write = Some(Scaling::Between(range.clone()));
        }
    }
    table
}

/// A live table knows all of its features.
pub(crate) fn live(table: Table) -> Table {
    let scaled = |of: AutoScaling| {
        let each = |scaling| match scaling {
            Some(Scaling::Between(range)) => Some(Scaling::Between(named(range))),
            Some(Scaling::Off) | None => Some(Scaling::Off),
        };
        AutoScaling { read: each(of.read), write: each(of.write) }
    };
    let mut index_scaling = table.index_scaling;
    let index_scaling = table
        .global_indexes
        .keys()
        .map(|name| (name.clone(), scaled(index_scaling.remove(name).unwrap_or_default())));
    let class = table.class.or(Some(TableClass::Standard));
    let replicas = table.replicas.unwrap_or_default();
    let replicas: BTreeMap<_, _> = replicas
        .into_iter()
        .map(|(region, replica)| {
            let settings = live_settings(replica.settings, &table.global_indexes);
            (region, Replica { class: replica.class.or(class), settings, ..replica })
        })
        .collect();
    let stream = if replicas.is_empty() { table.stream } else { Some(Stream::NewAndOldImages) };
    let warm_index = |(name, index): (&String, &Index)| {
        (name.clone(), Index { warm: Some(warmed(index.warm)), ..index.clone() })
    };
    Table {
        warm: Some(warmed(table.warm)),
        scaling: scaled(table.scaling),
        index_scaling: index_scaling.collect(),
        stream: stream.or(Some(Stream::Off)),
        class,
        time_to_live: table.time_to_live.or(Some(TimeToLive::Off)),
        settings: live_settings(table.settings, &table.global_indexes),
        replicas: Some(replicas),
        global_indexes: table.global_indexes.iter().map(warm_index).collect(),
        ..table
    }
}

fn live_settings(settings: Settings, indexes: &BTreeMap<String, Index>) -> Settings {
    let on = |insights: Insights| match insights {
        Insights::On(mode) => Insights::On(mode.or(Some(InsightsMode::ThrottledKeys))),
        other => other,
    };
    let mut index_insights: BTreeMap<_, _> =
        indexes.keys().map(|name| (name.clone(), Insights::Off)).collect();
    index_insights.extend(settings.index_insights.into_iter().map(|(name, is)| (name, on(is))));
    let destination = match settings.destination.unwrap_or(Destination::Off) {
        Destination::Stream { arn, precision } => {
            Destination::Stream { arn, precision: precision.or(Some(Precision::Millisecond)) }
        }
        other => other,
    };
    Settings {
        recovery: settings.recovery.or(Some(Recovery::Off)),
        destination: Some(destination),
        insights: Some(on(settings.insights.unwrap_or(Insights::Off))),
        index_insights,
        policy: settings.policy.or(Some(Policy::Off)),
        tags: settings.tags.or_else(|| Some(BTreeMap::new())),
        deletion_protection: settings.deletion_protection.or(Some(false)),
    }
}
