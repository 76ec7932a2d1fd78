//! Where things go wrong: it sees each request to DynamoDB come, and strikes at the one whose turn it is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tablewright::testing::{Arrival, ControlPlane, Fault as Trouble};
use tokio::sync::Notify;

use super::fault::{Fault, Step};
use crate::process::Process;
use crate::support::{number, text};

pub(super) const LEDGER: &str = "tablewright-ledger";
/// How long a request hangs.
const FOR_EVER: Duration = Duration::from_hours(1);
/// How long each request takes when time runs out.
pub(super) const SLOW: Duration = Duration::from_millis(1400);
/// How many requests in a row are throttled for a while: fewer than are tried again.
const A_WHILE: u64 = 3;

/// The plane, and what is to go wrong with it; clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) plane: ControlPlane,
    /// How long a request takes.
    latency: Duration,
    trap: Arc<Mutex<Option<Trap>>>,
    struck: Arc<Notify>,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Arriving,
    /// It has taken its lease.
    Begun,
    /// A state machine has its slices carried out.
    InSlices,
}

/// What is to go wrong at the nth step.
#[derive(Debug)]
struct Trap {
    fault: Fault,
    scope: String,
    nth: u64,
    seen: u64,
    phase: Phase,
    /// Whether the request before was a query.
    was_query: bool,
    has_struck: bool,
    victim: Option<Arc<Process>>,
}

impl Stage {
    pub(super) fn new(plane: ControlPlane, latency: Duration) -> Self {
        let stage = Self { plane, latency, trap: Arc::default(), struck: Arc::default() };
        let watching = stage.clone();
        stage.plane.watch(move |arrival| {
            let stage = watching.clone();
            async move { stage.arrive(&arrival).await }
        });
        stage.calm();
        stage
    }

    /// Has a fault strike at its nth step from now on.
    pub(super) fn arm(&self, fault: Fault, nth: u64, scope: &str) {
        *self.trap.lock().unwrap() = Some(Trap {
            fault,
            scope: scope.to_owned(),
            nth,
            seen: 0,
            phase: Phase::Arriving,
            was_query: false,
            has_struck: false,
            victim: None,
        });
    }

    /// Names the process that dies of it.
    pub(super) fn aim(&self, process: &Arc<Process>) {
        if let Some(trap) = self.trap.lock().unwrap().as_mut() {
            trap.victim = Some(Arc::clone(process));
            if matches!(trap.fault, Fault::KilledEachTime | Fault::SlicesKilled) {
                trap.seen = 0;
            }
        }
    }

    /// Nothing goes wrong any more.
    pub(super) fn calm(&self) {
        *self.trap.lock().unwrap() = None;
        self.plane.clear_faults();
        if !self.latency.is_zero() {
            self.plane.fault(Trouble::latency(self.latency));
        }
    }

    /// What follows is a slice of a run that was handed over.
    pub(super) fn begin_slices(&self) {
        if let Some(trap) = self.trap.lock().unwrap().as_mut() {
            trap.phase = Phase::InSlices;
        }
    }

    /// Whether it is in slices that something goes wrong.
    pub(super) fn is_about_slices(&self) -> bool {
        let step = |trap: &Trap| trap.fault.step();
        self.trap.lock().unwrap().as_ref().map(step) == Some(Step::WriteOfASlice)
    }

    pub(super) fn is_armed(&self) -> bool {
        self.trap.lock().unwrap().is_some()
    }

    /// Whether the step came at which the fault strikes.
    pub(super) fn has_struck(&self) -> bool {
        self.trap.lock().unwrap().as_ref().is_some_and(|trap| trap.has_struck)
    }

    /// Completes when it has struck.
    pub(super) async fn strikes(&self) {
        self.struck.notified().await;
    }

