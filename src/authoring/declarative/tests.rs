//! Whole files: what each mistake is told, what a fingerprint counts, what follows for items.

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;

use super::*;
use crate::authoring::Language;
use crate::dynamo::WireItem;
use crate::item::{Change, Item};
use crate::migration::{Cap, Guard, Loss, Phase, WayBack, Work};

pub(super) fn source(text: &str) -> Source {
    Source {
        id: "0001_a".to_owned(),
        language: Language::Yaml,
        file: "0001_a.yaml".to_owned(),
        text: text.to_owned(),
    }
}

#[track_caller]
fn migration(text: &str) -> Migration {
    let told = |faults: Vec<Fault>| {
        let all: Vec<_> = faults.iter().map(Fault::shown).collect();
        panic!("{text}\n{}", all.join("\n"))
    };
    read(&source(text)).unwrap_or_else(told)
}

fn faults(text: &str) -> Vec<Fault> {
    match read(&source(text)) {
        Ok(_) => panic!("has no fault:\n{text}"),
        Err(faults) => faults,
    }
}

/// What the first backfill makes of an item.
fn change(text: &str, item: &WireItem) -> Result<Change, String> {
    let migration = migration(text);
    let Work::Backfills(backfills) = &migration.work else { panic!("{text}") };
    (backfills[0].up)(Item::from(item.clone())).map_err(|error| error.to_string())
}

