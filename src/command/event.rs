//! Reads the event of a command: every problem of it in one message.

use serde_json::{Map, Value};

use super::{Act, Asked, Back, Command, CommandError, Look, Repair, Signed, VERB, Verb, Wanted};
use crate::plan::Call;
use crate::preview::{Sampling, Values};

/// The verbs, as an event has them.
const VERBS: [&str; 9] =
    ["status", "history", "plan", "unlock", "pause", "resume", "repair", "retry-failed", "undo"];
const ACTIONS: [(&str, Repair); 3] = [
    ("mark-applied", Repair::MarkApplied),
    ("mark-rolled-back", Repair::MarkRolledBack),
    ("fingerprint", Repair::Fingerprint),
];
/// Entries of a history, unless the event says how many.
const LIMIT: usize = 50;
/// Most items of a sample: an answer of Lambda's has six megabytes.
const SAMPLE_MAX: usize = 100;
/// Longest words that are kept in the ledger.
const WORDS_MAX: usize = 1000;

pub(super) fn read(event: &Value) -> Result<Command, CommandError> {
    let (Some(event), Some(name)) = (event.as_object(), event[VERB].as_str()) else {
        return Err(unknown("what is no text"));
    };
    let mut fields = Fields { event, known: vec![VERB], problems: Vec::new() };
    let ledger = fields.text("ledger");
    let wanted = match (fields.text("scope"), fields.text("stack")) {
        (None, None) => Wanted::Only,
        (Some(scope), None) => Wanted::Scope(scope),
        (None, Some(stack)) => Wanted::Stack(stack),
        (Some(scope), Some(_)) => {
            fields.problem("it names both scope and stack; one is enough");
            Wanted::Scope(scope)
        }
    };
    let verb = match name {
        "status" => Verb::Look(Look::Status),
        "history" => Verb::Look(Look::History { limit: fields.limit() }),
        "plan" => {
            let (properties, may_begin) = (fields.object("properties"), fields.flag("may_begin"));
            Verb::Look(Look::Plan(Asked { properties, may_begin, sample: fields.sample() }))
        }
        "unlock" => Verb::Act(Act::Unlock, fields.signed()),
        "pause" => Verb::Act(Act::Pause, fields.signed()),
        "resume" => Verb::Act(Act::Resume, fields.signed()),
        "repair" => {
            let (id, repair) = (fields.needed("id"), fields.repair());
            Verb::Act(Act::Repair { id, repair }, fields.signed())
        }
        "retry-failed" => {
            let id = fields.needed("id");
            Verb::Act(Act::RetryFailed { id }, fields.signed())
        }
        "undo" => Verb::Act(Act::Undo(fields.back()), fields.signed()),
        other => return Err(unknown(other)),
    };
    fields.end(name)?;
    Ok(Command { ledger, wanted, verb })
}

fn unknown(verb: &str) -> CommandError {
    CommandError::Malformed(format!(
        "{verb} is none of the commands: {}",
        VERBS.map(|verb| format!("{{\"{VERB}\":\"{verb}\",…}}")).join(", ")
    ))
}

/// The fields of an event, which notes what is read, and what is wrong with it.
struct Fields<'a> {
    event: &'a Map<String, Value>,
    known: Vec<&'static str>,
    problems: Vec<String>,
}

