//! The least rights that a declaration and its migrations take, as IAM policies with a reason for each statement.
//!
//! Pure: from the declaration, the migrations and names to a list of [`Statement`]s, and from those to documents that IAM
//! accepts. What a single request takes is by AWS's documentation ("Actions, resources, and condition keys for Amazon
//! DynamoDB" and its like); which requests are sent, a test finds out.
//!
//! ```
//! use tablewright::desired::Desired;
//! use tablewright::rights::{Home, Role, Subject};
//!
//! let declared = serde_json::json!({ "Tables": [{
//!     "TableName": "orders",
//!     "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
//!     "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
//! }] });
//! let desired = Desired::read(&declared).unwrap();
//! let subject = Subject::new(std::slice::from_ref(&desired), &[], Role::Plan);
//! let statements = subject.statements(&Home::default());
//! assert!(statements.iter().all(|statement| !statement.actions.contains(&"dynamodb:UpdateTable")));
//! ```

mod actions;
mod document;
mod grants;
mod needs;

pub use self::document::{Policies, Statement, Within, policies};
pub use self::grants::{Condition, On, Right, catalogue};
pub use self::needs::Need;
use self::needs::Target;
use crate::desired::{DEFAULT_LEDGER_TABLE, Desired};
use crate::migration::Spec;

/// What rights are wanted for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The declaration, and those before it of which something may still have to go: an index, a feature, a table.
    pub declarations: &'a [Desired],
    /// The migrations of the build.
    pub specs: &'a [Spec],
    /// Tables that are not declared and that no migration names, but some touch.
    pub others: &'a [String],
    /// The ledger table.
    pub ledger: &'a str,
    /// What the role is for.
    pub role: Role<'a>,
}

/// What a role is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role<'a> {
    /// The function's: it deploys.
    Deploy {
        /// ARN of the state machine that goes on with long runs, where there is one.
        state_machine: Option<&'a str>,
    },
    /// That of whoever plans and looks: it writes nothing.
    Plan,
}

/// Where everything is; by default in placeholders of CloudFormation's, for `Fn::Sub` with a variable `Scope`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Partition, as `aws`.
    pub partition: String,
    /// Region of the stack.
    pub region: String,
    /// Number of the account.
    pub account: String,
    /// ARN of the stack.
    pub stack: String,
    /// The scope, which the owner tag of tables names: `<stack uuid>/<logical id>`.
    pub scope: String,
}

impl Default for Home {
    fn default() -> Self {
        Self {
            partition: "${AWS::Partition}".to_owned(),
            region: "${AWS::Region}".to_owned(),
            account: "${AWS::AccountId}".to_owned(),
            stack: "${AWS::StackId}".to_owned(),
            // `Fn::Sub` takes this one from its second argument: no pseudo parameter is a part of the stack's id.
            scope: "${Scope}".to_owned(),
        }
    }
}

impl<'a> Subject<'a> {
    /// These declarations and migrations, with the ledger that declarations have by default.
    #[must_use]
    pub fn new(declarations: &'a [Desired], specs: &'a [Spec], role: Role<'a>) -> Self {
        Self { declarations, specs, others: &[], ledger: DEFAULT_LEDGER_TABLE, role }
    }

    /// One statement for each right, with all resources that need it.
    #[must_use]
    pub fn statements(&self, home: &Home) -> Vec<Statement> {
        let needs = needs::of(self);
        let mut statements = Vec::new();
        for need in Need::ALL {
            let Some(targets) = needs.get(&need) else { continue };
            for right in need.rights() {
                let actions = right.actions.iter().copied();
                let actions: Vec<_> =
                    actions.filter(|action| self.role.needs(need, action)).collect();
                if !actions.is_empty() {
                    let resources = targets.iter().map(|target| home.resource(right.on, target));
                    let resources = resources.collect();
                    statements.push(right.statement(need, actions, resources, home));
                }
            }
        }
        statements
    }
}

impl Role<'_> {
    fn needs(self, need: Need, action: &str) -> bool {
        match self {
            Self::Deploy { .. } => true,
            Self::Plan => need.is_looked_at_by(action),
        }
    }
}

impl Home {
    fn table(&self, name: &str, region: Option<&str>) -> String {
        let Self { partition, region: own, account, .. } = self;
        let region = region.unwrap_or(own);
        format!("arn:{partition}:dynamodb:{region}:{account}:table/{name}")
    }

    /// The ARN, or the pattern of ARNs, that a right to a target is about.
    fn resource(&self, on: On, target: &Target) -> String {
        let (name, region) = match target {
            Target::Table { name, region } => (name.as_str(), region.as_deref()),
            Target::Named { arn } => return arn.clone(),
            Target::Anything => ("*", None),
        };
        match on {
            On::Table => self.table(name, region),
            On::Indexes => format!("{}/index/*", self.table(name, region)),
            On::Streams => format!("{}/stream/*", self.table(name, region)),
            On::Backups => format!("{}/backup/*", self.table(name, region)),
            On::Stack => self.stack.clone(),
            On::Named | On::Anything => "*".to_owned(),
        }
    }
}
