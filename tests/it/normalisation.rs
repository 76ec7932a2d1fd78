//! What is not a change: spellings, orders and defaults in which a declaration and a live table may differ.

use serde_json::{Value, json};
use tablewright::desired::Desired;
use tablewright::kms::FoundKey;
use tablewright::observe::Observed;
use tablewright::plan::{self, Input, Mode, TableStep};
use tablewright::schema::{
    Capacity, Encryption, Replica, Scaling, Stream, Table, Throughput, TimeToLive, Warm,
};

use crate::model;
use crate::planner::{PLACE, observed};
use crate::support::{properties, table, with, with_index};

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/0d8b5c9e-1f0a-4a38-9b62-5f5f1d5a7c11";
const NOTHING: &str = "  nothing to do";

/// A declaration as the model has it.
fn read(declared: &Value) -> Table {
    let desired = Desired::read(&properties(std::slice::from_ref(declared))).unwrap();
    desired.tables.into_iter().next().unwrap().table
}

/// The plan as people read it, or why there is none.
fn plan(declared: &Value, observed: &Observed) -> Vec<String> {
    let desired = Desired::read(&properties(std::slice::from_ref(declared))).unwrap();
    let input = Input {
        desired: &desired,
        specs: &[],
        observed,
        place: PLACE,
        run: "run",
        mode: Mode::Deploy,
    };
    // What a reviewer would say of it has tests of its own.
    let steps = |plan: plan::Plan| plan::Plan { findings: Vec::new(), ..plan }.lines();
    plan::plan(&input).map_or_else(|refused| refused.0, steps)
}

/// The plan for a declaration where another one is live, and was the last.
fn from(live: &Value, declared: &Value) -> Vec<String> {
    plan(declared, &deployed(live))
}

/// What there is after a declaration has been deployed.
fn deployed(declared: &Value) -> Observed {
    let last = read(declared);
    let mut observed = observed([model::live(last.clone())]);
    let row = observed.ledger.tables.get_mut("orders").unwrap();
    row.declaration = serde_json::to_string(&last).ok();
    observed
}

/// Changes the live table behind the back of its declaration.
fn by_hand(mut observed: Observed, change: impl FnOnce(&mut Table)) -> Observed {
    change(&mut observed.tables.get_mut("orders").unwrap().description.table);
    observed
}

fn projecting(names: &[&str]) -> Value {
    let mut orders = with_index(table("orders"), "by_a", "a");
    orders["GlobalSecondaryIndexes"][0]["Projection"] =
        json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": names });
    orders
}

fn provisioned(read: impl Into<Value>, write: impl Into<Value>) -> Value {
    let throughput =
        json!({ "ReadCapacityUnits": read.into(), "WriteCapacityUnits": write.into() });
    with(
        with(table("orders"), "BillingMode", json!("PROVISIONED")),
        "ProvisionedThroughput",
        throughput,
    )
}

#[test]
fn the_order_of_projected_attributes_is_no_change() {
    assert_eq!(from(&projecting(&["x", "y"]), &projecting(&["y", "x"])), [NOTHING]);
}

#[test]
fn other_projected_attributes_are_refused_in_place() {
    let refused = from(&projecting(&["x", "y"]), &projecting(&["x", "z"]));
    assert!(refused[0].contains("the index by_a cannot change in place"), "{refused:?}");
    assert!(refused[0].contains("declared a HASH; INCLUDE x z, live a HASH; INCLUDE x y"));
}

#[test]
fn a_key_among_the_projected_attributes_is_no_change() {
    assert_eq!(from(&projecting(&["x"]), &projecting(&["x", "pk", "a"])), [NOTHING]);
}

#[test]
fn the_order_of_key_attributes_is_a_change() {
    let keys = |names: [&str; 2]| {
        let mut orders = with_index(with_index(table("orders"), "by_a", "a"), "by_b", "b");
        orders["GlobalSecondaryIndexes"].as_array_mut().unwrap().pop();
        orders["GlobalSecondaryIndexes"][0]["KeySchema"] =
            names.map(|name| json!({ "AttributeName": name, "KeyType": "HASH" })).as_slice().into();
        orders
    };
    let refused = from(&keys(["a", "b"]), &keys(["b", "a"]));
    assert!(refused[0].contains("declared b HASH, a HASH; ALL, live a HASH, b HASH; ALL"));
}

