//! Values between an item in wire form and a script: none is rounded, and one that comes back as it went is as it was.

use std::fmt;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use rquickjs::object::{Filter, Property};
use rquickjs::{Array, Ctx, Function, IntoJs, Object, String as Text, Type, TypedArray, Value};

use super::number;
use crate::dynamo::{WireItem, canonical_number, same};

/// AWS documentation, "Quotas in Amazon DynamoDB": levels of nesting, and bytes of an item.
const LEVELS_MAX: usize = 32;
const ITEM_BYTES_MAX: usize = 400 * 1024;

/// Why a value cannot be handed over.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The engine threw, or is out of memory.
    Engine(rquickjs::Error),
    /// It is no value of an item; names where it is, never what it holds.
    Value(String),
}

impl From<rquickjs::Error> for Refusal {
    fn from(error: rquickjs::Error) -> Self {
        Self::Engine(error)
    }
}

/// A value on its way to a script, and what the script's side has to unpack in it.
pub(super) struct Parcel<'js> {
    ctx: Ctx<'js>,
    /// For each, in this order: the array or object that it is in, its index or name there, and what it is made from: digits
    /// for a `Decimal`, an array for a `Set`.
    packed: Array<'js>,
}

/// Where a value is in an item.
#[derive(Clone, Copy)]
enum Place<'a> {
    Attribute(&'a str),
    Field(&'a Place<'a>, &'a str),
    Element(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn levels(&self) -> usize {
        match self {
            Self::Attribute(_) => 0,
            Self::Field(outer, _) | Self::Element(outer, _) => outer.levels() + 1,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(name) => f.write_str(name),
            Self::Field(outer, name) => write!(f, "{outer}.{name}"),
            Self::Element(outer, index) => write!(f, "{outer}[{index}]"),
        }
    }
}

impl<'js> Parcel<'js> {
    /// The value, as the only element of an array, followed by what is to be unpacked.
    pub(super) fn of(ctx: &Ctx<'js>, value: &AttributeValue) -> rquickjs::Result<Array<'js>> {
        let sent = Array::new(ctx.clone())?;
        let parcel = Self { ctx: ctx.clone(), packed: Array::new(ctx.clone())? };
        let value = parcel.value(value, sent.as_value(), 0)?;
        sent.set(0, value)?;
        if parcel.packed.is_empty() {
            return Ok(sent);
        }
        sent.set(1, parcel.packed)?;
        Ok(sent)
    }

    /// The value, which will be `within` something under this name or index.
    fn value<K: IntoJs<'js> + Copy>(
        &self,
        value: &AttributeValue,
        within: &Value<'js>,
        key: K,
    ) -> rquickjs::Result<Value<'js>> {
        match value {
            AttributeValue::S(text) => self.text(text),
            AttributeValue::N(digits) => self.number(digits, within, key),
            AttributeValue::Bool(is) => Ok(Value::new_bool(self.ctx.clone(), *is)),
            AttributeValue::B(bytes) => self.binary(bytes),
            AttributeValue::L(list) => {
                self.array(list, |value, array, index| self.value(value, array, index))
            }
            AttributeValue::M(map) => {
                let object = Object::new(self.ctx.clone())?;
                for (name, value) in map {
                    define(&object, name, self.value(value, object.as_value(), name.as_str())?)?;
                }
                Ok(object.into_value())
            }
            AttributeValue::Ss(texts) => {
                let set = self.array(texts, |text, _, _| self.text(text))?;
                self.pack(within, key, set)
            }
            AttributeValue::Ns(numbers) => {
                let set =
                    self.array(numbers, |digits, set, index| self.number(digits, set, index))?;
                self.pack(within, key, set)
            }
            AttributeValue::Bs(all) => {
                let set = self.array(all, |bytes, _, _| self.binary(bytes))?;
                self.pack(within, key, set)
            }
            // Null, or a type that DynamoDB has got since: it is there, and what it holds is not to be had.
            _ => Ok(Value::new_null(self.ctx.clone())),
        }
    }

    fn text(&self, text: &str) -> rquickjs::Result<Value<'js>> {
        Ok(Text::from_str(self.ctx.clone(), text)?.into_value())
    }

    fn number<K: IntoJs<'js>>(
        &self,
        digits: &str,
        within: &Value<'js>,
        key: K,
    ) -> rquickjs::Result<Value<'js>> {
        match number::as_double(digits) {
            Some(double) => Ok(Value::new_number(self.ctx.clone(), double)),
            None => self.pack(within, key, self.text(digits)?),
        }
    }

    fn binary(&self, bytes: &Blob) -> rquickjs::Result<Value<'js>> {
        Ok(TypedArray::<u8>::new_copy(self.ctx.clone(), bytes.as_ref())?.into_value())
    }

    fn array<T>(
        &self,
        elements: &[T],
        element: impl Fn(&T, &Value<'js>, usize) -> rquickjs::Result<Value<'js>>,
    ) -> rquickjs::Result<Value<'js>> {
        let array = Array::new(self.ctx.clone())?;
        for (index, one) in elements.iter().enumerate() {
            array.set(index, element(one, array.as_value(), index)?)?;
        }
        Ok(array.into_value())
    }

    /// Notes what is to be unpacked, and holds its place.
    fn pack<K: IntoJs<'js>>(
        &self,
        within: &Value<'js>,
        key: K,
        from: Value<'js>,
    ) -> rquickjs::Result<Value<'js>> {
        let entry = Array::new(self.ctx.clone())?;
        entry.set(0, within.clone())?;
        entry.set(1, key)?;
        entry.set(2, from)?;
        self.packed.set(self.packed.len(), entry)?;
        Ok(Value::new_null(self.ctx.clone()))
    }
}

