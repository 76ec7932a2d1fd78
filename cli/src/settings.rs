//! `tablewright.yaml`: the declaration, and which scope, folder and engine are meant; one for laptop, CI and construct.

mod place;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tablewright::authoring::{Fault, Language, Source, nearest};
use tablewright::desired::{Desired, Problem, ledger_table};

use self::place::Tree;

/// Name of the file.
pub(crate) const FILE: &str = "tablewright.yaml";
/// The folder of migrations, where the settings name none.
pub(crate) const FOLDER: &str = "migrations";

/// The settings, with the folder that their paths begin at.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Name of the stack whose scope is meant, and which `apply` deploys.
    pub(crate) stack: Option<String>,
    /// The scope that is meant.
    pub(crate) scope: Option<String>,
    /// What a deploy would send.
    pub(crate) properties: Value,
    /// What is wrong with them, each in its place.
    pub(crate) problems: Vec<Fault>,
    pub(crate) dev: Dev,
    ledger: Option<String>,
    migrations: Option<PathBuf>,
    /// The file that they were read from; none where there is none.
    pub(crate) file: Option<PathBuf>,
}

/// The file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "tablewright.yaml")]
struct Written {
    /// Name of the stack: the one that looking verbs mean, and that `apply` deploys.
    stack: Option<String>,
    /// The scope that looking verbs mean, <stack uuid>/<logical id>, where several stacks have one name.
    scope: Option<String>,
    /// The ledger table, where it is not that of the properties.
    ledger: Option<String>,
    /// The folder of migration files; `migrations` beside this file unless named.
    migrations: Option<PathBuf>,
    /// Properties of the resource: Tables in the shape of AWS::DynamoDB::Table, LedgerTable, Migrations, and so on.
    #[schemars(with = "Map<String, Value>")]
    properties: Tree,
    /// What `tablewright dev` does unless its arguments say otherwise.
    dev: Dev,
}

/// What `tablewright dev` does.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dev {
    /// The port on 127.0.0.1 where applications find DynamoDB; 8000 unless said.
    pub(crate) port: Option<u16>,
    /// A file of items by table, YAML or JSON, that tables are filled with when they are made.
    pub(crate) seed: Option<PathBuf>,
    /// A folder that keeps tables and items, for the next time; without one they are gone when it ends.
    pub(crate) persist: Option<PathBuf>,
    /// Whether changes take as long as in AWS, with its quotas.
    pub(crate) strict: bool,
}

impl Settings {
    /// Reads the file that is named, or else the one in this folder or the nearest above it; without one all is as if it
    /// were empty.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self, Vec<Fault>> {
        let here = std::env::current_dir().unwrap_or_default();
        let file = match named {
            Some(file) => Some(file.to_owned()),
            None => here.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file()),
        };
        let Some(file) = file else { return Ok(Self::of(Written::default(), None)) };
        let shown = file.strip_prefix(&here).unwrap_or(&file).display().to_string();
        let text = std::fs::read_to_string(&file).map_err(|error| {
            vec![Fault::new(&shown, format!("the settings cannot be read: {error}"))]
        })?;
        let source = Source { id: FILE.to_owned(), language: Language::Yaml, file: shown, text };
        Self::read(&source, Some(file))
    }

    fn read(source: &Source, file: Option<PathBuf>) -> Result<Self, Vec<Fault>> {
        // A file of comments alone is no mapping, and says as much as an empty one.
        let is_empty = source.text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#') || line == "---"
        });
        if is_empty {
            return Ok(Self::of(Written::default(), file));
        }
        let written: Written =
            serde_saphyr::from_str(&source.text).map_err(|error| vec![fault(source, &error)])?;
        let mut faults = Vec::new();
        if written.scope.is_some() && written.stack.is_some() {
            let both = "it names both scope and stack, which say the same";
            faults.push(Fault::new(&source.file, both).fix("leave one out"));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if let Some(stack) =
            written.stack.as_ref().filter(|stack| !stack.chars().all(fits) || stack.is_empty())
        {
            let odd = format!("the stack {stack} is no name that a stack can have");
            faults.push(Fault::new(&source.file, odd).fix("use letters, digits and hyphens"));
        }
        let declared = written.properties.value()["LedgerTable"].as_str().map(str::to_owned);
        if let (Some(ledger), Some(declared)) = (&written.ledger, &declared)
            && ledger != declared
        {
            let two = format!("ledger is {ledger}, and properties.LedgerTable is {declared}");
            faults.push(Fault::new(&source.file, two).fix("leave ledger out"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let properties = written.properties.value();
        let problems = Desired::read(&properties).err().unwrap_or_default();
        let place = |problem: &Problem| {
            let fault = Fault::new(&source.file, format!("properties.{problem}"));
            match written.properties.place(&problem.path) {
                Some((line, column)) => fault.at(source, line, column),
                None => fault,
            }
        };
        let problems = problems.iter().map(place).collect();
        Ok(Self { problems, ..Self::of(written, file) })
    }

    fn of(written: Written, file: Option<PathBuf>) -> Self {
        let mut properties = written.properties.value();
        if let (Some(ledger), Some(fields)) = (&written.ledger, properties.as_object_mut()) {
            fields.entry("LedgerTable").or_insert_with(|| json!(ledger));
        }
        Self {
            stack: written.stack,
            scope: written.scope,
            properties,
            problems: Vec::new(),
            dev: written.dev,
            ledger: written.ledger,
            migrations: written.migrations,
            file,
        }
    }

    /// The declaration, for a verb that is of no use without a sound one.
    pub(crate) fn declaration(&self) -> Result<&Value, Vec<Fault>> {
        if self.problems.is_empty() { Ok(&self.properties) } else { Err(self.problems.clone()) }
    }

    /// The ledger table, where it is not the default one.
    pub(crate) fn ledger(&self) -> Option<String> {
        let declared = self.properties.get("LedgerTable").map(|_| ledger_table(&self.properties));
        self.ledger.clone().or(declared)
    }

    /// The folder of migration files: the one that is named, or the usual one where it is there.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let usual = self.resolve(Path::new(FOLDER));
        match &self.migrations {
            Some(named) => Some(self.resolve(named)),
            None => usual.is_dir().then_some(usual),
        }
    }

    /// The folder that new migrations go to.
    pub(crate) fn folder_to_be(&self) -> PathBuf {
        self.resolve(self.migrations.as_deref().unwrap_or(Path::new(FOLDER)))
    }

    /// A path of the settings, from where the process is.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        let base = self.file.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let here = std::env::current_dir().unwrap_or_default();
        base.strip_prefix(&here).unwrap_or(base).join(path)
    }

    /// Names of the declared tables.
    pub(crate) fn tables(&self) -> Vec<&str> {
        let tables = self.properties["Tables"].as_array().map_or(&[][..], Vec::as_slice);
        tables.iter().filter_map(|table| table["TableName"].as_str()).collect()
    }
}