#[track_caller]
fn after(text: &str, item: &WireItem) -> WireItem {
    match change(text, item) {
        Ok(Change::Update(item)) => item.as_wire().clone(),
        Ok(Change::Keep) => item.clone(),
        other => panic!("{other:?}"),
    }
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

fn wire<const N: usize>(attributes: [(&str, AttributeValue); N]) -> WireItem {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

#[test]
fn every_mistake_is_told_where_it_is_and_how_to_mend_it() {
    let texts = [
        // Of YAML.
        "",
        "# nothing\n",
        "just words\n",
        "- table: orders\n",
        "table: orders\n\tset: { a: 1 }\n",
        "table: orders\nset: { a: 1\n",
        "table: orders\nwhen: item.a == 'x: y'\nset: { a: 1 }\n",
        "table: orders\nwhen: 'a' == item.b\nset: { a: 1 }\n",
        "table: orders\nset: { a: 1 }\ntable: users\n",
        "table: orders\nset: { a: &x 1, b: *x }\n",
        "table: orders\nset: { a: !!binary aGk= }\n",
        "table: orders\nset: { a: 1 }\n---\ntable: users\n",
        "table: orders\nset: { a: 007, b: 0x1F, c: .nan }\n",
        "table: orders\n? [a]\n: 1\nset: { a: 1 }\n",
        // Of fields.
        "tabel: orders\nsets: { a: 1 }\n",
        "table: orders\nfilter: x\nset: { a: 1 }\n",
        "table: [orders]\nset: 3\n",
        "table: or ders\nset: { a: 1 }\n",
        "set: { a: 1 }\n",
        "table: orders\n",
        "table:\nset: { a: 1 }\n",
        "table: orders\nset: {}\nrename: {}\nremove: []\n",
        "table: orders\nremove: legacy\n",
        "table: orders\nset: { a..b: 1, '\"x': 2, 'tablewright:stamp': 3 }\n",
        "table: orders\nwhen: true\nset: { a: 1 }\n",
        "table: orders\nwhen: 3\nset: { a: 1 }\n",
        "table: orders\nset: { a: 1 }\nguard: stempel\nphase: later\nat_most: half\nsegments: 0\nmax_failed_items: -1\nconcurrency: many\n",
        "table: orders\nset: { a: 1 }\nat_most: 150%\nverify: { sample: 10 }\n",
        // Of what goes together.
        "table: orders\nwhen: \"item.a == 1\"\nset: { b: 1 }\ndelete: true\n",
        "table: orders\ncopy_to: { table: archive }\nrename: { a: b }\n",
        "table: orders\ndelete: true\n",
        "table: orders\nwhen: \"true\"\ndelete: false\n",
        "table: orders\ncopy_to: { table: orders, set: { pk: x } }\n",
        "table: orders\ncopy_to: { set: { pk: x } }\n",
        "table: orders\nset: { email: x, a: { c: 1 }, a.b: 2 }\nrename: { mail: email, c: d, d: e }\nremove: [mail]\n",
        "table: orders\nset: { a: 1 }\nguard: journal\ndown: { remove: [a] }\n",
        "table: orders\nset: { a: 1 }\nidempotent: true\n",
        "table: orders\nset: { a: 1 }\nchanges: [{ set: { b: 1 } }]\n",
        "changes: []\n",
        "changes: [{ set: { b: 1 } }, { table: orders }, { table: orders, guard: stamp, set: { c: 1 } }]\n",
        "changes: [{ table: orders, set: { b: 1 } }, { table: users, set: { b: 1 } }, { table: orders, set: { c: 1 } }]\nguard: stamp\nverify: \"has(item.b)\"\n",
        "table: orders\ncopy_to: { table: archive }\nguard: stamp\ndown: { table: archive, when: \"true\", delete: true }\n",
        // Of values.
        "table: orders\nset:\n  a: item.b\n  c: { cel: item.d +, e: 1 }\n",
        "table: orders\nset:\n  a: { cel: \"item.b + fo(item.c)\" }\n  d: { cel: 3 }\n",
        "table: orders\nset:\n  a: { ss: [] }\n  b: { ns: [1, x] }\n  c: { b: \"%%\" }\n  d: { ss: [a, a] }\n  e: { n: abc }\n  f: 123456789012345678901234567890123456789\n  g: 1e200\n  h: { m: 3 }\n  i: { n: 5 }\n  j: { b: 5 }\n",
        // Of expressions over several lines.
        "table: orders\nwhen: >\n  item.a == 1\n  && itm.b == 2\nset: { a: 1 }\n",
        "table: orders\nwhen: |\n  item.a == \"x\"\n    && lowr(item.b) == 'y'\nset: { a: 1 }\n",
        "table: orders\nwhen: \"item.a == \\\"x\\\" && b\"\nset: { a: 1 }\n",
        "table: orders\nwhen: 'item.a == ''x'' && b'\nset: { a: 1 }\n",
        // Of statements.
        "statements: [\"SELECT * FROM orders\", \"DROP TABLE orders\", \"INSERT INTO\"]\n",
        "statements:\n  - { statement: \"INSERT INTO orders VALUE {'pk': ?, 'a': '?'}\", parameters: [1, 2] }\n  - { parameters: [1] }\n  - { statement: \"DELETE FROM orders WHERE pk = ?\", parameters: [{ cel: item.x }] }\nguard: stamp\n",
        "statements: [\"DELETE FROM orders WHERE pk = 'a'\"]\nchanges: [{ table: orders, set: { a: 1 } }]\nwhen: \"true\"\n",
    ];
    let mut all = String::new();
    for text in texts {
        let faults = faults(text);
        assert!(faults.iter().all(|fault| fault.place.is_some()), "{text}");
        let shown: Vec<_> = faults.iter().map(Fault::shown).collect();
        all.extend([shown.join("\n"), "\n\n".to_owned()]);
    }
    insta::assert_snapshot!(all);
}

#[test]
fn all_that_a_file_says_is_in_the_migration() {
    let text = "
description: what it is for
phase: contract
guard: stamp
max_failed_items: 3
at_most: 50%
segments: 7
concurrency: 4
changes:
  - { table: orders, set: { a: 1 } }
  - { table: orders, remove: [b, c.d] }
  - { table: users, when: 'item.x == 1', delete: true }
down:
  changes:
    - { table: orders, remove: [a] }
";
    let migration = migration(text);
    let spec = migration.spec();
    assert_eq!((spec.description.as_str(), spec.phase), ("what it is for", Phase::Contract));
    assert_eq!(spec.tables, ["orders", "users"]);
    assert!(spec.reversible && spec.idempotent && spec.language == Language::Yaml);
    let [orders, users] = spec.backfills.as_slice() else { panic!() };
    assert_eq!(
        (orders.guard, orders.cap, orders.segments),
        (Some(Guard::Stamp), Cap::PerCent(50), Some(7))
    );
    assert_eq!(orders.loss, Some(Loss::Attributes(vec!["b".into(), "c.d".into()])));
    assert_eq!(users.loss, Some(Loss::Items));
    assert!(matches!(migration.way_back(), Some(WayBack::Backfills([_, _]))));
    let Work::Backfills(backfills) = &migration.work else { panic!() };
    assert_eq!((backfills[0].max_failed_items, backfills[0].concurrency), (3, 4));
    let verified = self::migration(
        "table: orders\nset: { a: 1 }\nverify: { that: has(item.a), sample: 10 }\n",
    );
    let Work::Backfills(backfills) = &verified.work else { panic!() };
    let (_, verify) = backfills[0].verify.clone().unwrap();
    assert!(verify(&Item::from(wire([("a", n("1"))]))).is_ok());
    let error = verify(&Item::from(wire([]))).unwrap_err().to_string();
    assert_eq!(error, "verify: has(item.a) does not hold");
}

#[test]
fn the_tables_of_statements_and_copies_are_known() {
    let statements = "
statements:
  - >
    INSERT INTO \"settings\" VALUE {'pk': 'a'}
  - { statement: \"UPDATE flags SET x = ? WHERE pk = 'a'\", parameters: [1] }
down:
  statements: [\"DELETE FROM \\\"settings\\\" WHERE pk = 'a'\"]
";
    let spec = migration(statements).spec();
    assert_eq!(spec.tables, ["flags", "settings"]);
    assert!(spec.reversible && !spec.idempotent && spec.backfills.is_empty());
    assert!(migration(&format!("{statements}idempotent: true\n")).spec().idempotent);

    let copy = migration(
        "table: orders\ncopy_to: { table: archive }\ndown: { table: archive, when: 'true', delete: true }\n",
    );
    assert_eq!(copy.spec().tables, ["orders", "archive"]);
    // The way back goes through another table than the way there.
    assert!(matches!(copy.way_back(), Some(WayBack::Function(_))));
}

#[test]
fn literals_are_values_of_dynamodb() {
    let text = "
table: orders
set:
  s: text
  quoted: '12'
  n: 12345678901234567890123456789012345678
  d: -1.50
  t: true
  z: null
  l: [1, a, [true]]
  m: { a: 1, b: { c: [2] } }
  ss: { ss: [a, b] }
  ns: { ns: [1, '2.50'] }
  bs: { bs: [aGk=, AA==] }
  b: { b: aGVsbG8= }
  exact: { n: '1.10' }
  looks: { m: { n: 1 } }
  mixed: [1, { cel: 'item.pk' }]
";
    let item = after(text, &wire([("pk", s("p"))]));
    let blob = |bytes: &[u8]| aws_sdk_dynamodb::primitives::Blob::new(bytes);
    let map = |entries: &[(&str, AttributeValue)]| {
        AttributeValue::M(
            entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        )
    };
    for (name, value) in [
        ("s", s("text")),
        ("quoted", s("12")),
        ("n", n("12345678901234567890123456789012345678")),
        ("d", n("-1.50")),
        ("t", AttributeValue::Bool(true)),
        ("z", AttributeValue::Null(true)),
        (
            "l",
            AttributeValue::L(vec![
                n("1"),
                s("a"),
                AttributeValue::L(vec![AttributeValue::Bool(true)]),
            ]),
        ),
        ("m", map(&[("a", n("1")), ("b", map(&[("c", AttributeValue::L(vec![n("2")]))]))])),
        ("ss", AttributeValue::Ss(vec!["a".into(), "b".into()])),
        ("ns", AttributeValue::Ns(vec!["1".into(), "2.50".into()])),
        ("bs", AttributeValue::Bs(vec![blob(b"hi"), blob(&[0])])),
        ("b", AttributeValue::B(blob(b"hello"))),
        ("exact", n("1.10")),
        ("looks", map(&[("n", n("1"))])),
        ("mixed", AttributeValue::L(vec![n("1"), s("p")])),
    ] {
        assert_eq!(item.get(name), Some(&value), "{name}");
    }
}

#[test]
fn a_change_sees_the_item_as_it_was_and_the_next_what_became_of_it() {
    let before = wire([("a", n("1")), ("b", n("2")), ("mail", s("x@y"))]);
    let swap = "table: orders\nwhen: 'item.a == 1'\nset: { a: { cel: item.b }, b: { cel: item.a } }\nrename: { mail: email }\n";
    assert_eq!(after(swap, &before), wire([("a", n("2")), ("b", n("1")), ("email", s("x@y"))]));
    let steps = "
table: orders
changes:
  - set: { a: { cel: 'item.a + 1' } }
  - { when: 'item.a == 2', set: { a: { cel: 'item.a * 10' } } }
  - { when: 'item.a == 1', remove: [b] }
";
    assert_eq!(after(steps, &before)["a"], n("20"));
    assert!(after(steps, &before).contains_key("b"));
    let gone = format!("{steps}  - {{ when: 'item.a == 20', delete: true }}\n");
    assert_eq!(change(&gone, &before), Ok(Change::Delete));
}

#[test]
fn what_is_missing_is_left_out_or_told_and_what_is_in_the_way_is_told() {
    let before = wire([("a", n("1")), ("taken", n("2")), ("equal", n("1.0"))]);
    for (text, expected) in [
        ("rename: { none: other }\nremove: [nothing, no.thing]\n", Ok(before.clone())),
        ("rename: { a: equal }\n", Ok(wire([("taken", n("2")), ("equal", n("1"))]))),
        (
            "rename: { a: taken }\n",
            Err("rename: a cannot become taken, which is there with another value"),
        ),
        (
            "set: { x: { cel: 'item.none' } }\n",
            Err("set x: item.none is missing; has(item.none) tells whether it is there"),
        ),
        (
            "when: 'item.none == 1'\nset: { x: 1 }\n",
            Err("when: item.none is missing; has(item.none) tells whether it is there"),
        ),
        ("set: { a.b: 1 }\n", Err("set a.b: a is no map, and a.b is within it")),
        (
            "when: 'item.a'\nset: { x: 1 }\n",
            Err("when: it is of type int, and has to be true or false"),
        ),
    ] {
        let text = format!("table: orders\n{text}");
        let outcome = match change(&text, &before) {
            Ok(Change::Update(item)) => Ok(item.as_wire().clone()),
            Ok(Change::Keep) => Ok(before.clone()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        assert_eq!(outcome, expected.map_err(str::to_owned), "{text}");
    }
}

#[test]
fn a_copy_is_put_and_the_item_stays() {
    let before = wire([("pk", s("a")), ("tags", AttributeValue::Ss(vec!["x".into()]))]);
    let text = "table: orders\nwhen: has(item.tags)\ncopy_to: { table: archive, set: { pk: { cel: \"'OLD#' + item.pk\" } } }\n";
    let Ok(Change::Put(puts)) = change(text, &before) else { panic!() };
    let [put] = puts.as_slice() else { panic!() };
    assert_eq!(put.table, "archive");
    assert_eq!(put.item.as_wire(), &wire([("pk", s("OLD#a")), ("tags", before["tags"].clone())]));
    assert_eq!(change(text, &wire([("pk", s("a"))])), Ok(Change::Keep));
}

#[test]
fn a_fingerprint_is_of_what_is_meant() {
    let fingerprint = |text: &str| migration(text).spec().fingerprint;
    let base = "table: orders\nwhen: \"item.a == 'x'\"\nset: { a: 1, b: x, c: { p: 1, q: 2 } }\nrename: { d: e, f: g }\n";
    let same = [
        "# a comment\ntable: orders\nwhen: \"item.a == 'x'\"\nset: { a: 1, b: x, c: { p: 1, q: 2 } }\nrename: { d: e, f: g }\n",
        "description: another\nrename:\n  f: g\n  d: \"e\"\nset:\n  c: { q: 2, p: 1 }\n  b: 'x'\n  a: 1\nwhen: |\n  item.a == 'x'\n'table': orders\n",
        "changes: [{ table: orders, when: \"item.a == 'x'\", set: { a: 1, b: x, c: { p: 1, q: 2 } }, rename: { d: e, f: g } }]\n",
    ];
    for text in same {
        assert_eq!(fingerprint(text), fingerprint(base), "{text}");
    }
    for more in
        ["phase: expand\n", "max_failed_items: 0\n", "at_most: 10%\nsegments: 3\nconcurrency: 2\n"]
    {
        assert_eq!(fingerprint(&format!("{base}{more}")), fingerprint(base), "{more}");
    }
    let others = [
        base.replace("orders", "users"),
        base.replace("'x'", "'y'"),
        base.replace("a: 1,", "a: 2,"),
        base.replace("a: 1,", "a: '1',"),
        base.replace("b: x", "b: { cel: item.x }"),
        base.replace("d: e", "d: h"),
        format!("{base}remove: [z]\n"),
        format!("{base}guard: stamp\n"),
        format!("{base}guard: journal\n"),
        format!("{base}phase: contract\n"),
        format!("{base}max_failed_items: 1\n"),
        format!("{base}verify: has(item.a)\n"),
        format!("{base}verify: {{ that: has(item.a), sample: 5 }}\n"),
        format!("{base}down: {{ remove: [a] }}\n"),
        "table: orders\nwhen: 'true'\ndelete: true\n".to_owned(),
        "table: orders\ncopy_to: { table: archive }\n".to_owned(),
        "table: orders\ncopy_to: { table: archive, set: { a: 1 } }\n".to_owned(),
        "statements: [\"DELETE FROM orders WHERE pk = 'a'\"]\n".to_owned(),
        "statements: [\"DELETE FROM orders WHERE pk = 'a'\"]\nidempotent: true\n".to_owned(),
        "statements: [{ statement: \"DELETE FROM orders WHERE pk = ?\", parameters: [a] }]\n"
            .to_owned(),
    ];
    let mut seen = std::collections::BTreeMap::from([(fingerprint(base), base.to_owned())]);
    for text in others {
        let fingerprint = fingerprint(&text);
        assert!(fingerprint.starts_with("yaml ") && fingerprint.len() == 21, "{fingerprint}");
        if let Some(other) = seen.insert(fingerprint, text.clone()) {
            panic!("these are told apart by nothing:\n{other}\n{text}");
        }
    }
}

#[test]
fn the_fingerprint_of_a_text_never_changes() {
    let text = "table: orders\nwhen: \"!has(item.label)\"\nset: { label: { cel: \"'ORDER#' + item.pk\" }, retries: 0 }\n";
    assert_eq!(migration(text).spec().fingerprint, "yaml c9944d42ccb0cea6");
}

#[test]
fn a_way_back_is_offered_where_it_follows() {
    let mut shown = String::new();
    for text in [
        "table: orders\nrename: { mail: email, 'a b': address.home }\n",
        "table: orders\nwhen: \"!has(item.label) && item.x == 1\"\nset: { label: a }\nrename: { mail: email }\nguard: stamp\n",
        "table: orders\nchanges:\n  - { when: '!has(item.a)', set: { a: 1 } }\n  - { table: users, rename: { b: c } }\n",
    ] {
        let offered = migration(text).spec().offered.unwrap();
        // It is what it says it is: pasted into the file, it is the way back.
        let pasted = migration(&format!("{text}{offered}"));
        assert!(pasted.way_back().is_some() && pasted.spec().offered.is_none());
        shown.extend([offered, "\n".to_owned()]);
    }
    insta::assert_snapshot!(shown);
    for text in [
        "table: orders\nset: { label: a }\n",
        "table: orders\nremove: [a]\n",
        "table: orders\nrename: { a: b }\nguard: journal\n",
        "table: orders\nrename: { a: b }\ndown: { rename: { b: a } }\n",
        "table: orders\nwhen: '!has(item.a)'\nset: { a: 1, b: 2 }\n",
    ] {
        assert_eq!(migration(text).spec().offered, None, "{text}");
    }
}

#[cfg(feature = "schema")]
mod shape {
    use super::*;

    #[test]
    fn the_schema_in_the_repository_is_that_of_the_types() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/src/authoring/declarative/migration.schema.json");
        let schema = format!("{:#}\n", migration_schema());
        if std::env::var_os("TABLEWRIGHT_WRITE_SCHEMAS").is_some() {
            std::fs::write(path, &schema).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(kept == schema, "`make schemas` writes it anew");
    }

    /// The fields that the reader knows, from what it says of one that it does not.
    fn known(text: &str) -> Vec<String> {
        let faults = faults(text);
        let fix = faults.iter().find_map(|fault| fault.fix.strip_prefix("its fields are "));
        let mut names: Vec<_> = fix.unwrap().split(", ").map(str::to_owned).collect();
        names.sort();
        names
    }

    #[test]
    fn the_reader_and_the_schema_know_the_same_fields() {
        let schema = migration_schema();
        for (text, place) in [
            ("qqqqqqqq: 1\n", ""),
            ("table: orders\nset: { a: 1 }\ndown: { qqqqqqqq: 1 }\n", "/$defs/Work"),
            ("changes: [{ qqqqqqqq: 1 }]\n", "/$defs/Change"),
            ("table: orders\ncopy_to: { qqqqqqqq: 1 }\n", "/$defs/CopyTo"),
            ("table: orders\nset: { a: 1 }\nverify: { qqqqqqqq: 1 }\n", "/$defs/VerifySample"),
            ("statements: [{ qqqqqqqq: 1 }]\n", "/$defs/WithParameters"),
        ] {
            let properties = schema.pointer(&format!("{place}/properties")).unwrap();
            let mut names: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
            names.sort();
            assert_eq!(known(text), names, "{place}");
            let undescribed: Vec<_> = names
                .iter()
                .filter(|name| properties[name.as_str()].get("description").is_none())
                .collect();
            assert!(undescribed.is_empty(), "{place}: {undescribed:?}");
        }
    }
}

/// Values as they come from tables.
fn values() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        "[a-z]{0,3}".prop_map(AttributeValue::S),
        (-1000_i64..1000).prop_map(|whole| n(&whole.to_string())),
        prop_oneof![Just("0.10"), Just("1.50"), Just("98765432109876543210987654321098765432")]
            .prop_map(n),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null(true)),
        proptest::collection::btree_set("[a-c]", 1..3)
            .prop_map(|set| AttributeValue::Ss(set.into_iter().collect())),
        Just(AttributeValue::Ns(vec!["1.50".to_owned(), "2".to_owned()])),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(AttributeValue::L),
            proptest::collection::hash_map("[xy]", inner, 0..2).prop_map(AttributeValue::M),
        ]
    })
}

const DOCUMENTS: [&str; 7] = [
    "set: { a: 1, b: { ss: [x] } }\n",
    "set: { a: { cel: 'has(item.b) ? item.b : null' } }\n",
    "rename: { a: b }\n",
    "rename: { c: d.x }\nremove: [b]\n",
    "when: 'has(item.d) && type(item.d) == map'\nset: { d.x: { cel: 'item.d' } }\nremove: [a]\n",
    "changes: [{ when: 'has(item.a)', set: { b: { cel: item.a } } }, { remove: [a] }]\n",
    "when: '!has(item.d)'\nset: { d: { cel: '{\"all\": [item.a, item.b]}' } }\n",
];

/// Pieces of which files are made, well or badly.
fn pieces(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(pieces), 0..24).prop_map(|all| all.concat())
}

