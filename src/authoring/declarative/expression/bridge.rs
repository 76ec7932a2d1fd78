//! Values of DynamoDB as values of CEL, and back.
//!
//! | DynamoDB | CEL |
//! |---|---|
//! | number: whole and within 64 bits | `int` |
//! | number: any other that a double gives back digit by digit | `double` |
//! | any other number | can be copied and compared for equality |
//! | string, boolean, null, binary, list, map | `string`, `bool`, `null`, `bytes`, `list`, `map` |
//! | set | can be copied, counted, gone through, and asked what is `in` it; equal to no list |

use std::any::Any;
use std::sync::Arc;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use cel::common::traits::{Adder, Container, Iterable, Iterator as Elements, Sizer};
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
    Kind, LIST_TYPE, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::objects::Opaque;
use cel::{ExecutionError, Value};

use crate::dynamo::{WireItem, same};

/// What CEL calls the type of a number that it does not compute with.
pub(super) const EXACT: &str = "number of more digits than a double has";

/// A number that is neither whole within 64 bits nor kept by a double.
#[derive(Debug)]
struct Exact(AttributeValue);

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        same(Some(&self.0), Some(&other.0))
    }
}

impl Eq for Exact {}

impl Opaque for Exact {
    fn runtime_type_name(&self) -> &str {
        EXACT
    }
}

/// A set in its wire form, and its elements.
#[derive(Debug)]
struct Set {
    wire: AttributeValue,
    elements: Vec<Box<dyn Val>>,
}

impl Val for Set {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &LIST_TYPE
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| same(Some(&self.wire), Some(&other.wire)))
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        let elements = self.elements.iter().map(|element| element.clone_as_boxed()).collect();
        Box::new(Self { wire: self.wire.clone(), elements })
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Set {}

impl Adder for Set {
    fn add<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let types = vec!["set".to_owned(), other.get_type().name().to_owned()];
        Err(ExecutionError::no_such_overload("_+_", types))
    }
}

impl Container for Set {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.elements.iter().any(|element| element.equals(value)))
    }
}

impl Sizer for Set {
    fn size(&self) -> CelInt {
        i64::try_from(self.elements.len()).unwrap_or(i64::MAX).into()
    }
}

impl Iterable for Set {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Elements<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(SetElements(self.elements.iter()))
    }
}

struct SetElements<'b>(std::slice::Iter<'b, Box<dyn Val>>);

impl<'b, 'v> Elements<'b, 'v> for SetElements<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|element| &**element as &'b (dyn Val + 'v))
    }
}

/// A value of DynamoDB as one of CEL; texts and bytes are borrowed.
pub(super) fn to_cel<'v>(value: &'v AttributeValue) -> Box<dyn Val + 'v> {
    match value {
        AttributeValue::S(text) => Box::new(CelString::from(text.as_str())),
        AttributeValue::N(digits) => number(digits),
        AttributeValue::Bool(flag) => Box::new(CelBool::from(*flag)),
        AttributeValue::B(bytes) => Box::new(CelBytes::from(bytes.as_ref())),
        AttributeValue::L(list) => {
            Box::new(CelList::from(list.iter().map(to_cel).collect::<Vec<_>>()))
        }
        AttributeValue::M(map) => Box::new(map_to_cel(map)),
        AttributeValue::Ss(texts) => {
            let elements = texts.iter().map(|text| CelString::from(text.clone()));
            set(value, elements.map(|text| Box::new(text) as Box<dyn Val>))
        }
        AttributeValue::Ns(all) => set(value, all.iter().map(|digits| number(digits))),
        AttributeValue::Bs(all) => {
            let elements = all.iter().map(|bytes| CelBytes::from(bytes.as_ref().to_vec()));
            set(value, elements.map(|bytes| Box::new(bytes) as Box<dyn Val>))
        }
        // Null, and what only a newer DynamoDB has.
        _ => Box::new(CelNull),
    }
}

pub(super) fn map_to_cel(map: &WireItem) -> CelMap<'_> {
    let entry = |(name, value): (&'_ String, _)| (CelMapKey::from(name.clone()), to_cel(value));
    CelMap::from(map.iter().map(entry).collect::<std::collections::HashMap<_, _>>())
}

fn set(wire: &AttributeValue, elements: impl Iterator<Item = Box<dyn Val>>) -> Box<dyn Val> {
    Box::new(Set { wire: wire.clone(), elements: elements.collect() })
}

