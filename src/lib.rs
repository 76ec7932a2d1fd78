//! DynamoDB tables and data migrations as one step of `cdk deploy`.
//!
//! A Lambda function behind a CloudFormation custom resource. On Create and Update it brings the declared tables to
//! their declared shape and runs the pending data migrations in order, before any code that needs the new shape goes
//! live; then it answers. When something fails, it takes back what the request did.
//!
//! A function is its list of migrations:
//!
//! ```no_run
//! use tablewright::{Change, Item, Migration, MigrationError, Migrator};
//!
//! fn add_label(mut order: Item) -> Result<Change, MigrationError> {
//!     let label = format!("ORDER#{}", order.text("pk")?);
//!     order.set_text("label", label);
//!     Ok(Change::Update(order))
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), lambda_runtime::Error> {
//!     let migrator = Migrator::builder()
//!         .migration(Migration::backfill("0001_add_label", "orders", add_label))
//!         .build();
//!     tablewright::run(migrator).await
//! }
//! ```
//!
//! The modules stand in the order in which the data flows.

pub mod lambda;
pub mod logging;

pub mod command;
pub mod handler;
pub mod local;
pub mod request;
pub mod stacks;

pub mod answer;
pub mod desired;
pub mod execute;
pub mod ledger;
pub mod observe;
pub mod plan;
pub mod preview;
pub mod rights;
pub mod rollback;
pub mod schema;

pub mod autoscaling;
mod backfill;
mod copy;
pub mod dynamo;
pub mod kms;
mod metrics;
pub mod services;
mod signed;
pub mod state_machine;
pub mod states;
pub mod streams;

pub mod authoring;
pub mod item;
pub mod migration;
pub mod migrator;

pub mod clock;
pub mod deadline;
mod hex;
pub mod interrupt;

#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "testing")]
pub mod testing;

pub use self::backfill::Counts;
pub use self::item::{Change, Item, Put};
pub use self::lambda::run;
pub use self::migration::{
    AfterGap, Backfill, Cap, Context, Guard, MARK, Migration, MigrationError, Phase, Sample,
    TableCopy, unmark,
};
pub use self::migrator::Migrator;

/// The build, as the ledger records it.
pub const BUILD: &str = concat!("tablewright ", env!("CARGO_PKG_VERSION"));
