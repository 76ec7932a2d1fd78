//! The arguments: the verbs, in the groups in which help shows them, and what all of them take.

use std::fmt::Write;
use std::path::PathBuf;

use clap::builder::Styles;
use clap::{Command, Parser, Subcommand};
use serde_json::{Value, json};

use crate::exit::Ended;
use crate::session::Session;
use crate::settings::Settings;
use crate::{
    apply, completions, dev, history, hold, iam, new, plan, repair, report, retry, schema,
    state_machine, status, test, undo, validate,
};

/// DynamoDB tables and data migrations as one step of a deploy: the same declaration on a laptop, in CI and in the stack.
#[derive(Debug, Parser)]
#[command(
    name = "tablewright",
    version,
    styles = Styles::styled(),
    disable_help_subcommand = false,
    after_help = "Settings and the declaration are in tablewright.yaml, in this folder or one above it.\n\
                  Credentials, region and endpoint are the environment's, as for the AWS command line.\n\
                  Exit codes: 0 done, 1 failed, 2 bad usage, 3 work is pending."
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What all verbs take.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// The settings; by default tablewright.yaml in this folder or one above it
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// Where DynamoDB is, for engines on this machine
    #[arg(long, global = true, value_name = "URL", help_heading = "Global options")]
    pub(crate) endpoint_url: Option<String>,
    /// Print the result as JSON
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Print log lines to standard error
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) verbose: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        help_heading = "Global options"
    )]
    pub(crate) color: Colors,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Colors {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Colors {
    /// Decides it for the whole process.
    pub(crate) fn write_global(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// Makes of a list of verbs the enum that clap reads, and the call of each.
macro_rules! verbs {
    ($($group:literal { $($name:ident($arguments:ty),)* })*) => {
        /// What is to be done.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Verb {
            $($($name($arguments),)*)*
        }

        impl Verb {
            pub(crate) async fn run(self, session: &Session) -> Ended {
                match self {
                    $($(Self::$name(verb) => Box::pin(verb.run(session)).await,)*)*
                }
            }
        }

        /// The verbs of each group, by the names of their variants.
        const GROUPS: &[(&str, &[&str])] = &[$(($group, &[$(stringify!($name)),*]),)*];
    };
}

verbs! {
    "Write" {
        New(new::New),
        Validate(validate::Validate),
        Test(test::Test),
        Dev(dev::Dev),
    }
    "Deploy" {
        Plan(plan::Plan),
        Apply(apply::Apply),
        Undo(undo::Undo),
    }
    "Look" {
        Status(status::Status),
        History(history::History),
        Report(report::Report),
    }
    "Operate" {
        Unlock(hold::Unlock),
        Pause(hold::Pause),
        Resume(hold::Resume),
        Repair(repair::Repair),
        RetryFailed(retry::RetryFailed),
    }
    "Set up" {
        Iam(iam::Iam),
        Schema(schema::Schema),
        StateMachine(state_machine::StateMachine),
        Completions(completions::Completions),
    }
}

/// The command with its verbs listed in groups.
pub(crate) fn in_groups(command: Command) -> Command {
    let heading = command.get_styles().get_header().to_owned();
    let literal = command.get_styles().get_literal().to_owned();
    let mut list = String::new();
    for (group, names) in GROUPS {
        let _ = writeln!(list, "{heading}{group}:{heading:#}");
        for name in names.iter().map(|name| kebab(name)) {
            let about = command.find_subcommand(&name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(list, "  {literal}{name:<15}{literal:#}{about}");
        }
        list.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}{heading}Options:{heading:#}\n{{options}}{{after-help}}"
    ))
}

/// `RetryFailed` as clap names it.
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(character.to_lowercase());
    }
    kebab
}

/// Which scope is meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Where {
    /// Name of the stack; by default that of the settings
    #[arg(long, value_name = "NAME", conflicts_with = "scope", help_heading = "Which scope")]
    pub(crate) stack: Option<String>,
    /// The scope itself, <stack uuid>/<logical id>
    #[arg(long, help_heading = "Which scope")]
    pub(crate) scope: Option<String>,
    /// The ledger table; by default that of the settings
    #[arg(long, value_name = "TABLE", help_heading = "Which scope")]
    pub(crate) ledger: Option<String>,
}

impl Where {
    /// The event of a command, for the scope that is meant.
    pub(crate) fn event(&self, verb: &str, settings: &Settings) -> Value {
        let mut event = json!({ "tablewright": verb });
        if let Some(ledger) = self.ledger.clone().or_else(|| settings.ledger()) {
            event["ledger"] = json!(ledger);
        }
        let asked = self.scope.is_some() || self.stack.is_some();
        let (scope, stack) =
            if asked { (&self.scope, &self.stack) } else { (&settings.scope, &settings.stack) };
        match (scope, stack) {
            (Some(scope), _) => event["scope"] = json!(scope),
            (None, Some(stack)) => event["stack"] = json!(stack),
            (None, None) => {}
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_make_sense() {
        in_groups(Args::command()).debug_assert();
    }

    #[test]
    fn every_verb_stands_in_a_group_and_has_an_example() {
        let command = Args::command();
        let listed: Vec<_> =
            GROUPS.iter().flat_map(|(_, names)| names.iter().map(|name| kebab(name))).collect();
        for verb in command.get_subcommands() {
            assert!(listed.contains(&verb.get_name().to_owned()), "{}", verb.get_name());
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("tablewright "), "{} shows no example", verb.get_name());
        }
        assert_eq!(listed.len(), command.get_subcommands().count());
    }
}
