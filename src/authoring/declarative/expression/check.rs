//! What can be known of an expression before any item is met: unknown names are found, and paths become variables.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators,
};

use super::functions::{self, Form};
use crate::authoring::declarative::faults::nearest;

/// A tree whose paths are variables, with what is wrong with it.
pub(super) struct Checked {
    pub(super) tree: IdedExpr,
    pub(super) paths: Vec<Vec<String>>,
    pub(super) complaints: Vec<Complaint>,
}

/// What is wrong at a node of the tree.
pub(super) struct Complaint {
    pub(super) node: u64,
    pub(super) problem: String,
    pub(super) fix: String,
}

/// A variable that stands for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    /// The value there.
    Value(usize),
    /// Whether there is one.
    Presence(usize),
}

/// The one variable of every expression.
pub(super) const ITEM: &str = "item";
/// Puts keys in order, of what is gone through: a map has none.
pub(super) const ORDERED: &str = "@ordered";

/// Each operation is evaluated within the one around it, on the stack of whichever thread has the item.
const DEPTH_MAX: usize = 32;

const TYPES: [&str; 9] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"];
const OPERATORS: [&str; 18] = [
    operators::ADD,
    operators::CONDITIONAL,
    operators::DIVIDE,
    operators::EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::IN,
    operators::INDEX,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::LOGICAL_AND,
    operators::LOGICAL_NOT,
    operators::LOGICAL_OR,
    operators::MODULO,
    operators::MULTIPLY,
    operators::NEGATE,
    operators::NOT_EQUALS,
    operators::SUBSTRACT,
];

impl Variable {
    fn name(self) -> String {
        match self {
            Self::Value(path) => format!("@value{path}"),
            Self::Presence(path) => format!("@presence{path}"),
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        let number = |kind| name.strip_prefix(kind)?.parse().ok();
        number("@value").map(Self::Value).or_else(|| number("@presence").map(Self::Presence))
    }
}

pub(super) fn check(tree: IdedExpr) -> Checked {
    let mut walk = Walk::default();
    let tree = walk.node(tree);
    Checked { tree, paths: walk.paths, complaints: walk.complaints }
}

#[derive(Default)]
struct Walk {
    paths: Vec<Vec<String>>,
    complaints: Vec<Complaint>,
    /// Variables of the comprehensions around.
    local: Vec<String>,
    /// How many nodes are around.
    depth: usize,
    is_too_deep: bool,
}

impl Walk {
    fn complain(&mut self, node: u64, problem: impl Into<String>, fix: impl Into<String>) {
        self.complaints.push(Complaint { node, problem: problem.into(), fix: fix.into() });
    }

