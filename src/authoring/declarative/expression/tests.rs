//! Expressions: what they make, what is refused, and that no value gets out.

use std::collections::BTreeSet;

use super::functions::ALL;
use super::*;
use crate::authoring::{Fault, Language, Source};
use crate::dynamo::WireItem;
use crate::item::Looks;

fn source(text: &str) -> Source {
    Source {
        id: "0001_a".into(),
        language: Language::Yaml,
        file: "a.yaml".into(),
        text: text.into(),
    }
}

fn read(text: &str) -> Result<Expression, Vec<String>> {
    let source = source(text);
    let faults = Faults::of(&source);
    let whole = Text { value: text.to_owned(), written: 0..text.len() };
    let read = Expression::read(At { line: 1, column: 1 }, &whole, &faults);
    read.ok_or_else(|| faults.into_list().iter().map(Fault::shown).collect())
}

fn n(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn item() -> Item {
    let address =
        AttributeValue::M([("street".to_owned(), s("High")), ("no".to_owned(), n("7"))].into());
    let attributes = [
        ("pk", s("secret")),
        ("n", n("3")),
        ("half", n("0.5")),
        ("price", n("19.99")),
        ("whole", n("4.0")),
        ("big", n("98765432109876543210987654321098765432")),
        ("same", n("9.8765432109876543210987654321098765432e37")),
        ("tags", AttributeValue::Ss(vec!["b".into(), "a".into()])),
        ("sizes", AttributeValue::Ns(vec!["1.50".into(), "2".into()])),
        ("list", AttributeValue::L(vec![n("1.50"), s("x")])),
        ("none", AttributeValue::Null(true)),
        ("flag", AttributeValue::Bool(true)),
        ("address", address),
        ("odd-name", s("odd")),
        ("name", s("Ann")),
    ];
    attributes
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect::<WireItem>()
        .into()
}

fn value(text: &str) -> Result<AttributeValue, String> {
    let expression = read(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    expression.value(&item())
}

#[test]
fn every_function_does_what_the_documentation_says() {
    let documentation = include_str!("../../declarative.rs");
    for function in ALL {
        let row = format!("//! | `{}` | `", function.example);
        let row = documentation.lines().find_map(|line| line.strip_prefix(&row));
        let makes = row.unwrap_or_else(|| panic!("no row has {}", function.example));
        let claim = format!("{} == {}", function.example, makes.trim_end_matches("` |"));
        assert_eq!(value(&claim), Ok(AttributeValue::Bool(true)), "{claim}");
        assert!(function.example.contains(function.name));
    }
}

#[test]
fn a_function_may_stand_before_its_value_or_behind_it() {
    for (one, other) in [
        ("item.name.lower()", "lower(item.name)"),
        ("item.name.split('n')", "split(item.name, 'n')"),
        ("item.n.pad(3)", "pad(item.n, 3)"),
        ("item.tags.size()", "size(item.tags)"),
    ] {
        assert_eq!(value(one).unwrap(), value(other).unwrap(), "{one}");
    }
}

#[test]
fn numbers_are_whole_or_doubles_or_only_handed_on() {
    for (text, makes) in [
        ("item.n + 1", n("4")),
        ("item.whole + 1", n("5")),
        ("item.half + 1.0", n("1.5")),
        ("item.price * 2.0", n("39.98")),
        ("item.big == item.same", AttributeValue::Bool(true)),
        ("item.big == 1", AttributeValue::Bool(false)),
        ("item.half < 1", AttributeValue::Bool(true)),
        ("item.big", n("98765432109876543210987654321098765432")),
        (
            "[1].map(x, item.big)",
            AttributeValue::L(vec![n("98765432109876543210987654321098765432")]),
        ),
        ("1e30", n("1e30")),
        ("-0.0", n("0")),
    ] {
        assert_eq!(value(text), Ok(makes), "{text}");
    }
}

#[test]
fn what_is_handed_on_keeps_its_wire_form() {
    for (text, name) in [
        ("item.sizes", "sizes"),
        ("has(item.sizes) ? item.sizes : []", "sizes"),
        ("[item.sizes].map(x, x)[0]", "sizes"),
        ("item[\"list\"]", "list"),
        ("item.`odd-name`", "odd-name"),
        ("item.none", "none"),
    ] {
        assert_eq!(value(text).as_ref(), Ok(item().get(name).unwrap()), "{text}");
    }
    let both = value("{\"a\": item.sizes, \"b\": [item.list]}").unwrap();
    let AttributeValue::M(both) = both else { panic!() };
    assert_eq!(&both["a"], item().get("sizes").unwrap());
    assert_eq!(both["b"], AttributeValue::L(vec![item().get("list").unwrap().clone()]));
}

#[test]
fn sets_and_maps_and_lists_are_asked() {
    for text in [
        "'a' in item.tags && !('c' in item.tags)",
        "1.5 in item.sizes",
        "item.tags.exists(tag, tag == 'b')",
        "item.tags == item.tags && item.tags != ['b', 'a']",
        "item.list[1] == 'x' && item.list == [1.5, 'x']",
        "item.address.street == 'High' && item.address == {'street': 'High', 'no': 7}",
        "has(item.address.street) && !has(item.address.zip) && !has(item.home.street) && !has(item.n.x)",
        "'name' in item && !('zip' in item) && 'no' in item.address",
        "item.address.map(key, key) == ['no', 'street']",
        "item.none == null",
        "size(item) == 15",
        "['x'] + item.tags.map(tag, tag) == ['x', 'b', 'a']",
        "type(item.n) == int && type(item.tags) == list",
    ] {
        assert_eq!(read(text).unwrap().holds(&item()), Ok(true), "{text}");
    }
}

#[test]
fn only_what_is_named_is_looked_at() {
    for (text, looked_at) in [
        ("item.n > 2 || item.zip == 'x'", Some(&["n"][..])),
        ("item.n > 5 || has(item.address.street)", Some(&["n", "address"])),
        ("has(item.zip) ? item.zip : item[\"pk\"]", Some(&["zip", "pk"])),
        ("size(item) > 3", None),
    ] {
        let watched = item().watched();
        let _ = read(text).unwrap().value(&watched);
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        let expected = looked_at.map_or(Looks::AtAll, |looked_at| Looks::At(names(looked_at)));
        assert_eq!(watched.looks(), expected, "{text}");
    }
}

#[test]
fn an_error_names_attributes_and_types_and_no_value() {
    let texts = [
        "item.zip == 'x'",
        "item.address.zip",
        "item.name.x",
        "item.`odd-name2`",
        "item.big + 1",
        "1 + item.big",
        "item.big < 3",
        "item.pk + 1",
        "item.tags + ['x']",
        "item.n + item.half",
        "int(item.pk)",
        "epoch(item.pk)",
        "item.n / 0",
        "9223372036854775807 + item.n",
        "item.list[7]",
        "item.address[item.pk]",
        "pad(-1, 3)",
        "1.0 / 0.0",
        "{item.n: 1}",
        "type(item.n)",
        "item.flag && item.n",
        "!item.pk",
        "item.pk ? 1 : 2",
        "item.pk.substring(50)",
        "item.pk.matches(item.pk + '(')",
        "lower(item.n)",
    ];
    let mut shown = String::new();
    for text in texts {
        let error = value(text).unwrap_err();
        assert!(!error.contains("secret") && !error.contains("98765"), "{error}");
        shown.extend([format!("{text}\n    {error}\n")]);
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_fault_is_found_before_any_item_is_met_and_where_it_is() {
    let texts = [
        "item.x ==",
        "item.x = 3",
        "item.x & true",
        "'abc",
        "item.é == 1",
        "(item.x == 1))",
        "item..x",
        "itm.x == 1",
        "status == 'open'",
        "lowr(item.x)",
        "now()",
        "item.x.split()",
        "item.x.map(y)",
        "has(item)",
        "has(item[\"x\"])",
        "item.?x",
        "[1].map(item, item)",
        "item.x.matches('(')",
        "Thing{a: 1}",
        "item.a == 1 && foo(bar, item.b)",
    ];
    let shown: Vec<String> = texts.iter().flat_map(|text| read(text).unwrap_err()).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn what_has_to_be_absent_is_known() {
    for (text, absent) in [
        ("!has(item.label)", &["label"][..]),
        ("item.x == 1 && !has(item.label) && !has(item.b)", &["b", "label"]),
        ("!has(item.label) || item.x == 1", &[]),
        ("has(item.label)", &[]),
    ] {
        let expression = read(text).unwrap();
        let found: Vec<_> = expression.absent().into_iter().map(|path| path.join(".")).collect();
        assert_eq!(found, absent, "{text}");
    }
}

#[test]
fn what_would_fill_the_stack_of_a_thread_is_refused() {
    let nested = |open: &str, close: &str, depth| {
        format!("{}item.n{} == 1", open.repeat(depth), close.repeat(depth))
    };
    for (open, close) in [("(", ")"), ("[", "]"), ("{'a': ", "}"), ("size(", ")"), ("-(", ")")] {
        assert!(read(&nested(open, close, NESTING_MAX)).is_ok(), "{open}");
        let refused = read(&nested(open, close, 100_000)).unwrap_err();
        assert!(refused[0].contains("more than 16 brackets are open"), "{refused:?}");
    }
    for long in ["!", "-", "1 + ", "item.n > 1 && ", "true ? true : "] {
        let refused = read(&format!("{}1", long.repeat(OPERATORS_MAX + 1))).unwrap_err();
        assert!(refused[0].contains("more than 64 signs"), "{refused:?}");
    }
    let refused = read(&format!("'{}'", "x".repeat(CHARACTERS_MAX))).unwrap_err();
    assert!(refused[0].contains("more than 4096 characters"), "{refused:?}");
}

/// An overflow ends the process, and this test with it. A release takes a fraction of what a debug build does.
#[test]
fn what_is_accepted_is_evaluated_on_three_quarters_of_the_stack_of_a_worker_thread() {
    const STACK: usize = 3 << 19;
    for (before, within, after) in [
        ("", "1", " + 1"),
        ("", "'a'", ".lower()"),
        ("", "{}", ".b"),
        ("", "[]", "[0]"),
        ("", "true", " && true"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("(true ? ", "1", " : 1)"),
        ("false ? 1 : ", "1", ""),
        ("(1 + ", "1", ")"),
        ("[", "1", "]"),
        ("{'a': ", "1", "}"),
        ("size([", "1", "])"),
        ("[1].all(x, ", "true", ")"),
        ("[1].map(x, [x].filter(y, y > 0), ", "true", ")"),
    ] {
        let nested = |depth| format!("{}{within}{}", before.repeat(depth), after.repeat(depth));
        let accepted = (1..CHARACTERS_MAX).take_while(|depth| read(&nested(*depth)).is_ok());
        let deepest = accepted.last().unwrap_or(1);
        let refused = read(&nested(deepest + 1)).unwrap_err();
        assert!(refused[0].contains("more than"), "{refused:?}");
        let expression = read(&nested(deepest)).unwrap();
        let evaluating = std::thread::Builder::new().stack_size(STACK);
        let evaluating = evaluating.spawn(move || drop(expression.value(&item()))).unwrap();
        assert!(evaluating.join().is_ok(), "{before}{within}{after}");
    }
}
