//! What goes wrong on purpose.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::{BatchStatementRequest, PutRequest, WriteRequest};
use tablewright::testing::{ControlPlane, Durations, Fault, Outcome};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{create, once, plane_with, refused, settle};
use crate::support::text;

fn outcomes(plane: &ControlPlane) -> Vec<Outcome> {
    plane.calls().into_iter().map(|call| call.outcome).collect()
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_carried_out_and_a_call_not_sent_is_not() {
    let (plane, _) = plane_with("orders").await;
    let client = once(&plane);
    for (fault, count) in [(Fault::not_sent(), 0), (Fault::lost_answer(), 1)] {
        plane.fault(fault.operation("PutItem"));
        let put = client.put_item().table_name("orders").item("pk", text("1")).send().await;
        assert!(put.unwrap_err().as_service_error().is_none(), "there was an answer");
        plane.clear_faults();
        let found = client.scan().table_name("orders").send().await.unwrap();
        assert_eq!(found.count, count);
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_says_so_in_the_words_of_its_plane() {
    let (plane, _) = plane_with("orders").await;
    let client = once(&plane);
    plane.fault(Fault::throttled().table("orders"));
    let scan = client.scan().table_name("orders").send().await;
    refused(scan, "ProvisionedThroughputExceededException", "was exceeded");
    let described = client.describe_table().table_name("orders").send().await;
    refused(described, "ThrottlingException", "Rate exceeded");
    client.list_tables().send().await.unwrap();
    plane.clear_faults();
    plane.fault(Fault::internal_error().control_plane());
    client.scan().table_name("orders").send().await.unwrap();
    let described = client.describe_table().table_name("orders").send().await;
    refused(described, "InternalServerError", "Internal server error");
}

#[tokio::test(start_paused = true)]
async fn a_rule_hits_the_nth_call_or_every_kth() {
    for (fault, hit) in [
        (Fault::throttled().nth(2), [false, true, false, false, false, false]),
        (Fault::throttled().every(3), [false, false, true, false, false, true]),
        (Fault::throttled(), [true; 6]),
    ] {
        let (plane, _) = plane_with("orders").await;
        let client = once(&plane);
        plane.fault(fault.operation("Scan"));
        let mut seen = Vec::new();
        for _ in 0..6 {
            client.list_tables().send().await.unwrap();
            seen.push(client.scan().table_name("orders").send().await.is_err());
        }
        assert_eq!(seen, hit);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_has_the_same_chances() {
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let plane = ControlPlane::builder().seed(seed).build();
        let client = once(&plane);
        plane.fault(Fault::throttled().chance(0.3));
        for _ in 0..200 {
            client.list_tables().send().await.ok();
        }
        runs.push(outcomes(&plane));
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    let hits = runs[0].iter().filter(|outcome| **outcome == Outcome::Faulted).count();
    assert!((30..90).contains(&hits), "{hits} of 200 at 30 per cent");
}

#[tokio::test(start_paused = true)]
async fn latency_takes_time_in_the_plane() {
    let (plane, client) = plane_with("orders").await;
    plane.fault(Fault::latency(Duration::from_millis(200)).data_plane());
    plane.fault(Fault::latency(Duration::from_millis(50)));
    let before = Instant::now();
    client.scan().table_name("orders").send().await.unwrap();
    assert_eq!(before.elapsed().as_millis(), 250);
}

#[tokio::test(start_paused = true)]
async fn what_is_unprocessed_comes_back_and_was_not_done() {
    let (plane, client) = plane_with("orders").await;
    plane.fault(Fault::unprocessed().operation("BatchWriteItem").nth(1));
    let put = |n: usize| {
        let put = PutRequest::builder().item("pk", text(&n.to_string())).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let writes = (0..5).map(put).collect();
    let batch = client.batch_write_item().request_items("orders", writes).send().await.unwrap();
    let rest = batch.unprocessed_items.unwrap();
    assert_eq!(rest["orders"].len(), 3);
    let count = || async { client.scan().table_name("orders").send().await.unwrap().count };
    assert_eq!(count().await, 2);
    let again = client.batch_write_item().set_request_items(Some(rest)).send().await.unwrap();
    assert!(again.unprocessed_items.unwrap_or_default().is_empty());
    assert_eq!(count().await, 5);

    plane.fault(Fault::unprocessed().operation("BatchGetItem"));
    let keys = aws_sdk_dynamodb::types::KeysAndAttributes::builder();
    let keys =
        (0..5).fold(keys, |keys, n| keys.keys([("pk".to_owned(), text(&n.to_string()))].into()));
    let read = client.batch_get_item().request_items("orders", keys.build().unwrap());
    let read = read.send().await.unwrap();
    assert_eq!(read.responses.unwrap()["orders"].len(), 2);
    assert_eq!(read.unprocessed_keys.unwrap()["orders"].keys.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_plane_stands_for_its_clones() {
    let plane = ControlPlane::new();
    create(&plane.clone().client(), "orders").await;
    settle().await;
    let tables = plane.client().list_tables().send().await.unwrap();
    assert_eq!(tables.table_names(), ["orders"]);
}

#[tokio::test(start_paused = true)]
async fn every_other_statement_of_a_batch_is_throttled_by_itself() {
    let (plane, client) = plane_with("orders").await;
    let statement = |n: usize| {
        BatchStatementRequest::builder()
            .statement("INSERT INTO orders VALUE {'pk': ?}")
            .parameters(text(&n.to_string()))
            .build()
            .unwrap()
    };
    plane.fault(Fault::unprocessed().nth(1));
    let batch =
        client.batch_execute_statement().set_statements(Some((0..4).map(statement).collect()));
    let batch = batch.send().await.unwrap();
    let codes = batch.responses().iter().map(|one| one.error.as_ref()?.code.clone());
    let codes: Vec<_> = codes.map(|code| code.map(|code| code.as_str().to_owned())).collect();
    let throttled =
        ["ThrottlingError", "ProvisionedThroughputExceeded"].map(|code| Some(code.to_owned()));
    let [first, second] = throttled;
    assert_eq!(codes, [first, None, second, None]);
    let found = client.scan().table_name("orders").send().await.unwrap();
    assert_eq!(found.count, 2);
}

#[tokio::test(start_paused = true)]
async fn a_bystander_meets_no_fault_and_leaves_no_trace() {
    let (plane, _) = plane_with("orders").await;
    plane.reset_calls();
    plane.fault(Fault::throttled());
    plane.watch(|arrival| async move { panic!("watched: {arrival:?}") });
    let put = plane.bystander().put_item().table_name("orders").item("pk", text("1"));
    put.send().await.unwrap();
    assert_eq!(plane.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_carried_out_after_what_its_watcher_did() {
    let (plane, client) = plane_with("orders").await;
    let (beside, seen) = (plane.bystander(), Arc::<Mutex<Vec<String>>>::default());
    let log = Arc::clone(&seen);
    plane.watch(move |arrival| {
        let put = beside.put_item().table_name("orders").item("pk", text("1"));
        log.lock().unwrap().push(format!("{} {:?}", arrival.operation, arrival.tables));
        async move { drop(put.send().await.unwrap()) }
    });
    let found = client.scan().table_name("orders").send().await.unwrap();
    assert_eq!(found.count, 1);
    assert_eq!(*seen.lock().unwrap(), [r#"Scan ["orders"]"#]);
}

#[tokio::test(start_paused = true)]
async fn a_page_ends_after_as_many_items_as_are_wanted() {
    let plane = ControlPlane::builder().page_items(2).build();
    let client = plane.client();
    create(&client, "orders").await;
    settle().await;
    for n in 0..5 {
        let put = client.put_item().table_name("orders").item("pk", text(&n.to_string()));
        put.send().await.unwrap();
    }
    plane.reset_calls();
    let scan = client.scan().table_name("orders").into_paginator().items().send();
    let found: Vec<_> = scan.collect::<Result<_, _>>().await.unwrap();
    assert_eq!((found.len(), plane.calls().len()), (5, 3));
    let one = client.scan().table_name("orders").limit(1).send().await.unwrap();
    assert_eq!(one.count, 1);
}

#[tokio::test]
async fn a_call_that_has_arrived_is_carried_out_though_its_connection_is_gone() {
    let plane = ControlPlane::builder().durations(Durations::none()).unseen_reads(0).build();
    create(&plane.client(), "orders").await;
    let (arrived, gone, done) = <(Arc<Notify>, Arc<Notify>, Arc<Notify>)>::default();
    let signals = (Arc::clone(&arrived), Arc::clone(&gone), Arc::clone(&done));
    plane.watch(move |_| {
        let (arrived, gone, done) = signals.clone();
        async move {
            arrived.notify_one();
            gone.notified().await;
            done.notify_one();
        }
    });
    let server = plane.serve().await.unwrap();
    let call = reqwest::Client::new()
        .post(server.endpoint())
        .header("x-amz-target", "DynamoDB_20120810.PutItem")
        .body(r#"{"TableName": "orders", "Item": {"pk": {"S": "1"}}}"#);
    let caller = tokio::spawn(call.send());
    arrived.notified().await;
    drop(server);
    caller.await.unwrap().unwrap_err();
    gone.notify_one();
    tokio::time::timeout(Duration::from_secs(5), done.notified()).await.expect("it is carried out");
    let found = plane.bystander().scan().table_name("orders").send().await.unwrap();
    assert_eq!(found.count, 1);
}
