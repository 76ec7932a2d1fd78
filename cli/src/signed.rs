//! Who has what writes done, and why: it is on record.

use serde_json::{Value, json};

use crate::ask;
use crate::exit::{Done, Ended, Failure};
use crate::render::{self, say, text};
use crate::session::Session;
use crate::settings::Settings;

/// Who, and why.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Signed {
    /// Who has it done; by default the user and the machine
    #[arg(long, value_name = "NAME", default_value_t = whoever(), hide_default_value = true)]
    pub(crate) by: String,
    /// Why; asked for on a terminal
    #[arg(long, value_name = "WHY")]
    pub(crate) reason: Option<String>,
}

impl Signed {
    /// Has the command of an event carried out, signed, and shows what it says of itself.
    pub(crate) async fn send(&self, session: &Session, settings: &Settings, event: Value) -> Ended {
        let done = session.command(settings, &self.sign(event)?).await?;
        if session.global.json {
            render::json(&done);
        } else {
            say(&crate::lines::in_text(text(&done, "said")));
        }
        Ok(if done["status"] == "pending" { Done::Pending } else { Done::Done })
    }

    fn sign(&self, mut event: Value) -> Result<Value, Failure> {
        let reason = match &self.reason {
            Some(reason) => reason.clone(),
            None => ask::line("Why (it is on record)? ")
                .ok_or_else(|| Failure::usage("say why with --reason; it is on record"))?,
        };
        event["by"] = json!(self.by);
        event["reason"] = json!(reason);
        Ok(event)
    }
}

/// The user and the machine, as far as the environment says.
pub(crate) fn whoever() -> String {
    let of = |names: &[&str]| {
        names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let user = of(&["USER", "LOGNAME", "USERNAME"]).unwrap_or_else(|| "somebody".to_owned());
    let named = || std::fs::read_to_string("/etc/hostname").ok();
    let host = of(&["HOSTNAME", "COMPUTERNAME"]).or_else(named).unwrap_or_default();
    match host.trim() {
        "" => user,
        host => format!("{user}@{host}"),
    }
}
