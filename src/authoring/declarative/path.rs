//! A place within an item: an attribute, or a key of the maps below it.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::dynamo::WireItem;
use crate::item::Item;

/// `address.street` is the key `street` of the map `address`; a name that itself holds dots stands in double quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) attribute: String,
    pub(super) keys: Vec<String>,
}

impl Path {
    /// # Errors
    /// What is wrong with the text.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut names = Vec::new();
        let mut rest = text;
        loop {
            let name;
            (name, rest) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or("has a quote that is never closed")?,
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            if name.is_empty() {
                return Err("has an empty name");
            }
            names.push(name.to_owned());
            rest = match rest {
                "" => break,
                rest => {
                    rest.strip_prefix('.').ok_or("goes on after a quoted name without a dot")?
                }
            };
        }
        let attribute = names.remove(0);
        Ok(Self { attribute, keys: names })
    }

    /// Whether one is within the other, or the same.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.attribute == other.attribute && self.keys.iter().zip(&other.keys).all(|(a, b)| a == b)
    }

    /// What is there.
    ///
    /// # Errors
    /// Names what is in its way, which is no map.
    pub(super) fn get<'a>(&self, item: &'a Item) -> Result<Option<&'a AttributeValue>, String> {
        let Some(mut value) = item.get(&self.attribute) else { return Ok(None) };
        for (depth, key) in self.keys.iter().enumerate() {
            let AttributeValue::M(map) = value else { return Err(self.no_map(depth)) };
            let Some(below) = map.get(key) else { return Ok(None) };
            value = below;
        }
        Ok(Some(value))
    }

    /// Puts a value there.
    ///
    /// # Errors
    /// Names the map that is missing, or what is no map.
    pub(super) fn set(&self, item: &mut Item, value: AttributeValue) -> Result<(), String> {
        let Some((last, above)) = self.keys.split_last() else {
            item.set(&self.attribute, value);
            return Ok(());
        };
        let mut whole = item.get(&self.attribute).cloned();
        let map = self.map_in(whole.as_mut(), above)?.ok_or_else(|| {
            format!(
                "there is no map {} for {last}: set the whole map, or say `when: \"has(…)\"`",
                self.above()
            )
        })?;
        map.insert(last.clone(), value);
        item.set(&self.attribute, whole.expect("a map was found in it"));
        Ok(())
    }

    /// Takes away what is there.
    ///
    /// # Errors
    /// Names what is in its way, which is no map.
    pub(super) fn remove(&self, item: &mut Item) -> Result<(), String> {
        let Some((last, above)) = self.keys.split_last() else {
            item.remove(&self.attribute);
            return Ok(());
        };
        if self.get(item)?.is_none() {
            return Ok(());
        }
        let mut whole = item.get(&self.attribute).cloned();
        if let Some(map) = self.map_in(whole.as_mut(), above)? {
            map.remove(last);
        }
        item.set(&self.attribute, whole.expect("a value was found in it"));
        Ok(())
    }

    fn map_in<'a>(
        &self,
        whole: Option<&'a mut AttributeValue>,
        above: &[String],
    ) -> Result<Option<&'a mut WireItem>, String> {
        let Some(mut value) = whole else { return Ok(None) };
        for (depth, key) in above.iter().enumerate() {
            let AttributeValue::M(map) = value else { return Err(self.no_map(depth)) };
            let Some(below) = map.get_mut(key) else { return Ok(None) };
            value = below;
        }
        match value {
            AttributeValue::M(map) => Ok(Some(map)),
            _ => Err(self.no_map(above.len())),
        }
    }

    fn above(&self) -> Self {
        let keys = self.keys.split_last().map(|(_, above)| above.to_vec()).unwrap_or_default();
        Self { attribute: self.attribute.clone(), keys }
    }

    fn no_map(&self, depth: usize) -> String {
        let there = Self { attribute: self.attribute.clone(), keys: self.keys[..depth].to_vec() };
        format!("{there} is no map, and {self} is within it")
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in std::iter::once(&self.attribute).chain(&self.keys).enumerate() {
            let dot = if position == 0 { "" } else { "." };
            let quote = if name.contains('.') { "\"" } else { "" };
            write!(f, "{dot}{quote}{name}{quote}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    #[test]
    fn a_dot_leads_into_a_map_and_a_quoted_dot_is_a_dot() {
        for (text, attribute, keys) in [
            ("a", "a", &[][..]),
            ("a.b.c", "a", &["b", "c"]),
            ("\"a.b\"", "a.b", &[]),
            ("a.\"b.c\".d", "a", &["b.c", "d"]),
            ("gsi1-pk", "gsi1-pk", &[]),
        ] {
            let path = Path::parse(text).unwrap();
            assert_eq!(
                (path.attribute.as_str(), path.keys.as_slice()),
                (attribute, &keys.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
            );
            assert_eq!(path.to_string(), text);
        }
        for wrong in ["", ".a", "a.", "a..b", "\"a", "\"a\"b"] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_beside_the_path_stays_and_a_missing_map_is_an_error() {
        let map = AttributeValue::M(
            [("street".to_owned(), text("x")), ("no".to_owned(), text("1"))].into(),
        );
        let before =
            Item::from(WireItem::from([("address".to_owned(), map), ("pk".to_owned(), text("p"))]));
        let path = Path::parse("address.street").unwrap();

        let mut item = before.clone();
        path.set(&mut item, text("y")).unwrap();
        assert_eq!(path.get(&item), Ok(Some(&text("y"))));
        assert_eq!(Path::parse("address.no").unwrap().get(&item), Ok(Some(&text("1"))));
        path.remove(&mut item).unwrap();
        assert_eq!(path.get(&item), Ok(None));
        path.remove(&mut item).unwrap();

        let missing = Path::parse("home.street").unwrap();
        assert_eq!(missing.get(&item), Ok(None));
        missing.remove(&mut item).unwrap();
        let error = missing.set(&mut item, text("y")).unwrap_err();
        assert!(error.starts_with("there is no map home for street"), "{error}");
        let within = Path::parse("pk.x").unwrap();
        for error in [
            within.get(&item).unwrap_err(),
            within.set(&mut item.clone(), text("")).unwrap_err(),
            within.remove(&mut item).unwrap_err(),
        ] {
            assert_eq!(error, "pk is no map, and pk.x is within it");
        }
    }
}
