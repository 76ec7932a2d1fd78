//! What a script says about itself: its exports, of the right names and types, each that is wrong as a fault.

use super::engine::Export;
use crate::authoring::{Fault, Source};
use crate::migration::{Cap, Guard, Phase, Sample};

/// What a script says about its migration.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) table: String,
    pub(super) description: String,
    pub(super) phase: Phase,
    pub(super) guard: Option<Guard>,
    pub(super) max_failed_items: u64,
    pub(super) cap: Option<Cap>,
    pub(super) segments: Option<u32>,
    pub(super) concurrency: Option<usize>,
    pub(super) has_down: bool,
    /// How many items are verified.
    pub(super) verify: Option<Sample>,
}

/// An export that there is.
#[derive(Debug, Clone, Copy)]
enum Name {
    Table,
    Up,
    Down,
    Verify,
    Description,
    Phase,
    Guard,
    MaxFailedItems,
    AtMost,
    Segments,
    Concurrency,
    VerifySample,
}

/// Items that are verified, about, where nothing else is said.
const SAMPLE: u32 = 1000;

impl Name {
    const ALL: [Self; 12] = [
        Self::Table,
        Self::Up,
        Self::Down,
        Self::Verify,
        Self::Description,
        Self::Phase,
        Self::Guard,
        Self::MaxFailedItems,
        Self::AtMost,
        Self::Segments,
        Self::Concurrency,
        Self::VerifySample,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Up => "up",
            Self::Down => "down",
            Self::Verify => "verify",
            Self::Description => "description",
            Self::Phase => "phase",
            Self::Guard => "guard",
            Self::MaxFailedItems => "maxFailedItems",
            Self::AtMost => "atMost",
            Self::Segments => "segments",
            Self::Concurrency => "concurrency",
            Self::VerifySample => "verifySample",
        }
    }

    /// How it is written.
    fn example(self) -> &'static str {
        match self {
            Self::Table => r#"export const table = "orders""#,
            Self::Up => "export function up(item) { … }",
            Self::Down => "export function down(item) { … }",
            Self::Verify => "export function verify(item) { return … }",
            Self::Description => r#"export const description = "what it does, for the history""#,
            Self::Phase => r#"export const phase = "expand", or "contract""#,
            Self::Guard => r#"export const guard = "stamp", or "journal""#,
            Self::MaxFailedItems => "export const maxFailedItems = 10",
            Self::AtMost => r#"export const atMost = "50%", or a number of capacity units"#,
            Self::Segments => "export const segments = 8, from 1 to 1000000",
            Self::Concurrency => "export const concurrency = 16, from 1",
            Self::VerifySample => r#"export const verifySample = 1000, or "all""#,
        }
    }
}

/// What a script declares.
///
/// # Errors
/// Every export that is missing, unknown or of another type than it has to be.
pub(super) fn read(source: &Source, exports: &[(String, Export)]) -> Result<Declared, Vec<Fault>> {
    let mut reader = Reader { source, exports, faults: Vec::new() };
    reader.refuse_unknown();
    let declared = reader.declared();
    if reader.faults.is_empty() { Ok(declared) } else { Err(reader.faults) }
}

