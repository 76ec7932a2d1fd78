//! Loops over every write that a command sends: each is failed in turn, and the process dies before each in turn.
//! Sent again, the command comes to the same end as one that nothing happened to.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tablewright::dynamo::Dynamo;
use tablewright::{Backfill, Change, Migration, MigrationError};

use super::{TIME, counting, deployed, ns, signed};
use crate::support::{self, Stack, deliver, number};
use tablewright::testing::{Mishap, Trap};

/// What a command can change, apart from names and moments.
#[derive(Debug, PartialEq)]
struct End {
    migrations: Vec<String>,
    items: Vec<String>,
    is_held: bool,
    fingerprint: Option<AttributeValue>,
    is_locked: bool,
}

fn migrations() -> Vec<Migration> {
    let never = |_| Err(MigrationError::new("never"));
    let failing = Backfill::new("orders", never).max_failed_items(9);
    vec![counting("0001_a"), Migration::backfills("0002_b", [failing]).revision(2)]
}

/// A stack with what each command can be about: one migration that is applied, and one with failed items.
async fn prepared(command: &Value) -> Stack {
    let (stack, _) = deployed(migrations()).await;
    if command["tablewright"] == "resume" {
        let function = stack.function(migrations());
        let pause = signed(json!({ "tablewright": "pause" }));
        deliver(&function, &pause, TIME).await.unwrap();
    }
    if command["action"] == "fingerprint" {
        let mut row = stack.ledger().await.remove("migration#0001_a").unwrap();
        row.insert("fingerprint".to_owned(), support::text("revision 0"));
        stack.put("tablewright-ledger", row).await;
    }
    stack
}

/// The build with which the command is sent: one that knows how to handle what had failed.
fn mended() -> Vec<Migration> {
    let keeps = Backfill::new("orders", |_| Ok(Change::Keep)).max_failed_items(9);
    let keeps = keeps.down(|_| Ok(Change::Keep));
    vec![counting("0001_a"), Migration::backfills("0002_b", [keeps]).revision(2)]
}

async fn end(stack: &Stack) -> End {
    let rows = stack.ledger().await;
    End {
        migrations: stack.migrations().await,
        items: ns(stack).await,
        is_held: rows["meta"].get("hold").is_some_and(AttributeValue::is_m),
        fingerprint: rows["migration#0001_a"].get("fingerprint").cloned(),
        is_locked: rows["lease"]["expires_at_ms"] != number(0),
    }
}

/// Sends a command in a process of its own, as far as one can be had in a test: a runtime that ends with all its tasks.
fn send_until(stack: &Stack, trap: &Trap, command: &Value) {
    let (engine, stacks) = (stack.engine.clone(), stack.stacks.clone());
    let (trap, command) = (trap.clone(), command.clone());
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let function =
                support::function(Dynamo::new(trap.client(engine.config())), &stacks, mended());
            tokio::select! {
                biased;
                () = trap.crashed() => {}
                _ = deliver(&function, &command, TIME) => {}
            }
        });
    });
    process.join().unwrap();
}

/// Sends a command again as a person would: where the lease is still held, having unlocked the scope.
async fn again(stack: &Stack, command: &Value) {
    let function = stack.function(mended());
    let Err(error) = deliver(&function, command, TIME).await else { return };
    if !error.to_string().contains("holds the lease") {
        // It had been done, and is told so.
        return;
    }
    let unlock = signed(json!({ "tablewright": "unlock" }));
    deliver(&function, &unlock, TIME).await.unwrap();
    if let Err(error) = deliver(&function, command, TIME).await {
        let said = error.to_string();
        let is_done = ["already", "as in this build", "nothing to roll back", "only one that is"];
        assert!(is_done.iter().any(|words| said.contains(words)), "{said}");
    }
}

async fn whatever_fails(command: Value) {
    let command = signed(command);
    let expected = {
        let stack = prepared(&command).await;
        deliver(&stack.function(mended()), &command, TIME).await.unwrap();
        end(&stack).await
    };
    assert!(!expected.is_locked);
    for fault in [Mishap::Fails, Mishap::Crash] {
        for write in 0.. {
            let stack = prepared(&command).await;
            let trap = Trap::at_write(write, fault);
            send_until(&stack, &trap, &command);
            if !trap.has_sprung() {
                assert!(write >= 4, "only {write} writes: the loop has lost its subject");
                break;
            }
            again(&stack, &command).await;
            assert_eq!(end(&stack).await, expected, "{fault:?} at write {write} of {command}");
        }
    }
}

#[tokio::test]
async fn whatever_fails_in_unlock_it_can_be_sent_again() {
    whatever_fails(json!({ "tablewright": "unlock" })).await;
}

#[tokio::test]
async fn whatever_fails_in_pause_and_resume_they_can_be_sent_again() {
    whatever_fails(json!({ "tablewright": "pause" })).await;
    whatever_fails(json!({ "tablewright": "resume" })).await;
}

#[tokio::test]
async fn whatever_fails_in_a_repair_it_can_be_sent_again() {
    for (action, id) in
        [("mark-applied", "0002_b"), ("mark-rolled-back", "0002_b"), ("fingerprint", "0001_a")]
    {
        whatever_fails(json!({ "tablewright": "repair", "action": action, "id": id })).await;
    }
}

#[tokio::test]
async fn whatever_fails_in_trying_items_again_it_can_be_sent_again() {
    whatever_fails(json!({ "tablewright": "retry-failed", "id": "0002_b" })).await;
}

#[tokio::test]
async fn whatever_fails_in_an_undo_it_can_be_sent_again() {
    whatever_fails(json!({ "tablewright": "undo", "all": true })).await;
}
