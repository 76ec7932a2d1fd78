//! A fixture: items before a migration, and what is expected of it.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tablewright::Migrator;
use tablewright::authoring::{Fault, Language, Source};
use tablewright::testing::{Trial, item};

use crate::settings::fault;

/// Items by the name of their table.
type Tables = BTreeMap<String, Vec<Map<String, Value>>>;

/// What a migration is tried with: one case, or several.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "NNNN_name.test.yaml")]
struct Fixture {
    /// Several cases, in place of the one.
    cases: Vec<Case>,
    /// What it is about, in a sentence.
    name: String,
    /// Items that tables hold before it.
    before: Tables,
    /// All items that tables are to hold after it.
    after: Tables,
    /// All items that tables are to hold when it is taken back, where they are not those from before.
    back: Tables,
    /// Words of the error with which it is to fail.
    refused: Option<String>,
}

/// Items before a migration, and what is expected of it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Case {
    /// What it is about, in a sentence.
    pub(super) name: String,
    /// Items that tables hold before it.
    before: Tables,
    /// All items that tables are to hold after it.
    after: Tables,
    /// All items that tables are to hold when it is taken back, where they are not those from before.
    back: Tables,
    /// Words of the error with which it is to fail.
    refused: Option<String>,
}

impl Case {
    /// The case as a trial.
    pub(super) fn trial(self, migrator: Migrator, id: &str, properties: Value) -> Trial {
        let mut trial = Trial::new(migrator, id, properties);
        let items = |items: Vec<Map<String, Value>>| {
            items.into_iter().map(|fields| item(Value::Object(fields))).collect::<Vec<_>>()
        };
        for (table, all) in self.before {
            trial = trial.before(&table, items(all));
        }
        for (table, all) in self.after {
            trial = trial.after(&table, items(all));
        }
        for (table, all) in self.back {
            trial = trial.back(&table, items(all));
        }
        match self.refused {
            Some(words) => trial.refused(&words),
            None => trial,
        }
    }
}

/// Reads the cases of a file.
pub(super) fn read(file: &Path) -> Result<Vec<Case>, Fault> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Fault::new(&shown, format!("the fixture cannot be read: {error}")))?;
    let source = Source { id: String::new(), language: Language::Yaml, file: shown, text };
    let fixture: Fixture =
        serde_saphyr::from_str(&source.text).map_err(|error| fault(&source, &error))?;
    let Fixture { cases, name, before, after, back, refused } = fixture;
    let has_own = !before.is_empty() || !after.is_empty() || refused.is_some();
    match (cases.is_empty(), has_own) {
        (false, true) => Err(Fault::new(&source.file, "it has cases, and a case beside them")
            .fix("move it into cases")),
        (false, false) => Ok(cases),
        (true, true) => Ok(vec![Case { name, before, after, back, refused }]),
        (true, false) => Err(Fault::new(&source.file, "it expects nothing")
            .fix("say what is there after it, as after: { table: [items] }")),
    }
}

/// The JSON Schema of the file, for editors.
pub(crate) fn schema() -> Value {
    schemars::schema_for!(Fixture).to_value()
}
