//! `apply`: a deploy without CloudFormation, of a scope of its own.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tablewright::local::{Deployed, LocalStack};
use tablewright::migrator::{BuildError, Migrator};
use tablewright::services::Services;

use crate::args::Where;
use crate::exit::{Done, Ended, Failure};
use crate::render::{self, say, style};
use crate::session::Session;
use crate::settings::Settings;
use crate::{ask, lines, plan, session, signed};

/// Bring the declared tables to shape and run the migrations, without CloudFormation
///
/// It does for a scope of its own what a deploy of a stack does, in the same order and with the same way back where something
/// fails. The scope goes by the name of the stack, so that every machine with the same account and name means the same
/// one. Tables that a stack of CloudFormation's owns are refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright apply                        # show the plan, ask, do it\n  \
    tablewright apply --yes                  # in CI\n  \
    tablewright apply --endpoint-url http://127.0.0.1:8000 --stack test --yes")]
pub(crate) struct Apply {
    /// Name of the stack; by default that of the settings
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,
    /// Do it without asking
    #[arg(long, short)]
    yes: bool,
    /// Whose deploy it is, for the history; by default the user and the machine
    #[arg(long, value_name = "NAME", default_value_t = signed::whoever(), hide_default_value = true)]
    by: String,
}

impl Apply {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        let migrator = session.sound_migrator(&settings)?;
        let properties = settings.declaration().map_err(Failure::Faults)?;
        let stack = self.local_stack(&settings)?;
        let services = session.services().await?;
        let migrator = Ok(migrator);
        let planned = plan_of(&stack, &settings, &services, &migrator).await?;
        if !session.global.json {
            plan::show(&planned)?;
        } else if plan::is_refused(&planned) {
            return Err(Failure::failed(render::text(&planned, "text").trim_end()));
        }
        if plan::has_work(&planned) {
            ask::confirm("Do this?", self.yes)?;
        }
        let bar = spinner();
        let deployed = stack.apply(&services, &migrator, properties, &self.by).await;
        bar.finish_and_clear();
        let deployed = deployed.map_err(|error| Failure::failed(error.to_string()))?;
        if session.global.json {
            render::json(&of(&planned, &deployed));
        }
        show(session, &deployed)
    }

    fn local_stack(&self, settings: &Settings) -> Result<LocalStack, Failure> {
        let name = self.stack.as_ref().or(settings.stack.as_ref()).ok_or_else(|| {
            Failure::usage(
                "name the stack that is deployed: stack: NAME in tablewright.yaml, or --stack NAME",
            )
        })?;
        Ok(LocalStack::named(name))
    }
}

async fn plan_of(
    stack: &LocalStack,
    settings: &Settings,
    services: &Services,
    migrator: &Result<Arc<Migrator>, BuildError>,
) -> Result<Value, Failure> {
    let place = Where { scope: Some(stack.scope()), ..Where::default() };
    session::obey(services, migrator, &plan::event(&place, settings)?).await
}

fn of(planned: &Value, deployed: &Deployed) -> Value {
    let after = deployed.after.as_ref().map(|answer| &answer.0);
    json!({
        "tablewright": "apply",
        "status": if deployed.answer.is_success() { "done" } else { "failed" },
        "plan": planned["plan"],
        "answer": deployed.answer.0,
        "after": after,
    })
}

fn show(session: &Session, deployed: &Deployed) -> Ended {
    let reason = deployed.answer.reason();
    let after = deployed.after.iter().map(tablewright::local::Answer::reason);
    let after: Vec<_> = after.filter(|reason| !reason.is_empty()).collect();
    if !deployed.answer.is_success() {
        let after =
            if after.is_empty() { String::new() } else { format!("\n{}", after.join("\n")) };
        return Err(Failure::failed(format!("{reason}{after}")));
    }
    if session.global.json {
        return Ok(Done::Done);
    }
    let data = &deployed.answer.0["Data"];
    let (good, warning) = (style::GOOD, style::WARNING);
    say(&format!(
        "{good}done{good:#}: {} applied, the newest {}",
        render::counted(render::text(data, "Applied").parse().unwrap_or(0), "migration"),
        match render::text(data, "LedgerHead") {
            "" => "none",
            head => head,
        }
    ));
    for notice in std::iter::once(reason).chain(after).filter(|notice| !notice.is_empty()) {
        say(&format!("{warning}!{warning:#} {}", lines::in_text(notice)));
    }
    Ok(Done::Done)
}

/// Shows that something goes on, and for how long; nothing where nobody sees it.
fn spinner() -> ProgressBar {
    if !render::is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    let template = "{spinner} at work for {elapsed}; status --watch shows more";
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