/// The attributes that an object of a script is, each as it was `before` where it is still the same. One that is
/// `undefined` is none. `describe` is the script's side: what kind of object something is, and what it holds.
pub(super) fn attributes<'js>(
    object: &Object<'js>,
    describe: &Function<'js>,
    before: &WireItem,
) -> Result<WireItem, Refusal> {
    let mut reader = Reader { describe, left: ITEM_BYTES_MAX };
    let mut attributes = WireItem::new();
    for entry in object.own_props::<Value<'js>, Value<'js>>(Filter::default()) {
        let (name, value) = entry?;
        let name = attribute_name(&name)?;
        if let Some(value) = reader.wire(&value, before.get(&name), Place::Attribute(&name))? {
            attributes.insert(name, value);
        }
    }
    Ok(attributes)
}

/// Reads what a script hands over, as far as an item can hold it.
struct Reader<'a, 'js> {
    describe: &'a Function<'js>,
    /// Bytes that an item still has room for: what is larger is not built first.
    left: usize,
}

impl<'js> Reader<'_, 'js> {
    /// A value in wire form; nothing for `undefined`.
    fn wire(
        &mut self,
        value: &Value<'js>,
        before: Option<&AttributeValue>,
        place: Place<'_>,
    ) -> Result<Option<AttributeValue>, Refusal> {
        self.take(1, place)?;
        let found = match value.type_of() {
            Type::Undefined => return Ok(None),
            Type::Null => AttributeValue::Null(true),
            Type::Bool => AttributeValue::Bool(value.as_bool().unwrap_or_default()),
            Type::String => AttributeValue::S(self.text(value, place)?),
            Type::Int | Type::Float => AttributeValue::N(double(value, place)?),
            Type::Array => self.list(value, before, place)?,
            _ => self.described(value, before, place)?,
        };
        Ok(Some(match before {
            Some(before) if same(Some(before), Some(&found)) => before.clone(),
            Some(_) | None => found,
        }))
    }

    fn list(
        &mut self,
        value: &Value<'js>,
        before: Option<&AttributeValue>,
        place: Place<'_>,
    ) -> Result<AttributeValue, Refusal> {
        within_levels(place)?;
        let Some(array) = value.as_array() else { return Err(no_value(place, "an odd array")) };
        let before = before.and_then(|before| before.as_l().ok());
        let length = length(array, place)?;
        // What has room for its elements at one byte each is worth a walk.
        self.take(length, place)?;
        let mut list = Vec::with_capacity(length);
        for index in 0..length {
            let place = Place::Element(&place, index);
            let before = before.and_then(|list| list.get(index));
            let element = self.wire(&array.get(index)?, before, place)?;
            list.push(element.ok_or_else(|| no_value(place, "undefined"))?);
        }
        Ok(AttributeValue::L(list))
    }

    /// An object, or one of the values that are told apart by the script's side.
    fn described(
        &mut self,
        value: &Value<'js>,
        before: Option<&AttributeValue>,
        place: Place<'_>,
    ) -> Result<AttributeValue, Refusal> {
        let described: Array<'js> = self.describe.call((value.clone(),))?;
        let kind: String = described.get(0)?;
        match kind.as_str() {
            "map" => self.map(value, before, place),
            "number" => {
                let digits = number::checked(&described.get::<String>(1)?);
                Ok(AttributeValue::N(digits.map_err(|why| at(place, &why))?))
            }
            "bytes" => Ok(AttributeValue::B(self.bytes(&described.get(1)?, place)?)),
            "set" => self.set(&described.get(1)?, place),
            _ => Err(no_value(place, &described.get::<String>(1)?)),
        }
    }

    fn map(
        &mut self,
        value: &Value<'js>,
        before: Option<&AttributeValue>,
        place: Place<'_>,
    ) -> Result<AttributeValue, Refusal> {
        within_levels(place)?;
        let Some(object) = value.as_object() else { return Err(no_value(place, "an odd object")) };
        let before = before.and_then(|before| before.as_m().ok());
        let mut map = WireItem::new();
        for entry in object.own_props::<Value<'js>, Value<'js>>(Filter::default()) {
            let (name, value) = entry?;
            let name = attribute_name(&name)?;
            self.take(name.len() + 1, place)?;
            let before = before.and_then(|map| map.get(&name));
            if let Some(value) = self.wire(&value, before, Place::Field(&place, &name))? {
                map.insert(name, value);
            }
        }
        Ok(AttributeValue::M(map))
    }

    fn set(&mut self, elements: &Array<'js>, place: Place<'_>) -> Result<AttributeValue, Refusal> {
        let length = elements.len();
        self.take(length, place)?;
        let (mut texts, mut numbers, mut binaries) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..length {
            let element = Place::Element(&place, index);
            match self.wire(&elements.get(index)?, None, element)? {
                Some(AttributeValue::S(text)) => texts.push(text),
                Some(AttributeValue::N(digits)) => numbers.push(digits),
                Some(AttributeValue::B(bytes)) => binaries.push(bytes),
                _ => {
                    return Err(at(
                        place,
                        "is a Set with something else than texts, numbers or binary",
                    ));
                }
            }
        }
        let canonical = numbers.iter().map(|number| canonical_number(number));
        if has_twice(canonical) || has_twice(binaries.iter().map(Blob::as_ref)) {
            return Err(at(place, "is a Set with an element twice, which JavaScript does not see"));
        }
        match (texts.is_empty(), numbers.is_empty(), binaries.is_empty()) {
            (true, true, true) => {
                Err(at(place, "is an empty Set, and DynamoDB has none; delete the attribute"))
            }
            (false, true, true) => Ok(AttributeValue::Ss(texts)),
            (true, false, true) => Ok(AttributeValue::Ns(numbers)),
            (true, true, false) => Ok(AttributeValue::Bs(binaries)),
            (_, _, _) => Err(at(place, "is a Set of several types, and DynamoDB's have one")),
        }
    }

    fn text(&mut self, value: &Value<'js>, place: Place<'_>) -> Result<String, Refusal> {
        let Some(text) = value.as_string() else { return Err(no_value(place, "an odd text")) };
        let text = match text.to_string() {
            Ok(text) => text,
            Err(rquickjs::Error::Utf8(_)) => {
                return Err(at(place, "is a text with half a character, which UTF-8 has not"));
            }
            Err(error) => return Err(error.into()),
        };
        self.take(text.len(), place)?;
        Ok(text)
    }

    fn bytes(&mut self, hex: &Text<'js>, place: Place<'_>) -> Result<Blob, Refusal> {
        let hex = hex.to_string()?;
        self.take(hex.len() / 2, place)?;
        let nibble = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default();
        let byte = |pair: &[u8]| u8::try_from(nibble(pair[0]) << 4 | nibble(pair[1]));
        let bytes: Result<Vec<_>, _> = hex.as_bytes().chunks_exact(2).map(byte).collect();
        Ok(Blob::new(bytes.unwrap_or_default()))
    }

    fn take(&mut self, bytes: usize, place: Place<'_>) -> Result<(), Refusal> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(at(place, "makes the item larger than the 400 KB that DynamoDB keeps")),
        }
    }
}

