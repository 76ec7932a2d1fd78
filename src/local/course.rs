//! The part of CloudFormation for one resource: what it sends, in which order, and what it holds of the answers.

use serde_json::{Value, json};

/// What is sent, and what the stack is going through meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The event, without what names the request and where its answer goes.
    pub(crate) event: Value,
    /// `StackStatus`.
    pub(crate) status: &'static str,
}

/// The resource as CloudFormation holds it.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) physical_id: String,
    /// What it was last declared as; `null` where nobody knows any more.
    pub(crate) properties: Value,
}

/// What came of a deploy.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The answer to the create or the update.
    pub answer: Answer,
    /// The answer to what followed from it: a rollback, or a delete of what was replaced or did not come up.
    pub after: Option<Answer>,
}

/// The body that CloudFormation is sent.
#[derive(Debug, Clone)]
pub struct Answer(pub Value);

impl Answer {
    /// Whether it says SUCCESS.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.0["Status"] == "SUCCESS"
    }

    /// Its reason, or its notices where it says SUCCESS.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.0["Reason"].as_str().unwrap_or_default()
    }

    pub(crate) fn physical_id(&self) -> String {
        self.0["PhysicalResourceId"].as_str().unwrap_or_default().to_owned()
    }
}

/// A stack with one resource of ours.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub(crate) stack_id: String,
    pub(crate) logical_id: &'static str,
    pub(crate) held: Option<Held>,
}

impl Course {
    /// Deploys a declaration. Where it fails, it is taken back; where it replaces the resource, what it replaces is deleted.
    ///
    /// # Errors
    /// That of the first request which `send` has no answer to.
    pub(crate) async fn deploy<E>(
        &mut self,
        properties: &Value,
        mut send: impl AsyncFnMut(Request) -> Result<Answer, E>,
    ) -> Result<Deployed, E> {
        let Some(held) = self.held.clone() else {
            let answer = send(self.create(properties)).await?;
            if !answer.is_success() {
                let id = answer.physical_id();
                let delete = send(self.delete(&id, properties, "ROLLBACK_IN_PROGRESS")).await?;
                return Ok(Deployed { answer, after: Some(delete) });
            }
            self.hold(&answer, properties);
            return Ok(Deployed { answer, after: None });
        };
        let answer = send(self.update(&held, properties)).await?;
        if !answer.is_success() {
            let back = match self.update_back(&held, properties) {
                Some(back) => Some(send(back).await?),
                None => None,
            };
            return Ok(Deployed { answer, after: back });
        }
        self.hold(&answer, properties);
        let after = match self.clean_up(&held, &answer) {
            Some(delete) => Some(send(delete).await?),
            None => None,
        };
        Ok(Deployed { answer, after })
    }

    fn hold(&mut self, answer: &Answer, properties: &Value) {
        let physical_id = answer.physical_id();
        self.held = Some(Held { physical_id, properties: properties.clone() });
    }

    pub(crate) fn create(&self, properties: &Value) -> Request {
        self.request("Create", "CREATE_IN_PROGRESS", properties)
    }

    pub(crate) fn update(&self, held: &Held, properties: &Value) -> Request {
        let request = self.request("Update", "UPDATE_IN_PROGRESS", properties);
        request.of(&held.physical_id).instead_of(&held.properties)
    }

    /// The way back to what is held; none where nobody knows what that was declared as.
    pub(crate) fn update_back(&self, held: &Held, properties: &Value) -> Option<Request> {
        let back = self.request("Update", "UPDATE_ROLLBACK_IN_PROGRESS", &held.properties);
        let is_known = !held.properties.is_null();
        is_known.then(|| back.of(&held.physical_id).instead_of(properties))
    }

    /// The delete of what an update has replaced, where it has.
    pub(crate) fn clean_up(&self, held: &Held, answer: &Answer) -> Option<Request> {
        let is_replaced = answer.physical_id() != held.physical_id;
        let status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS";
        is_replaced.then(|| self.delete(&held.physical_id, &held.properties, status))
    }

    pub(crate) fn delete(&self, id: &str, properties: &Value, status: &'static str) -> Request {
        self.request("Delete", status, properties).of(id)
    }

    fn request(&self, kind: &str, status: &'static str, properties: &Value) -> Request {
        let event = json!({
            "RequestType": kind,
            "StackId": self.stack_id,
            "LogicalResourceId": self.logical_id,
            "ResourceType": "Custom::DynamoDBTables",
            "ResourceProperties": properties,
        });
        Request { event, status }
    }
}

impl Request {
    fn of(mut self, physical_id: &str) -> Self {
        self.event["PhysicalResourceId"] = json!(physical_id);
        self
    }

    fn instead_of(mut self, old: &Value) -> Self {
        if !old.is_null() {
            self.event["OldResourceProperties"] = old.clone();
        }
        self
    }
}
