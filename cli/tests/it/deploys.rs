//! Deploys without CloudFormation, and what looks at them.

use serde_json::json;
use tablewright::testing::Stack;

use crate::world::{Folder, SETTINGS, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_pending_until_it_is_applied() {
    let world = World::new(SETTINGS).await;
    let plan = world.run(&["plan"]).await.expect(3);
    assert!(plan.out.contains("+ table orders"), "{}", plan.out);
    let status = world.run(&["status"]).await.expect(1);
    assert!(status.err.contains("there is no ledger table"), "{}", status.err);

    let asked = world.run(&["apply"]).await.expect(2);
    assert!(asked.err.contains("add --yes"), "{}", asked.err);
    assert!(world.plane.tables().is_empty());
    let applied = world.run(&["apply", "--yes"]).await.expect(0);
    assert!(applied.out.contains("done: 0 migrations applied"), "{}", applied.out);
    assert_eq!(world.plane.tables(), ["orders", "tablewright-ledger"]);

    let plan = world.run(&["plan"]).await.expect(0);
    assert_eq!(plan.out, "Nothing to do.\n");
    let status = world.run(&["status"]).await.expect(0);
    assert!(status.out.starts_with("shop  scope "), "{}", status.out);
    let history = world.run(&["history"]).await.expect(0);
    assert!(history.out.contains("deploy (Create)  ann@laptop"), "{}", history.out);
    world.run(&["report", "--output", "report.html"]).await.expect(0);
    let report = std::fs::read_to_string(world.folder.path().join("report.html")).unwrap();
    assert!(report.starts_with("<!doctype html>") && report.contains("orders"));
    let again = world.run(&["apply", "--yes", "--json", "--by", "bob"]).await.expect(0).json();
    assert_eq!((&again["status"], &again["answer"]["Status"]), (&json!("done"), &json!("SUCCESS")));
    let history = world.run(&["history", "--json"]).await.expect(0).json();
    let runs: Vec<_> = history["entries"].as_array().unwrap().iter().collect();
    assert_eq!(runs[0]["kind"], "Update", "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_leaves_the_declaration_goes_once_all_has_succeeded() {
    let with = |rest: &str| format!("{SETTINGS}{rest}");
    let world = World::new(SETTINGS).await;
    let more = "    - TableName: more\n      RemovalPolicy: delete\n      \
                KeySchema: [{ AttributeName: pk, KeyType: HASH }]\n      \
                AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]\n  Migrations:";
    world.folder.write("tablewright.yaml", &SETTINGS.replace("  Migrations:", more));
    world.run(&["apply", "--yes"]).await.expect(0);
    assert!(world.plane.tables().contains(&"more".to_owned()));
    // What it was last declared with counts, in whichever process that was.
    world.folder.write("tablewright.yaml", &with(""));
    let plan = world.run(&["plan"]).await.expect(3);
    assert!(plan.out.contains("- table more"), "{}", plan.out);
    world.run(&["apply", "--yes"]).await.expect(0);
    assert_eq!(world.plane.tables(), ["orders", "tablewright-ledger"]);
    let status = world.run(&["status", "--json"]).await.expect(0).json();
    assert_eq!((&status["generation"], &status["unconfirmed"]), (&json!(2), &json!(false)));
    world.run(&["plan"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_fails_is_taken_back() {
    let world = World::new(SETTINGS).await;
    world.run(&["apply", "--yes"]).await.expect(0);
    let broken = SETTINGS.replace("AttributeName: pk", "AttributeName: id");
    world.folder.write("tablewright.yaml", &broken);
    for verb in [&["plan"][..], &["apply", "--yes"]] {
        let refused = world.run(verb).await.expect(1);
        assert!(refused.err.contains("orders"), "{}", refused.err);
    }
    world.folder.write("tablewright.yaml", SETTINGS);
    world.run(&["apply", "--yes"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_stack_are_not_taken_over_whatever_the_name() {
    let world = World::new(&SETTINGS.replace("stack: shop", "stack: Test")).await;
    let properties = json!({
        "Tables": [{
            "TableName": "orders",
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
        }],
    });
    Stack::new(&world.plane).deploy(&properties).await.expect_success();
    let owner = || async {
        let described = world.plane.bystander().describe_table().table_name("orders").send().await;
        let arn = described.unwrap().table().unwrap().table_arn().unwrap().to_owned();
        let tags = world.plane.bystander().list_tags_of_resource().resource_arn(arn).send().await;
        format!("{:?}", tags.unwrap().tags())
    };
    let before = owner().await;
    // What it may look at is the stack of this name; what it would deploy is another.
    world.run(&["status"]).await.expect(0);
    let refused = world.run(&["apply", "--yes"]).await.expect(1);
    assert!(refused.err.contains("6f1d2c80/Data"), "{}", refused.err);
    assert_eq!(owner().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_writes_is_signed_and_on_record() {
    let world = World::new(SETTINGS).await;
    world.run(&["apply", "--yes"]).await.expect(0);
    let unsigned = world.run(&["unlock"]).await.expect(2);
    assert!(unsigned.err.contains("--reason"), "{}", unsigned.err);
    let unlocked = world.run(&["unlock", "--reason", "the runner died"]).await.expect(0);
    assert_eq!(unlocked.out, "nobody held the lease\n");
    world.run(&["pause", "--reason", "slow", "--by", "bob"]).await.expect(0);
    let held = world.run(&["apply", "--yes"]).await.expect(1);
    assert!(held.err.contains("tablewright resume --scope"), "{}", held.err);
    assert!(!held.err.contains('{'), "{}", held.err);
    let status = world.run(&["status"]).await.expect(0);
    assert!(
        status.out.contains("deploys wait") && status.out.contains("by bob: slow"),
        "{}",
        status.out
    );
    world.run(&["resume", "--reason", "fast"]).await.expect(0);
    let history = world.run(&["history", "--json"]).await.expect(0).json();
    let commands = history["entries"].as_array().unwrap().iter();
    let commands = commands.filter(|entry| entry["what"] == "command");
    let by: Vec<_> =
        commands.map(|entry| (&entry["verb"], &entry["by"], &entry["reason"])).collect();
    let expected = [
        ("resume", "ann@laptop", "fast"),
        ("pause", "bob", "slow"),
        ("unlock", "ann@laptop", "the runner died"),
    ];
    let expected = expected.map(|(verb, by, reason)| (json!(verb), json!(by), json!(reason)));
    assert_eq!(by, expected.each_ref().map(|(verb, by, reason)| (verb, by, reason)));
    let watched = world.run(&["status", "--watch"]).await.expect(0);
    assert!(watched.out.contains("nobody is at work"), "{}", watched.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_the_ledger_does_not_know_is_one_that_begins_for_a_plan_alone() {
    let world = World::new(SETTINGS).await;
    world.run(&["apply", "--yes"]).await.expect(0);
    let unknown = world.run(&["status", "--stack", "other"]).await.expect(1);
    assert!(unknown.err.contains("knows no stack other; it lists"), "{}", unknown.err);
    let refused = world.run(&["plan", "--stack", "other"]).await.expect(1);
    assert!(refused.err.contains("orders"), "the table has an owner: {}", refused.err);
}

#[test]
fn who_has_no_credentials_is_told_what_to_do() {
    let folder = Folder::new();
    folder.write("tablewright.yaml", SETTINGS);
    let mut plan = folder.command(&["plan"]);
    plan.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_REGION", "eu-west-1");
    let output = plan.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("for want of credentials"), "{said}");
    assert!(said.contains("or the endpoint of an engine on this machine"), "{said}");
}
