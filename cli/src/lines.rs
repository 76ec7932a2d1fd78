//! Commands that a text tells a person to send, as lines for a shell: the library words them as events for the function.

use serde_json::{Deserializer, Value};

/// What every such event begins with.
const BEGINS: &str = "{\"tablewright\"";

/// The text, with every command in it as a line.
pub(crate) fn in_text(text: &str) -> String {
    let mut lines = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGINS) {
        let (before, event) = rest.split_at(start);
        lines.push_str(before);
        let mut values = Deserializer::from_str(event).into_iter::<Value>();
        let (line, end) = if let Some(Ok(call)) = values.next() {
            (of(&call), values.byte_offset())
        } else {
            (BEGINS.to_owned(), BEGINS.len())
        };
        lines.push_str(&line);
        rest = &event[end..];
    }
    lines + rest
}

/// One command as a line.
pub(crate) fn of(call: &Value) -> String {
    let text = |name: &str| call[name].as_str().map(str::to_owned);
    let mut words = vec!["tablewright".to_owned()];
    words.extend(["tablewright", "action", "id"].iter().filter_map(|name| text(name)));
    if let Some(to) = text("to") {
        words.extend(["--to".to_owned(), to]);
    }
    if call["all"] == true {
        words.push("--all".to_owned());
    }
    for name in ["ledger", "scope"] {
        words.extend(text(name).into_iter().flat_map(|value| [format!("--{name}"), value]));
    }
    if let Some(reason) = text("reason") {
        words.extend(["--reason".to_owned(), format!("'{reason}'")]);
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_in_a_text_become_lines() {
        let said = "Either it is done: {\"tablewright\":\"repair\",\"action\":\"mark-applied\",\"id\":\"0001_a\",\
                    \"scope\":\"u/Data\",\"by\":\"<you>\",\"reason\":\"<why>\"}; or {\"tablewright\":\"undo\",\
                    \"all\":true,\"scope\":\"u/Data\",\"by\":\"<you>\",\"reason\":\"<why>\"}. So it is {\"tablewright\"";
        assert_eq!(
            in_text(said),
            "Either it is done: tablewright repair mark-applied 0001_a --scope u/Data --reason '<why>'; \
             or tablewright undo --all --scope u/Data --reason '<why>'. So it is {\"tablewright\""
        );
    }
}