#[test]
fn the_order_of_attribute_definitions_is_no_change() {
    let live = with_index(table("orders"), "by_a", "a");
    let mut declared = live.clone();
    declared["AttributeDefinitions"].as_array_mut().unwrap().reverse();
    assert_eq!(from(&live, &declared), [NOTHING]);
}

#[test]
fn an_attribute_goes_with_the_index_that_used_it() {
    let live = with_index(table("orders"), "by_a", "a");
    assert_eq!(
        from(&live, &table("orders")),
        ["- table orders: index by_a, when the whole stack has succeeded"]
    );
}

#[test]
fn another_type_of_an_index_key_is_refused_in_place() {
    let live = with_index(table("orders"), "by_a", "a");
    let mut declared = live.clone();
    declared["AttributeDefinitions"][1]["AttributeType"] = json!("N");
    let refused = from(&live, &declared);
    assert!(refused[0].contains("the index by_a cannot change in place"), "{refused:?}");
}

#[test]
fn the_first_of_two_indexes_goes_alone() {
    let live = with_index(with_index(table("orders"), "by_a", "a"), "by_b", "b");
    let declared = with_index(table("orders"), "by_b", "b");
    assert_eq!(
        from(&live, &declared),
        ["- table orders: index by_a, when the whole stack has succeeded"]
    );
}

#[test]
fn a_new_index_leaves_the_others_alone() {
    let live = with_index(table("orders"), "by_a", "a");
    let declared = with_index(live.clone(), "by_b", "b");
    assert_eq!(from(&live, &declared), ["+ table orders: index by_b (b HASH; ALL)"]);
}

#[test]
fn equal_throughput_is_no_change() {
    let declared = provisioned(5, 1);
    assert_eq!(from(&declared, &declared), [NOTHING]);
}

#[test]
fn a_key_by_alias_or_id_is_the_key_that_it_names() {
    for name in ["alias/orders", "0d8b5c9e-1f0a-4a38-9b62-5f5f1d5a7c11"] {
        let encryption = json!({ "SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": name });
        let declared = with(table("orders"), "SSESpecification", encryption);
        let observed = by_hand(deployed(&table("orders")), |live| {
            live.encryption = Some(Encryption::Kms(Some(KEY.to_owned())));
        });
        let found = |key| Observed { keys: [(name.to_owned(), key)].into(), ..observed.clone() };
        assert_eq!(plan(&declared, &found(FoundKey::Arn(KEY.to_owned()))), [NOTHING]);
        let other = KEY.replace("0d8b5c9e", "ffffffff");
        assert_eq!(
            plan(&declared, &found(FoundKey::Arn(other.clone()))),
            [format!("~ table orders: encryption KMS key {other}")]
        );
        let why = "it is Disabled".to_owned();
        assert_eq!(
            plan(&declared, &found(FoundKey::Unusable(why))),
            [format!("table orders: the key {name} cannot encrypt it: it is Disabled")]
        );
    }
}

#[test]
fn encryption_by_default_is_no_change() {
    let owned = with(table("orders"), "SSESpecification", json!({ "SSEEnabled": "false" }));
    let default = by_hand(deployed(&table("orders")), |live| {
        live.encryption = Some(Encryption::AwsOwned);
    });
    for declared in [&owned, &table("orders")] {
        assert_eq!(plan(declared, &default), [NOTHING]);
    }
    // The key of KMS for DynamoDB, which a declaration names by no name or by its alias.
    let managed = by_hand(default, |live| {
        live.encryption = Some(Encryption::Kms(Some(KEY.to_owned())));
    });
    for key in [Value::Null, json!("alias/aws/dynamodb")] {
        let encryption = json!({ "SSEEnabled": true, "KMSMasterKeyId": key });
        let declared = with(table("orders"), "SSESpecification", encryption);
        assert_eq!(plan(&declared, &managed), [NOTHING]);
    }
}

#[test]
fn warm_throughput_that_is_not_declared_is_no_change() {
    let warm = by_hand(deployed(&table("orders")), |live| {
        live.warm = Some(Warm { read: Some(40_000), write: Some(20_000) });
    });
    assert_eq!(plan(&table("orders"), &warm), [NOTHING]);
}

