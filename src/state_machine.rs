//! The definition of the state machine that goes on with runs, in the Amazon States Language.

use serde_json::{Value, json};

use crate::backfill::WORKERS_MAX;

/// Longest that Lambda lets an invocation run, and some seconds for its answer to arrive.
const SLICE_SECONDS: u64 = 15 * 60 + 30;

/// The definition, in which `${Partition}` stands for the partition: what `DefinitionSubstitutions` of an
/// `AWS::StepFunctions::StateMachine` fill in.
///
/// Its input is what leads to a run, `{ "function", "ledger", "scope", "run" }`, and holds no secret. The function is named there
/// and not here, for it names the machine in its environment, and a template cannot have each of two resources name the other. It calls for slices of the run, each
/// when the one before says, until the run is answered; where a slice leaves a backfill to workers, for these, as children
/// of a Distributed Map; where slices fail again and again, for the answer. How long all of
/// it may take is not up to the machine: each slice knows how long CloudFormation waits.
///
/// Source: "Using Amazon States Language to define Step Functions workflows", AWS documentation.
#[must_use]
pub fn definition() -> Value {
    let call = |verb: &str| {
        json!({
            "Type": "Task",
            "Resource": "arn:${Partition}:states:::lambda:invoke",
            "TimeoutSeconds": SLICE_SECONDS,
            "Parameters": {
                "FunctionName.$": "$.function",
                "Payload": {
                    "tablewright": verb,
                    "ledger.$": "$.ledger",
                    "scope.$": "$.scope",
                    "run.$": "$.run",
                },
            },
            "Retry": retries(),
        })
    };
    let mut advance = call("advance");
    advance["ResultSelector"] = json!({ "slice.$": "$.Payload" });
    advance["ResultPath"] = json!("$.result");
    advance["Catch"] =
        json!([{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "GiveUp" }]);
    advance["Next"] = json!("IsDone");
    let mut give_up = call("give-up");
    give_up["Parameters"]["Payload"]["error.$"] = json!("$.error");
    give_up["ResultPath"] = json!(null);
    give_up["Next"] = json!("GivenUp");
    json!({
        "Comment": "Goes on with a run of tablewright, slice by slice, until CloudFormation is answered",
        "StartAt": "Advance",
        "States": {
            "Advance": advance,
            "IsDone": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Variable": "$.result.slice.status",
                        "StringEquals": "pending",
                        "Next": "Wait",
                    },
                    {
                        "Variable": "$.result.slice.status",
                        "StringEquals": "work",
                        "Next": "Work",
                    },
                ],
                "Default": "Done",
            },
            "Wait": {
                "Type": "Wait",
                "TimestampPath": "$.result.slice.wake_at",
                "Next": "Advance",
            },
            "Work": work(call("work")),
            "Done": { "Type": "Succeed" },
            "GiveUp": give_up,
            "GivenUp": {
                "Type": "Fail",
                "Error": "GivenUp",
                "Cause": "Slices of the run failed again and again, so it was answered FAILED; see the function's log",
            },
        },
    })
}

/// How often a call is repeated.
fn retries() -> Value {
    let passes = json!({
        "ErrorEquals": [
            "Lambda.TooManyRequestsException",
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.ClientExecutionTimeoutException",
        ],
        "IntervalSeconds": 1, "BackoffRate": 2, "MaxDelaySeconds": 30, "MaxAttempts": 8,
        "JitterStrategy": "FULL",
    });
    // A slice that dies leaves a lease behind, for which the next one waits by itself.
    let dies = json!({ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2 });
    json!([passes, dies])
}

/// The workers: one for each part that the slice has named, by this call. Whatever becomes of them, a slice comes next and
/// sees to what is left; where there could be none, since the machine may not start executions of itself, as well.
///
/// Source: "Using Map state in Distributed mode for large-scale parallel workloads in Step Functions", AWS documentation.
fn work(mut call: Value) -> Value {
    call["Parameters"]["Payload"]["part.$"] = json!("$.part");
    // The results of all of them have to fit a state.
    call["ResultSelector"] = json!({ "status.$": "$.Payload.status" });
    call["End"] = json!(true);
    json!({
        "Type": "Map",
        "ItemsPath": "$.result.slice.parts",
        "ItemSelector": {
            "function.$": "$.function",
            "ledger.$": "$.ledger",
            "scope.$": "$.scope",
            "run.$": "$.run",
            "part.$": "$$.Map.Item.Value",
        },
        "MaxConcurrency": WORKERS_MAX,
        "ToleratedFailurePercentage": 100,
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": "Part",
            "States": { "Part": call },
        },
        "ResultPath": null,
        "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "Advance" }],
        "Next": "Advance",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The states that a state leads to.
    fn next(state: &Value) -> Vec<&str> {
        let branches = ["Choices", "Catch"].map(|name| state[name].as_array());
        let branches = branches.into_iter().flatten().flatten().map(|branch| &branch["Next"]);
        let all = [&state["Next"], &state["Default"]].into_iter().chain(branches);
        all.filter_map(Value::as_str).collect()
    }

    #[test]
    fn every_state_is_reached_and_leads_to_an_end() {
        let definition = definition();
        let states = definition["States"].as_object().unwrap();
        let mut reached = vec![definition["StartAt"].as_str().unwrap()];
        let mut position = 0;
        while let Some(name) = reached.get(position) {
            let state = states.get(*name).unwrap_or_else(|| panic!("there is no state {name}"));
            let is_end = ["Succeed", "Fail"].contains(&state["Type"].as_str().unwrap());
            assert_eq!(next(state).is_empty(), is_end, "{name}");
            for next in next(state) {
                if !reached.contains(&next) {
                    reached.push(next);
                }
            }
            position += 1;
        }
        assert_eq!(reached.len(), states.len());
    }

    #[test]
    fn whatever_becomes_of_workers_a_slice_comes_next() {
        let work = &definition()["States"]["Work"];
        assert_eq!(work["ToleratedFailurePercentage"], 100);
        assert_eq!(next(work), ["Advance", "Advance"]);
        assert_eq!(work["ResultPath"], Value::Null, "the input of the next slice is the machine's");
    }

    #[test]
    fn the_construct_has_this_definition() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/infra/lib/state-machine.json");
        let text = std::fs::read_to_string(path).unwrap();
        let has: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(has, definition(), "`make infra/lib/state-machine.json` writes it");
    }

    #[test]
    fn whatever_fails_is_tried_again_and_then_answered() {
        let states = &definition()["States"];
        let part = &states["Work"]["ItemProcessor"]["States"]["Part"];
        for (name, task) in
            [("Advance", &states["Advance"]), ("GiveUp", &states["GiveUp"]), ("Part", part)]
        {
            let retries = task["Retry"].as_array().unwrap();
            assert_eq!(retries.last().unwrap()["ErrorEquals"], json!(["States.ALL"]), "{name}");
        }
        let catch = &states["Advance"]["Catch"][0];
        assert_eq!(
            (&catch["ErrorEquals"], &catch["Next"]),
            (&json!(["States.ALL"]), &json!("GiveUp"))
        );
    }
}
