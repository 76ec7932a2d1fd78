//! The functions of expressions: which there are, and those that CEL itself does not bring.
#![expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "the evaluator asks for this one signature"
)]

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use cel::common::types::{
    CelBool, CelInt, CelList, CelString, DYN_TYPE, INT_TYPE, Kind, STRING_TYPE,
};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError, extensions};
use regex_lite::Regex;
use sha2::{Digest, Sha256};

use super::check::ORDERED;
use crate::hex::hex;

/// A function as the author of an expression knows it; each can be called as `name(x)` and as `x.name()`.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// How many values it takes, that before the dot among them.
    pub(super) takes: RangeInclusive<usize>,
    /// A use of it.
    pub(super) example: &'static str,
}

/// How the evaluator knows a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Global,
    Member,
    /// Replaced while it is read, where it is used as it can be.
    Macro,
}

const fn one(
    name: &'static str,
    form: Form,
    takes: RangeInclusive<usize>,
    example: &'static str,
) -> Function {
    Function { name, form, takes, example }
}

/// All of them; what each example makes is in the documentation of `declarative`.
pub(super) const ALL: &[Function] = &[
    one("size", Form::Global, 1..=1, "size('abc')"),
    one("string", Form::Global, 1..=1, "string(12)"),
    one("int", Form::Global, 1..=1, "int('12')"),
    one("double", Form::Global, 1..=1, "double('1.5')"),
    one("bool", Form::Global, 1..=1, "bool('true')"),
    one("bytes", Form::Global, 1..=1, "bytes('abc')"),
    one("type", Form::Global, 1..=1, "type(12) == int"),
    one("lower", Form::Global, 1..=1, "lower('Ab')"),
    one("upper", Form::Global, 1..=1, "upper('Ab')"),
    one("trim", Form::Member, 1..=1, "' ab '.trim()"),
    one("replace", Form::Member, 3..=4, "'a-b'.replace('-', '_')"),
    one("split", Form::Member, 2..=3, "'a#b'.split('#')"),
    one("join", Form::Member, 1..=2, "['a', 'b'].join('#')"),
    one("substring", Form::Member, 2..=3, "'abcd'.substring(1, 3)"),
    one("indexOf", Form::Member, 2..=3, "'abcd'.indexOf('c')"),
    one("contains", Form::Member, 2..=2, "'abcd'.contains('bc')"),
    one("startsWith", Form::Member, 2..=2, "'abcd'.startsWith('ab')"),
    one("endsWith", Form::Member, 2..=2, "'abcd'.endsWith('cd')"),
    one("matches", Form::Global, 2..=2, "'a12'.matches('^[a-z][0-9]+$')"),
    one("pad", Form::Global, 2..=2, "pad(42, 6)"),
    one("hash", Form::Global, 1..=1, "hash('abc')"),
    one("iso", Form::Global, 1..=1, "iso(1700000000)"),
    one("epoch", Form::Global, 1..=1, "epoch('2023-11-14T22:13:20Z')"),
    one("isoMillis", Form::Global, 1..=1, "isoMillis(1700000000120)"),
    one("epochMillis", Form::Global, 1..=1, "epochMillis('2023-11-14T23:13:20.12+01:00')"),
    one("has", Form::Macro, 1..=1, "has(item.name)"),
    one("all", Form::Macro, 3..=3, "[1, 2].all(x, x > 1)"),
    one("exists", Form::Macro, 3..=3, "[1, 2].exists(x, x > 1)"),
    one("exists_one", Form::Macro, 3..=3, "[1, 2].exists_one(x, x > 0)"),
    one("map", Form::Macro, 3..=4, "[1, 2].map(x, x * 2)"),
    one("filter", Form::Macro, 3..=3, "[1, 2].filter(x, x > 1)"),
];

pub(super) fn names() -> Vec<&'static str> {
    ALL.iter().map(|function| function.name).collect()
}

type Values<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// What expressions are evaluated in.
pub(super) fn environment() -> Env {
    let mut env = Env::stdlib().with_optional_support(false);
    let own: [(&str, Vec<_>, cel::common::functions::Function); 11] = [
        ("lower", vec![STRING_TYPE], lower),
        ("upper", vec![STRING_TYPE], upper),
        ("matches", vec![STRING_TYPE, STRING_TYPE], matches),
        ("pad", vec![STRING_TYPE, INT_TYPE], pad),
        ("pad", vec![INT_TYPE, INT_TYPE], pad),
        ("hash", vec![STRING_TYPE], hash),
        ("iso", vec![INT_TYPE], iso),
        ("epoch", vec![STRING_TYPE], epoch),
        ("isoMillis", vec![INT_TYPE], iso_millis),
        ("epochMillis", vec![STRING_TYPE], epoch_millis),
        (ORDERED, vec![DYN_TYPE], ordered),
    ];
    for (number, (name, takes, function)) in own.into_iter().enumerate() {
        let id = format!("{name} {number}");
        env.add_overload(name, &id, takes, function).expect("each is declared once");
    }
    env.add_extension(extensions::strings).expect("it shares no name with the others");
    env
}

fn text<'a>(values: &'a Values, position: usize) -> &'a str {
    values
        .get(position)
        .and_then(|value| value.downcast_ref::<CelString>())
        .map_or("", |text| text.inner())
}