#[test]
fn warm_throughput_never_shrinks_and_says_so() {
    let warm = |read: &str, write: &str| {
        let warm = json!({ "ReadUnitsPerSecond": read, "WriteUnitsPerSecond": write });
        let mut orders = with_index(table("orders"), "by_a", "a");
        orders["GlobalSecondaryIndexes"][0]["WarmThroughput"] = warm.clone();
        with(orders, "WarmThroughput", warm)
    };
    assert_eq!(
        from(&warm("40000", "20000"), &warm("13000", "20000")),
        [
            NOTHING,
            "! table orders: warm throughput is 40000 read, 20000 write and declared as 13000 read, 20000 write; \
             it never shrinks, left as it is",
            "! table orders: index by_a warm throughput is 40000 read, 20000 write and declared as 13000 read, \
             20000 write; it never shrinks, left as it is",
        ]
    );
    // What grows in one figure keeps the other.
    let grown = from(&warm("40000", "20000"), &warm("13000", "30000"));
    assert!(grown.contains(&"~ table orders: warm throughput 40000 read, 30000 write".to_owned()));
}

#[test]
fn the_attribute_of_an_expiry_that_is_off_is_no_change() {
    let off = json!({ "AttributeName": "expires", "Enabled": "false" });
    let declared = with(table("orders"), "TimeToLiveSpecification", off);
    assert_eq!(from(&table("orders"), &declared), [NOTHING]);
}

#[test]
fn an_expiry_that_left_the_declaration_is_turned_off_by_its_live_attribute() {
    let on = json!({ "AttributeName": "expires", "Enabled": true });
    let observed = deployed(&with(table("orders"), "TimeToLiveSpecification", on));
    let observed =
        by_hand(observed, |live| live.time_to_live = Some(TimeToLive::On("moved".to_owned())));
    let desired = table("orders");
    assert_eq!(
        plan(&desired, &observed),
        [
            "~ table orders: time to live off, when the whole stack has succeeded",
            "! drift: table orders: time to live is on moved, changed since the last deploy that succeeded, by \
             somebody else or by one that failed",
        ]
    );
}

#[test]
fn numbers_and_booleans_may_be_text() {
    let declared = |number: fn(u64) -> Value, yes: Value| {
        let mut orders = provisioned(number(7), number(3));
        orders["DeletionProtectionEnabled"] = yes.clone();
        orders["WarmThroughput"] =
            json!({ "ReadUnitsPerSecond": number(9), "WriteUnitsPerSecond": number(8) });
        orders["PointInTimeRecoverySpecification"] =
            json!({ "PointInTimeRecoveryEnabled": yes, "RecoveryPeriodInDays": number(5) });
        orders["ContributorInsightsSpecification"] = json!({ "Enabled": yes });
        orders["SSESpecification"] = json!({ "SSEEnabled": yes });
        orders["TimeToLiveSpecification"] = json!({ "AttributeName": "a", "Enabled": yes });
        read(&orders)
    };
    let native = declared(|number| json!(number), json!(true));
    assert_eq!(declared(|number| json!(number.to_string()), json!("true")), native);
}

#[test]
fn a_policy_in_the_form_of_the_service_is_no_change() {
    let policy = |principal: Value, action: Value| {
        let statement =
            json!({ "Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*" });
        let document = json!({ "Version": "2012-10-17", "Statement": statement });
        with(table("orders"), "ResourcePolicy", json!({ "PolicyDocument": document }))
    };
    let root = json!({ "AWS": "arn:aws:iam::111122223333:root" });
    let live =
        policy(json!({ "AWS": ["111122223333"] }), json!(["dynamodb:Scan", "dynamodb:Query"]));
    let declared = policy(root.clone(), json!(["dynamodb:Query", "dynamodb:Scan"]));
    assert_eq!(from(&live, &declared), [NOTHING]);
    assert_eq!(
        from(&live, &policy(root, json!("dynamodb:Query"))),
        ["~ table orders: resource policy of 1 statement"]
    );
}

