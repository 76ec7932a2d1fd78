//! A tree of YAML that remembers where each of its values stands.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// A value with its place; by default an object without fields.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// Line and column, from 1.
    at: Option<(usize, usize)>,
    node: Node,
}

#[derive(Debug, Clone)]
enum Node {
    Scalar(Value),
    List(Vec<Tree>),
    Fields(Vec<(Spanned<String>, Tree)>),
}

impl Default for Tree {
    fn default() -> Self {
        Self { at: None, node: Node::Fields(Vec::new()) }
    }
}

impl Tree {
    /// The value without places.
    pub(super) fn value(&self) -> Value {
        match &self.node {
            Node::Scalar(value) => value.clone(),
            Node::List(items) => items.iter().map(Self::value).collect(),
            Node::Fields(fields) => {
                let fields = fields.iter().map(|(name, tree)| (name.value.clone(), tree.value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// Line and column of what a path as `Tables[2].KeySchema[0].KeyType` leads to, or of the nearest on the way there; of a
    /// field those of its name.
    pub(super) fn place(&self, path: &str) -> Option<(usize, usize)> {
        let path = path.trim_start_matches(['.']);
        let (found, rest) = match &self.node {
            Node::Fields(fields) => {
                // Names of tags and the like may hold anything, so the names decide where they end.
                let leads = |(name, _): &&(Spanned<String>, Self)| {
                    let rest = path.strip_prefix(name.value.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                let (name, tree) = fields.iter().find(leads)?;
                let rest = &path[name.value.len()..];
                if rest.is_empty() {
                    return position(name);
                }
                (Some(tree), rest)
            }
            Node::List(items) => {
                let (position, rest) = path.strip_prefix('[')?.split_once(']')?;
                (position.parse::<usize>().ok().and_then(|at| items.get(at)), rest)
            }
            Node::Scalar(_) => (None, ""),
        };
        found.and_then(|tree| tree.place(rest).or(tree.at)).or(self.at)
    }
}

fn position<T>(spanned: &Spanned<T>) -> Option<(usize, usize)> {
    let at = spanned.referenced;
    let number = |number: u64| usize::try_from(number).ok().filter(|number| *number > 0);
    Some((number(at.line())?, number(at.column())?))
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Node>::deserialize(deserializer)?;
        Ok(Self { at: position(&spanned), node: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Fields(fields))
    }
}
