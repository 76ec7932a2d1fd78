//! What a Delete asks for: that the resource goes, that an older generation has had its day, or that a newer one is taken back.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Verdict;
use super::times::Times;
use super::turn::{Held, Rest};
use super::work::{Done, Work, list, with_detached};
use crate::backfill::share::Extent;
use crate::desired::{Desired, OnStackRollback};
use crate::dynamo::Class;
use crate::execute::{self, Part, Run};
use crate::interrupt::Interrupt;
use crate::ledger::generations::{Declaration, hold};
use crate::ledger::rows::{MetaRow, RunRow, entry};
use crate::ledger::{Lease, RowWrite, Snapshot};
use crate::plan::Mode;
use crate::rollback;
use crate::stacks::{Phase, StackStatus, Unreadable};

/// What a Delete asks for.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// The resource is to go, and no deploy of it has ever succeeded.
    NeverBegan,
    /// The resource is to go.
    Resource,
    /// The whole stack has succeeded: what the live generation does not declare is to go.
    Cleanup,
    /// The update that brought the live generation is taken back.
    WayBack,
    /// Nothing.
    Nothing(&'static str),
    /// Nobody knows, so nothing is touched.
    Unknown(Unreadable),
}

impl Ending {
    /// Tells by the generation that is deleted, the live one, and what the stack is going through.
    fn of(generation: u64, meta: &MetaRow, status: Result<StackStatus, Unreadable>) -> Self {
        use Phase::{Ends, Goes, RollsBack};
        let phase = status.map(|status| status.phase());
        match (generation.cmp(&meta.live()), phase) {
            (Ordering::Greater, _) => Self::Nothing("this generation was gone back from before"),
            // After several updates whose rollback was put off, all their identities are deleted.
            (Ordering::Less, Ok(RollsBack)) => {
                Self::Nothing("the stack is rolled back, so the live generation decides")
            }
            // It comes after the success of the whole stack, which needs no asking.
            (Ordering::Less, Ok(Goes) | Err(_)) => Self::Cleanup,
            (Ordering::Equal, Ok(RollsBack)) if meta.answered.is_some() => Self::WayBack,
            // The whole stack goes, or the resource left the template, or the update had brought it that fails.
            (Ordering::Less, Ok(Ends)) | (Ordering::Equal, Ok(RollsBack | Ends | Goes)) => {
                Self::Resource
            }
            (Ordering::Equal, Err(unreadable)) => Self::Unknown(unreadable),
        }
    }
}

impl Work {
    pub(super) async fn delete(&self) -> Done {
        if self.envelope.names_another_resource() {
            return Err(Verdict::success("nothing to delete: the id is that of another resource"));
        }
        let row = match self.begin().await {
            Err(error) if error.class == Class::Missing => {
                return Err(Verdict::success("there is no ledger, so nothing is ours to delete"));
            }
            row => row?,
        };
        let Held { lease, times, row } = self.take_lease(row).await?;
        let mut snapshot = self.ledger.snapshot().await?;
        let meta = snapshot.meta.clone().unwrap_or_default();
        // What has begun to go back shows no more where it came from.
        let ending = if row.goes_back { Ending::WayBack } else { self.ending(&meta).await };
        let generation = self.envelope.generation();
        tracing::info!(?ending, generation, live = meta.live(), "delete");
        match ending {
            Ending::NeverBegan | Ending::Resource | Ending::WayBack => {
                self.forget_detached(&lease, &mut snapshot).await?;
            }
            Ending::Cleanup | Ending::Nothing(_) | Ending::Unknown(_) => {}
        }
        let services = &self.handler.services;
        let verdict = match ending {
            Ending::NeverBegan => {
                let gone = rollback::take_back_uncommitted(services, &lease, times.work).await;
                end_of(&lease, &meta, gone).await
            }
            Ending::Resource => {
                let outcome = execute::delete_resource(services, &lease, times.work).await;
                match &outcome {
                    Err(Interrupt::OutOfTime(progress)) => {
                        let later = self.leave(&lease, times, Rest::Work(None), progress).await;
                        match later {
                            Some(later) => later,
                            None => end_of(&lease, &meta, outcome).await,
                        }
                    }
                    Ok(_)
                    | Err(
                        Interrupt::Failed(_)
                        | Interrupt::Blocked { .. }
                        | Interrupt::Shared(_)
                        | Interrupt::LeaseLost(_),
                    ) => end_of(&lease, &meta, outcome).await,
                }
            }
            Ending::Cleanup => self.clean_up(&lease, &meta, times).await,
            Ending::WayBack => Box::pin(self.go_back(&lease, &row, &snapshot, times)).await,
            Ending::Nothing(why) => Verdict::success(format!("nothing to delete: {why}")),
            Ending::Unknown(unreadable) => {
                Verdict::success(format!("everything stays: {unreadable}"))
            }
        };
        self.end(&lease, &verdict).await;
        Ok((verdict, Some(lease)))
    }