#[test]
fn tags_of_others_stay() {
    let tags = |key: &str| with(table("orders"), "Tags", json!([{ "Key": key, "Value": "1" }]));
    let mut observed = deployed(&tags("ours"));
    let live = observed.tables.get_mut("orders").unwrap();
    live.tags.extend(["cost-center", "aws:created"].map(|key| (key.to_owned(), "x".to_owned())));
    live.description.table.settings.tags = Some(live.tags.clone());
    assert_eq!(plan(&tags("ours"), &observed), [NOTHING]);
    assert_eq!(
        plan(&tags("other"), &observed),
        ["~ table orders: tag other", "~ table orders: untag ours"]
    );
}

#[test]
fn what_was_changed_by_hand_is_changed_back_and_named() {
    let stream = |view: &str| {
        with(table("orders"), "StreamSpecification", json!({ "StreamViewType": view }))
    };
    let turned_off =
        || by_hand(deployed(&stream("KEYS_ONLY")), |live| live.stream = Some(Stream::Off));
    let drift = "! drift: table orders: stream is off, changed since the last deploy that succeeded, by somebody else \
                 or by one that failed";
    assert_eq!(
        plan(&stream("KEYS_ONLY"), &turned_off()),
        ["~ table orders: stream KEYS_ONLY", drift]
    );
    assert_eq!(
        plan(&stream("NEW_IMAGE"), &turned_off()),
        ["~ table orders: stream NEW_IMAGE", drift]
    );
    // What is where this declaration wants it is nobody's drift, and neither is what the last one has set.
    let there = by_hand(turned_off(), |live| live.stream = Some(Stream::NewImage));
    assert_eq!(plan(&stream("NEW_IMAGE"), &there), [NOTHING]);
    assert_eq!(
        from(&stream("KEYS_ONLY"), &stream("NEW_IMAGE")),
        ["~ table orders: stream off", "~ table orders: stream NEW_IMAGE"]
    );
}

#[test]
fn features_that_left_the_declaration_are_turned_off_and_others_left_alone() {
    let arn = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders";
    let document = json!({ "Statement": [] });
    let mut full = with_index(table("orders"), "by_a", "a");
    full["StreamSpecification"] = json!({ "StreamViewType": "KEYS_ONLY" });
    full["KinesisStreamSpecification"] = json!({ "StreamArn": arn });
    full["ContributorInsightsSpecification"] = json!({ "Enabled": true });
    full["GlobalSecondaryIndexes"][0]["ContributorInsightsSpecification"] =
        json!({ "Enabled": true, "Mode": "THROTTLED_KEYS" });
    full["ResourcePolicy"] = json!({ "PolicyDocument": document });
    full["PointInTimeRecoverySpecification"] = json!({ "PointInTimeRecoveryEnabled": true });
    full["DeletionProtectionEnabled"] = json!(true);
    let bare = with_index(table("orders"), "by_a", "a");
    assert_eq!(
        from(&full, &bare),
        [
            "~ table orders: contributor insights off".to_owned(),
            "~ table orders: index by_a contributor insights off".to_owned(),
            "~ table orders: stream off, when the whole stack has succeeded".to_owned(),
            format!("~ table orders: no more changes to {arn}, when the whole stack has succeeded"),
            "~ table orders: resource policy off, when the whole stack has succeeded".to_owned(),
        ]
    );
    // Somebody else's features are nobody's business.
    let mut observed = deployed(&full);
    observed.ledger.tables.get_mut("orders").unwrap().declaration =
        serde_json::to_string(&read(&bare)).ok();
    assert_eq!(plan(&bare, &observed), [NOTHING]);
}

#[test]
fn another_expiry_attribute_takes_two_steps_and_the_plan_says_why_the_second_may_wait() {
    let ttl = |name: &str| {
        let on = json!({ "AttributeName": name, "Enabled": true });
        with(table("orders"), "TimeToLiveSpecification", on)
    };
    assert_eq!(
        from(&ttl("a"), &ttl("b")),
        [
            "~ table orders: time to live off",
            "~ table orders: time to live on b",
            "! table orders: expiry is turned off before it is turned on by b, and DynamoDB allows a change about \
             once an hour: where it refuses the second, deploy again after that",
        ]
    );
}

