//! Asks an expression about an item, and says why where there is no answer, without a value of the item.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use cel::common::types::CelBool;
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::objects::ValueType;
use cel::{Context, ExecutionError, IdedExpr, Value};

use super::ENVIRONMENT;
use super::bridge::{self, EXACT};
use super::check::{ITEM, Variable};
use crate::item::Item;

/// An expression and the item that it is asked about.
pub(in super::super) struct Asked<'a> {
    tree: &'a IdedExpr,
    attributes: Attributes<'a>,
}

struct Attributes<'a> {
    paths: &'a [Vec<String>],
    item: &'a Item,
}

/// What is at a path.
enum Found<'a> {
    Value(&'a AttributeValue),
    Nothing,
    /// The value at the path of so many names is no map.
    NoMap(usize),
}

impl VariableResolver for Attributes<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if name == ITEM {
            return Some(CowVal::owned(bridge::map_to_cel(self.item.as_wire())));
        }
        match Variable::named(name)? {
            Variable::Value(path) => match self.find(path) {
                Found::Value(value) => Some(CowVal::Owned(bridge::to_cel(value))),
                Found::Nothing | Found::NoMap(_) => None,
            },
            Variable::Presence(path) => {
                let is_there = matches!(self.find(path), Found::Value(_));
                Some(CowVal::owned(CelBool::from(is_there)))
            }
        }
    }
}

impl<'a> Attributes<'a> {
    fn find(&self, path: usize) -> Found<'a> {
        let names = &self.paths[path];
        let Some(mut value) = self.item.get(&names[0]) else { return Found::Nothing };
        for (depth, name) in names.iter().enumerate().skip(1) {
            let AttributeValue::M(map) = value else { return Found::NoMap(depth) };
            let Some(below) = map.get(name) else { return Found::Nothing };
            value = below;
        }
        Found::Value(value)
    }
}

impl<'a> Asked<'a> {
    pub(super) fn new(tree: &'a IdedExpr, paths: &'a [Vec<String>], item: &'a Item) -> Self {
        Self { tree, attributes: Attributes { paths, item } }
    }

    pub(super) fn holds(&self) -> Result<bool, String> {
        self.within(|context| self.is_true(self.tree, context))
    }

    pub(super) fn value(&self) -> Result<AttributeValue, String> {
        self.within(|context| self.wire(self.tree, context))
    }

