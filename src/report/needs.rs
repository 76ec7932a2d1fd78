//! What needs a person: why, and each way out with its command.

use super::node::{Element, Node, el};
use super::page::Section;
use super::words;
use crate::command::Survey;
use crate::ledger::Place;
use crate::plan::{self, Call, Concern};

/// Whether anything does.
pub(super) fn is_needed(survey: &Survey) -> bool {
    survey.status.migrations.iter().any(|migration| migration.needs.is_some())
}

pub(super) fn section(survey: &Survey) -> Option<Section> {
    let status = &survey.status;
    let place = Place { ledger: &survey.ledger, scope: &survey.scope };
    let held = status.hold.as_ref().map(|hold| ("A hold".to_owned(), plan::held(place, hold)));
    let concerns = status.migrations.iter().filter_map(|migration| {
        Some((format!("Migration {}", migration.row.id), migration.needs.clone()?))
    });
    let all = held.into_iter().chain(concerns);
    let mut body: Vec<Node> =
        all.map(|(title, concern)| callout(&title, &concern).into()).collect();
    let tables = status.tables.iter().filter_map(|table| {
        let failure = table.failure.as_ref()?;
        let why = format!("{failure}. The cleanup of the next deploy tries again.");
        Some(note(&format!("Table {}", table.name), &why).into())
    });
    body.extend(tables);
    body.extend(status.notices.iter().map(|notice| note("Note", notice).into()));
    (!body.is_empty()).then_some(Section { id: "needs", title: "What needs a person", body })
}

fn note(title: &str, why: &str) -> Element {
    let why = el("p").text(words::sentence(why));
    el("article").class("callout mild").child(el("h3").text(title)).child(why)
}

fn callout(title: &str, concern: &Concern) -> Element {
    let ways = concern.ways_out.iter().map(|way| {
        let means = el("p").text(words::sentence(&way.means));
        el("li").child(means).children(way.command.as_ref().map(command))
    });
    el("article")
        .class("callout")
        .child(el("h3").text(title))
        .child(el("p").text(words::sentence(&concern.why)))
        .child(el("p").class("either").text("Ways out, of which one is right:"))
        .child(el("ol").class("ways").children(ways))
}

/// The command as a shell takes it; who sends it fills in what stands in angle brackets.
fn command(call: &Call) -> Element {
    let payload = call.to_string().replace('\'', r"'\''");
    let text = format!(
        "aws lambda invoke --function-name '<function>' \\\n  --cli-binary-format raw-in-base64-out \\\n  \
         --payload '{payload}' /dev/stdout"
    );
    let text = el("pre").attr("data-copy", "").attr("tabindex", 0).text(text);
    el("div").class("command").child(text)
}
