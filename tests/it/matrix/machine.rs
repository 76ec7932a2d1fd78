//! The state machine: slices of a run that was handed over, with the retries of its definition, and the call for the answer.

use std::time::Duration;

use serde_json::{Value, json};

use super::lambda::RETRIES_AFTER;
use super::life::{INVOCATION, Life};
use super::scenario::Code;
use super::world::World;

/// More slices than any run has.
const SLICES_MAX: usize = 20;
/// How often it tries a task.
const TRIES: usize = 3;

impl<W: World> Life<'_, W> {
    /// Goes on with a run until it is over; whether something has gone wrong meanwhile.
    pub(super) async fn execute(&self, code: Code, input: &Value) -> Result<bool, String> {
        let stage = self.world.stage();
        stage.begin_slices();
        for _ in 0..SLICES_MAX {
            match self.task(code, "advance", input).await? {
                Some(said) if said["status"] == "done" => return Ok(stage.has_struck()),
                Some(_) => self.world.pass(Duration::from_secs(1)).await,
                None => return self.give_up(code, input).await,
            }
        }
        Err("a run came to no end".to_owned())
    }

    async fn give_up(&self, code: Code, input: &Value) -> Result<bool, String> {
        // Whatever kills slices does not keep the answer back.
        let has_struck = self.world.stage().has_struck();
        self.world.stage().calm();
        let mut input = input.clone();
        input["error"] = json!({ "Error": "Runtime.ExitError", "Cause": "signal: killed" });
        let said = self.task(code, "give-up", &input).await?;
        match said {
            Some(said) if said["status"] == "done" => Ok(has_struck),
            other => Err(format!("the call for the answer returned {other:?}")),
        }
    }

    /// One task with its retries; what it returns, or nothing where it failed each time.
    async fn task(&self, code: Code, verb: &str, input: &Value) -> Result<Option<Value>, String> {
        let mut event = input.clone();
        event["tablewright"] = json!(verb);
        for _ in 0..TRIES {
            let returned = self.world.call(code, &event, INVOCATION).await?;
            if returned.is_some() {
                return Ok(returned);
            }
            self.world.pass(RETRIES_AFTER).await;
        }
        Ok(None)
    }
}