impl Fields<'_> {
    fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    fn get(&mut self, name: &'static str) -> Option<&Value> {
        self.known.push(name);
        self.event.get(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.get(name)?;
        let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
        let text = text.map(str::to_owned);
        if text.is_none() {
            self.problem(format!("{name} is not a text with something in it"));
        }
        text
    }

    fn needed(&mut self, name: &'static str) -> String {
        let problems = self.problems.len();
        let text = self.text(name);
        if text.is_none() && self.problems.len() == problems {
            self.problem(format!("{name} is missing"));
        }
        text.unwrap_or_default()
    }

    fn object(&mut self, name: &'static str) -> Value {
        let value = self.get(name).cloned().unwrap_or_default();
        if !value.is_object() {
            self.problem(format!("{name} is missing, or not an object"));
        }
        value
    }

    fn flag(&mut self, name: &'static str) -> bool {
        match self.get(name) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.problem(format!("{name} is neither true nor false"));
                false
            }
        }
    }

    fn limit(&mut self) -> usize {
        let Some(value) = self.get("limit") else { return LIMIT };
        let limit = value.as_u64().and_then(|limit| usize::try_from(limit).ok());
        if let Some(limit) = limit.filter(|limit| *limit > 0) {
            return limit;
        }
        self.problem("limit is not a number from 1 on");
        LIMIT
    }

    fn sample(&mut self) -> Option<Sampling> {
        let items = self.get("sample").cloned();
        let redact = self.get("redact").cloned();
        let values = match redact {
            Some(Value::Bool(true)) => Values::Redacted,
            Some(Value::Bool(false)) | None => Values::Shown,
            Some(_) => {
                self.problem("redact is neither true nor false");
                Values::Redacted
            }
        };
        let Some(items) = items else {
            if redact.is_some() {
                self.problem("redact is of a sample, and sample is missing");
            }
            return None;
        };
        let items = items.as_u64().and_then(|items| usize::try_from(items).ok());
        let items = items.filter(|items| (1..=SAMPLE_MAX).contains(items));
        if items.is_none() {
            self.problem(format!("sample is not a number from 1 to {SAMPLE_MAX}"));
        }
        items.map(|items| Sampling { items, values })
    }

    fn repair(&mut self) -> Repair {
        let action = self.needed("action");
        if let Some((_, repair)) = ACTIONS.iter().find(|(name, _)| *name == action) {
            return *repair;
        }
        let known = ACTIONS.map(|(name, _)| name).join(", ");
        self.problem(format!("action is none of {known}"));
        Repair::Fingerprint
    }

    fn back(&mut self) -> Back {
        let all = self.get("all").cloned();
        match (self.text("to"), all) {
            (Some(id), None) => Back::To(id),
            (None, Some(Value::Bool(true))) => Back::All,
            (_, _) => {
                self.problem(
                    "say either to, the id of the newest migration that stays, or all: true",
                );
                Back::All
            }
        }
    }

    fn signed(&mut self) -> Signed {
        let signed = Signed { by: self.needed("by"), reason: self.needed("reason") };
        if signed.by.is_empty() || signed.reason.is_empty() {
            self.problem(
                "what writes is recorded with by and reason, since Lambda does not tell a function who has invoked it",
            );
        }
        if signed.by == Call::BY || signed.reason == Call::REASON {
            self.problem("by and reason are to be filled in");
        }
        if signed.by.len() > WORDS_MAX || signed.reason.len() > WORDS_MAX {
            self.problem(format!("by and reason have at most {WORDS_MAX} bytes each"));
        }
        signed
    }

    /// Refuses what is wrong, and what nobody has read.
    fn end(mut self, verb: &str) -> Result<(), CommandError> {
        let known = self.known.join(", ");
        let unread: Vec<_> =
            self.event.keys().filter(|name| !self.known.contains(&name.as_str())).collect();
        if let [first, ..] = unread.as_slice() {
            let problem = format!("{first} is no field of it, which are {known}");
            self.problems.push(problem);
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        let problems = self.problems.join("; ");
        Err(CommandError::Malformed(format!("the command {verb} is refused: {problems}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(event: &Value) -> String {
        read(event).unwrap_err().to_string()
    }

    fn signed(mut event: Value) -> Value {
        event["by"] = json!("ann");
        event["reason"] = json!("ticket 7");
        event
    }

    #[test]
    fn an_unknown_verb_is_told_the_known_ones() {
        for event in [json!({ "tablewright": "dance" }), json!({ "tablewright": 7 })] {
            let said = refusal(&event);
            assert!(VERBS.iter().all(|verb| said.contains(verb)), "{said}");
        }
    }

    #[test]
    fn whatever_writes_needs_a_name_and_a_reason() {
        let full = json!({ "id": "0001_a", "action": "mark-applied", "to": "0001_a" });
        for verb in ["unlock", "pause", "resume", "repair", "retry-failed", "undo"] {
            let fields: &[&str] = match verb {
                "repair" => &["id", "action"],
                "retry-failed" => &["id"],
                "undo" => &["to"],
                _ => &[],
            };
            let mut event = json!({ "tablewright": verb });
            for field in fields {
                event[*field] = full[*field].clone();
            }
            assert!(read(&signed(event.clone())).is_ok(), "{verb}");
            for missing in ["by", "reason"] {
                for instead in [Value::Null, json!("  "), json!(5)] {
                    let mut event = signed(event.clone());
                    event[missing] = instead;
                    assert!(refusal(&event).contains(missing), "{verb} without {missing}");
                }
            }
        }
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let said = refusal(&json!({ "tablewright": "repair", "action": "guess", "scpoe": "x" }));
        for part in [
            "id is missing",
            "action is none of mark-applied, mark-rolled-back, fingerprint",
            "by is missing",
            "reason is missing",
            "scpoe is no field of it",
        ] {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
    }

    #[test]
    fn a_sample_is_small_and_redacted_or_not() {
        let plan = |fields: Value| {
            let mut event = json!({ "tablewright": "plan", "properties": {} });
            event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            read(&event)
        };
        for fine in [json!({ "sample": 1 }), json!({ "sample": 100, "redact": false })] {
            assert!(plan(fine.clone()).is_ok(), "{fine}");
        }
        for (wrong, said) in [
            (json!({ "sample": 0 }), "sample is not a number from 1 to 100"),
            (json!({ "sample": 101 }), "sample is not a number from 1 to 100"),
            (json!({ "sample": "5" }), "sample is not a number from 1 to 100"),
            (json!({ "sample": 5, "redact": "yes" }), "redact is neither true nor false"),
            (json!({ "redact": true }), "redact is of a sample, and sample is missing"),
        ] {
            let refused = plan(wrong).unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn all_is_never_taken_back_by_accident() {
        for event in [
            json!({}),
            json!({ "to": "" }),
            json!({ "all": false }),
            json!({ "all": "true" }),
            json!({ "all": true, "to": "0001_a" }),
        ] {
            let mut event = signed(event);
            event["tablewright"] = json!("undo");
            assert!(refusal(&event).contains("say either to"), "{event}");
        }
    }
}
