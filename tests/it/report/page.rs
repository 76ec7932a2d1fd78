//! A page read as a browser reads it, as far as that matters here: tags that close, attributes in quotes, texts.

use std::collections::BTreeSet;

/// A page.
pub(super) struct Page {
    pub(super) html: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open { name: String, attributes: Vec<(String, String)> },
    Close(String),
    Text(String),
}

/// What has no end.
const VOID: [&str; 2] = ["br", "meta"];
/// What begins a line.
const LINES: [&str; 13] = [
    "section", "article", "li", "tr", "p", "h1", "h2", "h3", "div", "figure", "details", "svg",
    "pre",
];
/// What would load something, or have it done.
const LOADING: [&str; 7] = ["link", "img", "iframe", "object", "embed", "form", "base"];

impl Page {
    /// Reads a page; panics where it is not well formed.
    pub(super) fn read(html: String) -> Self {
        let tokens = tokens(html.strip_prefix("<!doctype html>\n").unwrap());
        let mut open: Vec<&str> = Vec::new();
        for token in &tokens {
            match token {
                Token::Open { name, .. } if VOID.contains(&name.as_str()) => {}
                Token::Open { name, .. } => open.push(name),
                Token::Close(name) => assert_eq!(open.pop(), Some(name.as_str())),
                Token::Text(_) => {}
            }
        }
        assert_eq!(open, [""; 0]);
        let page = Self { html, tokens };
        page.check();
        page
    }

    fn elements(&self) -> impl Iterator<Item = (&str, &[(String, String)])> {
        self.tokens.iter().filter_map(|token| match token {
            Token::Open { name, attributes } => Some((name.as_str(), attributes.as_slice())),
            Token::Close(_) | Token::Text(_) => None,
        })
    }

    /// What each page keeps to: it loads nothing, and whoever does not see it finds their way.
    fn check(&self) {
        let mut ids = BTreeSet::new();
        let (mut level, mut scripts) = (0, 0);
        for (name, attributes) in self.elements() {
            let value =
                |wanted: &str| attributes.iter().find(|(name, _)| name == wanted).map(|(_, v)| v);
            let has = |wanted: &str| value(wanted).is_some();
            assert!(!LOADING.contains(&name), "{name} {attributes:?}");
            assert!(!has("src") && !has("srcset") && !has("action"), "{name} {attributes:?}");
            assert!(value("href").is_none_or(|href| href.starts_with('#')), "{attributes:?}");
            if let Some(id) = value("id") {
                assert!(ids.insert(id.clone()), "{id} is the id of two");
            }
            scripts += usize::from(name == "script");
            match name {
                "html" => assert!(has("lang")),
                "svg" => assert!(has("aria-hidden") || (has("role") && has("aria-label"))),
                "th" => assert!(has("scope")),
                "h1" | "h2" | "h3" => {
                    let next: u32 = name[1..].parse().unwrap();
                    assert!(next <= level + 1, "{name} follows h{level}");
                    level = next;
                }
                _ => {}
            }
        }
        assert!(
            !self.html.contains("url(") && !self.html.contains("@import"),
            "it loads something"
        );
        assert_eq!(scripts, 1, "there is one script, which copies");
    }

    /// What is written in the section of this id.
    pub(super) fn section(&self, id: &str) -> String {
        let begins = |token: &&Token| {
            !matches!(token, Token::Open { name, attributes }
                if name == "section" && attributes.iter().any(|(name, value)| name == "id" && value == id))
        };
        let ends = Token::Close("section".to_owned());
        let tokens = self.tokens.iter().skip_while(begins).take_while(|token| **token != ends);
        outline(tokens)
    }

    /// The texts of the body, each element that begins a line on one of its own.
    pub(super) fn outline(&self) -> String {
        let is_head = |token: &&Token| !matches!(token, Token::Open { name, .. } if name == "body");
        outline(self.tokens.iter().skip_while(is_head))
    }
}

fn outline<'a>(tokens: impl Iterator<Item = &'a Token>) -> String {
    let mut lines = vec![String::new()];
    let mut is_code = false;
    for token in tokens {
        match token {
            Token::Open { name, .. } => {
                is_code = name == "script";
                if LINES.contains(&name.as_str()) {
                    lines.push(String::new());
                }
            }
            Token::Close(_) => {}
            Token::Text(text) if is_code || text.trim().is_empty() => {}
            Token::Text(text) => {
                let last = lines.last_mut().unwrap();
                let between = if last.is_empty() { "" } else { " | " };
                last.push_str(between);
                last.push_str(text.trim());
            }
        }
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

fn tokens(html: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = html.trim_end();
    while !rest.is_empty() {
        let Some(tag) = rest.strip_prefix('<') else {
            let end = rest.find('<').unwrap_or(rest.len());
            tokens.push(Token::Text(unescaped(&rest[..end])));
            rest = &rest[end..];
            continue;
        };
        let mut is_quoted = false;
        let end = tag.find(|character| {
            is_quoted ^= character == '"';
            character == '>' && !is_quoted
        });
        let end = end.expect("a tag ends");
        let inside = &tag[..end];
        rest = &tag[end + 1..];
        if let Some(name) = inside.strip_prefix('/') {
            tokens.push(Token::Close(name.to_owned()));
            continue;
        }
        tokens.push(opened(inside));
        // What stands in these is no markup.
        if ["style", "script"].contains(&inside) {
            let end = rest.find(&format!("</{inside}>")).unwrap();
            tokens.push(Token::Text(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
    tokens
}

fn opened(inside: &str) -> Token {
    let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    assert!(is_name(name), "{name:?} is no name of a tag");
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        let (attribute, value) = rest.split_once("=\"").expect("a value in quotes");
        let (value, after) = value.split_once('"').unwrap();
        assert!(is_name(attribute) && !attribute.starts_with("on"), "{attribute:?}");
        attributes.push((attribute.to_owned(), unescaped(value)));
        rest = after.trim_start();
    }
    Token::Open { name: name.to_owned(), attributes }
}

fn unescaped(text: &str) -> String {
    assert!(!text.contains(['<', '>', '"']), "{text:?} is not escaped");
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    signs.iter().fold(text.to_owned(), |text, (name, sign)| text.replace(name, sign))
}