struct Reader<'a> {
    source: &'a Source,
    exports: &'a [(String, Export)],
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn declared(&mut self) -> Declared {
        let table = self.read(Name::Table, |export| match export {
            Export::Text(name) if !name.is_empty() => Some(name.clone()),
            _ => None,
        });
        for required in [Name::Table, Name::Up] {
            if self.find(required).is_none() {
                let problem = format!("it exports no {}", required.text());
                let fix = format!("write {}", required.example());
                self.faults.push(Fault::new(&self.source.file, problem).fix(fix));
            }
        }
        self.function(Name::Up);
        let has_down = self.function(Name::Down);
        let has_verify = self.function(Name::Verify);
        let guard = self.read(Name::Guard, |export| match export {
            Export::Text(name) if name == "stamp" => Some(Guard::Stamp),
            Export::Text(name) if name == "journal" => Some(Guard::Journal),
            _ => None,
        });
        if guard == Some(Guard::Journal) && has_down {
            self.fault(
                Name::Down,
                "the journal takes the items back, so that down is never called",
                "take down away, or the guard",
            );
        }
        let sample = self.read(Name::VerifySample, sample);
        if sample.is_some() && !has_verify {
            self.fault(
                Name::VerifySample,
                "it exports verifySample and no verify",
                &format!("write {}", Name::Verify.example()),
            );
        }
        Declared {
            table: table.unwrap_or_default(),
            description: self.read(Name::Description, text).unwrap_or_default(),
            phase: self.read(Name::Phase, phase).unwrap_or_default(),
            guard,
            max_failed_items: self
                .read(Name::MaxFailedItems, |one| whole(one, 0))
                .unwrap_or_default(),
            cap: self.read(Name::AtMost, cap),
            segments: self.read(Name::Segments, |one| {
                whole(one, 1).and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= 1_000_000)
            }),
            concurrency: self
                .read(Name::Concurrency, |one| whole(one, 1).and_then(|n| usize::try_from(n).ok())),
            has_down,
            verify: has_verify.then_some(sample.unwrap_or(Sample::Items(SAMPLE))),
        }
    }

    fn find(&self, name: Name) -> Option<&Export> {
        self.exports.iter().find(|(other, _)| other == name.text()).map(|(_, export)| export)
    }

    /// The value of an export, where it is there and right.
    fn read<T>(&mut self, name: Name, value: impl FnOnce(&Export) -> Option<T>) -> Option<T> {
        let export = self.find(name)?.clone();
        let value = value(&export);
        if value.is_none() {
            let problem = format!("{} is {}", name.text(), shown(&export));
            self.fault(name, &problem, &format!("write {}", name.example()));
        }
        value
    }

    /// Whether there is this function.
    fn function(&mut self, name: Name) -> bool {
        self.read(name, |export| match export {
            Export::Function => Some(()),
            Export::Text(_) | Export::Number(_) | Export::Odd(_) | Export::Other(_) => None,
        })
        .is_some()
    }

    fn refuse_unknown(&mut self) {
        for (name, _) in self.exports {
            if Name::ALL.iter().any(|known| known.text() == name) {
                continue;
            }
            let nearest = Name::ALL.iter().map(|known| (distance(name, known.text()), known));
            let fix = match nearest.min_by_key(|(distance, _)| *distance) {
                _ if name == "default" => "export table and up each by its name".to_owned(),
                Some((distance, known)) if distance <= 2 => {
                    format!("write {}", known.example())
                }
                _ => {
                    let all = Name::ALL.map(Name::text).join(", ");
                    format!("take the export away; there are {all}")
                }
            };
            let fault =
                Fault::new(&self.source.file, format!("it exports {name}, which is not known"));
            self.faults.push(placed(fault, self.source, &["export"], name).fix(fix));
        }
    }

    fn fault(&mut self, name: Name, problem: &str, fix: &str) {
        let fault = Fault::new(&self.source.file, problem);
        self.faults.push(placed(fault, self.source, &["export"], name.text()).fix(fix));
    }
}

fn text(export: &Export) -> Option<String> {
    match export {
        Export::Text(text) => Some(text.clone()),
        Export::Number(_) | Export::Function | Export::Odd(_) | Export::Other(_) => None,
    }
}

fn phase(export: &Export) -> Option<Phase> {
    match text(export)?.as_str() {
        "expand" => Some(Phase::Expand),
        "contract" => Some(Phase::Contract),
        _ => None,
    }
}

fn cap(export: &Export) -> Option<Cap> {
    if let Export::Text(text) = export {
        let per_cent = text.strip_suffix('%')?.parse().ok()?;
        return (1..=100).contains(&per_cent).then_some(Cap::PerCent(per_cent));
    }
    whole(export, 1).and_then(|units| u32::try_from(units).ok()).map(Cap::Units)
}

fn sample(export: &Export) -> Option<Sample> {
    match export {
        Export::Text(text) if text == "all" => Some(Sample::All),
        other => whole(other, 1).and_then(|items| u32::try_from(items).ok()).map(Sample::Items),
    }
}

/// A whole number from `least` on.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is lost shows as a difference"
)]
fn whole(export: &Export, least: u64) -> Option<u64> {
    let Export::Number(number) = export else { return None };
    let is_whole = number.fract() == 0.0 && (0.0..=9_007_199_254_740_991.0).contains(number);
    is_whole.then_some(*number as u64).filter(|number| *number >= least)
}

fn shown(export: &Export) -> String {
    match export {
        Export::Text(text) => format!("{text:?}"),
        Export::Number(number) => number.to_string(),
        Export::Function => "a function".to_owned(),
        Export::Odd(kind) if kind.starts_with("Async") => {
            "an async function, and a script does not wait".to_owned()
        }
        Export::Odd(kind) => format!("a {kind}"),
        Export::Other(kind) => kind.clone(),
    }
}

/// The fault at this word, on the first line that begins with one of these and has it.
pub(super) fn placed(fault: Fault, source: &Source, begins: &[&str], word: &str) -> Fault {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let column = |line: &str| {
        let first = line.trim_start();
        begins.iter().any(|begin| first.starts_with(begin)).then_some(())?;
        let mut found = line.match_indices(word).map(|(at, _)| at).filter(|at| {
            let is_end = |c: Option<char>| c.is_none_or(|c| !is_of_word(c));
            let (before, after) = (&line[..*at], &line[at + word.len()..]);
            is_end(before.chars().next_back()) && is_end(after.chars().next())
        });
        Some(line[..found.next()?].chars().count() + 1)
    };
    let mut lines = source.text.lines().enumerate();
    match lines.find_map(|(index, line)| Some((index + 1, column(line)?))) {
        Some((line, column)) => fault.at(source, line, column),
        None => fault,
    }
}

/// How many letters have to be added, taken away or replaced to make one name of another, whatever their case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase(), b.to_lowercase());
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
