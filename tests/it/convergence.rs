//! Any declaration leads to any other on the strict control plane, whatever goes wrong on the way: faults by chance, a
//! process that dies, another resource that fails.

mod declared;
mod portrait;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tablewright::dynamo::{Class, classify};
use tablewright::testing::{
    Call, ControlPlane, Durations, Fault, Mishap, Outcome, Quotas, Stack, Trap,
};

use self::declared::declaration;
use self::portrait::portrait;
use crate::support::{properties, table, with, with_index};

/// Deploys until one succeeds, at most so many.
const DEPLOYS_MAX: usize = 8;

/// What goes wrong.
#[derive(Debug, Clone)]
struct Trouble {
    seed: u64,
    throttled: f64,
    lost: f64,
    failing: f64,
    /// The process dies before this call of the first deploy.
    crash: Option<usize>,
    /// Another resource of the stack fails after a deploy of ours, once.
    later: bool,
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let crash = prop::option::of(0_usize..150);
    (any::<u64>(), 0.0..0.1, 0.0..0.05, 0.0..0.05, crash, any::<bool>()).prop_map(
        |(seed, throttled, lost, failing, crash, later)| Trouble {
            seed,
            throttled,
            lost,
            failing,
            crash,
            later,
        },
    )
}

fn plane(seed: u64) -> ControlPlane {
    let second = Duration::from_secs(1);
    let durations = Durations { index_backfill: 20 * second, ..Durations::default() };
    // Quotas end a deploy, and rightly so; they have tests of their own.
    let quotas = Quotas { time_to_live_interval: second, decreases: 1000, ..Quotas::default() };
    ControlPlane::builder().seed(seed).durations(durations).quotas(quotas).build()
}

/// Calls that change something, the ledger's own left out.
fn changing(plane: &ControlPlane) -> Vec<Call> {
    let calls = plane.calls().into_iter();
    let changing = calls.filter(|call| {
        let reads = ["Describe", "List", "Get", "Query", "Scan", "BatchGet"];
        let is_read = reads.iter().any(|verb| call.operation.starts_with(verb));
        !is_read && call.table.as_deref() != Some("tablewright-ledger")
    });
    changing.collect()
}

/// Deploys, and deploys again where it fails, as a person would; says what the last one answered.
async fn deploy_until_done(stack: &mut Stack, declaration: &Value) -> Result<usize, String> {
    let mut said = String::new();
    for deploys in 1..=DEPLOYS_MAX {
        let deployed = stack.deploy(declaration).await;
        if deployed.answer.is_success() {
            return Ok(deploys);
        }
        deployed.answer.reason().clone_into(&mut said);
        // What is not there yet may be there later; tags are read late, a protection can be turned again.
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    Err(said)
}

/// A table of somebody else with an index of its own, which must stay as it is.
async fn make_foreign_table(plane: &ControlPlane) {
    let mut other = Stack::new(plane);
    let theirs = with_index(table("foreign"), "by_x", "x");
    let theirs = with(properties(&[theirs]), "LedgerTable", json!("other-ledger"));
    other.deploy(&theirs).await.expect_success();
}

/// Brings the troubles about that come by themselves, before the deploy that is to succeed.
async fn trouble_first(plane: &ControlPlane, stack: &mut Stack, to: &Value, trouble: &Trouble) {
    if let Some(request) = trouble.crash {
        let trap = Trap::at(request, Mishap::Crash);
        stack.connect(trap.client(plane.config()));
        tokio::select! {
            biased;
            () = trap.crashed() => {}
            _ = stack.deploy(to) => {}
        }
        stack.connect(plane.client());
    }
    plane.fault(Fault::throttled().chance(trouble.throttled));
    plane.fault(Fault::lost_answer().chance(trouble.lost));
    plane.fault(Fault::internal_error().chance(trouble.failing));
    if trouble.later {
        stack.deploy_and_fail_later(to).await;
    }
}

async fn converges(from: &Value, to: &Value, trouble: &Trouble) -> Result<(), TestCaseError> {
    let plane = plane(trouble.seed);
    make_foreign_table(&plane).await;
    let mut stack = Stack::new(&plane);
    let settled = deploy_until_done(&mut stack, from).await;
    prop_assert!(settled.is_ok(), "the first deploy: {settled:?}");
    plane.reset_calls();
    trouble_first(&plane, &mut stack, to, trouble).await;
    let settled = deploy_until_done(&mut stack, to).await;
    prop_assert!(settled.is_ok(), "after {DEPLOYS_MAX} deploys: {settled:?}");
    plane.clear_faults();
    for call in plane.calls() {
        prop_assert!(call.table.as_deref() != Some("foreign"), "{call:?}");
        if let Outcome::Rejected { code, message } = &call.outcome {
            let is_condition =
                code.contains("ConditionalCheck") || code.contains("TransactionCanceled");
            let is_mistake = !is_condition && classify(code, message) == Class::Permanent;
            prop_assert!(!is_mistake, "{call:?}");
        }
    }
    // What a fault kept the cleanup from is for the next update.
    stack.deploy(&with(to.clone(), "Migrations", json!({ "Hash": "1" }))).await.expect_success();
    plane.reset_calls();
    stack.deploy(&with(to.clone(), "Migrations", json!({ "Hash": "2" }))).await.expect_success();
    prop_assert_eq!(changing(&plane), vec![], "the second run has something to do");

    let fresh = self::plane(0);
    let settled = deploy_until_done(&mut Stack::new(&fresh), to).await;
    prop_assert!(settled.is_ok(), "the fresh deploy: {settled:?}");
    tokio::time::sleep(Duration::from_mins(5)).await;
    prop_assert_eq!(portrait(&plane, to).await, portrait(&fresh, to).await);
    Ok(())
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn any_declaration_leads_to_any_other_whatever_goes_wrong(
        from in declaration(), to in declaration(), trouble in trouble()
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(converges(&from, &to, &trouble))?;
    }
}
