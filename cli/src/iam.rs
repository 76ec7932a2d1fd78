//! `iam`: the least rights that the declaration and its migrations take.

use serde_json::json;
use tablewright::desired::{Desired, ledger_table};
use tablewright::local::LocalStack;
use tablewright::rights::{Home, Role, Subject, Within, policies};

use crate::exit::{Done, Ended, Failure};
use crate::render::{self, say};
use crate::session::Session;
use crate::settings::Settings;

/// Print the least rights that the declaration and its migrations take
///
/// As text with a reason for each statement, or as IAM takes it with --json. Regions, accounts and stacks are placeholders of
/// CloudFormation's unless they are named.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tablewright iam                          # what a deploy needs, and why\n  \
    tablewright iam --looking --json         # for whoever plans and looks\n  \
    tablewright iam --account 111122223333 --region eu-west-1 --json | jq '.policies[0]'")]
pub(crate) struct Iam {
    /// Only what plan, status and history need: nothing that writes
    #[arg(long)]
    looking: bool,
    /// For one inline policy, instead of managed ones
    #[arg(long)]
    inline: bool,
    /// Number of the account, for policies without placeholders
    #[arg(long, requires = "region")]
    account: Option<String>,
    /// Region, for policies without placeholders
    #[arg(long, requires = "account")]
    region: Option<String>,
    /// A table that migrations touch without naming it; may be given several times
    #[arg(long = "other", value_name = "TABLE")]
    others: Vec<String>,
}

impl Iam {
    #[expect(clippy::unused_async, reason = "verbs are called alike")]
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let settings = session.settings()?;
        let properties = settings.declaration().map_err(Failure::Faults)?;
        let specs = session.sound_migrator(&settings)?.specs();
        let desired = Desired::read(properties).map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Failure::failed(problems.join("; "))
        })?;
        let role = if self.looking { Role::Plan } else { Role::Deploy { state_machine: None } };
        let subject = Subject {
            declarations: std::slice::from_ref(&desired),
            specs: &specs,
            others: &self.others,
            ledger: &ledger_table(properties),
            role,
        };
        let within = if self.inline { Within::Inline } else { Within::Managed };
        let policies = policies(subject.statements(&self.home(&settings)), within);
        if let Some(misfit) = policies.misfit() {
            return Err(Failure::failed(misfit));
        }
        if session.global.json {
            render::json(&json!({ "tablewright": "iam", "policies": policies.documents() }));
        } else {
            say(policies.to_string().trim_end());
        }
        Ok(Done::Done)
    }

    /// Where everything is: in placeholders, or where `apply` would have it.
    fn home(&self, settings: &Settings) -> Home {
        let (Some(account), Some(region)) = (&self.account, &self.region) else {
            return Home::default();
        };
        let stack = settings.stack.as_deref().map(LocalStack::named);
        let home = Home::default();
        Home {
            partition: partition(region).to_owned(),
            region: region.clone(),
            account: account.clone(),
            stack: stack.as_ref().map_or(home.stack, LocalStack::id),
            scope: settings
                .scope
                .clone()
                .or_else(|| stack.map(|stack| stack.scope()))
                .unwrap_or(home.scope),
        }
    }
}

/// The partition of a region (AWS documentation, "AWS General Reference, Amazon Resource Names").
fn partition(region: &str) -> &'static str {
    match region {
        cn if cn.starts_with("cn-") => "aws-cn",
        gov if gov.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