#[test]
fn another_kinesis_stream_comes_by_way_of_none_and_another_precision_directly() {
    let to = |name: &str, precision: Value| {
        let arn = format!("arn:aws:kinesis:eu-west-1:111122223333:stream/{name}");
        let to = json!({ "StreamArn": arn, "ApproximateCreationDateTimePrecision": precision });
        with(table("orders"), "KinesisStreamSpecification", to)
    };
    let arn = |name: &str| format!("arn:aws:kinesis:eu-west-1:111122223333:stream/{name}");
    assert_eq!(
        from(&to("a", Value::Null), &to("b", Value::Null)),
        [
            format!("~ table orders: no more changes to {}", arn("a")),
            format!("~ table orders: changes to {}", arn("b")),
        ]
    );
    assert_eq!(
        from(&to("a", Value::Null), &to("a", json!("MICROSECOND"))),
        [format!("~ table orders: timestamps in {} by the MICROSECOND", arn("a"))]
    );
    assert_eq!(from(&to("a", json!("MICROSECOND")), &to("a", Value::Null)), [NOTHING]);
}

#[test]
fn a_new_table_or_index_cannot_have_less_warm_throughput_than_it_starts_with() {
    let cold = json!({ "ReadUnitsPerSecond": 100 });
    let mut orders = with_index(table("orders"), "by_a", "a");
    orders["GlobalSecondaryIndexes"][0]["WarmThroughput"] = cold.clone();
    let orders = with(orders, "WarmThroughput", cold.clone());
    let refused = plan(&orders, &Observed::default());
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(
        refused[0]
            .contains("WarmThroughput of the new table orders is 100 read, and it has 12000 read")
    );
    assert!(refused[1].contains("WarmThroughput of the new index by_a is 100 read"), "{refused:?}");
    let provisioned = with(provisioned(5, 101), "WarmThroughput", cold.clone());
    assert_eq!(plan(&provisioned, &Observed::default()).len(), 1);
    let slow = json!({ "WriteUnitsPerSecond": 100 });
    let refused = plan(&with(provisioned, "WarmThroughput", slow), &Observed::default());
    assert!(refused[0].contains("is 100 write, and it has 5 read, 101 write"), "{refused:?}");
}

/// A provisioned table with an index, whose reads scale.
fn scaled(range: &Value) -> Value {
    let mut orders = with_index(provisioned(5, 5), "by_a", "a");
    orders["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"] =
        json!({ "ReadCapacityUnits": 5, "WriteCapacityUnits": 5 });
    for scaled in ["/GlobalSecondaryIndexes/0", ""] {
        orders.pointer_mut(scaled).unwrap()["AutoScaling"] = json!({ "Read": range });
    }
    orders
}

fn range() -> Value {
    json!({ "MinCapacity": "5", "MaxCapacity": "50", "TargetValue": "70.5" })
}

fn moved(observed: Observed) -> Observed {
    by_hand(observed, |live| {
        let moved = Capacity::Provisioned(Throughput { read: 23, write: 5 });
        live.capacity = moved;
        live.global_indexes.get_mut("by_a").unwrap().capacity = moved;
    })
}

#[test]
fn a_figure_that_auto_scaling_has_moved_is_no_change() {
    assert_eq!(plan(&scaled(&range()), &moved(deployed(&scaled(&range())))), [NOTHING]);
    // Not even where somebody else has set it up.
    let mut unscaled = scaled(&range());
    for of in ["/GlobalSecondaryIndexes/0", ""] {
        unscaled.pointer_mut(of).unwrap().as_object_mut().unwrap().remove("AutoScaling");
    }
    let mut observed = moved(deployed(&scaled(&range())));
    observed.ledger.tables.get_mut("orders").unwrap().declaration =
        serde_json::to_string(&read(&unscaled)).ok();
    assert_eq!(plan(&unscaled, &observed), [NOTHING]);
    // The other figure is ours.
    let mut written = scaled(&range());
    written["ProvisionedThroughput"]["WriteCapacityUnits"] = json!(9);
    assert_eq!(
        plan(&written, &moved(deployed(&scaled(&range())))),
        ["~ table orders: throughput 23 read, 9 write"]
    );
}

