//! Attribute values as DynamoDB sees them: when two are the same, how large they are, and a digest of them.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use sha2::{Digest, Sha256};

use super::WireItem;
use crate::hex::hex;

/// Whether DynamoDB takes two values for the same: numbers by their amount, sets whatever their order.
pub(crate) fn same(a: Option<&AttributeValue>, b: Option<&AttributeValue>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a == b || canonical(a) == canonical(b),
        _ => false,
    }
}

/// Size of an item in bytes, as AWS documents it ("DynamoDB item sizes and formats"): names, values, and three bytes and
/// one an element for what is nested. Numbers are counted by their digits, which is a little too much.
pub(crate) fn size(item: &WireItem) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

pub(crate) fn size_of_value(value: &AttributeValue) -> usize {
    const NESTED: usize = 3;
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(list) | AttributeValue::Ns(list) => list.iter().map(String::len).sum(),
        AttributeValue::Bs(list) => list.iter().map(|bytes| bytes.as_ref().len()).sum(),
        AttributeValue::L(list) => {
            NESTED + list.iter().map(|value| 1 + size_of_value(value)).sum::<usize>()
        }
        AttributeValue::M(map) => NESTED + map.len() + size(map),
        _ => 1,
    }
}

/// A digest of attributes that is the same for values that DynamoDB takes for the same; one that is absent counts too.
pub(crate) fn digest<'a>(
    attributes: impl IntoIterator<Item = (&'a String, Option<&'a AttributeValue>)>,
) -> String {
    let attributes: BTreeMap<_, _> = attributes.into_iter().collect();
    let mut sha = Sha256::new();
    for (name, value) in attributes {
        part(&mut sha, name.as_bytes());
        part(&mut sha, value.map(canonical).unwrap_or_default().as_bytes());
    }
    hex(&sha.finalize())
}

/// Its length goes before each part, so that two parts are never taken for one.
fn part(sha: &mut Sha256, bytes: &[u8]) {
    sha.update((bytes.len() as u64).to_be_bytes());
    sha.update(bytes);
}

/// A text of a value that is the same for all ways of writing it.
fn canonical(value: &AttributeValue) -> String {
    match value {
        AttributeValue::N(number) => format!("n{}", canonical_number(number)),
        AttributeValue::Ns(numbers) => {
            set("ns", numbers.iter().map(|number| canonical_number(number)))
        }
        AttributeValue::Ss(texts) => set("ss", texts.iter().map(|text| format!("{text:?}"))),
        AttributeValue::Bs(all) => {
            set("bs", all.iter().map(|bytes| format!("{:?}", bytes.as_ref())))
        }
        AttributeValue::L(list) => {
            let list: Vec<_> = list.iter().map(canonical).collect();
            format!("l[{}]", list.join(","))
        }
        AttributeValue::M(map) => {
            let map: BTreeMap<_, _> = map.iter().map(|(n, v)| (n, canonical(v))).collect();
            format!("m{map:?}")
        }
        AttributeValue::S(text) => format!("s{text:?}"),
        AttributeValue::B(bytes) => format!("b{:?}", bytes.as_ref()),
        other => format!("{other:?}"),
    }
}

fn set(kind: &str, elements: impl Iterator<Item = String>) -> String {
    let mut elements: Vec<_> = elements.collect();
    elements.sort();
    format!("{kind}[{}]", elements.join(","))
}

/// `-12.50` as `-125e-1`: its digits without zeros at either end, and the power of ten that they stand for.
pub(crate) fn canonical_number(number: &str) -> String {
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number.strip_prefix('+').unwrap_or(number)),
    };
    let (digits, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let Ok(exponent) = exponent.parse::<i64>() else { return number.to_owned() };
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let zeros = digits.len() - digits.trim_end_matches('0').len();
    let (zeros, places) = (i64::try_from(zeros), i64::try_from(fraction.len()));
    let exponent = exponent + zeros.unwrap_or_default() - places.unwrap_or_default();
    format!("{sign}{significant}e{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_amount_to_the_last_digit() {
        for (a, b, equal) in [
            ("1", "1.0", true),
            ("100", "1e2", true),
            ("-12.50", "-1250E-2", true),
            ("0", "-0.00", true),
            ("0.1", "0.10000000000000000000000000000000000001", false),
            (
                "98765432109876543210987654321098765432",
                "98765432109876543210987654321098765433",
                false,
            ),
            ("1", "-1", false),
            ("10", "1", false),
        ] {
            let [a, b] = [a, b].map(|number| AttributeValue::N(number.to_owned()));
            assert_eq!(same(Some(&a), Some(&b)), equal, "{a:?} {b:?}");
            let name = "n".to_owned();
            let digests = [&a, &b].map(|value| digest([(&name, Some(value))]));
            assert_eq!(digests[0] == digests[1], equal, "{a:?} {b:?}");
        }
    }

    #[test]
    fn sets_have_no_order_and_lists_have_one() {
        let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        let [ab, ba] = [texts(["a", "b"]), texts(["b", "a"])];
        let (x, y) = (AttributeValue::Ss(ab.clone()), AttributeValue::Ss(ba.clone()));
        assert!(same(Some(&x), Some(&y)));
        let list = |texts: Vec<String>| {
            AttributeValue::L(texts.into_iter().map(AttributeValue::S).collect())
        };
        assert!(!same(Some(&list(ab)), Some(&list(ba))));
        assert!(!same(Some(&x), None));
    }
}
