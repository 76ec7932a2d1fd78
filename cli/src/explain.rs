//! `explain`: what the codes of findings mean.

use serde_json::{Value, json};
use tablewright::plan::Code;

use crate::exit::{Done, Ended, Failure};
use crate::render::{self, say};
use crate::session::Session;

/// Explain a code of a finding in a plan, or list all of them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright explain                      # a line for each\n  \
    tablewright explain TW012")]
pub(crate) struct Explain {
    /// The code
    code: Option<String>,
}

impl Explain {
    #[expect(clippy::unused_async, reason = "verbs are called alike")]
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let code = self.code.map(|word| word.parse::<Code>()).transpose();
        let code = code.map_err(|unknown| Failure::usage(unknown.to_string()))?;
        if session.global.json {
            let codes = code.map_or(Code::ALL.to_vec(), |code| vec![code]);
            let codes: Vec<_> = codes.into_iter().map(of).collect();
            render::json(&json!({ "tablewright": "explain", "codes": codes }));
        } else {
            say(code.map_or_else(Code::list, Code::explained).trim_end());
        }
        Ok(Done::Done)
    }
}

fn of(code: Code) -> Value {
    json!({
        "code": code.as_str(),
        "severity": code.severity().to_string(),
        "title": code.title(),
        "explanation": code.explanation(),
    })
}
