//! A YAML text as a tree of nodes that know their places; what YAML allows and a migration does not is a fault here.

use std::ops::Range;

use serde_saphyr::granit_parser::{
    ErrorKind, Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, StrInput,
};

use super::faults::{At, Faults};

/// A value, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    /// Its digits, all of them.
    Number(String),
    Text(Text),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    /// What was told already; nothing more is said of it.
    Faulty,
}

/// A text, and which part of the file it was written as.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) written: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) at: At,
    pub(super) name: String,
}

impl Node {
    /// What it is, for a person.
    pub(super) fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
            Kind::Faulty => "faulty",
        }
    }
}

/// Reads the one document of a text; nothing where it has none, or cannot be read at all.
pub(super) fn read(text: &str, faults: &Faults) -> Option<Node> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let events = Parser::new_from_str_with_options(text, options);
    let mut tree = Tree { events, text, faults };
    match tree.document() {
        Ok(node) => node,
        Err(error) => {
            scan_fault(&error, text, faults);
            None
        }
    }
}

struct Tree<'a> {
    events: Parser<'a, StrInput<'a>>,
    text: &'a str,
    faults: &'a Faults<'a>,
}

type Scanned<T> = Result<T, ScanError>;

impl<'a> Tree<'a> {
    fn next(&mut self) -> Scanned<Option<(Event<'a>, Span)>> {
        self.events.next_event().transpose()
    }

    fn document(&mut self) -> Scanned<Option<Node>> {
        let mut document = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::DocumentStart(..) if document.is_some() => {
                    self.faults.add(
                        at(span.start),
                        "a second document begins here, and a file is one migration",
                        "give it a file of its own",
                    );
                    return Ok(document);
                }
                event if event.is_node() => document = Some(self.node(event, span)?),
                _ => {}
            }
        }
        Ok(document)
    }

    /// The node that begins with this event.
    fn node(&mut self, event: Event<'a>, span: Span) -> Scanned<Node> {
        if let Some(tag) = event.tag() {
            let problem = format!("the tag {} says nothing here", tag.original());
            self.faults.add(
                at(span.start),
                problem,
                "leave it out; `{ b: … }`, `{ ss: […] }` and the like say types",
            );
        }
        let at = at(span.start);
        let kind = match event {
            Event::Scalar(value, style, ..) => self.scalar(at, &value, style, &span),
            Event::SequenceStart(..) => self.list()?,
            Event::MappingStart(..) => self.map()?,
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.faults.add(at, "an alias stands for a value", "write the value out");
                Kind::Faulty
            }
            _ => Kind::Faulty,
        };
        Ok(Node { at, kind })
    }

    fn list(&mut self) -> Scanned<Kind> {
        let mut nodes = Vec::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            nodes.push(self.node(event, span)?);
        }
        Ok(Kind::List(nodes))
    }

    fn map(&mut self) -> Scanned<Kind> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = match &event {
                Event::Scalar(name, ..) => {
                    Some(Key { at: at(span.start), name: name.clone().into_owned() })
                }
                _ => None,
            };
            if key.is_none() {
                self.faults.add(at(span.start), "a key has to be a text", "");
                self.node(event, span)?;
            }
            let Some((event, span)) = self.next()? else { break };
            let value = self.node(event, span)?;
            let Some(key) = key else { continue };
            match entries.iter().find(|(earlier, _)| earlier.name == key.name) {
                Some((earlier, _)) => self.faults.add(
                    key.at,
                    format!(
                        "{} is here a second time; it is in line {} already",
                        key.name, earlier.at.line
                    ),
                    "keep one of them",
                ),
                None => entries.push((key, value)),
            }
        }
        Ok(Kind::Map(entries))
    }

    fn scalar(&self, at: At, value: &str, style: ScalarStyle, span: &Span) -> Kind {
        let text = || {
            let byte = |mark: &Marker| mark.byte_offset().unwrap_or_default().min(self.text.len());
            let written = byte(&span.start)..byte(&span.end);
            Kind::Text(Text { value: value.to_owned(), written })
        };
        if style != ScalarStyle::Plain {
            return text();
        }
        match value {
            "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
            "true" | "True" | "TRUE" => Kind::Bool(true),
            "false" | "False" | "FALSE" => Kind::Bool(false),
            _ => match plain(value) {
                Plain::Text => text(),
                Plain::Number => Kind::Number(value.trim_start_matches('+').to_owned()),
                Plain::Unclear(why) => {
                    let fix = format!(
                        "a text goes in quotes, \"{value}\"; a number is written in decimal"
                    );
                    self.faults.add(at, format!("{value} {why}"), fix);
                    Kind::Faulty
                }
            },
        }
    }
}