fn number(digits: &str) -> Box<dyn Val> {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if let Ok(whole) = digits.parse::<i64>() {
        return Box::new(CelInt::from(whole));
    }
    let exact = AttributeValue::N(digits.to_owned());
    let is_kept = |double: &f64| {
        let written = double.to_string();
        double.is_finite()
            && (written == digits || same(Some(&exact), Some(&AttributeValue::N(written))))
    };
    let double = digits.parse::<f64>().ok().filter(is_kept);
    match double {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        Some(whole) if whole.fract() == 0.0 && whole.abs() < WHOLE_MAX => {
            Box::new(CelInt::from(whole as i64))
        }
        Some(double) => Box::new(CelDouble::from(double)),
        None => Value::Opaque(Arc::new(Exact(exact))).try_into().expect("an opaque value is one"),
    }
}

/// Whether CEL has no number for it.
pub(super) fn is_exact(value: &AttributeValue) -> bool {
    matches!(value, AttributeValue::N(digits) if number(digits).get_type().name() == EXACT)
}

/// A value of CEL as one of DynamoDB.
///
/// # Errors
/// Names the type that DynamoDB does not have.
pub(super) fn to_wire(value: &dyn Val) -> Result<AttributeValue, String> {
    if let Some(set) = value.downcast_ref::<Set>() {
        return Ok(set.wire.clone());
    }
    let wire = match value.get_type().kind() {
        Kind::String => {
            value.downcast_ref::<CelString>().map(|text| AttributeValue::S(text.inner().to_owned()))
        }
        Kind::Int => {
            value.downcast_ref::<CelInt>().map(|whole| AttributeValue::N(whole.inner().to_string()))
        }
        Kind::UInt => value
            .downcast_ref::<CelUInt>()
            .map(|whole| AttributeValue::N(whole.inner().to_string())),
        Kind::Boolean => {
            value.downcast_ref::<CelBool>().map(|flag| AttributeValue::Bool(*flag.inner()))
        }
        Kind::NullType => Some(AttributeValue::Null(true)),
        Kind::Bytes => value
            .downcast_ref::<CelBytes>()
            .map(|bytes| AttributeValue::B(Blob::new(bytes.inner().to_vec()))),
        Kind::Double => match value.downcast_ref::<CelDouble>() {
            Some(double) => return double_to_wire(*double.inner()),
            None => None,
        },
        Kind::List => match value.downcast_ref::<CelList>() {
            Some(list) => {
                let elements = list.inner().iter().map(|element| to_wire(&**element));
                return Ok(AttributeValue::L(elements.collect::<Result<_, _>>()?));
            }
            None => None,
        },
        Kind::Map => match value.downcast_ref::<CelMap>() {
            Some(map) => return map_to_wire(map),
            None => None,
        },
        Kind::Opaque => match Value::try_from(value) {
            Ok(Value::Opaque(opaque)) => {
                opaque.downcast_ref::<Exact>().map(|exact| exact.0.clone())
            }
            _ => None,
        },
        _ => None,
    };
    wire.ok_or_else(|| {
        format!("it is of type {}, which DynamoDB does not have", value.get_type().name())
    })
}

fn map_to_wire(map: &CelMap) -> Result<AttributeValue, String> {
    let entries = map.inner().iter().map(|(key, value)| match key {
        CelMapKey::String(name) => Ok((name.inner().to_owned(), to_wire(&**value)?)),
        CelMapKey::Bool(_) | CelMapKey::Int(_) | CelMapKey::UInt(_) => {
            Err("it makes a map with a key that is no text; write string(…)".to_owned())
        }
    });
    Ok(AttributeValue::M(entries.collect::<Result<_, _>>()?))
}

/// What a number may be: AWS documentation, "Supported data types and naming rules in Amazon DynamoDB".
fn double_to_wire(double: f64) -> Result<AttributeValue, String> {
    let size = double.abs();
    let digits =
        match size {
            0.0 => "0".to_owned(),
            _ if (1e-130..1e126).contains(&size) => {
                if (1e-6..1e21).contains(&size) {
                    double.to_string()
                } else {
                    format!("{double:e}")
                }
            }
            _ => return Err(
                "it makes a number that DynamoDB does not have: infinite, none, or out of range"
                    .to_owned(),
            ),
        };
    Ok(AttributeValue::N(digits))
}