/// The JSON Schema of the file, for editors.
pub(crate) fn schema() -> Value {
    let mut schema = schemars::schema_for!(Written).to_value();
    schema["properties"]["properties"]["additionalProperties"] = json!(true);
    schema
}

/// What the reader of YAML found, in its place.
pub(crate) fn fault(source: &Source, error: &serde_saphyr::Error) -> Fault {
    let error = error.without_snippet();
    let (problem, fix) = match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            let meant = nearest(field, expected.iter().copied());
            let known = format!("known are {}", expected.join(", "));
            let fix = meant.map_or(known.clone(), |meant| format!("write {meant}; {known}"));
            (format!("unknown field {field}"), fix)
        }
        other => {
            let said = other.to_string();
            let said = said.lines().next().unwrap_or_default().to_owned();
            // The place is said before it.
            let said =
                said.split_once(" at line ").map_or(said.clone(), |(said, _)| said.to_owned());
            (in_plain_words(&said), String::new())
        }
    };
    let fault = Fault::new(&source.file, problem).fix(fix);
    match error.location().filter(|location| location.line() > 0) {
        Some(location) => fault.at(source, number(location.line()), number(location.column())),
        None => fault,
    }
}

/// What the reader of YAML says of types, without the names that they have in its language.
fn in_plain_words(said: &str) -> String {
    match said {
        "invalid u16" => "expected a whole number from 0 to 65535".to_owned(),
        "expected string scalar" => "expected a text".to_owned(),
        other => other.to_owned(),
    }
}

fn number(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, Vec<Fault>> {
        let source = Source {
            id: FILE.to_owned(),
            language: Language::Yaml,
            file: FILE.to_owned(),
            text: text.to_owned(),
        };
        Settings::read(&source, None)
    }

    fn shown(faults: &[Fault]) -> String {
        faults.iter().map(Fault::shown).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_file_that_says_nothing_is_as_good_as_none() {
        for text in ["", "# later\n", "---\n", "{}\n", "properties: {}\n"] {
            let settings = read(text).unwrap();
            assert_eq!(settings.properties, json!({}), "{text:?}");
            assert_eq!((settings.stack, settings.problems.len()), (None, 0));
        }
    }

    #[test]
    fn an_unknown_field_is_shown_with_the_one_that_was_meant() {
        insta::assert_snapshot!(shown(&read("stack: shop\ndev:\n  prot: 8001\n").unwrap_err()));
        insta::assert_snapshot!(shown(&read("stack: shop\nproperty: {}\n").unwrap_err()));
    }

    #[test]
    fn a_problem_of_the_declaration_is_shown_in_its_place() {
        let text = "stack: shop\n\
                    properties:\n\
                    \x20 Tables:\n\
                    \x20   - TableName: orders\n\
                    \x20     KeySchema:\n\
                    \x20       - { AttributeName: pk, KeyType: HSAH }\n\
                    \x20     AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]\n\
                    \x20 OnFialure: halt\n";
        insta::assert_snapshot!(shown(&read(text).unwrap().problems));
    }

    #[test]
    fn what_is_no_yaml_is_shown_in_its_place() {
        insta::assert_snapshot!(shown(&read("stack: [shop\nscope: x\n").unwrap_err()));
        insta::assert_snapshot!(shown(&read("dev: { port: many }\n").unwrap_err()));
    }

    #[test]
    fn the_ledger_is_that_of_the_properties_or_the_setting() {
        assert_eq!(read("properties: { LedgerTable: l }").unwrap().ledger().as_deref(), Some("l"));
        let settings = read("ledger: l").unwrap();
        assert_eq!(settings.ledger().as_deref(), Some("l"));
        assert_eq!(settings.properties["LedgerTable"], "l");
        assert!(read("ledger: l\nproperties: { LedgerTable: m }").is_err());
    }
}