const YAML: [&str; 40] = [
    "table: orders\n",
    "set:",
    "rename:",
    "remove:",
    "when:",
    "delete: true",
    "changes:",
    "statements:",
    "copy_to:",
    "down:",
    "verify:",
    "guard: stamp\n",
    " ",
    "  ",
    "\n",
    "\n  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "a",
    "b.c",
    "'",
    "\"",
    "|\n",
    ">\n",
    "#",
    "&x ",
    "*x",
    "!!str ",
    "---\n",
    "\t",
    "1.5e3",
    "cel: ",
    "item.a",
    "ß",
    "INSERT INTO x",
];
const CEL: [&str; 44] = [
    "item",
    ".",
    "a",
    "`b c`",
    "[",
    "]",
    "(",
    ")",
    "\"x\"",
    "'y'",
    "1",
    "2.5",
    "7u",
    " + ",
    "-",
    "*",
    "/",
    "%",
    " == ",
    " != ",
    " < ",
    " && ",
    " || ",
    "!",
    "?",
    ":",
    " in ",
    "has(",
    ".map(x, ",
    ".exists(y, ",
    "size(",
    "pad(",
    "{",
    "}",
    ",",
    "null",
    "true",
    "b'z'",
    "é",
    "\\",
    "=",
    "&",
    "x",
    "r'",
];

