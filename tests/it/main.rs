//! The integration tests: whole requests against the embedded engine.
#![expect(clippy::disallowed_methods, reason = "tests look at the engine directly")]

mod support;

mod deploys;
mod migrations;
mod protocol;
mod rollbacks;