fn whole(values: &Values, position: usize) -> Option<i64> {
    values.get(position)?.downcast_ref::<CelInt>().map(|whole| *whole.inner())
}

fn of_text<'b, 'v>(text: String) -> CowVal<'b, 'v> {
    CowVal::owned(CelString::from(text))
}

/// An error in our own words, which hold no value of an item.
fn refuse<T>(function: &str, why: &str) -> Result<T, ExecutionError> {
    Err(ExecutionError::InternalError(format!("{function}() {why}")))
}

fn lower<'b, 'v>(values: Values<'b, 'v>) -> Outcome<'b, 'v> {
    Ok(of_text(text(&values, 0).to_lowercase()))
}

fn upper<'b, 'v>(values: Values<'b, 'v>) -> Outcome<'b, 'v> {
    Ok(of_text(text(&values, 0).to_uppercase()))
}

/// With zeros at the left; what is longer stays as it is.
fn pad<'b, 'v>(values: Values<'b, 'v>) -> Outcome<'b, 'v> {
    const WIDTH_MAX: usize = 1024;
    let padded = match whole(&values, 0) {
        Some(..0) => return refuse("pad", "takes no negative number, which would not sort"),
        Some(number) => number.to_string(),
        None => text(&values, 0).to_owned(),
    };
    let width = whole(&values, 1).and_then(|width| usize::try_from(width).ok());
    match width {
        Some(width @ 0..=WIDTH_MAX) => {
            let missing = width.saturating_sub(padded.chars().count());
            Ok(of_text("0".repeat(missing) + &padded))
        }
        _ => refuse("pad", "takes a width from 0 to 1024"),
    }
}

fn hash<'b, 'v>(values: Values<'b, 'v>) -> Outcome<'b, 'v> {
    let digest = Sha256::digest(text(&values, 0));
    Ok(of_text(hex(&digest)))
}

/// Patterns are mostly literals of expressions, and so few; each is read once.
fn matches<'b, 'v>(values: Values<'b, 'v>) -> Outcome<'b, 'v> {
    const KEPT_MAX: usize = 256;
    static KEPT: LazyLock<Mutex<HashMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);
    let (text, pattern) = (text(&values, 0), text(&values, 1));
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).get(pattern).cloned();
    let regex = if let Some(regex) = kept {
        regex
    } else {
        let Ok(regex) = Regex::new(pattern) else {
            return refuse("matches", "is given a pattern that cannot be read");
        };
        let regex = Arc::new(regex);
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.insert(pattern.to_owned(), Arc::clone(&regex));
        }
        regex
    };
    Ok(CowVal::owned(CelBool::from(regex.is_match(text))))
}

fn seconds(function: &str, seconds: i64) -> Result<String, ExecutionError> {
    match DateTime::from_secs(seconds).fmt(DateTimeFormat::DateTime) {
        Ok(text) => Ok(text),
        Err(_) => refuse(function, "is given a time that no calendar of four-digit years has"),
    }
}

fn iso<'b, 'v>(values: Values<'b, 'v>) -> Outcome<'b, 'v> {
    seconds("iso", whole(&values, 0).unwrap_or_default()).map(of_text)
}

/// Always three digits, so that texts sort like times.
fn iso_millis<'b, 'v>(values: Values<'b, 'v>) -> Outcome<'b, 'v> {
    let millis = whole(&values, 0).unwrap_or_default();
    let whole = seconds("isoMillis", millis.div_euclid(1000))?;
    let whole = whole.strip_suffix('Z').unwrap_or(&whole);
    Ok(of_text(format!("{whole}.{:03}Z", millis.rem_euclid(1000))))
}

fn parsed(function: &str, values: &Values) -> Result<i64, ExecutionError> {
    let time = DateTime::from_str(text(values, 0), DateTimeFormat::DateTimeWithOffset);
    match time.ok().and_then(|time| time.to_millis().ok()) {
        Some(millis) => Ok(millis),
        None => refuse(
            function,
            "is given a text that is no time as ISO 8601 writes it: 2023-11-14T22:13:20Z",
        ),
    }
}

fn epoch<'b, 'v>(values: Values<'b, 'v>) -> Outcome<'b, 'v> {
    let millis = parsed("epoch", &values)?;
    Ok(CowVal::owned(CelInt::from(millis.div_euclid(1000))))
}

fn epoch_millis<'b, 'v>(values: Values<'b, 'v>) -> Outcome<'b, 'v> {
    Ok(CowVal::owned(CelInt::from(parsed("epochMillis", &values)?)))
}

/// The keys of a map in their order: the same item has to make the same result each time.
fn ordered<'b, 'v>(mut values: Values<'b, 'v>) -> Outcome<'b, 'v> {
    let value = values.remove(0);
    if value.get_type().kind() != Kind::Map {
        return Ok(value);
    }
    let mut keys: Vec<Box<dyn Val + 'v>> = Vec::new();
    if let Some(iterable) = value.as_iterable() {
        let mut elements = iterable.iter();
        while let Some(key) = elements.next() {
            keys.push(key.clone_as_boxed());
        }
    }
    keys.sort_by_key(|key| match key.downcast_ref::<CelString>() {
        Some(text) => text.inner().to_owned(),
        None => format!("{key:?}"),
    });
    Ok(CowVal::owned(CelList::from(keys)))
}