proptest! {
    #[test]
    fn no_file_and_no_expression_is_too_odd_to_be_told_so(
        file in pieces(&YAML),
        expression in pieces(&CEL),
    ) {
        let _ = read(&source(&file));
        let quoted = serde_json::to_string(&expression).unwrap();
        let text = format!("table: orders\nwhen: {quoted}\nset: {{ a: {{ cel: {quoted} }} }}\n");
        if let Err(faults) = read(&source(&text)) {
            prop_assert!(faults.iter().all(|fault| fault.place.is_some()));
        } else {
            let _ = change(&text, &wire([("a", n("1")), ("x", s("secret"))]));
        }
    }

    #[test]
    fn what_a_document_does_not_name_keeps_its_wire_form(
        item in proptest::collection::hash_map("[a-f]", values(), 0..6),
        document in proptest::sample::select(&DOCUMENTS[..]),
    ) {
        let text = format!("table: orders\n{document}");
        let once = change(&text, &item);
        let Ok(Change::Update(once)) = once else { return Ok(()) };
        for name in ["e", "f"] {
            prop_assert_eq!(once.get(name), item.get(name));
        }
        // A value that is only handed on is what it was, to the letter.
        if document.starts_with("rename: { a: b }") && item.contains_key("a") && !item.contains_key("b") {
            prop_assert_eq!(once.get("b"), item.get("a"));
        }
        // What wraps an attribute in itself is the engine's to refuse.
        if !document.contains("d.x: { cel") {
            match change(&text, once.as_wire()) {
                Ok(Change::Update(twice)) => prop_assert_eq!(twice, once),
                Ok(Change::Keep) => {}
                other => prop_assert!(document.contains("type(item") , "{:?}", other),
            }
        }
    }
}
