//! What is logged: ids on every line of a run, and never the response URL or what an item holds.

use std::io::Write;
use std::sync::{Mutex, Once, PoisonError};

use serde_json::Value;
use tablewright::{Change, Item, Migration, MigrationError};

use crate::support::{Answer, Stack, item, properties, sample, table, text};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Collects the log of all tests, as talkative as it can be set. One subscriber serves the whole process, for those
/// of a thread miss lines while others come and go.
pub(crate) fn collect() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_thread_names(true)
            .with_env_filter(tablewright::logging::filter("TRACE"))
            .with_writer(|| Log)
            .init();
    });
}

/// Whether the log so far has this text.
pub(crate) fn holds(text: &str) -> bool {
    String::from_utf8_lossy(&LOG.lock().unwrap_or_else(PoisonError::into_inner)).contains(text)
}

/// The run that an answer names.
fn run(answer: &Answer) -> String {
    let (_, rest) = answer.reason().rsplit_once("(run ").unwrap();
    rest.trim_end_matches(')').to_owned()
}

#[tokio::test]
async fn the_most_talkative_log_names_runs_and_keys_and_no_secret() {
    let stack = Stack::start().await;
    let declared = properties(&[table("orders")]);
    let created = stack.create(&stack.function(vec![]), &declared).await.expect_success();
    stack.put("orders", item([("pk", text("order-1")), ("card", text("hunter2"))])).await;
    let stumbles = |item: Item| {
        item.number("card")?;
        Ok(Change::Keep)
    };
    let copies = |mut item: Item| {
        item.set_text("copy", item.text("card")?.to_owned());
        Ok::<_, MigrationError>(Change::Update(item))
    };
    let function = stack.function(vec![
        Migration::backfill("0001_a", "orders", copies).down_items(|_| Ok(Change::Keep)),
        Migration::backfill("0002_b", "orders", stumbles),
    ]);
    let failed = stack.update(&function, &declared, &declared).await.expect_failure(&[]);
    let malformed = stack.send(&function, &sample(&stack, "malformed")).await.expect_failure(&[]);

    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    for secret in ["deadbeef", "X-Amz-Signature", "hunter2"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ours =
        lines.iter().filter(|line| line["target"].as_str().unwrap().starts_with("tablewright"));
    // A run on the thread of a test may have begun before anybody listened, and then has no span.
    let by_threads = ours.clone().filter(|line| line["threadName"] == "tablewright-work");
    for line in by_threads {
        let run = line["spans"][0]["run"].as_str();
        assert!(run.is_some() || line["message"] == "event refused", "{line}");
    }
    let of =
        |run: &str| ours.clone().filter(|line| line["spans"][0]["run"] == *run).collect::<Vec<_>>();
    let created = of(created.0["Data"]["RunId"].as_str().unwrap());
    let step =
        created.iter().find(|line| line["message"].as_str().unwrap().starts_with("step + table"));
    assert_eq!(step.unwrap()["spans"][1]["table"], "orders");
    let failed = of(&run(&failed));
    let backfill = failed.iter().find(|line| line["message"] == "backfill done").unwrap();
    assert_eq!(backfill["spans"][1]["migration"], "0001_a");
    assert!(failed.iter().any(|line| line.to_string().contains("item pk=order-1")));
    assert!(of(&run(&malformed)).iter().any(|line| line["message"] == "answered"));
}