    fn within<T>(&self, ask: impl FnOnce(&Context) -> Result<T, String>) -> Result<T, String> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.set_variable_resolver(&self.attributes);
        ask(&context)
    }

    fn is_true(&self, tree: &IdedExpr, context: &Context) -> Result<bool, String> {
        let value = Value::resolve_val(tree, context).map_err(|error| self.explain(&error))?;
        let flag = value.downcast_ref::<CelBool>().map(|flag| *flag.inner());
        flag.ok_or_else(|| {
            format!("it is of type {}, and has to be true or false", value.get_type().name())
        })
    }

    /// What is only handed on keeps its wire form: a choice, a list and a map are taken apart here for that.
    fn wire(&self, tree: &IdedExpr, context: &Context) -> Result<AttributeValue, String> {
        match &tree.expr {
            Expr::Ident(name) => match Variable::named(name) {
                Some(Variable::Value(path)) => match self.attributes.find(path) {
                    Found::Value(value) => Ok(value.clone()),
                    Found::Nothing | Found::NoMap(_) => Err(self.without(path)),
                },
                Some(Variable::Presence(_)) | None => self.computed(tree, context),
            },
            Expr::Call(call) if call.func_name == operators::CONDITIONAL => match &call.args[..] {
                [condition, then, otherwise] => {
                    let chosen = if self.is_true(condition, context)? { then } else { otherwise };
                    self.wire(chosen, context)
                }
                _ => self.computed(tree, context),
            },
            Expr::List(list) => {
                let elements = list.elements.iter().map(|element| self.wire(element, context));
                Ok(AttributeValue::L(elements.collect::<Result<_, _>>()?))
            }
            Expr::Map(map) => {
                let literal = |entry: &EntryExpr| match entry {
                    EntryExpr::MapEntry(entry) => match &entry.key.expr {
                        Expr::Literal(LiteralValue::String(name)) => {
                            Some((name.inner().to_owned(), entry.value.clone()))
                        }
                        _ => None,
                    },
                    EntryExpr::StructField(_) => None,
                };
                let entries: Option<Vec<_>> =
                    map.entries.iter().map(|entry| literal(&entry.expr)).collect();
                let Some(entries) = entries else { return self.computed(tree, context) };
                let entries = entries.into_iter();
                let entries = entries.map(|(name, value)| Ok((name, self.wire(&value, context)?)));
                Ok(AttributeValue::M(entries.collect::<Result<_, String>>()?))
            }
            _ => self.computed(tree, context),
        }
    }

    fn computed(&self, tree: &IdedExpr, context: &Context) -> Result<AttributeValue, String> {
        let value = Value::resolve_val(tree, context).map_err(|error| self.explain(&error))?;
        bridge::to_wire(&*value)
    }

    /// An error without the values that it holds.
    fn explain(&self, error: &ExecutionError) -> String {
        match error {
            ExecutionError::UndeclaredReference(name) => match Variable::named(name) {
                Some(Variable::Value(path) | Variable::Presence(path)) => self.without(path),
                None => format!("there is no {name}"),
            },
            ExecutionError::NoSuchKey(_) => {
                "a map does not have the key that is asked for; `\"key\" in map` tells whether it has"
                    .to_owned()
            }
            ExecutionError::NoSuchOverload(overload) => {
                let types: Vec<_> = overload.argument_types().iter().map(String::as_str).collect();
                self.inapplicable(symbol(overload.function()), &types)
            }
            ExecutionError::UnsupportedBinaryOperator(name, left, right) => {
                self.inapplicable(symbol(name), &[type_name(left), type_name(right)])
            }
            ExecutionError::Overflow(name, ..) => {
                format!("the result of {} is not within 64 bits", symbol(name))
            }
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                "it divides by zero".to_owned()
            }
            ExecutionError::IndexOutOfBounds(_) => {
                "a list does not have the element that is asked for; size() tells how many it has"
                    .to_owned()
            }
            ExecutionError::FunctionError { function, .. } => {
                format!("{function}() cannot be applied to the value that it is given")
            }
            // What our own functions say.
            ExecutionError::InternalError(words) => words.clone(),
            _ => "it cannot be evaluated".to_owned(),
        }
    }

    fn inapplicable(&self, what: &str, types: &[&str]) -> String {
        if !types.contains(&EXACT) {
            let hint = match types {
                ["int", "double"] | ["double", "int"] => {
                    "; double(…) makes a double of a whole number"
                }
                ["string", "int" | "double"] | ["int" | "double", "string"] => {
                    "; string(…) makes a string of a number"
                }
                _ => "",
            };
            return format!("{what} cannot be applied to {}{hint}", types.join(" and "));
        }
        let all =
            (0..self.attributes.paths.len()).filter(|path| match self.attributes.find(*path) {
                Found::Value(value) => bridge::is_exact(value),
                Found::Nothing | Found::NoMap(_) => false,
            });
        let mut names: Vec<_> = all.map(|path| self.name(path, usize::MAX)).collect();
        if names.is_empty() {
            names.push("one of the numbers".to_owned());
        }
        format!(
            "{what} does not compute with {}: a number that is neither whole within 64 bits nor kept by a double can \
             only be copied and compared for equality",
            names.join(" and ")
        )
    }

    /// Why there is nothing at a path.
    fn without(&self, path: usize) -> String {
        let name = self.name(path, usize::MAX);
        match self.attributes.find(path) {
            Found::NoMap(depth) => {
                format!("{} is no map, and {name} is asked for", self.name(path, depth))
            }
            Found::Nothing | Found::Value(_) => {
                format!("{name} is missing; has({name}) tells whether it is there")
            }
        }
    }

    /// The first names of a path, as an expression has them.
    fn name(&self, path: usize, most: usize) -> String {
        let is_plain = |name: &str| {
            !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let names = self.attributes.paths[path].iter().take(most);
        let names =
            names.map(|name| if is_plain(name) { name.clone() } else { format!("`{name}`") });
        std::iter::once(ITEM.to_owned()).chain(names).collect::<Vec<_>>().join(".")
    }
}

/// An operator as it is written.
fn symbol(name: &str) -> &str {
    match name {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        operators::CONDITIONAL => "? :",
        operators::INDEX => "[ ]",
        operators::IN => "in",
        "_._" => ".",
        name => name.trim_matches('_'),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value.type_of() {
        ValueType::List => "list",
        ValueType::Map => "map",
        ValueType::Int => "int",
        ValueType::UInt => "uint",
        ValueType::Float => "double",
        ValueType::String => "string",
        ValueType::Bytes => "bytes",
        ValueType::Bool => "bool",
        ValueType::Opaque => EXACT,
        // A set has no other name there.
        ValueType::Null => "null or a set",
        ValueType::Function | ValueType::Duration | ValueType::Timestamp | ValueType::Struct => {
            "another type"
        }
    }
}
