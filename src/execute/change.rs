//! Makes one change of a table: sees whether it is done, sends it if not, and waits until a settled table shows it.

use std::time::Duration;

use tokio::time::Instant;

use super::Run;
use super::wait::{Rest, Wait};
use crate::deadline::Deadline;
use crate::dynamo::{self, Class, Description, Dynamo, Status};
use crate::interrupt::Interrupt;
use crate::observe::{self, LiveTable, Wanted};
use crate::plan::{Completion, Setting, TableStep};
use crate::schema::Policy;
use crate::services::Services;

/// How long a settled table may go on showing the state before a change that was accepted.
const TAKES_EFFECT: Duration = Duration::from_secs(30);
/// How often a change is sent that DynamoDB fails over; some fail for ever.
const INTERNAL_ERRORS_MAX: u32 = 3;

/// Makes one change and waits until a settled table shows it. Returns what a person should know: that an engine does
/// not implement it, or that it goes on after the deploy.
pub(super) async fn change(
    run: &Run,
    name: &str,
    step: &TableStep,
    deadline: Deadline,
) -> Result<Option<String>, Interrupt> {
    let facts = step.facts();
    let wanted = Wanted::to_check(step).without_waiting_for(run.desired.detached(name));
    let mut wait = Wait::new(name, facts.takes, facts.limit, deadline);
    let mut rest = Rest::default();
    let mut sent: Option<Sent> = None;
    let mut internal_errors = 0;
    loop {
        let live = look(run, name, &wanted).await?;
        let is_done = step.is_done(live.table());
        if is_done && goes_on_by_itself(step, &live) {
            return Ok(Some(format!("goes on after the deploy: {}", step.line(name))));
        }
        if !live.description.unsettled.is_empty() {
            rest.disturb();
            wait.on(&live.description.unsettled.join(", ")).await?;
            continue;
        }
        if is_done {
            if rest.confirm() {
                return Ok(None);
            }
            wait.before_second_look().await?;
            continue;
        }
        if let Some(sent) = &mut sent {
            sent.still_due(name, step, &live)?;
            wait.on("the change does not show yet").await?;
            continue;
        }
        run.lease.confirm().await?;
        let Err(error) = send(&run.services, name, &live.description, step).await else {
            sent = Some(Sent::default());
            continue;
        };
        internal_errors += u32::from(error.class == Class::Internal);
        match error.class {
            Class::Satisfied => sent = Some(Sent::default()),
            Class::Missing if matches!(step, TableStep::DeleteIndex(_)) => {
                sent = Some(Sent::default());
            }
            Class::Unsupported => {
                let notice =
                    format!("left out, this engine does not implement it: {}", step.line(name));
                tracing::warn!(%error, "{notice}");
                return Ok(Some(notice));
            }
            _ if error.is_transient() && internal_errors < INTERNAL_ERRORS_MAX => {
                wait.on(&error.message).await?;
            }
            _ => return Err(error.into()),
        }
    }
}

async fn look(run: &Run, name: &str, wanted: &Wanted) -> Result<LiveTable, Interrupt> {
    let Some(live) = observe::table(&run.services, name, wanted).await? else {
        return Err(Interrupt::Failed(format!("table {name} vanished while it was changed")));
    };
    match &live.description.status {
        Status::Broken(state) => Err(Interrupt::Failed(format!("table {name} is {state}"))),
        Status::Active | Status::Deleting => Ok(live),
    }
}

/// Whether the step was begun and is declared to end without anybody waiting for it.
fn goes_on_by_itself(step: &TableStep, live: &LiveTable) -> bool {
    matches!(step, TableStep::CreateIndex { index, completion: Completion::Detach, .. }
        if live.description.is_being_made(&index.name))
}

/// A change that DynamoDB has accepted.
#[derive(Debug, Default)]
struct Sent {
    settled_at: Option<Instant>,
}

