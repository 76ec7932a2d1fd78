//! Values as they are written, and the values of DynamoDB that they mean.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::document::Value;
use super::expression::Expression;
use super::faults::Faults;
use super::reader::{list, text};
use super::yaml::{Key, Kind, Node};
use crate::item::Item;

/// Keys that say of which type a value is, where YAML has none.
const TYPES: [&str; 7] = ["cel", "ss", "ns", "bs", "b", "n", "m"];

/// Reads a value; `what` it is of goes into messages. Nothing where it has faults.
pub(super) fn read(node: &Node, what: &str, faults: &Faults) -> Option<Value> {
    match &node.kind {
        Kind::Faulty => None,
        Kind::Null => Some(Value::Literal(AttributeValue::Null(true))),
        Kind::Bool(flag) => Some(Value::Literal(AttributeValue::Bool(*flag))),
        Kind::Number(digits) => number(node, digits, faults).map(Value::Literal),
        Kind::Text(text) => {
            if text.value.starts_with("item.") {
                faults.add(
                    node.at,
                    format!(
                        "{what} is the text {}, not what an expression makes of it",
                        text.value
                    ),
                    format!("write {{ cel: \"{}\" }}", text.value),
                );
            }
            Some(Value::Literal(AttributeValue::S(text.value.clone())))
        }
        Kind::List(nodes) => {
            let values: Vec<_> = nodes.iter().map(|node| read(node, what, faults)).collect();
            values.into_iter().collect::<Option<_>>().map(|values| together(Value::List(values)))
        }
        Kind::Map(entries) => match entries.as_slice() {
            [(key, node)] if TYPES.contains(&key.name.as_str()) => typed(key, node, what, faults),
            entries => map(entries, what, faults),
        },
    }
}

fn map(entries: &[(Key, Node)], what: &str, faults: &Faults) -> Option<Value> {
    if let Some((key, _)) = entries.iter().find(|(key, _)| key.name == "cel") {
        faults.add(
            key.at,
            "cel stands beside other keys",
            "an expression stands alone: { cel: \"…\" }; a map that has the key cel is written { m: { cel: … } }",
        );
    }
    let read = |(key, node): &(Key, Node)| Some((key.name.clone(), read(node, what, faults)?));
    let entries: Vec<_> = entries.iter().map(read).collect();
    entries.into_iter().collect::<Option<_>>().map(|entries| together(Value::Map(entries)))
}

/// A list or a map in which nothing is computed is a literal as a whole.
fn together(value: Value) -> Value {
    let literal = |value: &Value| match value {
        Value::Literal(literal) => Some(literal.clone()),
        Value::Computed(_) | Value::List(_) | Value::Map(_) => None,
    };
    let whole = match &value {
        Value::List(values) => {
            values.iter().map(literal).collect::<Option<_>>().map(AttributeValue::L)
        }
        Value::Map(entries) => {
            let entries = entries.iter().map(|(name, value)| Some((name.clone(), literal(value)?)));
            entries.collect::<Option<_>>().map(AttributeValue::M)
        }
        Value::Literal(_) | Value::Computed(_) => None,
    };
    whole.map_or(value, Value::Literal)
}

fn typed(key: &Key, node: &Node, what: &str, faults: &Faults) -> Option<Value> {
    let literal = match key.name.as_str() {
        "cel" => {
            let text = text(node, "an expression", faults)?;
            return Expression::read(node.at, text, faults).map(Value::Computed);
        }
        "m" => {
            let Kind::Map(entries) = &node.kind else {
                return ambiguous(key, node, "a mapping", faults);
            };
            return map_as_it_is(entries, what, faults);
        }
        "n" => match &node.kind {
            Kind::Text(text) => number(node, &text.value, faults)?,
            _ => return ambiguous(key, node, "digits in quotes", faults),
        },
        "b" if !matches!(node.kind, Kind::Text(_)) => {
            return ambiguous(key, node, "a text in base64", faults);
        }
        "ss" | "ns" | "bs" if !matches!(node.kind, Kind::List(_)) => {
            return ambiguous(key, node, "a list", faults);
        }
        "b" => AttributeValue::B(binary(node, faults)?),
        "bs" => AttributeValue::Bs(set(node, "bs", faults, binary)?),
        "ss" => AttributeValue::Ss(set(node, "ss", faults, |node, faults| {
            text(node, "an element of ss", faults).map(|text| text.value.clone())
        })?),
        _ => AttributeValue::Ns(set(node, "ns", faults, |node, faults| {
            let digits = match &node.kind {
                Kind::Number(digits) => digits,
                _ => &text(node, "an element of ns", faults)?.value,
            };
            number(node, digits, faults).and_then(|number| number.as_n().ok().cloned())
        })?),
    };
    Some(Value::Literal(literal))
}

