//! A report of a scope: one HTML file that loads nothing, for a person, a pull request or an archive.
//!
//! Pure: from a [`Survey`] to text. It needs no script to be read, follows light and dark, fits a phone and paper, and shows
//! no value of an item but keys.

mod drawing;
mod goes_on;
mod history;
mod icon;
mod migrations;
mod needs;
mod node;
mod page;
mod tables;
mod timeline;
mod words;

use crate::command::Survey;

/// Renders the report.
#[must_use]
pub fn html(survey: &Survey) -> String {
    format!("<!doctype html>\n{}\n", page::page(survey))
}