#[test]
fn auto_scaling_that_left_the_declaration_ends_before_the_figures_count_again() {
    let mut fixed = provisioned(7, 5);
    fixed["AttributeDefinitions"] = table("orders")["AttributeDefinitions"].clone();
    assert_eq!(
        plan(&fixed, &moved(deployed(&scaled(&range())))),
        [
            "~ table orders: auto scaling of read off",
            "~ table orders: auto scaling of index by_a read off",
            "~ table orders: throughput 7 read, 5 write",
            "- table orders: index by_a, when the whole stack has succeeded",
        ]
    );
    let on_demand = with_index(table("orders"), "by_a", "a");
    assert_eq!(
        plan(&on_demand, &moved(deployed(&scaled(&range())))),
        [
            "~ table orders: auto scaling of read off",
            "~ table orders: auto scaling of index by_a read off",
            "~ table orders: billing provisioned 23 read, 5 write -> on demand",
        ]
    );
}

#[test]
fn another_range_keeps_what_the_declaration_leaves_open() {
    let other = json!({ "MinCapacity": 5, "MaxCapacity": 60, "TargetValue": 70.5 });
    let live = by_hand(deployed(&scaled(&range())), |live| {
        let Some(Scaling::Between(range)) = &mut live.scaling.read else { panic!("it scales") };
        range.tracking.as_mut().unwrap().scale_in_cooldown = Some(120);
    });
    assert_eq!(plan(&scaled(&range()), &live), [NOTHING]);
    let desired = scaled(&other);
    assert_eq!(
        plan(&desired, &live),
        [
            "~ table orders: auto scaling of read 5 to 60 at 70.50 %",
            "~ table orders: auto scaling of index by_a read 5 to 60 at 70.50 %",
        ]
    );
    let steps = plan::changes(&read(&desired), live.tables["orders"].table()).steps;
    let TableStep::Scale { range, .. } = &steps[0] else { panic!("{steps:?}") };
    assert_eq!(range.tracking.as_ref().unwrap().scale_in_cooldown, Some(120));
}

fn replicated(replicas: Value) -> Value {
    with(table("orders"), "Replicas", replicas)
}

#[test]
fn each_replica_comes_by_itself_and_has_all_its_settings() {
    let tags = json!([{ "Key": "team", "Value": "shop" }]);
    let replica = |region: &str| {
        json!({
            "Region": region,
            "Tags": tags,
            "DeletionProtectionEnabled": true,
            "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
        })
    };
    let both = replicated(json!([replica("us-east-1"), replica("eu-west-2")]));
    assert_eq!(
        from(&table("orders"), &both),
        [
            "+ table orders: replica in eu-west-2",
            "+ table orders: replica in us-east-1",
            "~ table orders: replica in eu-west-2 point-in-time recovery on, 35 days",
            "~ table orders: replica in eu-west-2 tag team",
            "~ table orders: replica in us-east-1 point-in-time recovery on, 35 days",
            "~ table orders: replica in us-east-1 tag team",
            "~ table orders: replica in eu-west-2 deletion protection on",
            "~ table orders: replica in us-east-1 deletion protection on",
        ]
    );
    let bare = replicated(json!([{ "Region": "us-east-1" }]));
    assert_eq!(
        from(&both, &bare),
        [
            "~ table orders: replica in us-east-1 untag team",
            "- table orders: replica in eu-west-2, when the whole stack has succeeded",
        ]
    );
}

#[test]
fn replicas_of_others_stay_and_ours_go_with_the_declaration() {
    let one = replicated(json!([{ "Region": "us-east-1" }]));
    assert_eq!(
        from(&one, &table("orders")),
        ["- table orders: replica in us-east-1, when the whole stack has succeeded"]
    );
    let foreign = by_hand(deployed(&table("orders")), |live| {
        live.replicas.get_or_insert_default().insert("us-east-1".to_owned(), Replica::default());
    });
    assert_eq!(plan(&table("orders"), &foreign), [NOTHING]);
    assert_eq!(
        plan(&replicated(json!([])), &foreign),
        [
            NOTHING,
            "! table orders: the replica in us-east-1 is not declared and was not before; left alone",
        ]
    );
}