/// What an unquoted word may be.
enum Plain {
    Text,
    Number,
    /// Some readers of YAML take it for one thing, some for another.
    Unclear(&'static str),
}

fn plain(value: &str) -> Plain {
    let unsigned = value.strip_prefix(['-', '+']).unwrap_or(value);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = digits(whole)
        && digits(fraction)
        && digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent));
    if is_number && whole.len() > 1 && whole.starts_with('0') {
        return Plain::Unclear("begins with zeros, which a number loses");
    }
    if is_number {
        return Plain::Number;
    }
    match unsigned.to_ascii_lowercase().as_str() {
        ".inf" | ".nan" => Plain::Unclear("is no number that DynamoDB has"),
        lower
            if ["0x", "0o"].iter().any(|prefix| {
                lower.strip_prefix(prefix).is_some_and(|rest| {
                    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
                })
            }) =>
        {
            Plain::Unclear("is a number to some readers of YAML and a text to others")
        }
        _ => Plain::Text,
    }
}

fn at(mark: Marker) -> At {
    At { line: mark.line(), column: mark.col() + 1 }
}

/// The scanner stops at the first thing that it cannot read.
fn scan_fault(error: &ScanError, text: &str, faults: &Faults) {
    let mut place = at(*error.marker());
    let (problem, fix) = match error.kind() {
        _ if tab(text).is_some_and(|tab| tab.line.abs_diff(place.line) <= 1) => {
            place = tab(text).unwrap_or(place);
            ("a tab indents this line".to_owned(), "YAML is indented with spaces alone")
        }
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar
        | ErrorKind::ExpectedFlowMappingSeparator => (
            error.info(),
            "a text that holds colons, or begins or ends with quotes, goes in quotes as a whole: \
             when: \"item.status == 'open'\"",
        ),
        ErrorKind::UnknownAnchor => (
            "an alias stands for a value".to_owned(),
            "write the value out; a text that begins with * goes in quotes",
        ),
        _ => (error.info(), ""),
    };
    faults.add(place, problem, fix);
}

/// Where the first tab is that indents a line.
fn tab(text: &str) -> Option<At> {
    text.lines().enumerate().find_map(|(number, line)| {
        let indent = line.chars().take_while(|c| c.is_whitespace());
        let column = indent.collect::<Vec<_>>().iter().position(|c| *c == '\t')?;
        Some(At { line: number + 1, column: column + 1 })
    })
}

/// Where in the file the character is that a text has at this position, counted in characters: the file may have it in
/// quotes, with escapes, or folded over several lines.
pub(super) fn place_in(file: &str, node: At, text: &Text, position: usize) -> At {
    let mut values = text.value.chars().peekable();
    let (mut place, mut behind) = (node, node);
    let mut seen = 0;
    for (number, c) in file.get(text.written.clone()).unwrap_or_default().chars().enumerate() {
        let is_opening = number == 0 && matches!(c, '"' | '\'');
        let is_this = !is_opening
            && values.peek().is_some_and(|wanted| {
                *wanted == c || (wanted.is_whitespace() && c.is_whitespace())
            });
        if is_this && seen == position {
            return place;
        }
        match c {
            '\n' => place = At { line: place.line + 1, column: 1 },
            _ => place.column += 1,
        }
        if is_this {
            seen += 1;
            values.next();
            behind = place;
        }
    }
    behind
}
