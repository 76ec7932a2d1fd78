//! What backfills would make of a few real items: the transforms and checks of a run, in the order of the plan, and no client
//! that could write.

use std::collections::{BTreeMap, VecDeque};

use super::Direction;
use super::transform::{Rule, Verdict, describe};
use crate::deadline::Deadline;
use crate::dynamo::{self, Class, Dynamo, Edit, Kind, WireItem, key_of, patiently};
use crate::item::{Item, Put};
use crate::migration::Backfill;

/// Parts of a table that items are taken from.
const SEGMENTS: u32 = 4;
/// Most pages that are read of a table for a sample.
const PAGES_MAX: usize = 64;

/// Items of tables, as the migrations so far would have left them.
#[derive(Debug)]
pub(crate) struct Sampled<'a> {
    dynamo: &'a Dynamo,
    /// How many items are read of a table, about.
    items: usize,
    deadline: Deadline,
    /// Names of the attributes of the keys of tables, in order.
    keys: BTreeMap<String, Vec<String>>,
    tables: BTreeMap<String, Vec<WireItem>>,
    /// What was put into tables that nobody has read so far.
    put: BTreeMap<String, Vec<WireItem>>,
}

/// What would become of one item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Becomes {
    /// It stays.
    Keeps,
    /// It stays, for a reason of the author's.
    Skips,
    /// It is changed.
    Changes { before: WireItem, after: WireItem },
    /// It is deleted.
    Goes(WireItem),
    /// These are put beside it.
    Puts(Vec<New>),
    /// It cannot be handled.
    Fails(String),
    /// The migration would stop at it.
    Refuses(String),
}

/// An item that would be made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct New {
    pub(crate) table: String,
    pub(crate) key: String,
    pub(crate) item: WireItem,
}

/// What would become of an item of this key.
pub(crate) struct Fate {
    pub(crate) key: String,
    pub(crate) becomes: Becomes,
}

impl<'a> Sampled<'a> {
    /// Begins without an item, of tables with these keys.
    pub(crate) fn new(
        dynamo: &'a Dynamo,
        items: usize,
        deadline: Deadline,
        keys: BTreeMap<String, Vec<String>>,
    ) -> Self {
        Self { dynamo, items, deadline, keys, tables: BTreeMap::new(), put: BTreeMap::new() }
    }

    /// What a backfill would make of the items of its table, which are read unless an earlier one has had them.
    pub(crate) async fn run(
        &mut self,
        migration: &str,
        backfill: &Backfill,
    ) -> Result<Vec<Fate>, dynamo::Error> {
        let table = &backfill.table;
        let Some(keys) = self.keys.get(table).cloned() else { return Ok(Vec::new()) };
        self.read(table, &keys).await?;
        let rule = Rule {
            migration,
            direction: Direction::Up,
            guard: backfill.guard,
            transform: &backfill.up,
            keys: &keys,
        };
        let mut fates = Vec::new();
        for item in self.tables.get(table).cloned().unwrap_or_default() {
            let key = describe(&keys, &item);
            let becomes = self.becomes(&rule, &item);
            self.carry_out(table, &keys, &becomes);
            fates.push(Fate { key, becomes });
        }
        Ok(fates)
    }

    /// Reads the sample of a table, once, and adds what earlier migrations have put into it.
    async fn read(&mut self, table: &str, keys: &[String]) -> Result<(), dynamo::Error> {
        if self.tables.contains_key(table) {
            return Ok(());
        }
        let mut items = read(self.dynamo, table, self.items, self.deadline).await?;
        for put in self.put.remove(table).unwrap_or_default() {
            let is_there = items.iter().any(|item| key_of(keys, item) == key_of(keys, &put));
            if !is_there {
                items.push(put);
            }
        }
        self.tables.insert(table.to_owned(), items);
        Ok(())
    }