#[test]
fn a_replica_of_the_own_region_or_of_a_strongly_consistent_table_is_refused() {
    let here = replicated(json!([{ "Region": "eu-west-1" }]));
    for live in [Observed::default(), deployed(&table("orders"))] {
        let observed = Observed { region: Some("eu-west-1".to_owned()), ..live };
        let refused = plan(&here, &observed);
        assert!(refused[0].contains("Replicas names eu-west-1, the table's own region"));
    }
    let mut strong = deployed(&table("orders"));
    strong.tables.get_mut("orders").unwrap().description.is_strongly_replicated = true;
    let refused = plan(&replicated(json!([{ "Region": "us-east-1" }])), &strong);
    assert!(refused[0].contains("its replicas are strongly consistent"), "{refused:?}");
    assert_eq!(plan(&table("orders"), &strong), [NOTHING]);
}

#[test]
fn the_key_of_a_replica_and_the_stream_under_it_are_refused() {
    let with_key = |key: &str| {
        let sse = json!({ "SSEEnabled": true, "KMSMasterKeyId": KEY });
        let replica =
            json!({ "Region": "us-east-1", "SSESpecification": { "KMSMasterKeyId": key } });
        with(replicated(json!([replica])), "SSESpecification", sse)
    };
    let other = KEY.replace("0d8b5c9e", "ffffffff");
    let refused = from(&with_key(KEY), &with_key(&other));
    assert!(refused[0].contains("the KMS key of the replica in us-east-1 cannot change"));
    assert_eq!(from(&with_key(KEY), &with_key("alias/orders")), [NOTHING]);
    // Replicas that nobody declares read the stream all the same.
    let foreign = by_hand(deployed(&table("orders")), |live| {
        live.stream = Some(Stream::NewAndOldImages);
        live.replicas.get_or_insert_default().insert("us-east-1".to_owned(), Replica::default());
    });
    let stream = json!({ "StreamViewType": "KEYS_ONLY" });
    let refused = plan(&with(table("orders"), "StreamSpecification", stream), &foreign);
    assert!(refused[0].contains("the stream cannot become KEYS_ONLY while the table has replicas"));
}

#[test]
fn replicas_want_to_see_all_of_the_stream_that_there_is() {
    let partial = json!({ "StreamViewType": "KEYS_ONLY" });
    let partial = with(table("orders"), "StreamSpecification", partial);
    let one = replicated(json!([{ "Region": "us-east-1" }]));
    assert_eq!(
        from(&partial, &one),
        [
            "~ table orders: stream off",
            "~ table orders: stream NEW_AND_OLD_IMAGES",
            "+ table orders: replica in us-east-1",
        ]
    );
    let foreign = by_hand(deployed(&table("orders")), |live| live.stream = Some(Stream::KeysOnly));
    let refused = plan(&one, &foreign);
    assert!(
        refused[0].contains("replicas need a stream of NEW_AND_OLD_IMAGES, and its is KEYS_ONLY")
    );
}

#[test]
fn replicas_go_before_the_stream_that_they_read() {
    let stream = json!({ "StreamViewType": "NEW_AND_OLD_IMAGES" });
    let one = replicated(json!([{ "Region": "us-east-1" }]));
    assert_eq!(
        from(&with(one, "StreamSpecification", stream), &table("orders")),
        [
            "- table orders: replica in us-east-1, when the whole stack has succeeded",
            "~ table orders: stream off, when the whole stack has succeeded",
        ]
    );
}

#[test]
fn an_index_that_goes_does_so_before_a_replica_needs_its_writes_to_scale() {
    let scaled_writes = |mut orders: Value| {
        orders["AutoScaling"] = json!({ "Write": range() });
        orders
    };
    let indexed = with_index(provisioned(5, 5), "by_a", "a");
    let mut indexed = scaled_writes(indexed);
    indexed["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"] =
        json!({ "ReadCapacityUnits": 5, "WriteCapacityUnits": 5 });
    let replicated = json!([{ "Region": "us-east-1" }]);
    let replicated = with(scaled_writes(provisioned(5, 5)), "Replicas", replicated);
    assert_eq!(
        from(&indexed, &replicated),
        ["- table orders: index by_a", "+ table orders: replica in us-east-1"]
    );
    let mut foreign = deployed(&indexed);
    foreign.ledger.tables.get_mut("orders").unwrap().indexes.clear();
    let refused = plan(&replicated, &foreign);
    assert!(refused[0].contains("needs AutoScaling.Write of every index; declare by_a with it"));
}
