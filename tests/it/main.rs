//! The integration tests: whole requests against a real DynamoDB engine.
#![expect(clippy::disallowed_methods, reason = "tests look at the engine directly")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod cloudformation;
mod documents;
mod driver;
mod engine;
mod process;
mod support;

mod backfills;
mod commands;
mod convergence;
mod copies;
mod declarative;
mod deploys;
mod detached;
mod exactly_once;
mod faults;
mod features;
mod generations;
mod handover;
mod last_resort;
mod leftovers;
mod lint;
mod logs;
mod matrix;
mod migrations;
mod model;
mod normalisation;
mod planner;
mod preflight;
mod protocol;
mod removals;
mod report;
mod rights;
mod rollbacks;
mod script;
mod sequencing;
mod services;
mod shop;
mod signed;
mod slices;
mod strict;
mod trials;
mod workers;