fn double(value: &Value<'_>, place: Place<'_>) -> Result<String, Refusal> {
    match value.as_int() {
        Some(int) => Ok(int.to_string()),
        None => number::from_double(value.as_number().unwrap_or(f64::NAN))
            .map_err(|why| at(place, &why)),
    }
}

/// Length of an array, or of what passes for one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a length is whole and below 2^53"
)]
fn length(array: &Array<'_>, place: Place<'_>) -> Result<usize, Refusal> {
    let length: Value<'_> = array.as_object().get("length")?;
    match length.as_number() {
        Some(length) if (0.0..=9_007_199_254_740_991.0).contains(&length) => Ok(length as usize),
        Some(_) | None => Err(no_value(place, "an odd array")),
    }
}

fn within_levels(place: Place<'_>) -> Result<(), Refusal> {
    if place.levels() < LEVELS_MAX {
        return Ok(());
    }
    let mut outermost = place;
    while let Place::Field(outer, _) | Place::Element(outer, _) = outermost {
        outermost = *outer;
    }
    Err(at(outermost, "is nested deeper than the 32 levels that DynamoDB keeps, or holds itself"))
}

fn attribute_name(name: &Value<'_>) -> Result<String, Refusal> {
    let text = name.as_string().map(Text::to_string);
    match text {
        Some(Ok(name)) => Ok(name),
        Some(Err(rquickjs::Error::Utf8(_))) | None => Err(Refusal::Value(
            "the name of an attribute is no text of whole characters".to_owned(),
        )),
        Some(Err(error)) => Err(error.into()),
    }
}

fn no_value(place: Place<'_>, what: &str) -> Refusal {
    let instead = match what {
        "an instance of Date" => "; store its toISOString() or getTime()",
        "an instance of Map" => "; store Object.fromEntries(…) of it",
        "an instance of Promise" => "; a script does not wait",
        "undefined" => "; leave it out, or store null",
        _ => "",
    };
    at(place, &format!("is {what}, which an item cannot hold{instead}"))
}

fn at(place: Place<'_>, problem: &str) -> Refusal {
    Refusal::Value(format!("{place} {problem}"))
}

fn has_twice<T: Ord>(elements: impl Iterator<Item = T>) -> bool {
    let mut elements: Vec<_> = elements.collect();
    elements.sort();
    elements.windows(2).any(|pair| pair[0] == pair[1])
}

/// Sets a property whatever the prototype has under its name.
fn define<'js>(object: &Object<'js>, name: &str, value: Value<'js>) -> rquickjs::Result<()> {
    object.prop(name, Property::from(value).writable().enumerable().configurable())
}