    async fn arrive(&self, arrival: &Arrival) {
        let Some((fault, scope, victim)) = self.turn(arrival) else { return };
        let ledger = |trouble: Trouble| self.plane.fault(trouble.table(LEDGER));
        match fault {
            Fault::OwnPanic => panic!("a bug, on purpose"),
            Fault::Hangs => self.plane.fault(Trouble::latency(FOR_EVER).nth(1)),
            Fault::Slow => self.plane.fault(Trouble::latency(SLOW)),
            Fault::ThrottledForAWhile => {
                (1..=A_WHILE).for_each(|nth| ledger(Trouble::throttled().nth(nth)));
            }
            Fault::Throttled => ledger(Trouble::throttled()),
            Fault::Denied => ledger(Trouble::denied()),
            Fault::LeaseLost => self.take_the_lease(&scope).await,
            Fault::KilledAfter => {
                if let Some(process) = victim {
                    process.kill();
                }
            }
            Fault::KilledBefore
            | Fault::KilledEachTime
            | Fault::SliceKilled
            | Fault::SlicesKilled => {
                if let Some(process) = victim {
                    process.kill();
                }
                // What it had sent last gets nowhere.
                self.plane.fault(Trouble::not_sent().nth(1));
            }
            Fault::OvertakenByTheWayBack
            | Fault::TwiceAtOnce
            | Fault::MigrationPanic
            | Fault::Again
            | Fault::AnswerRefused
            | Fault::AnswerLost
            | Fault::AnswerDuplicated
            | Fault::AnotherResourceFails
            | Fault::UnknownDelete
            | Fault::OutOfMemory => {}
        }
        self.struck.notify_one();
    }

    /// What is to happen now: the lock must not be held while it does.
    fn turn(&self, arrival: &Arrival) -> Option<(Fault, String, Option<Arc<Process>>)> {
        let mut trap = self.trap.lock().unwrap();
        let trap = trap.as_mut()?;
        // The first write under a lease.
        if trap.phase == Phase::Arriving && arrival.operation == "TransactWriteItems" {
            trap.phase = Phase::Begun;
        }
        // A journal is read in many parts, of which one stands for all.
        let is_query = arrival.operation == "Query";
        if std::mem::replace(&mut trap.was_query, is_query) && is_query {
            return None;
        }
        if !trap.counts(arrival) {
            return None;
        }
        trap.seen += 1;
        let is_its_turn = trap.seen == trap.nth;
        trap.has_struck |= is_its_turn;
        is_its_turn.then(|| (trap.fault, trap.scope.clone(), trap.victim.clone()))
    }

    /// Takes the lease, as a request of nobody's would, and is gone.
    async fn take_the_lease(&self, scope: &str) {
        let lease = self.plane.bystander().update_item().table_name(LEDGER);
        let taken = lease
            .key("scope", text(scope))
            .key("entry", text("lease"))
            .update_expression(
                "SET fence = fence + :one, #run = :other, invocation = :other, \
                 version = :other, expires_at_ms = :zero",
            )
            .expression_attribute_names("#run", "run")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":other", text("another"));
        // Where there is no lease yet, there is none to lose.
        drop(taken.send().await);
    }
}

impl Trap {
    /// Whether a request is a step of those at which the fault can strike.
    fn counts(&self, arrival: &Arrival) -> bool {
        let is_about_the_ledger = arrival.tables.iter().any(|name| name == LEDGER);
        let reads = ["GetItem", "BatchGetItem", "Query", "Scan", "DescribeTable"];
        let is_read = reads.contains(&arrival.operation.as_str());
        match self.fault.step() {
            Step::Request => true,
            Step::RequestOfARun => self.phase != Phase::Arriving,
            Step::LedgerRequest => is_about_the_ledger,
            Step::LedgerWrite => is_about_the_ledger && !is_read,
            Step::WriteOfASlice => self.phase == Phase::InSlices && is_about_the_ledger && !is_read,
            Step::Item | Step::Delivery | Step::Whole => false,
        }
    }
}
