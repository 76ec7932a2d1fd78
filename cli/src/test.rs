//! `test`: migrations are tried on the items of their fixtures, `NNNN_name.test.yaml` beside them.

pub(crate) mod fixture;

use std::path::PathBuf;

use serde_json::{Value, json};
use tablewright::Migrator;
use tablewright::testing::{Check, Tried, Verdict};
use tokio::task::JoinHandle;

use self::fixture::Case;
use crate::exit::{Done, Ended, Failure};
use crate::render::{self, say, style};
use crate::session::Session;

/// Try migrations on the items of their fixtures, however they are hindered
///
/// For each case of NNNN_name.test.yaml: what the migration makes of the items; that a second run over the result changes
/// nothing; that taken back it leaves them as they were; and that it comes to the same end where it is killed, throttled
/// or superseded at every write. On an engine in this process, without a network.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright test\n  \
    tablewright test 0003_totals             # those whose id begins so\n\n\
    A fixture has one case, or several under cases:\n  \
    before: { orders: [{ pk: '1', status: open }] }\n  \
    after:  { orders: [{ pk: '1', status: open, label: 'ORDER#1' }] }\n  \
    # back: …, where the way back does not lead to before; refused: words, where it is to fail")]
pub(crate) struct Test {
    /// Beginnings of ids; all where there is none
    ids: Vec<String>,
}

impl Test {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        let properties = settings.declaration().map_err(Failure::Faults)?.clone();
        let migrator = session.sound_migrator(&settings)?;
        let folder = settings.folder().ok_or_else(|| {
            Failure::failed("there is no folder of migrations; make one with tablewright new NAME")
        })?;
        let is_meant =
            |id: &str| self.ids.is_empty() || self.ids.iter().any(|begins| id.starts_with(begins));
        let specs = migrator.specs();
        let mut under_way = Vec::new();
        for spec in specs.into_iter().filter(|spec| is_meant(&spec.id)) {
            let file = folder.join(format!("{}.test.yaml", spec.id));
            let cases = if file.is_file() {
                fixture::read(&file).map_err(|fault| Failure::Faults(vec![fault]))?
            } else {
                Vec::new()
            };
            let named =
                |case: Case| (case.name.clone(), begin(&migrator, &spec.id, &properties, case));
            under_way.push((spec.id.clone(), cases.into_iter().map(named).collect::<Vec<_>>()));
        }
        let mut reports = Vec::new();
        for (id, begun) in under_way {
            let mut cases = Vec::new();
            for (name, tried) in begun {
                let failed = |why: String| {
                    Failure::failed(format!("migration {id} could not be tried: {why}"))
                };
                let tried = tried.await.map_err(|error| failed(error.to_string()))?;
                cases.push((name, tried.map_err(|error| failed(error.to_string()))?));
            }
            reports.push(Report { id, cases });
        }
        if reports.is_empty() {
            return Err(Failure::failed("no migration is meant"));
        }
        show(session, &reports, &folder)
    }
}

/// What came of the cases of a migration; none where it has no fixture.
struct Report {
    id: String,
    cases: Vec<(String, Tried)>,
}

/// Begins to try one case, beside others, in a time that passes only where nothing else is left to do: hours of waiting
/// take none.
fn begin(
    migrator: &Migrator,
    id: &str,
    properties: &Value,
    case: Case,
) -> JoinHandle<std::io::Result<Tried>> {
    let trial = case.trial(migrator.clone(), id, properties.clone());
    tokio::task::spawn_blocking(move || {
        let paused =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        paused.map(|runtime| runtime.block_on(trial.run()))
    })
}

fn show(session: &Session, reports: &[Report], folder: &std::path::Path) -> Ended {
    let failed =
        reports.iter().filter(|report| report.cases.iter().any(|(_, tried)| !tried.is_success()));
    let failed: Vec<_> = failed.map(|report| report.id.clone()).collect();
    if session.global.json {
        let all: Vec<_> = reports.iter().map(of).collect();
        render::json(&json!({ "tablewright": "test", "migrations": all }));
    } else {
        for report in reports {
            print(report, folder);
        }
    }
    if failed.is_empty() {
        Ok(Done::Done)
    } else {
        Err(Failure::failed(format!("not as expected: {}", failed.join(", "))))
    }
}

fn print(report: &Report, folder: &std::path::Path) {
    let (strong, faint, good, error) = (style::STRONG, style::FAINT, style::GOOD, style::ERROR);
    say(&format!("{strong}{}{strong:#}", report.id));
    if report.cases.is_empty() {
        let file: PathBuf = folder.join(format!("{}.test.yaml", report.id));
        say(&format!("  {faint}-       not tried: there is no {}{faint:#}", file.display()));
    }
    for (name, tried) in &report.cases {
        if !name.is_empty() {
            say(&format!("  {name}"));
        }
        for (check, verdict) in &tried.checks {
            match verdict {
                Verdict::Passed(more) => {
                    let more = if more.is_empty() { String::new() } else { format!(": {more}") };
                    say(&format!("  {good}ok{good:#}      {check}{more}"));
                }
                Verdict::NotTried(why) => say(&format!("  {faint}-       {check}: {why}{faint:#}")),
                Verdict::Failed(why) => {
                    say(&format!("  {error}FAILED{error:#}  {check}"));
                    for why in why {
                        say(&format!("            {why}"));
                    }
                }
            }
        }
    }
}

fn of(report: &Report) -> Value {
    let check = |(check, verdict): &(Check, Verdict)| {
        let (ended, said) = match verdict {
            Verdict::Passed(said) => ("passed", vec![said.clone()]),
            Verdict::Failed(said) => ("failed", said.clone()),
            Verdict::NotTried(said) => ("not_tried", vec![said.clone()]),
        };
        let said: Vec<_> = said.into_iter().filter(|said| !said.is_empty()).collect();
        json!({ "check": check.to_string(), "verdict": ended, "said": said })
    };
    let case = |(name, tried): &(String, Tried)| json!({ "name": name, "checks": tried.checks.iter().map(check).collect::<Vec<_>>() });
    json!({ "id": report.id, "cases": report.cases.iter().map(case).collect::<Vec<_>>() })
}