/// Perhaps a type was not meant at all.
fn ambiguous<T>(key: &Key, node: &Node, expected: &str, faults: &Faults) -> Option<T> {
    let (name, found) = (&key.name, node.describe());
    if node.kind != Kind::Faulty {
        let plain = if name == "n" { "a number is written as it is; " } else { "" };
        faults.add(
            key.at,
            format!("{name} alone says the type of a value, and is {found}, not {expected}"),
            format!("{plain}a map that has the key {name} is written {{ m: {{ {name}: … }} }}"),
        );
    }
    None
}

/// A map whose keys say nothing about types.
fn map_as_it_is(entries: &[(Key, Node)], what: &str, faults: &Faults) -> Option<Value> {
    let read = |(key, node): &(Key, Node)| Some((key.name.clone(), read(node, what, faults)?));
    let entries: Vec<_> = entries.iter().map(read).collect();
    entries.into_iter().collect::<Option<_>>().map(|entries| together(Value::Map(entries)))
}

/// The elements of a set: at least one, and each once, as DynamoDB wants them.
fn set<T: PartialEq>(
    node: &Node,
    name: &str,
    faults: &Faults,
    element: impl Fn(&Node, &Faults) -> Option<T>,
) -> Option<Vec<T>> {
    let nodes = list(node, name, faults)?;
    if nodes.is_empty() {
        faults.add(
            node.at,
            format!("{name} has no element, and DynamoDB has no empty set"),
            "leave the attribute out, or write an empty list",
        );
        return None;
    }
    let mut elements = Vec::with_capacity(nodes.len());
    for node in nodes {
        let element = element(node, faults)?;
        if elements.contains(&element) {
            faults.add(node.at, "an element of a set is here a second time", "keep one of them");
            return None;
        }
        elements.push(element);
    }
    Some(elements)
}

/// A number within what DynamoDB has: 38 digits, and a size from 1E-130 to 9.99E+125 (AWS documentation, "Supported data
/// types and naming rules in Amazon DynamoDB").
fn number(node: &Node, digits: &str, faults: &Faults) -> Option<AttributeValue> {
    const DIGITS_MAX: usize = 38;
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let (mantissa, _) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, ""));
    let is_number =
        unsigned.starts_with(|c: char| c.is_ascii_digit()) && unsigned.parse::<f64>().is_ok();
    if !is_number {
        faults.add(node.at, format!("{digits} is no number"), "write it in decimal: 12.5");
        return None;
    }
    let significant: String = mantissa.chars().filter(|c| *c != '.').collect();
    let significant = significant.trim_start_matches('0').trim_end_matches('0').len();
    let size = unsigned.parse::<f64>().unwrap_or(f64::INFINITY);
    if significant > DIGITS_MAX {
        faults.add(
            node.at,
            format!("a number has {significant} digits, and DynamoDB keeps {DIGITS_MAX}"),
            "round it, or keep it as a text",
        );
        return None;
    }
    if significant > 0 && !(1e-130..1e126).contains(&size) {
        faults.add(
            node.at,
            format!("{digits} is out of the range of DynamoDB's numbers"),
            "they reach from 1E-130 to 9.9E+125",
        );
        return None;
    }
    Some(AttributeValue::N(digits.to_owned()))
}

fn binary(node: &Node, faults: &Faults) -> Option<Blob> {
    let text = text(node, "binary", faults)?;
    let bytes = base64(text.value.trim());
    if bytes.is_none() {
        faults.add(
            node.at,
            "binary is not in base64",
            "write it as `base64 FILE` does, without line breaks",
        );
    }
    bytes.map(Blob::new)
}

/// RFC 4648, section 4, with its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let sextet = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.as_bytes().chunks(4) {
        let sextets: Vec<u8> = chunk.iter().map(|byte| sextet(*byte)).collect::<Option<_>>()?;
        let all = sextets
            .iter()
            .enumerate()
            .fold(0_u32, |all, (position, sextet)| all | u32::from(*sextet) << (18 - 6 * position));
        let [_, whole @ ..] = all.to_be_bytes();
        bytes.extend(&whole[..chunk.len() - 1]);
    }
    Some(bytes)
}

impl Value {
    /// What it is for an item.
    ///
    /// # Errors
    /// Why an expression in it makes nothing of the item.
    pub(super) fn of(&self, item: &Item) -> Result<AttributeValue, String> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Computed(expression) => expression.value(item),
            Self::List(values) => {
                let values = values.iter().map(|value| value.of(item));
                values.collect::<Result<_, _>>().map(AttributeValue::L)
            }
            Self::Map(entries) => {
                let entries =
                    entries.iter().map(|(name, value)| Ok((name.clone(), value.of(item)?)));
                entries.collect::<Result<_, String>>().map(AttributeValue::M)
            }
        }
    }
}
