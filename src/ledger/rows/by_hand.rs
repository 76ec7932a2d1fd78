//! Rows of what people do by hand: commands, a hold on a scope, and the directory by which they find scopes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Partition of the directory.
pub const SCOPES: &str = "scopes";

/// A row of the directory: whose a scope is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScopeRow {
    /// Name of its stack.
    pub stack: String,
    /// ARN of its stack.
    pub stack_id: String,
    /// The resource's name in the template.
    pub logical_id: String,
    /// When it was listed.
    pub listed_at: String,
}

/// Who has deploys of a scope wait.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hold {
    /// Who, in their own words.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: String,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held since {} by {}: {}", self.at, self.by, self.reason)
    }
}

/// How far a command has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Done.
    Done,
    /// Stopped for lack of time; sent again, it goes on.
    Pending,
    /// Refused, or not done.
    Failed,
    /// Under way, or cut off.
    #[default]
    #[serde(other)]
    Begun,
}

/// `command#<time>#<id>`: what a person has had the function do, written before it is done and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CommandRow {
    /// The verb.
    pub verb: String,
    /// What else the event said, as JSON.
    pub arguments: String,
    /// Who sent it, in their own words.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Build that carried it out.
    pub build: String,
    /// How far it has come.
    pub state: CommandState,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// What came of it.
    pub outcome: Option<String>,
}
