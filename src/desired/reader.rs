//! Reads JSON properties by path and collects every problem instead of stopping at the first.

use std::cell::RefCell;
use std::fmt;

use serde_json::{Map, Value};

use crate::authoring::nearest;

/// One thing that is wrong with the properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as `Tables[2].KeySchema[0].KeyType`.
    pub path: String,
    /// What, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Where problems are collected.
#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, path: &str, message: impl Into<String>) {
        let path = if path.is_empty() { "ResourceProperties" } else { path };
        self.0.borrow_mut().push(Problem { path: path.to_owned(), message: message.into() });
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// A value with its path. Each reading method reports what does not fit and returns `None`.
pub(super) struct Node<'a> {
    pub(super) path: String,
    value: &'a Value,
    problems: &'a Problems,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value, problems: &'a Problems) -> Self {
        Self { path: String::new(), value, problems }
    }

    pub(super) fn problem(&self, message: impl Into<String>) {
        self.problems.add(&self.path, message);
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.problem(format!("expected {what}, found {}", describe(self.value)));
        None
    }

    /// An object all of whose fields are among `known`; any other field is a problem of its own.
    pub(super) fn object(&self, known: &[&str]) -> Option<Object<'a>> {
        self.object_but(known, &[])
    }

    /// An object all of whose fields are among `known`; one of `refused` is a problem for the reason that stands
    /// beside it.
    pub(super) fn object_but(
        &self,
        known: &[&str],
        refused: &[(&str, &str)],
    ) -> Option<Object<'a>> {
        let Some(fields) = self.value.as_object() else {
            return self.expected("an object");
        };
        let object = Object { path: self.path.clone(), fields, problems: self.problems };
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            let reason = refused.iter().find(|(refused, _)| refused == name);
            let unknown = || {
                let meant = nearest(name, known.iter().copied());
                let meant = meant.map(|meant| format!("; {meant} is near")).unwrap_or_default();
                format!("unknown property{meant}; known are {}", known.join(", "))
            };
            let problem = reason.map_or_else(unknown, |(_, reason)| (*reason).to_owned());
            self.problems.add(&object.path_of(name), problem);
        }
        Some(object)
    }

    pub(super) fn items(&self) -> Vec<Node<'a>> {
        let Some(items) = self.value.as_array() else {
            return self.expected("a list").unwrap_or_default();
        };
        let node = |(position, value)| Node {
            path: format!("{}[{position}]", self.path),
            value,
            problems: self.problems,
        };
        items.iter().enumerate().map(node).collect()
    }

    pub(super) fn text(&self) -> Option<String> {
        match self.value.as_str() {
            Some("") => self.expected("text that is not empty"),
            Some(text) => Some(text.to_owned()),
            None => self.expected("text"),
        }
    }

    pub(super) fn text_or_empty(&self) -> Option<String> {
        let text = self.value.as_str().map(str::to_owned);
        text.or_else(|| self.expected("text"))
    }

    /// A whole number, native or as the string that CloudFormation makes of it.
    pub(super) fn integer(&self) -> Option<i64> {
        let number = match self.value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.or_else(|| self.expected("a whole number"))
    }

    /// A whole number of at least `least`.
    pub(super) fn at_least(&self, least: u64) -> Option<u64> {
        let number = self.integer()?;
        match u64::try_from(number) {
            Ok(number) if number >= least => Some(number),
            _ => self.expected(&format!("a whole number of at least {least}")),
        }
    }

    /// A number, native or as the string that CloudFormation makes of it.
    pub(super) fn decimal(&self) -> Option<f64> {
        let number = match self.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.filter(|number: &f64| number.is_finite()).or_else(|| self.expected("a number"))
    }

    /// `true` or `false`, native or as text.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(*value),
            Value::String(text) if text == "true" => Some(true),
            Value::String(text) if text == "false" => Some(false),
            _ => self.expected("true or false"),
        }
    }

    /// An object as it is, for what others define the inside of.
    pub(super) fn json_object(&self) -> Option<Value> {
        self.value.is_object().then(|| self.value.clone()).or_else(|| self.expected("an object"))
    }

    /// One of a closed set of words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| self.value.as_str() == Some(word));
        found.map(|(_, meaning)| *meaning).or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.expected(&format!("one of {}", words.join(", ")))
        })
    }
}

/// An object with its path.
pub(super) struct Object<'a> {
    pub(super) path: String,
    fields: &'a Map<String, Value>,
    problems: &'a Problems,
}

impl<'a> Object<'a> {
    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn problem(&self, name: &str, message: impl Into<String>) {
        self.problems.add(&self.path_of(name), message);
    }

    /// A field, where it is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<Node<'a>> {
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        Some(Node { path: self.path_of(name), value, problems: self.problems })
    }

    /// A field that has to be there.
    pub(super) fn required(&self, name: &str) -> Option<Node<'a>> {
        let node = self.get(name);
        if node.is_none() {
            self.problem(name, "is required");
        }
        node
    }
}

/// Names a value for a message, short and without the inside of objects and lists.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        scalar => {
            let text = scalar.to_string();
            let short: String = text.chars().take(60).collect();
            if short.len() < text.len() { format!("{short}…") } else { short }
        }
    }
}
