//! Direct commands: carried out by the workers, within the time of the invocation, with one line of the log for a refusal.

use serde_json::Value;
use tracing::Instrument;

use super::times::Times;
use super::{Handler, Invocation};
use crate::command::{Command, CommandError, Hands};

impl Handler {
    /// Does what a command says; the result goes back to whoever has invoked the function.
    pub(super) async fn obey(
        &self,
        event: &Value,
        invocation: &Invocation,
    ) -> Result<Value, CommandError> {
        let times = Times::of(invocation.deadline);
        let hands =
            Hands::new(self.services.clone(), self.migrator.clone(), &invocation.id, times.work);
        let span = tracing::info_span!("command", run = hands.id());
        let obeyed = async {
            let command = Command::read(event)?;
            let work = async move { command.obey(&hands).await };
            let mut task = self.threads.handle().spawn(work.instrument(tracing::Span::current()));
            tokio::select! {
                ended = &mut task => ended.unwrap_or_else(|_| Err(CommandError::Failed(
                    "tablewright panicked, which is a bug; see the log. What it did is on record".to_owned(),
                ))),
                () = times.hard.reached() => {
                    task.abort();
                    Err(CommandError::Failed(
                        "the function ran out of time. What it did is on record; send the command again".to_owned(),
                    ))
                }
            }
        };
        let obeyed = async {
            obeyed.await.inspect_err(|error| tracing::error!(%error, "command not carried out"))
        };
        obeyed.instrument(span).await
    }
}
