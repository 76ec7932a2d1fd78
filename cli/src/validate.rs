//! `validate`: settings, declaration, migration files and their order, without a network.

use serde_json::{Value, json};
use tablewright::authoring::Fault;
use tablewright::migrator::BuildError;

use crate::exit::{Done, Ended, Failure};
use crate::render::{self, say, style};
use crate::session::Session;
use crate::settings::FILE;

/// Check settings, declaration and migration files, without a network
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright validate                     # before a commit\n  \
    tablewright validate --json | jq '.faults[].file'")]
pub(crate) struct Validate {}

impl Validate {
    #[expect(clippy::unused_async, reason = "verbs are called alike")]
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let (faults, checked) = check(session);
        if session.global.json {
            let faults: Vec<_> = faults.iter().map(of).collect();
            render::json(&json!({ "tablewright": "validate", "faults": faults }));
        }
        if !faults.is_empty() {
            return Err(Failure::Faults(faults));
        }
        if !session.global.json {
            let good = style::GOOD;
            say(&format!("{good}sound{good:#}: {checked}"));
        }
        Ok(Done::Done)
    }
}

/// Every fault, and what was looked at.
fn check(session: &Session) -> (Vec<Fault>, String) {
    let settings = match session.settings() {
        Ok(settings) => settings,
        Err(Failure::Faults(faults)) => return (faults, String::new()),
        Err(Failure::Usage(said) | Failure::Failed(said)) => {
            return (vec![Fault::new(FILE, said)], String::new());
        }
    };
    let mut faults = settings.problems.clone();
    let migrations = match session.migrator(&settings) {
        Ok(migrator) => migrator.specs(),
        Err(BuildError::Files(found)) => {
            faults.extend(found);
            Vec::new()
        }
        Err(other) => {
            faults.push(Fault::new("the list of migrations", other.to_string()));
            Vec::new()
        }
    };
    let tables = render::counted(settings.tables().len(), "table");
    let checked = format!("{tables}, {}", render::counted(migrations.len(), "migration"));
    (faults, checked)
}

fn of(fault: &Fault) -> Value {
    json!({
        "file": fault.file,
        "line": fault.place.as_ref().map(|place| place.line),
        "column": fault.place.as_ref().map(|place| place.column),
        "problem": fault.problem,
        "fix": fault.fix,
    })
}
