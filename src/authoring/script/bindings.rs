//! What stands outside of the functions of a script: found by asking the engine, so that it can be made constant.
//!
//! JavaScript has no way to list what a module has declared. So each word of the text is asked for, from within: a line at
//! the end of the module exports a function that reads what the word names there, and one that assigns to it. Most name
//! nothing, which is an error to be caught.

use std::collections::BTreeSet;

/// Name of the export that is added. No word of a script is asked for that has a `$` in it.
pub(super) const EXPORT: &str = "tablewright$bindings";

/// Words that cannot be names in a module.
const RESERVED: [&str; 49] = [
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
    "undefined",
];

/// The text with the line that tells what it binds.
pub(super) fn with_export(text: &str) -> String {
    let ask = |name: &str| format!("['{name}',()=>{name},()=>{{{name}={name}}}]");
    let asked: Vec<_> = words(text).into_iter().map(ask).collect();
    format!("{text}\nexport const {EXPORT} = [{}];", asked.join(","))
}

/// Every word that can be a name, be it in code, in a comment or in a text.
fn words(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$');
    let is_name = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !RESERVED.contains(word)
    };
    words.filter(is_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_text_are_those_that_can_be_names() {
        let text = "let total = 0, größe; // not $x, 1a or await\nexport function up(item) { 'über alles' }";
        assert_eq!(
            words(text).into_iter().collect::<Vec<_>>(),
            ["alles", "item", "not", "or", "total", "up"]
        );
        assert!(
            with_export("a")
                .ends_with("\nexport const tablewright$bindings = [['a',()=>a,()=>{a=a}]];")
        );
    }
}
