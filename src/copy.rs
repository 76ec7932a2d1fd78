//! Copies.

mod expand;
mod lineage;
mod mark;
#[cfg(test)]
mod model;
mod rule;