    fn becomes(&self, rule: &Rule<'_>, item: &WireItem) -> Becomes {
        match rule.apply(&Item::from(item.clone())) {
            Verdict::Keep => Becomes::Keeps,
            Verdict::Skip(_) => Becomes::Skips,
            Verdict::Edit(edit) => match after(&edit, item) {
                Some(after) => Becomes::Changes { before: item.clone(), after },
                None => Becomes::Goes(item.clone()),
            },
            Verdict::Put(puts) => self.puts(puts),
            Verdict::Fails(why) => Becomes::Fails(why),
            Verdict::Refuses(why) => Becomes::Refuses(why),
        }
    }

    /// What is put where there is nothing, as far as the sample tells.
    fn puts(&self, puts: Vec<Put>) -> Becomes {
        let mut new = Vec::new();
        for Put { table, item } in puts {
            let Some(keys) = self.keys.get(&table) else {
                return Becomes::Fails(format!(
                    "it puts an item into {table}, which no migration names and nobody declares here"
                ));
            };
            let key = key_of(keys, item.wire());
            if key.len() < keys.len() {
                let keys = keys.join(" and ");
                return Becomes::Fails(format!("what it puts into {table} lacks its key, {keys}"));
            }
            let key_text = describe(keys, item.wire());
            let of = |items: &'_ BTreeMap<String, Vec<WireItem>>| {
                let mut items = items.get(&table).into_iter().flatten();
                items.find(|there| key_of(keys, there) == key).cloned()
            };
            match of(&self.tables).or_else(|| of(&self.put)) {
                Some(there) if there == *item.wire() => {}
                Some(_) => {
                    return Becomes::Fails(format!(
                        "what it puts into {table} is there already, and differs ({key_text})"
                    ));
                }
                None => new.push(New { table, key: key_text, item: item.wire().clone() }),
            }
        }
        if new.is_empty() { Becomes::Keeps } else { Becomes::Puts(new) }
    }

    /// Has the next transform see what this one would have left.
    fn carry_out(&mut self, table: &str, keys: &[String], becomes: &Becomes) {
        let items = self.tables.entry(table.to_owned()).or_default();
        let of = |item: &WireItem| {
            let key = key_of(keys, item);
            items.iter().position(|there| key_of(keys, there) == key)
        };
        match becomes {
            Becomes::Changes { before, after } => {
                if let Some(position) = of(before) {
                    items[position].clone_from(after);
                }
            }
            Becomes::Goes(before) => {
                if let Some(position) = of(before) {
                    items.remove(position);
                }
            }
            Becomes::Puts(puts) => {
                for New { table, item, .. } in puts {
                    match self.tables.get_mut(table) {
                        Some(items) => items.push(item.clone()),
                        None => self.put.entry(table.clone()).or_default().push(item.clone()),
                    }
                }
            }
            Becomes::Keeps | Becomes::Skips | Becomes::Fails(_) | Becomes::Refuses(_) => {}
        }
    }
}

/// The item as it is after a change; nothing where it is deleted.
fn after(edit: &Edit, before: &WireItem) -> Option<WireItem> {
    match edit.kind {
        Kind::Delete => None,
        Kind::Update | Kind::Make => {
            let mut after = before.clone();
            for (name, difference) in &edit.attributes {
                after.remove(name);
                after.extend(difference.after.clone().map(|value| (name.clone(), value)));
            }
            Some(after)
        }
    }
}

/// Reads about so many items, from all parts of a table; none of one that is not there.
async fn read(
    dynamo: &Dynamo,
    table: &str,
    items: usize,
    deadline: Deadline,
) -> Result<Vec<WireItem>, dynamo::Error> {
    let mut open: VecDeque<_> = (0..SEGMENTS).map(|segment| (segment, None)).collect();
    let mut sample = Vec::new();
    for _ in 0..PAGES_MAX {
        let left = items.saturating_sub(sample.len());
        if left == 0 || deadline.passed() {
            break;
        }
        let share = left.div_ceil(open.len().max(1));
        let Some((segment, start)) = open.pop_front() else { break };
        let place = (segment, SEGMENTS);
        let request = || dynamo.scan_page(table, place, Option::clone(&start), share);
        let page = match patiently(request).await {
            Err(error) if error.class == Class::Missing => break,
            page => page?,
        };
        sample.extend(page.items);
        open.extend(page.next.map(|next| (segment, Some(next))));
    }
    Ok(sample)
}
