//! How a value is shown: as what it is, readable and cut short, or as its type and size alone.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

use crate::hex::hex;

/// Longest text that is shown whole, in characters, and longest value.
const TEXT_MAX: usize = 60;
const VALUE_MAX: usize = 200;
/// Deepest that is looked into lists and maps.
const DEPTH_MAX: usize = 4;

/// What of a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// What it is.
    Shown,
    /// Its type and its size.
    Redacted,
}

impl Values {
    pub(crate) fn show(self, value: &AttributeValue) -> String {
        match self {
            Self::Shown => cut(&shown(value, 0), VALUE_MAX),
            Self::Redacted => redacted(value),
        }
    }
}

fn shown(value: &AttributeValue, depth: usize) -> String {
    let deeper = |value: &AttributeValue| shown(value, depth + 1);
    match value {
        AttributeValue::L(_) | AttributeValue::M(_) if depth >= DEPTH_MAX => "…".to_owned(),
        AttributeValue::S(text) => quoted(text),
        AttributeValue::N(digits) => digits.clone(),
        AttributeValue::Bool(yes) => yes.to_string(),
        AttributeValue::Null(_) => "null".to_owned(),
        AttributeValue::B(bytes) => binary(bytes.as_ref()),
        AttributeValue::L(values) => format!("[{}]", joined(values.iter().map(deeper))),
        AttributeValue::M(values) => {
            let sorted: BTreeMap<_, _> = values.iter().collect();
            let each = sorted.into_iter().map(|(name, value)| format!("{name}: {}", deeper(value)));
            format!("{{{}}}", joined(each))
        }
        AttributeValue::Ss(texts) => set(texts.iter().map(|text| quoted(text))),
        AttributeValue::Ns(numbers) => set(numbers.iter().cloned()),
        AttributeValue::Bs(all) => set(all.iter().map(|bytes| binary(bytes.as_ref()))),
        _ => "of an unknown type".to_owned(),
    }
}

fn redacted(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => format!("text of {}", bytes(text.len())),
        AttributeValue::N(_) => "number".to_owned(),
        AttributeValue::Bool(_) => "boolean".to_owned(),
        AttributeValue::Null(_) => "null".to_owned(),
        AttributeValue::B(all) => format!("binary of {}", bytes(all.as_ref().len())),
        AttributeValue::L(values) => format!("list of {}", values.len()),
        AttributeValue::M(values) => format!("map of {}", values.len()),
        AttributeValue::Ss(texts) => format!("set of {}", texts.len()),
        AttributeValue::Ns(numbers) => format!("set of {}", numbers.len()),
        AttributeValue::Bs(all) => format!("set of {}", all.len()),
        _ => "of an unknown type".to_owned(),
    }
}

fn bytes(count: usize) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

/// A text as JSON has it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(cut(text, TEXT_MAX)).to_string()
}

fn binary(bytes: &[u8]) -> String {
    let shown = hex(&bytes[..bytes.len().min(TEXT_MAX / 2)]);
    let rest = if bytes.len() > TEXT_MAX / 2 { "…" } else { "" };
    format!("<{shown}{rest}>")
}

/// A set, which has no order of its own.
fn set(values: impl Iterator<Item = String>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    format!("({})", values.join(", "))
}

fn joined(values: impl Iterator<Item = String>) -> String {
    values.collect::<Vec<_>>().join(", ")
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::primitives::Blob;

    use super::*;

    #[test]
    fn every_type_is_shown_or_told_by_its_size() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = |digits: &str| AttributeValue::N(digits.to_owned());
        let both = |value: AttributeValue| {
            format!("{} | {}", Values::Shown.show(&value), Values::Redacted.show(&value))
        };
        let nested = AttributeValue::M(
            [
                ("b", number("1")),
                ("a", AttributeValue::L(vec![text("x"), AttributeValue::Null(true)])),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        );
        let deep = (0..9).fold(number("1"), |inner, _| AttributeValue::L(vec![inner]));
        let values = [
            text("a \"quoted\"\nline"),
            text(&"ä".repeat(70)),
            number("12.50"),
            AttributeValue::Bool(true),
            AttributeValue::Null(true),
            AttributeValue::B(Blob::new([1, 255])),
            nested,
            deep,
            AttributeValue::Ss(vec!["b".to_owned(), "a".to_owned()]),
            AttributeValue::Ns(vec!["2".to_owned()]),
            AttributeValue::Bs(vec![Blob::new([0])]),
        ];
        let said: Vec<_> = values.into_iter().map(both).collect();
        insta::assert_snapshot!(said.join("\n"), @r#"
        "a \"quoted\"\nline" | text of 15 bytes
        "ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää…" | text of 140 bytes
        12.50 | number
        true | boolean
        null | null
        <01ff> | binary of 2 bytes
        {a: ["x", null], b: 1} | map of 2
        [[[[…]]]] | list of 1
        ("a", "b") | set of 2
        (2) | set of 1
        (<00>) | set of 1
        "#);
    }

    #[test]
    fn a_value_is_cut_short_however_much_there_is_of_it() {
        let many = AttributeValue::L(vec![AttributeValue::S("x".repeat(1000)); 1000]);
        assert_eq!(Values::Shown.show(&many).chars().count(), VALUE_MAX + 1);
        assert_eq!(Values::Redacted.show(&many), "list of 1000");
    }
}
