//! Scripts about items: what they see, what becomes of what they return, and what stops them.

mod faults;
mod limits;

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;

use super::*;
use crate::authoring::Language;
use crate::dynamo::WireItem;
use crate::item::{Change, Looks};
use crate::migration::{Cap, Guard, Phase};

fn source(text: &str) -> Source {
    Source {
        id: "0001_a".to_owned(),
        language: Language::JavaScript,
        file: "m/0001_a.js".to_owned(),
        text: text.to_owned(),
    }
}

/// A script with this `up`, ready to be called.
struct Script(Arc<Source>);

impl Script {
    fn of(up: &str) -> Self {
        Self(Arc::new(source(&format!("export const table = 't'\n{up}"))))
    }

    /// One whose `up(item)` has this body, on a line of its own.
    fn body(body: &str) -> Self {
        Self::of(&format!(
            "import {{ Decimal, put, remove, skip }} from 'tablewright'\nexport function up(item) {{\n{body}\n}}"
        ))
    }

    fn up(&self, item: &WireItem) -> Result<Change, String> {
        let item = Item::from(item.clone());
        with_engine(&self.0, |engine| engine.transform(&self.0, "up", &item))
            .map_err(|trouble| trouble.of_item(&self.0))
    }

    #[track_caller]
    fn makes(&self, item: &WireItem) -> WireItem {
        match self.up(item) {
            Ok(Change::Update(item)) => item.wire().clone(),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn fails(&self, item: &WireItem) -> String {
        self.up(item).expect_err("it should have failed")
    }
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> WireItem {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// An item with an attribute of each type.
fn all_types() -> WireItem {
    let digits = "98765432109876543210987654321098765432";
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let map =
        [("city", s("Bonn")), ("__proto__", n("1.0")), ("toString", AttributeValue::Null(true))];
    item([
        ("pk", s("1")),
        ("n", n("1.0")),
        ("big", n(digits)),
        ("price", n("19.99")),
        ("yes", AttributeValue::Bool(true)),
        ("nothing", AttributeValue::Null(true)),
        ("bytes", AttributeValue::B(Blob::new([0, 255, 7]))),
        ("map", AttributeValue::M(item(map))),
        ("list", AttributeValue::L(vec![s(""), n("2e0"), AttributeValue::L(Vec::new())])),
        ("ss", AttributeValue::Ss(texts(&["b", "a"]))),
        ("ns", AttributeValue::Ns(texts(&["2", "1.0", digits]))),
        ("bs", AttributeValue::Bs(vec![Blob::new([1]), Blob::new([])])),
        ("constructor", s("x")),
        ("__proto__", s("y")),
    ])
}

#[test]
fn an_item_is_what_the_function_leaves_or_returns() {
    let before = item([("pk", s("1")), ("n", n("2")), ("old", s("x"))]);
    let after = item([("pk", s("1")), ("n", n("3"))]);
    for body in [
        "item.n += 1; delete item.old",
        "item.n += 1; item.old = undefined",
        "item.n += 1; delete item.old; return item",
        "return { pk: item.pk, n: item.n + 1 }",
        "const { old, ...rest } = item; return { ...rest, n: item.n + 1 }",
        "return { ...item, n: item.n + 1, old: undefined }",
        "Object.assign(item, { n: 3n }); Reflect.deleteProperty(item, 'old')",
    ] {
        assert_eq!(Script::body(body).makes(&before), after, "{body}");
    }
    for body in [
        "",
        "return",
        "return item",
        "return { ...item }",
        "for (const name in item) item[name]",
        "item.n = item.n + 1 - 1",
        "item.map.city += ''; item.list.push(1); item.list.pop()",
        "Object.keys(item).forEach((name) => { item[name] = item[name] })",
        "item.big = item.big.plus(1).minus(1)",
        "item.ss = new Set(['a', 'b'])",
        "item.bytes = new Uint8Array([0, 255, 7])",
    ] {
        let before = if body.contains("item.n ") { before.clone() } else { all_types() };
        assert_eq!(Script::body(body).makes(&before), before, "{body}");
    }
}

#[test]
fn what_is_to_become_of_an_item_besides_is_said_by_values_of_the_module() {
    let before = item([("pk", s("1"))]);
    let up = |body: &str| Script::body(body).up(&before).unwrap();
    assert_eq!(up("return remove()"), Change::Delete);
    assert_eq!(up("return skip('it is old')"), Change::Skip("it is old".to_owned()));
    let Change::Put(puts) = up("return put({ table: 'a', item }, { table: 'b', item: { pk: 2 } })")
    else {
        panic!()
    };
    let puts: Vec<_> =
        puts.iter().map(|put| (put.table.as_str(), put.item.wire().clone())).collect();
    assert_eq!(puts, [("a", before.clone()), ("b", item([("pk", n("2"))]))]);
}

#[test]
fn what_no_item_can_be_is_an_error_that_says_what_to_return() {
    let said: Vec<String> = [
        "return null",
        "return [item]",
        "return 'ok'",
        "return true",
        "return remove",
        "return Promise.resolve(item)",
        "return new Map()",
        "return put()",
        "return put({ table: 't' })",
        "return skip()",
        "item.n = 1; return skip('no')",
        "item.f = () => 1",
        "item.s = Symbol('x')",
        "item.at = new Date(0)",
        "item.at = { deep: [new Date(0)] }",
        "item.m = new Map()",
        "item.c = new (class Money {})()",
        "item.list = [1, undefined]",
        "item.set = new Set()",
        "item.set = new Set([1, 'a'])",
        "item.set = new Set([1, new Decimal(1)])",
        "item.set = new Set([[1]])",
        "item.text = '\\ud800'",
        "item.n = NaN",
        "item.n = { deep: 1 / 0 }",
        "item.n = 2 ** 53",
        "item.n = 10n ** 38n + 1n",
        "item.n = new Decimal('1e200')",
        "item.n = new Decimal('x')",
        "item.n = new Decimal('12345678901234567890') + 1",
        "const a = []; a.push(a); item.a = a",
        "item.big = 'x'.repeat(500000)",
        "item.big = new Array(1e8)",
        "item.remove = remove()",
        "item[Symbol('x')] = 1",
    ]
    .iter()
    .map(|body| {
        let why = Script::body(body).fails(&item([("pk", s("SECRET"))]));
        assert!(!why.contains("SECRET"), "{why}");
        format!("{body}\n    {why}")
    })
    .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn errors_are_those_of_the_author_at_their_place_and_the_engine_quotes_no_value() {
    let before = item([("pk", s("SECRET")), ("json", s("{ SECRET"))]);
    let said: Vec<String> = [
        "throw new Error('no total')",
        "throw new TypeError('no total')",
        "throw 'a text'",
        "throw 7",
        "throw undefined",
        "throw new Error()",
        "throw null",
        "throw { get name() { throw 1 } }",
        "class Missing extends Error { name = 'Missing' }; throw new Missing('total')",
        "class Old extends Error { constructor(m) { super(m); this.name = 'Old'; this.message = m + '!' } }; throw new Old('x')",
        "item.address.city",
        "item.address[item.pk].city",
        "undefined[item.pk]",
        "JSON.parse(item.json)",
        "new RegExp('(' + item.pk)",
        "missing(item)",
        "BigInt(item.pk)",
        "const n = 1; n = 2",
        "console.log(item)",
        "new Date()",
        "Date()",
        "Date.now()",
        "new Date(2020, 1, 1)",
        "new Date('2020-01-01T00:00')",
        "new Date(0).getHours()",
        "`${new Date(0)}`",
        "Math.random()",
        "eval('1')",
        "(0, eval)('1')",
        "new Function('return 1')",
        "(() => {}).constructor('return 1')",
        "(async () => {}).constructor('return 1')",
        "import('fs')",
        "Promise.resolve(1).then(() => 1)",
        "globalThis.state = 1",
        "Object.prototype.polluted = 1",
        "Array.prototype.push = null",
        "Object.getPrototypeOf([].values()).next = null",
        "JSON.stringify = null",
        "skip.x = 1",
    ]
    .iter()
    .map(|body| {
        let why = Script::body(body).fails(&before);
        assert!(!why.contains("SECRET"), "{why}");
        format!("{body}\n    {why}")
    })
    .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn dates_work_where_they_follow_from_what_they_are_given() {
    let script = Script::body(
        "item.a = new Date(item.ms).toISOString()
         item.b = Date.parse('2020-01-01T00:00:00+01:00')
         item.c = new Date('2020-01-01').getUTCFullYear()
         item.d = Date.UTC(2020, 1, 29)
         item.e = new Date(item.ms) instanceof Date && JSON.stringify({ at: new Date(0) })",
    );
    let made = script.makes(&item([("ms", n("1500"))]));
    assert_eq!(made["a"], s("1970-01-01T00:00:01.500Z"));
    assert_eq!(made["b"], n("1577833200000"));
    assert_eq!(made["c"], n("2020"));
    assert_eq!(made["d"], n("1582934400000"));
    assert_eq!(made["e"], s(r#"{"at":"1970-01-01T00:00:00.000Z"}"#));
}

#[test]
fn numbers_beyond_javascript_are_counted_with_to_the_last_digit() {
    let script = Script::body(
        "const { big } = item
         item.type = typeof item.small + ' ' + (big instanceof Decimal)
         item.plus = big.plus(1)
         item.times = new Decimal('0.1').times('0.2')
         item.minus = big.minus(big)
         item.less = big.compare(item.small)
         item.equal = big.equals('98765432109876543210.0')
         item.text = `${big}`
         item.whole = big.toBigInt() + 1n
         item.rounded = big.roundToNumber() > 9e19
         item.json = JSON.stringify({ big })",
    );
    let big = "98765432109876543210";
    let made = script.makes(&item([("big", n(big)), ("small", n("9007199254740991"))]));
    assert_eq!(made["type"], s("number true"));
    assert_eq!(made["plus"], n("98765432109876543211"));
    assert_eq!(made["times"], n("0.02"));
    assert_eq!(made["minus"], n("0"));
    assert_eq!(made["less"], n("1"));
    assert_eq!(made["equal"], AttributeValue::Bool(true));
    assert_eq!(made["text"], s(big));
    assert_eq!(made["whole"], n("98765432109876543211"));
    assert_eq!(made["rounded"], AttributeValue::Bool(true));
    assert_eq!(made["json"], s(&format!("{{\"big\":\"{big}\"}}")));
    // Digits that would not fit are refused, not cut.
    let many = Script::body("item.n = new Decimal('0.1').plus('1e36')");
    assert_eq!(many.makes(&item([]))["n"], n("1000000000000000000000000000000000000.1"));
    let more = Script::body("\nitem.n = new Decimal('0.1').plus('1e37')").fails(&item([]));
    assert!(more.contains("0001_a.js:5:") && more.contains("39 digits"), "{more}");
}

#[test]
fn what_a_script_looks_at_is_what_its_change_follows_from() {
    let looks = |body: &str| {
        let script = Script::body(body);
        let before = item([("pk", s("1")), ("n", n("2")), ("m", AttributeValue::M(all_types()))]);
        let item = Item::from(before).watched();
        with_engine(&script.0, |engine| engine.transform(&script.0, "up", &item)).unwrap();
        item.looks()
    };
    let at = |names: &[&str]| Looks::At(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(looks("item.label = 'x' + item.n"), at(&["n"]));
    assert_eq!(looks("item.label = 1"), at(&[]));
    assert_eq!(looks("if (item.status === 'a') item.n = 1"), at(&["status"]));
    assert_eq!(
        looks("if ('status' in item || Object.hasOwn(item, 'n')) item.x = 1"),
        at(&["n", "status"])
    );
    assert_eq!(looks("item.m.city = 'x'"), at(&["m"]));
    assert_eq!(looks("return { ...item }"), Looks::AtAll);
    assert_eq!(looks("Object.keys(item)"), Looks::AtAll);
    assert_eq!(looks("JSON.stringify(item)"), Looks::AtAll);
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,38}",
        "-?[0-9]{1,18}\\.[0-9]{1,20}",
        "-?[1-9]\\.[0-9]{1,20}E-?[1-9][0-9]?",
    ]
}

fn value() -> impl Strategy<Value = AttributeValue> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..9);
    let leaf = prop_oneof![
        any::<String>().prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null(true)),
        bytes().prop_map(|bytes| AttributeValue::B(Blob::new(bytes))),
        prop::collection::hash_set(any::<String>(), 1..4)
            .prop_map(|set| AttributeValue::Ss(set.into_iter().collect())),
        prop::collection::vec(number(), 1..4).prop_map(|mut numbers| {
            numbers.sort_by_key(|number| crate::dynamo::canonical_number(number));
            numbers.dedup_by_key(|number| crate::dynamo::canonical_number(number));
            AttributeValue::Ns(numbers)
        }),
        prop::collection::hash_set(bytes(), 1..4)
            .prop_map(|set| AttributeValue::Bs(set.into_iter().map(Blob::new).collect())),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(AttributeValue::L),
            prop::collection::hash_map(any::<String>(), inner, 0..5).prop_map(AttributeValue::M),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_item_goes_through_a_script_unchanged(
        before in prop::collection::hash_map(any::<String>(), value(), 0..6)
    ) {
        thread_local! {
            static SCRIPTS: [Script; 3] = [
                Script::body(""),
                Script::body("return { ...item }"),
                Script::body("for (const name of Object.keys(item)) item[name] = item[name]"),
            ];
        }
        let before: HashMap<String, AttributeValue> = before;
        SCRIPTS.with(|scripts| {
            for script in scripts {
                assert_eq!(script.makes(&before), before);
            }
        });
    }
}
