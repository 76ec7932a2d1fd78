//! The whole life of a stack on this machine: create, update, a failing update, its rollback, a removal, delete.
//!
//! It starts an embedded DynamoDB and a receiver for the answers, runs the function of `examples/functions.rs` under the
//! Lambda runtime protocol with `cargo lambda watch`, sends it the events of `events/`, and shows what CloudFormation
//! and the database see. With `serve` it starts the first two alone, for events sent by hand.
#![expect(clippy::disallowed_methods, reason = "the demo looks at the engine directly")]
#![expect(clippy::print_stdout, reason = "showing is what it is for")]

mod cloud;
mod function;
mod show;

use std::error::Error;

use cloud::Cloud;
use function::Function;
use serde_json::Value;

/// What the application has written before the first migration.
const ITEMS: &str = include_str!("../items.json");

/// Where the events of `events/` send their answers.
const ANSWERS: &str = "127.0.0.1:9010";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return serve().await;
    }
    let cloud = Cloud::start("127.0.0.1:0", "127.0.0.1:0").await?;
    let mut function = Function::start(&cloud).await?;
    let story = tell(&cloud, &mut function).await;
    function.stop();
    story?;
    show::title("done", "everything that was started has been stopped");
    Ok(())
}

async fn tell(cloud: &Cloud, function: &mut Function) -> Result<(), Box<dyn Error>> {
    show::title(
        "events/create.json",
        "a new stack: tables are made; a fresh database runs no migration",
    );
    step(cloud, function, cloud.event("create")?, "CREATE_IN_PROGRESS", "SUCCESS").await?;
    cloud.seed(ITEMS).await?;
    show::note("the application writes its first items (examples/items.json)");
    show::tables(cloud).await?;

    show::title(
        "events/update.json",
        "a deploy with one more index and the migration 0002_customer_tiers",
    );
    step(cloud, function, cloud.event("update")?, "UPDATE_IN_PROGRESS", "SUCCESS").await?;
    show::tables(cloud).await?;
    let before = cloud.items("orders").await?;

    show::title(
        "events/update-failing.json",
        "a deploy with the migration 0003_order_totals, which meets an order whose total is \"12,5O\"",
    );
    step(cloud, function, cloud.event("update-failing")?, "UPDATE_IN_PROGRESS", "FAILED").await?;
    show::tables(cloud).await?;
    if cloud.items("orders").await? != before {
        return Err("the failed migration left changed items behind".into());
    }
    show::note("every order is as it was before");

    show::title("events/rollback.json", "CloudFormation takes the failed update back");
    let rollback = cloud.event("rollback")?;
    step(cloud, function, rollback, "UPDATE_ROLLBACK_IN_PROGRESS", "SUCCESS").await?;

    show::title(
        "events/removal.json",
        "a deploy without the table customers, whose RemovalPolicy is delete; the stack may still fail",
    );
    let removal = cloud.event("removal")?;
    let removed = step(cloud, function, removal, "UPDATE_IN_PROGRESS", "SUCCESS").await?;
    show::tables(cloud).await?;

    show::title(
        "events/cleanup.json",
        "the whole stack has succeeded, and CloudFormation deletes the id that was replaced",
    );
    let cleanup = cloud.event("cleanup")?;
    step(cloud, function, cleanup, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "SUCCESS").await?;
    show::tables(cloud).await?;

    show::title(
        "events/delete.json",
        "the stack is deleted; tables stay unless their RemovalPolicy says otherwise",
    );
    let mut delete = cloud.event("delete")?;
    delete["PhysicalResourceId"] = removed["PhysicalResourceId"].clone();
    step(cloud, function, delete, "DELETE_IN_PROGRESS", "SUCCESS").await?;
    show::tables(cloud).await?;
    Ok(())
}

/// Sends one event to a stack that goes through `status`, shows everything that comes of it, and returns the answer.
async fn step(
    cloud: &Cloud,
    function: &mut Function,
    event: Value,
    status: &str,
    expected: &str,
) -> Result<Value, Box<dyn Error>> {
    cloud.goes_through(status);
    let log = function.invoke(&event).await?;
    show::log(&log);
    let answer = cloud.answer_to(&event).await.ok_or("no answer came")?;
    show::answer(&answer);
    show::ledger(cloud).await?;
    if answer["Status"] != expected {
        return Err(format!("expected {expected}, see the answer above").into());
    }
    Ok(answer)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let cloud = Cloud::start("127.0.0.1:8000", ANSWERS).await?;
    show::note(&format!(
        "DynamoDB on {}; answers go to http://{ANSWERS}; Ctrl-C ends",
        cloud.endpoint
    ));
    let (mut seen, mut is_seeded) = (0, false);
    loop {
        for answer in cloud.answers_since(&mut seen).await {
            show::answer(&answer);
            if !is_seeded && answer["Status"] == "SUCCESS" {
                cloud.seed(ITEMS).await?;
                is_seeded = true;
                show::note("the tables now hold the items of examples/items.json");
            }
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {}
        }
    }
}