    async fn ending(&self, meta: &MetaRow) -> Ending {
        if meta.committed.is_none() {
            return Ending::NeverBegan;
        }
        let generation = self.envelope.generation();
        let status = self.handler.services.stacks.status(&self.envelope.stack_id).await;
        Ending::of(generation, meta, status)
    }

    /// Removes what the live generation does not declare. CloudFormation takes no notice of a failure here, so none is
    /// answered; it is on record, and the next deploy leaves the rest to its own cleanup.
    async fn clean_up(&self, lease: &Lease, meta: &MetaRow, times: Times) -> Verdict {
        match self.remove_undeclared(lease, meta, times).await {
            Ok(outcomes) if outcomes.is_empty() => Verdict::success("nothing was left to remove"),
            Ok(outcomes) => Verdict::success(outcomes.join("; ")),
            Err(interrupt) => Verdict::success(format!(
                "the cleanup stopped, the next deploy tries again: {interrupt}"
            )),
        }
    }

    async fn remove_undeclared(
        &self,
        lease: &Lease,
        meta: &MetaRow,
        times: Times,
    ) -> Result<Vec<String>, Interrupt> {
        lease.confirm_generation(meta).await?;
        let declaration = self.ledger.declaration(meta.live()).await?;
        let is_live = |live: &Declaration| meta.committed.as_ref() == Some(&live.hash);
        let Some(declaration) = declaration.filter(is_live) else {
            return Err(Interrupt::Failed(
                "what the live generation declares is not on record".to_owned(),
            ));
        };
        let run = self.run_of(lease, declaration, meta.live(), Mode::Cleanup)?;
        execute::clean_up(&run, times.work).await
    }

    /// Goes back to the generation before the live one, and to its declaration as far as a rollback does.
    async fn go_back(
        &self,
        lease: &Lease,
        row: &RunRow,
        snapshot: &Snapshot,
        times: Times,
    ) -> Verdict {
        // The identity that goes brings the properties that are gone back from.
        let keeps = Desired::read(&self.envelope.properties)
            .is_ok_and(|gone| gone.on_stack_rollback == OnStackRollback::Keep);
        let taken_back = snapshot.meta.as_ref().and_then(|meta| meta.committed_by.clone());
        let taken_back: Vec<_> =
            taken_back.into_iter().filter(|_| !keeps).flat_map(with_detached).collect();
        let prepared = self.hold_the_one_before(lease, snapshot).await;
        match prepared {
            Ok(run) => {
                let run = Run { extent: self.extent(row), ..run };
                match self.way_back(&run, &taken_back, times, None).await {
                    Verdict::Answer { status, reason, .. } => Verdict::bare(status, reason),
                    other @ (Verdict::GoesOn { .. }
                    | Verdict::Shared { .. }
                    | Verdict::AnsweredElsewhere) => other,
                }
            }
            Err(interrupt) => Verdict::success(format!(
                "went back to the generation before, and left everything as it is: {interrupt}"
            )),
        }
    }

