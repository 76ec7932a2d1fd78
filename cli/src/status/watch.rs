//! Follows what runs: a bar for each backfill and each worker on a terminal, a line now and then elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::exit::Failure;
use crate::render::{complain, duration, is_watched, list, text};
use crate::session::{Session, obey};
use crate::settings::Settings;

/// How often the ledger is asked; positions are saved every two seconds.
const EVERY: Duration = Duration::from_secs(1);

/// Follows a scope until nobody is at work; returns the last status.
pub(super) async fn watch(
    session: &Session,
    settings: &Settings,
    event: &Value,
) -> Result<Value, Failure> {
    let services = session.services().await?;
    let migrator = session.migrator(settings);
    let mut shown = Shown::new();
    loop {
        let status = obey(&services, &migrator, event).await?;
        if status["lease"].is_null() && status["detached"].is_null() {
            shown.end();
            return Ok(status);
        }
        shown.update(&of(&status));
        tokio::time::sleep(EVERY).await;
    }
}

/// How far something has come.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Progress {
    name: String,
    per_cent: u64,
    said: String,
}

/// All that has come somewhere.
fn of(status: &Value) -> Vec<Progress> {
    list(status, "migrations").iter().flat_map(of_migration).collect()
}

/// The backfills of a migration and their workers; where their own reports have not come yet, their segments.
fn of_migration(row: &Value) -> Vec<Progress> {
    let id = text(row, "id");
    let (backfills, segments) = (list(row, "backfills"), list(row, "segments"));
    let mut all: Vec<_> = backfills
        .iter()
        .map(|progress| {
            let table = text(progress, "table");
            let of_table = segments.iter().find(|segments| text(segments, "table") == table);
            report(&format!("{id} {table}"), progress, of_table)
        })
        .collect();
    let workers = list(row, "workers").iter().enumerate();
    all.extend(
        workers.map(|(number, progress)| {
            report(&format!("{id} worker {}", number + 1), progress, None)
        }),
    );
    if all.is_empty() {
        all.extend(segments.iter().map(|segments| by_segments(id, segments)));
    }
    all
}

fn report(name: &str, progress: &Value, segments: Option<&Value>) -> Progress {
    let number = |name: &str| progress[name].as_u64().unwrap_or_default();
    let mut said = format!("{} read, {} changed", number("read"), number("changed"));
    for name in ["failed", "throttled"] {
        if number(name) > 0 {
            let _ = write!(said, ", {} {name}", number(name));
        }
    }
    if let Some(segments) = segments {
        let _ = write!(said, ", segments {}/{}", segments["done"], segments["of"]);
    }
    if let Some(seconds) = progress["seconds_left"].as_u64() {
        let _ = write!(said, ", {} left", duration(seconds * 1000));
    }
    Progress { name: name.to_owned(), per_cent: number("per_cent"), said }
}

fn by_segments(id: &str, segments: &Value) -> Progress {
    let number = |name: &str| segments[name].as_u64().unwrap_or_default();
    let (done, of) = (number("done"), number("of"));
    Progress {
        name: format!("{id} {}", text(segments, "table")),
        per_cent: done * 100 / of.max(1),
        said: format!(
            "{} read, {} changed, segments {done}/{of}",
            number("read"),
            number("changed")
        ),
    }
}

/// What is on the screen.
enum Shown {
    Bars(MultiProgress, BTreeMap<String, ProgressBar>),
    Lines(Vec<Progress>),
}

impl Shown {
    fn new() -> Self {
        if is_watched() {
            Self::Bars(MultiProgress::new(), BTreeMap::new())
        } else {
            Self::Lines(Vec::new())
        }
    }

    fn update(&mut self, all: &[Progress]) {
        match self {
            Self::Bars(screen, bars) => {
                for progress in all {
                    let bar = bars
                        .entry(progress.name.clone())
                        .or_insert_with(|| screen.add(bar(&progress.name)));
                    bar.set_position(progress.per_cent);
                    bar.set_message(progress.said.clone());
                }
                // What is not told of any more is done.
                bars.retain(|name, bar| {
                    let is_on = all.iter().any(|progress| progress.name == *name);
                    if !is_on {
                        bar.finish_and_clear();
                    }
                    is_on
                });
            }
            Self::Lines(before) => {
                for progress in all.iter().filter(|progress| !before.contains(progress)) {
                    let Progress { name, per_cent, said } = progress;
                    complain(&format!("{name}: {per_cent} %, {said}"));
                }
                *before = all.to_vec();
            }
        }
    }

    fn end(self) {
        match self {
            Self::Bars(_, bars) => bars.values().for_each(ProgressBar::finish_and_clear),
            Self::Lines(_) => {}
        }
    }
}

fn bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::new(100).with_prefix(name.to_owned());
    let style = ProgressStyle::with_template("{prefix:30!} [{bar:30}] {percent:>3} % {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_backfill_is_told_by_its_report_and_before_that_by_its_segments() {
        let segments = json!({ "table": "orders", "of": 4, "done": 1, "read": 10, "changed": 9 });
        let mut row = json!({ "id": "0001_a", "segments": [segments] });
        let said = |row: &Value| {
            let all = of_migration(row).into_iter();
            all.map(|progress| format!("{} {} {}", progress.name, progress.per_cent, progress.said))
                .collect::<Vec<_>>()
        };
        assert_eq!(said(&row), ["0001_a orders 25 10 read, 9 changed, segments 1/4"]);
        row["backfills"] = json!([{ "table": "orders", "per_cent": 40, "read": 12, "changed": 11, "throttled": 2, "seconds_left": 65 }]);
        row["workers"] = json!([{ "table": "orders", "per_cent": 5, "read": 2, "changed": 2 }]);
        assert_eq!(
            said(&row),
            [
                "0001_a orders 40 12 read, 11 changed, 2 throttled, segments 1/4, 1 min 5 s left",
                "0001_a worker 1 5 2 read, 2 changed",
            ]
        );
    }
}
