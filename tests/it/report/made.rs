//! Scopes to report on that no deploy makes within the time of a test: nothing, too much, and names made to break out.

use std::collections::BTreeMap;

use tablewright::command::{
    Details, Entry, FailedItem, MigrationStatus, Prospect, RunStatus, Status, Survey, Surveyed,
    TableStatus, What,
};
use tablewright::ledger::rows::{
    AttemptRow, CommandRow, Detached, Hold, MigrationRow, ProgressRow, RunRow, RunState,
};
use tablewright::ledger::state::State;

/// The scope of a stack that has nothing.
pub(super) fn empty() -> Survey {
    Survey {
        made_at: "2026-11-24T18:37:01.000Z".to_owned(),
        ledger: "tablewright-ledger".to_owned(),
        scope: "6f1d2c80/Data".to_owned(),
        stack: "Empty".to_owned(),
        status: Status {
            stack_id: String::new(),
            build: "tablewright",
            generation: 1,
            unconfirmed: false,
            committed: None,
            committed_by: None,
            attempting: None,
            attempted_by: None,
            lease: None,
            hold: None,
            detached: None,
            migrations: Vec::new(),
            tables: Vec::new(),
            runs: Vec::new(),
            notices: Vec::new(),
        },
        history: Vec::new(),
        tables: BTreeMap::new(),
        details: BTreeMap::new(),
        plan: None,
    }
}

fn migration(row: MigrationRow) -> MigrationStatus {
    MigrationStatus {
        row,
        in_build: true,
        reached: None,
        backfills: Vec::new(),
        workers: Vec::new(),
        segments: Vec::new(),
        failed_items: 0,
        needs: None,
    }
}

/// A moment, so many hours after the first.
fn hour(hours: u64) -> String {
    tablewright::clock::format_ms(1_760_000_000_000 + hours * 3_600_000)
}

/// A scope that has run for years.
pub(super) fn many(migrations: u64) -> Survey {
    let mut survey = empty();
    let states = [State::Applied, State::Applied, State::Applied, State::Failed, State::Undone];
    let cycled = |at: u64| states[usize::try_from(at).unwrap() % states.len()];
    for at in 0..migrations {
        let id = format!("{at:04}_change_{at}");
        let (started_at, finished_at) = (hour(at * 9), Some(hour(at * 9 + at % 3)));
        let row = MigrationRow {
            id: id.clone(),
            state: cycled(at),
            build: format!("build-{}", at / 4),
            started_at: Some(started_at.clone()),
            finished_at: finished_at.clone(),
            ..MigrationRow::default()
        };
        survey.status.migrations.push(migration(row));
        let row =
            AttemptRow { outcome: cycled(at), started_at, finished_at, ..AttemptRow::default() };
        let what = What::Attempt { migration: id, row };
        survey.history.insert(0, Entry { at: hour(at * 9), what });
    }
    survey
}

/// A scope whose every text is this one.
pub(super) fn all_of(text: &str) -> Survey {
    let own = || text.to_owned();
    let mut survey = many(1);
    survey.stack = own();
    survey.scope = own();
    survey.ledger = own();
    let status = &mut survey.status;
    status.stack_id = own();
    status.hold = Some(Hold { by: own(), reason: own(), at: own() });
    status.detached = Some(Detached { run: own(), migrations: vec![own()], since: own() });
    status.notices = vec![own()];
    status.tables = vec![TableStatus { name: own(), doomed: Some(2), failure: Some(own()) }];
    let run = RunStatus {
        run: own(),
        kind: own(),
        build: own(),
        state: RunState::Failed,
        started_at: own(),
        finished_at: Some(own()),
        reason: Some(own()),
    };
    status.runs = vec![run];
    let row = MigrationRow {
        id: own(),
        state: State::Failed,
        description: own(),
        build: own(),
        error: Some(own()),
        started_at: Some(own()),
        ..MigrationRow::default()
    };
    status.migrations = vec![migration(row)];
    let attempt =
        AttemptRow { error: Some(own()), build: own(), run: own(), ..AttemptRow::default() };
    let command = CommandRow {
        verb: own(),
        arguments: own(),
        by: own(),
        reason: own(),
        outcome: Some(own()),
        ..CommandRow::default()
    };
    let run = RunRow { kind: own(), build: own(), reason: Some(own()), ..RunRow::default() };
    let what = [
        What::Attempt { migration: own(), row: attempt },
        What::Command { command: own(), row: command },
        What::Run { run: own(), row: run },
    ];
    survey.history = what.map(|what| Entry { at: hour(1), what }).to_vec();
    let item = FailedItem { table: own(), key: own(), error: own(), at: own() };
    let progress =
        ProgressRow { table: own(), per_cent: 62, read: 9_800, ..ProgressRow::default() };
    let progress = vec![(own(), progress)];
    survey.details.insert(own(), Details { progress, segments: Vec::new(), items: vec![item] });
    let table = Surveyed { unseen: Some(own()), backups: vec![own()], ..Surveyed::default() };
    let gone = Surveyed { deleted_at: Some(own()), ..table.clone() };
    survey.tables = [(own(), table), (format!("{text}2"), gone)].into();
    survey.plan = Some(Prospect { text: own(), refused: Vec::new() });
    survey
}
