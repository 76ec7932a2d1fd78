//! A table drawn: its keys, and below it each index with its keys and what it holds of the items.

use super::node::{Element, el};
use super::words;
use crate::dynamo::{Description, IndexPhase};
use crate::schema::{Index, KeyRole, KeySchema, Projection, Table};

/// Width of a drawing, in the units of its letters: it is shown at its own size on a phone.
const WIDTH: usize = 336;
/// How far indexes stand in.
const INDENT: usize = 28;
/// Height of a line.
const LINE: usize = 22;
const PADDING: usize = 8;
const GAP: usize = 10;
/// Width of a letter, about; no font is as wide as the room that is kept.
const LETTER: usize = 8;

pub(super) fn draw(description: &Description) -> Element {
    let table = &description.table;
    let own = key_lines(table, &table.keys, 0);
    let own_height = own.len() * LINE + 2 * PADDING;
    let mut parts = vec![frame("table", 0, 0, own_height)];
    parts.extend(own.into_iter().enumerate().map(|(at, line)| line.at(PADDING + at * LINE)));
    let mut y = own_height + GAP;
    let mut joint = own_height;
    for (kind, index) in indexes(table) {
        let (drawn, height) =
            draw_index(kind, index, table, description.phases.get(&index.name), y);
        let middle = y + PADDING + LINE / 2;
        parts.push(branch(joint, middle));
        parts.push(drawn);
        joint = middle;
        y += height + GAP;
    }
    let height = y - GAP;
    let said = sentence(table);
    el("svg")
        .class("drawing")
        .attr("viewBox", format_args!("0 0 {WIDTH} {}", height + 2))
        .attr("role", "img")
        .attr("aria-label", &said)
        .child(el("title").text(&said))
        .children(parts)
}

fn indexes(table: &Table) -> impl Iterator<Item = (&'static str, &Index)> {
    let global = table.global_indexes.values().map(|index| ("GSI", index));
    global.chain(table.local_indexes.values().map(|index| ("LSI", index)))
}

/// The drawing in words.
fn sentence(table: &Table) -> String {
    let indexes = indexes(table).map(|(kind, index)| {
        format!("; {kind} {} with key {}, projecting {}", index.name, index.keys, index.projection)
    });
    format!("Table {} with key {}{}", table.name, table.keys, indexes.collect::<String>())
}

/// A line of a box, without its place.
struct Line(Vec<Element>);

impl Line {
    fn at(self, y: usize) -> Element {
        el("g").attr("transform", format_args!("translate(0 {y})")).children(self.0)
    }
}

fn frame(class: &'static str, x: usize, y: usize, height: usize) -> Element {
    el("rect")
        .class(format_args!("frame {class}"))
        .attr("x", x + 1)
        .attr("y", y + 1)
        .attr("width", WIDTH - x - 2)
        .attr("height", height)
        .attr("rx", 7)
}

/// The line from the table, or from the index before, to an index.
fn branch(from: usize, to: usize) -> Element {
    let x = INDENT / 2;
    el("path").class("branch").attr("d", format_args!("M{x} {from}V{}q0 6 6 6H{INDENT}", to - 6))
}

fn key_lines(table: &Table, keys: &KeySchema, x: usize) -> Vec<Line> {
    let line = |key: &crate::schema::KeyElement| {
        let (class, word) = match key.role {
            KeyRole::Hash => ("hash", "PK"),
            KeyRole::Range => ("range", "SK"),
        };
        let kind = table.attributes.get(&key.name).map(ToString::to_string).unwrap_or_default();
        let room = (WIDTH - x - 44 - 30) / LETTER;
        Line(vec![
            pill(class, word, x + 10),
            label("name", x + 44, &key.name, room),
            label("kind", WIDTH - 12, &kind, 2).attr("text-anchor", "end"),
        ])
    };
    keys.0.iter().map(line).collect()
}

fn draw_index(
    kind: &'static str,
    index: &Index,
    table: &Table,
    phase: Option<&IndexPhase>,
    y: usize,
) -> (Element, usize) {
    let room = (WIDTH - INDENT - 44 - 12) / LETTER;
    let mut lines = vec![Line(vec![
        pill("index", kind, INDENT + 8),
        label("index-name", INDENT + 44, &index.name, room),
    ])];
    lines.extend(key_lines(table, &index.keys, INDENT));
    lines.push(projection(&index.projection));
    if let Some(phase) = phase.filter(|phase| **phase != IndexPhase::Active) {
        lines.push(Line(vec![label("phase", INDENT + 10, &phase.to_string(), room)]));
    }
    let height = lines.len() * LINE + 2 * PADDING;
    let lines = lines.into_iter().enumerate().map(|(at, line)| line.at(PADDING + at * LINE));
    let frame = frame("index", INDENT, 0, height);
    let drawn = el("g").attr("transform", format_args!("translate(0 {y})"));
    (drawn.child(frame).children(lines), height)
}

/// How much of an item an index holds, as a bar and in words.
fn projection(projection: &Projection) -> Line {
    const BAR: usize = 26;
    let (filled, words) = match projection {
        Projection::All => (BAR, "all attributes".to_owned()),
        Projection::KeysOnly => (BAR / 4, "keys only".to_owned()),
        Projection::Include(names) => {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            (BAR / 2, format!("keys, {}", names.join(", ")))
        }
    };
    let bar = |class: &'static str, width: usize| {
        el("rect")
            .class(class)
            .attr("x", INDENT + 10)
            .attr("y", 8)
            .attr("width", width)
            .attr("height", 6)
            .attr("rx", 3)
    };
    let room = (WIDTH - INDENT - 44 - 12) / LETTER;
    Line(vec![
        bar("held-of", BAR),
        bar("held", filled),
        label("projection", INDENT + 44, &words, room),
    ])
}

fn pill(class: &'static str, word: &'static str, x: usize) -> Element {
    let width = word.len() * LETTER + 8;
    let back =
        el("rect").attr("x", x).attr("y", 3).attr("width", width).attr("height", 16).attr("rx", 4);
    let text = el("text").attr("x", x + width / 2).attr("y", 15).attr("text-anchor", "middle");
    el("g").class(format_args!("pill {class}")).child(back).child(text.text(word))
}

/// A text in the room that there is; all of it shows when it is pointed at.
fn label(class: &'static str, x: usize, text: &str, room: usize) -> Element {
    let shown = words::shortened(text, room);
    let label = el("text").class(class).attr("x", x).attr("y", 15);
    let title = (shown != text).then(|| el("title").text(text));
    label.children(title).text(shown)
}