impl Sent {
    /// Fails where the change came to nothing, or where a settled table should have shown it by now.
    fn still_due(
        &mut self,
        name: &str,
        step: &TableStep,
        live: &LiveTable,
    ) -> Result<(), Interrupt> {
        if let Some(why) = step.failure(live.table()) {
            return Err(Interrupt::Failed(format!("{}: {why}", step.line(name))));
        }
        if self.settled_at.get_or_insert_with(Instant::now).elapsed() > TAKES_EFFECT {
            return Err(Interrupt::Failed(format!(
                "DynamoDB accepted a change that table {name} does not show: {}",
                step.line(name)
            )));
        }
        Ok(())
    }
}

async fn send(
    services: &Services,
    name: &str,
    description: &Description,
    step: &TableStep,
) -> Result<(), dynamo::Error> {
    let dynamo = &services.dynamo;
    match step {
        TableStep::Billing { to, indexes, .. } => dynamo.set_billing(name, *to, indexes).await,
        TableStep::Throughput { table, indexes } => {
            dynamo.set_throughput(name, *table, indexes).await
        }
        TableStep::Limits(limits) => dynamo.set_limits(name, *limits).await,
        TableStep::IndexLimits(index, limits) => {
            dynamo.set_index_limits(name, index, *limits).await
        }
        TableStep::CreateIndex { index, attributes, .. } => {
            dynamo.create_index(name, index, attributes).await
        }
        TableStep::DeleteIndex(index) => dynamo.delete_index(name, index).await,
        TableStep::Stream(stream) => dynamo.set_stream(name, *stream).await,
        TableStep::Encryption(encryption) => dynamo.set_encryption(name, encryption).await,
        TableStep::Class(class) => dynamo.set_class(name, *class).await,
        TableStep::TimeToLive { attribute, on } => {
            dynamo.set_time_to_live(name, attribute, *on).await
        }
        TableStep::Warm(warm) => dynamo.set_warm(name, *warm).await,
        TableStep::IndexWarm(index, warm) => dynamo.set_index_warm(name, index, *warm).await,
        TableStep::Setting(setting) => send_setting(dynamo, name, &description.arn, setting).await,
        TableStep::Scale { index, dimension, range } => {
            services.scaler.scale(name, index.as_deref(), *dimension, range).await
        }
        TableStep::Unscale { index, dimension } => {
            services.scaler.unscale(name, index.as_deref(), *dimension).await
        }
        TableStep::CreateReplica { region, key, class } => {
            dynamo.create_replica(name, region, key.as_deref(), *class).await
        }
        TableStep::ReplicaClass { region, class } => {
            dynamo.set_replica_class(name, region, *class).await
        }
        TableStep::ReplicaSetting { region, setting } => {
            let arn = description.arn_in(region);
            send_setting(&services.dynamo_in(region), name, &arn, setting).await
        }
        TableStep::DeleteReplica(region) => dynamo.delete_replica(name, region).await,
        TableStep::Create(_) | TableStep::Adopt | TableStep::Settle { .. } => Ok(()),
    }
}

async fn send_setting(
    dynamo: &Dynamo,
    name: &str,
    arn: &str,
    setting: &Setting,
) -> Result<(), dynamo::Error> {
    match setting {
        Setting::Recovery(recovery) => dynamo.set_recovery(name, *recovery).await,
        Setting::StartDestination { arn, precision } => {
            dynamo.start_destination(name, arn, *precision).await
        }
        Setting::StopDestination { arn } => dynamo.stop_destination(name, arn).await,
        Setting::DestinationPrecision { arn, precision } => {
            dynamo.set_destination_precision(name, arn, *precision).await
        }
        Setting::Insights { index, to } => dynamo.set_insights(name, index.as_deref(), to).await,
        Setting::Policy(Policy::Document(policy)) => dynamo.put_policy(name, arn, policy).await,
        Setting::Policy(Policy::Off) => dynamo.delete_policy(name, arn).await,
        Setting::Tag(tags) => dynamo.tag(name, arn, tags).await,
        Setting::Untag(keys) => dynamo.untag(name, arn, keys.iter().cloned().collect()).await,
        Setting::DeletionProtection(on) => dynamo.set_deletion_protection(name, *on).await,
    }
}
