//! HTML as a tree: names come from the code alone, and whatever else goes into it is escaped on its way out.

use std::fmt;

/// An element, or what is between elements.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Element(Element),
    Text(String),
    /// What the code itself says, as it is: styles and scripts.
    Raw(&'static str),
}

/// An element.
#[derive(Debug, Clone)]
pub(super) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Node>,
}

/// An element without anything yet.
pub(super) fn el(name: &'static str) -> Element {
    Element { name, attributes: Vec::new(), children: Vec::new() }
}

impl Element {
    pub(super) fn attr(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    pub(super) fn class(self, names: impl fmt::Display) -> Self {
        self.attr("class", names)
    }

    pub(super) fn text(mut self, text: impl fmt::Display) -> Self {
        self.children.push(Node::Text(text.to_string()));
        self
    }

    pub(super) fn child(mut self, child: impl Into<Node>) -> Self {
        self.children.push(child.into());
        self
    }

    pub(super) fn children<N: Into<Node>>(mut self, children: impl IntoIterator<Item = N>) -> Self {
        self.children.extend(children.into_iter().map(Into::into));
        self
    }
}

impl From<Element> for Node {
    fn from(element: Element) -> Self {
        Self::Element(element)
    }
}

/// Elements that have no end.
const VOID: [&str; 2] = ["br", "meta"];

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(element) => element.fmt(f),
            Self::Text(text) => escape(text, f),
            Self::Raw(code) => f.write_str(code),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", self.name)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}=\"")?;
            escape(value, f)?;
            f.write_str("\"")?;
        }
        f.write_str(">")?;
        if VOID.contains(&self.name) {
            return Ok(());
        }
        self.children.iter().try_for_each(|child| child.fmt(f))?;
        write!(f, "</{}>", self.name)
    }
}

/// Writes text so that no character of it is markup, within quotes or without; characters that HTML has no place for, and
/// those that turn the direction of what follows, are shown as what they are.
fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for character in text.chars() {
        match character {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            '"' => f.write_str("&quot;")?,
            '\'' => f.write_str("&#39;")?,
            '\n' | '\t' => write!(f, "{character}")?,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(f, "{}", character.escape_unicode())?;
            }
            control if control.is_control() => write!(f, "{}", control.escape_unicode())?,
            plain => write!(f, "{plain}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_put_in_is_taken_for_markup() {
        let hostile = r#"</script><script>alert("1")</script>'&amp;"#;
        let shown = el("p").attr("title", hostile).text(hostile).to_string();
        let escaped =
            "&lt;/script&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;amp;";
        assert_eq!(shown, format!("<p title=\"{escaped}\">{escaped}</p>"));
        let turned = el("p").text("a\u{202e}b\0").to_string();
        assert_eq!(turned, r"<p>a\u{202e}b\u{0}</p>");
    }
}
