//! Migrations in YAML: what becomes of items, in declarations and expressions.
//!
//! ```yaml
//! description: a label for every open order
//! table: orders
//! when: "item.status == 'open'"            # CEL; without it every item
//! set:
//!   label: { cel: "'ORDER#' + item.pk" }   # computed
//!   retries: 0                             # a literal
//! rename: { mail: email }
//! remove: [legacy]
//! phase: contract                          # said where something goes that older code may still read
//! guard: stamp                             # or journal; where a second application would differ
//! down:
//!   remove: [label, retries]
//!   rename: { email: mail }
//! ```
//!
//! One change is `when` with any of `set`, `rename` and `remove`, or with `delete: true`, or with `copy_to: { table, set }`.
//! `changes` is a list of them, each with a `table` of its own where it has one; `statements` is a list of PartiQL. `down`
//! has the same fields. `phase`, `max_failed_items`, `at_most`, `segments`, `concurrency`, `verify` and, for statements,
//! `idempotent` say how; the JSON Schema explains each.
//!
//! # What a change sees
//! `when` and all values see the item as it was before the change, so that the order of fields means nothing; in `changes`
//! each sees what the one before has made of it. `rename` and `remove` leave out what is missing; `rename` onto an attribute
//! that is there with another value is an error of the item. What a change does not name is neither read nor written,
//! `copy_to` and an expression over the whole `item` excepted.
//!
//! # Names
//! `address.street` is the key `street` of the map `address`. A name that itself holds dots stands in double quotes:
//! `'"a.b"': 1`.
//!
//! # Literals
//! A text is a string, digits are a number with all its 38 of them, `true`, `null`, lists and maps are what they are. A
//! mapping with one key says the type where YAML has none: `{ ss: [a, b] }`, `{ ns: [1, 2] }`, `{ bs: [aGk=] }`,
//! `{ b: aGk= }`, `{ n: "12.50" }`; `{ m: { n: 1 } }` is a map whatever its keys are.
//!
//! # Expressions
//! CEL with one variable, `item`. An attribute that is missing is an error of the item: `has(item.x)` asks, in nested maps
//! too, and `"odd-name" in item` where the name is no word. `item["odd-name"]` and ``item.`odd-name` `` read such a one.
//!
//! | DynamoDB | CEL |
//! |---|---|
//! | number: whole and within 64 bits | `int` |
//! | number: any other that a double gives back digit by digit | `double`; `double(item.n)` makes one of an `int` |
//! | any other number | can be copied and compared for equality, and nothing else |
//! | string, boolean, null, binary, list, map | `string`, `bool`, `null`, `bytes`, `list`, `map` |
//! | set | can be copied, counted, gone through, and asked what is `in` it; it is equal to no list |
//!
//! What is only handed on (`item.x`, a choice between such, a list or a map of such) keeps its wire form to the byte. There
//! is no time and no chance: the same item makes the same result. A function stands before its value or behind it,
//! `lower(item.x)` or `item.x.lower()`:
//!
//! | expression | makes |
//! |---|---|
//! | `size('abc')` | `3` |
//! | `string(12)` | `'12'` |
//! | `int('12')` | `12` |
//! | `double('1.5')` | `1.5` |
//! | `bool('true')` | `true` |
//! | `bytes('abc')` | `b'abc'` |
//! | `type(12) == int` | `true` |
//! | `lower('Ab')` | `'ab'` |
//! | `upper('Ab')` | `'AB'` |
//! | `' ab '.trim()` | `'ab'` |
//! | `'a-b'.replace('-', '_')` | `'a_b'` |
//! | `'a#b'.split('#')` | `['a', 'b']` |
//! | `['a', 'b'].join('#')` | `'a#b'` |
//! | `'abcd'.substring(1, 3)` | `'bc'` |
//! | `'abcd'.indexOf('c')` | `2` |
//! | `'abcd'.contains('bc')` | `true` |
//! | `'abcd'.startsWith('ab')` | `true` |
//! | `'abcd'.endsWith('cd')` | `true` |
//! | `'a12'.matches('^[a-z][0-9]+$')` | `true` |
//! | `pad(42, 6)` | `'000042'` |
//! | `hash('abc')` | `'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'` |
//! | `iso(1700000000)` | `'2023-11-14T22:13:20Z'` |
//! | `epoch('2023-11-14T22:13:20Z')` | `1700000000` |
//! | `isoMillis(1700000000120)` | `'2023-11-14T22:13:20.120Z'` |
//! | `epochMillis('2023-11-14T23:13:20.12+01:00')` | `1700000000120` |
//! | `has(item.name)` | `true` |
//! | `[1, 2].all(x, x > 1)` | `false` |
//! | `[1, 2].exists(x, x > 1)` | `true` |
//! | `[1, 2].exists_one(x, x > 0)` | `false` |
//! | `[1, 2].map(x, x * 2)` | `[2, 4]` |
//! | `[1, 2].filter(x, x > 1)` | `[2]` |

mod back;
mod build;
mod document;
mod expression;
mod faults;
mod how;
mod meaning;
mod path;
mod reader;
#[cfg(feature = "schema")]
mod schema;
mod statement;
mod syntax;
mod transform;
mod value;
mod yaml;

use self::faults::{At, Faults};
#[cfg(feature = "schema")]
pub use self::schema::migration_schema;
use super::{Fault, Source};
use crate::migration::{File, Migration};

/// Reads a migration in YAML.
///
/// # Errors
/// Every fault of it, in the order of the file.
pub(super) fn read(source: &Source) -> Result<Migration, Vec<Fault>> {
    let faults = Faults::of(source);
    let root = yaml::read(&source.text, &faults);
    if root.is_none() && faults.are_none() {
        let fix =
            "name a table and what becomes of its items:\ntable: orders\nset: { label: open }";
        faults.add(At { line: 1, column: 1 }, "the file says nothing", fix);
    }
    let read = root.and_then(|root| syntax::document(&root, &faults));
    if let Some((document, _)) = &read {
        build::check(document, &faults);
    }
    match read {
        Some((document, options)) if faults.are_none() => {
            let file = File {
                source: source.clone(),
                fingerprint: meaning::fingerprint(&document, options),
                offered: back::offered(&document),
                tables: build::tables(&document),
            };
            Ok(build::migration(&source.id, &document, options).read_from(file))
        }
        Some(_) | None => Err(faults.into_list()),
    }
}

#[cfg(test)]
mod tests;