    fn variable(&mut self, path: Vec<String>, variable: fn(usize) -> Variable) -> Expr {
        let known = self.paths.iter().position(|known| *known == path);
        let number = known.unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        });
        Expr::Ident(variable(number).name())
    }

    fn node(&mut self, node: IdedExpr) -> IdedExpr {
        if self.depth == DEPTH_MAX {
            if !self.is_too_deep {
                let problem = format!("more than {DEPTH_MAX} operations stand within each other");
                let fix = "put texts together with ['a', 'b'].join('#'), or halves in brackets: (a + b) + (c + d)";
                self.complain(node.id, problem, fix);
            }
            self.is_too_deep = true;
            return node;
        }
        self.depth += 1;
        let node = self.deeper(node);
        self.depth -= 1;
        node
    }

    fn deeper(&mut self, IdedExpr { id, expr }: IdedExpr) -> IdedExpr {
        if let Some(path) = path_of(&expr).filter(|path| !path.is_empty()) {
            return IdedExpr { id, expr: self.variable(path, Variable::Value) };
        }
        let expr = match expr {
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(id, call),
            Expr::Comprehension(comprehension) => {
                Expr::Comprehension(Box::new(self.comprehension(id, *comprehension)))
            }
            Expr::Ident(name) => {
                self.ident(id, &name);
                Expr::Ident(name)
            }
            Expr::List(mut list) => {
                list.elements = self.nodes(list.elements);
                Expr::List(list)
            }
            Expr::Map(mut map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        entry.key = self.node(std::mem::take(&mut entry.key));
                        entry.value = self.node(std::mem::take(&mut entry.value));
                    }
                }
                Expr::Map(map)
            }
            Expr::Struct(one) => {
                let problem = format!("{} is no type that an expression can make", one.type_name);
                self.complain(id, problem, "write a map: {\"name\": value}");
                Expr::Struct(one)
            }
            expr @ (Expr::Literal(_) | Expr::Unspecified) => expr,
        };
        IdedExpr { id, expr }
    }

    fn nodes(&mut self, nodes: Vec<IdedExpr>) -> Vec<IdedExpr> {
        nodes.into_iter().map(|node| self.node(node)).collect()
    }

    fn select(&mut self, mut select: SelectExpr) -> Expr {
        if select.test
            && let Some(mut path) = path_of(&select.operand.expr)
        {
            path.push(select.field);
            return self.variable(path, Variable::Presence);
        }
        *select.operand = self.node(std::mem::take(&mut select.operand));
        Expr::Select(select)
    }

    fn call(&mut self, id: u64, mut call: CallExpr) -> Expr {
        if let (operators::IN, [element, container]) = (call.func_name.as_str(), &call.args[..])
            && let (Expr::Literal(LiteralValue::String(name)), Expr::Ident(of)) =
                (&element.expr, &container.expr)
            && of == ITEM
        {
            let path = vec![name.inner().to_owned()];
            return self.variable(path, Variable::Presence);
        }
        self.function(id, &mut call);
        call.target = call.target.map(|target| Box::new(self.node(*target)));
        call.args = self.nodes(call.args);
        Expr::Call(call)
    }

    /// Finds out whether there is such a function, and gives the call the form that the function has.
    fn function(&mut self, id: u64, call: &mut CallExpr) {
        let name = call.func_name.as_str();
        if call.target.is_none()
            && (OPERATORS.contains(&name) || name == operators::NOT_STRICTLY_FALSE)
        {
            return;
        }
        let Some(function) = functions::ALL.iter().find(|function| function.name == name) else {
            let near = nearest(name, &functions::names());
            let fix = near.map_or_else(
                || format!("there are {}", functions::names().join(", ")),
                |near| format!("do you mean {near}()?"),
            );
            return self.complain(id, format!("there is no function {name}()"), fix);
        };
        let given = call.args.len() + usize::from(call.target.is_some());
        if !function.takes.contains(&given) {
            let (least, most) = (function.takes.start(), function.takes.end());
            let takes =
                if least == most { least.to_string() } else { format!("{least} or {most}") };
            let problem = format!("{name}() takes {takes} values, and is given {given}");
            return self.complain(id, problem, format!("write {}", function.example));
        }
        match (function.form, call.target.take()) {
            (Form::Global, Some(target)) => call.args.insert(0, *target),
            (Form::Member, None) => call.target = Some(Box::new(call.args.remove(0))),
            (Form::Global | Form::Macro, None) => {}
            (Form::Member | Form::Macro, target) => call.target = target,
        }
        if function.form == Form::Macro {
            let problem = format!("{name}() is not used as it can be");
            return self.complain(id, problem, format!("write {}", function.example));
        }
        if name == "matches"
            && let Some(Expr::Literal(LiteralValue::String(pattern))) =
                call.args.last().map(|last| &last.expr)
            && let Err(error) = regex_lite::Regex::new(pattern.inner())
        {
            self.complain(id, format!("the pattern of matches() cannot be read: {error}"), "");
        }
    }

    fn comprehension(&mut self, id: u64, mut one: ComprehensionExpr) -> ComprehensionExpr {
        if one.iter_var == ITEM {
            self.complain(
                id,
                "item is the whole item, and no name for a part of it",
                "give the part another name",
            );
        }
        let range = self.node(std::mem::take(&mut one.iter_range));
        let ordered = CallExpr { func_name: ORDERED.to_owned(), target: None, args: vec![range] };
        one.iter_range = IdedExpr { id, expr: Expr::Call(ordered) };
        one.accu_init = self.node(one.accu_init);
        let outer = self.local.len();
        self.local.push(one.iter_var.clone());
        self.local.extend(one.iter_var2.clone());
        self.local.push(one.accu_var.clone());
        one.loop_cond = self.node(one.loop_cond);
        one.loop_step = self.node(one.loop_step);
        one.result = self.node(one.result);
        self.local.truncate(outer);
        one
    }

    fn ident(&mut self, id: u64, name: &str) {
        let is_known =
            name == ITEM || self.local.iter().any(|local| local == name) || TYPES.contains(&name);
        if is_known {
            return;
        }
        let fix = match nearest(name, &[ITEM]) {
            Some(_) => "write item".to_owned(),
            None => format!("an attribute is item.{name}; a text stands in quotes: '{name}'"),
        };
        self.complain(id, format!("there is no variable {name}"), fix);
    }
}

/// The names behind `item` where this is a path from it; none where it is the item itself.
fn path_of(expr: &Expr) -> Option<Vec<String>> {
    let (operand, name) = match expr {
        Expr::Ident(name) if name == ITEM => return Some(Vec::new()),
        Expr::Select(select) if !select.test => (&select.operand, select.field.clone()),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let [operand, index] = &call.args[..] else { return None };
            let Expr::Literal(LiteralValue::String(name)) = &index.expr else { return None };
            return path_of(&operand.expr).map(|mut path| {
                path.push(name.inner().to_owned());
                path
            });
        }
        _ => return None,
    };
    let mut path = path_of(&operand.expr)?;
    path.push(name);
    Some(path)
}

/// The paths of which a tree says that they are not there, as far as it is joined by `&&`.
pub(super) fn absent<'a>(tree: &IdedExpr, paths: &'a [Vec<String>]) -> Vec<&'a [String]> {
    let Expr::Call(call) = &tree.expr else { return Vec::new() };
    match (call.func_name.as_str(), &call.args[..]) {
        (operators::LOGICAL_AND, both) => {
            let each: BTreeSet<_> = both.iter().flat_map(|one| absent(one, paths)).collect();
            each.into_iter().collect()
        }
        (operators::LOGICAL_NOT, [IdedExpr { expr: Expr::Ident(name), .. }]) => {
            match Variable::named(name) {
                Some(Variable::Presence(path)) => vec![&paths[path][..]],
                Some(Variable::Value(_)) | None => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}