    async fn hold_the_one_before(
        &self,
        lease: &Lease,
        snapshot: &Snapshot,
    ) -> Result<Run, Interrupt> {
        let generation = snapshot.meta.as_ref().map_or(0, |meta| meta.generation);
        let (meta, held) = hold(snapshot, generation)?;
        let mut writes = vec![RowWrite::set(entry::run(&self.run), &GoesBack { goes_back: true })?];
        writes.extend(held);
        writes.push(RowWrite::set(entry::META.to_owned(), &meta)?);
        lease.write_all(writes).await?;
        let declaration = self.ledger.declaration(generation).await?;
        let declaration = declaration
            .ok_or_else(|| Interrupt::Failed("what it declares is not on record".to_owned()))?;
        self.run_of(lease, declaration, generation, Mode::Superset)
    }

    /// A run of a declaration that the ledger has kept.
    fn run_of(
        &self,
        lease: &Lease,
        declaration: Declaration,
        generation: u64,
        mode: Mode,
    ) -> Result<Run, Interrupt> {
        let desired = Desired::read(&declaration.properties)
            .map_err(|problems| Interrupt::Failed(list(&problems)))?;
        let migrator = self.handler.migrator.as_ref().map(Arc::clone).unwrap_or_default();
        Ok(Run {
            id: self.run.clone(),
            generation,
            declaration,
            before: None,
            desired,
            migrator,
            mode,
            part: Part::All,
            extent: Extent::Whole,
            longest: None,
            services: self.handler.services.clone(),
            lease: lease.clone(),
            trail: self.trail.clone(),
        })
    }
}

/// What the row of a run gets when it goes back; the rest of it stays.
#[derive(serde::Serialize)]
struct GoesBack {
    goes_back: bool,
}

/// What is said of the end of the resource, which leaves the directory with it.
async fn end_of(
    lease: &Lease,
    meta: &MetaRow,
    outcomes: Result<Vec<String>, Interrupt>,
) -> Verdict {
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(interrupt) => return Verdict::from(interrupt),
    };
    if meta.listed
        && let Err(interrupt) = lease.leave_directory().await
    {
        tracing::warn!(%interrupt, "the scope stays in the directory");
    }
    Verdict::success(outcomes.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::rows::Answered;

    /// What a Delete of each generation asks for, where 2 is the live one.
    fn endings(is_open: bool, status: Option<&str>) -> [Ending; 3] {
        let answered = is_open.then(|| Answered { generation: 2, run: "r".to_owned() });
        let meta = MetaRow { generation: 2 - u64::from(is_open), answered, ..MetaRow::default() };
        let status = status.map(|status| StackStatus(status.to_owned()));
        [1, 2, 3].map(|generation| {
            Ending::of(generation, &meta, status.clone().ok_or(Unreadable("silent".to_owned())))
        })
    }

    #[test]
    fn a_delete_asks_for_what_its_generation_and_the_stack_say() {
        let silent = || Ending::Unknown(Unreadable("silent".to_owned()));
        for is_open in [false, true] {
            for status in ["DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"] {
                let [before, live, _] = endings(is_open, Some(status));
                assert_eq!((before, live), (Ending::Resource, Ending::Resource), "{status}");
            }
            let [before, live, _] = endings(is_open, Some("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"));
            assert_eq!((before, live), (Ending::Cleanup, Ending::Resource));
            let [before, live, _] = endings(is_open, None);
            assert_eq!((before, live), (Ending::Cleanup, silent()));
            let [before, live, _] = endings(is_open, Some("UPDATE_ROLLBACK_IN_PROGRESS"));
            assert!(matches!(before, Ending::Nothing(_)), "{before:?}");
            assert_eq!(live, if is_open { Ending::WayBack } else { Ending::Resource });
            for status in [None, Some("DELETE_IN_PROGRESS"), Some("UPDATE_ROLLBACK_IN_PROGRESS")] {
                let [_, _, after] = endings(is_open, status);
                assert!(matches!(after, Ending::Nothing(_)), "{status:?}: {after:?}");
            }
        }
    }
}
