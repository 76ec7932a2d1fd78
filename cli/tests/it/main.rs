//! The real binary against a strict plane that listens on a port of this machine.
#![expect(clippy::disallowed_methods, reason = "tests look at the engine directly")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod world;

mod deploys;
mod dev;
mod files;
mod help;
mod migrations;
mod shop;
