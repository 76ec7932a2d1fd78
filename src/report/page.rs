//! The page: what it is of, how things stand in one line, and its sections.

use super::icon::{self, Look, badge};
use super::node::{Element, Node, el};
use super::{goes_on, history, migrations, needs, tables, words};
use crate::command::Survey;

pub(super) fn page(survey: &Survey) -> Element {
    let stack = if survey.stack.is_empty() { &survey.scope } else { &survey.stack };
    let head = el("head")
        .child(el("meta").attr("charset", "utf-8"))
        .child(meta("viewport", "width=device-width, initial-scale=1"))
        .child(meta("color-scheme", "light dark"))
        .child(meta("robots", "noindex"))
        .child(el("title").text(format_args!("{stack}: tables and migrations")))
        .child(el("style").child(Node::Raw(include_str!("style.css"))));
    let sections: Vec<_> = sections(survey);
    let links = sections
        .iter()
        .map(|section| el("a").attr("href", format!("#{}", section.id)).text(section.title));
    let body = el("body")
        .child(icon::signs())
        .child(header(survey, stack))
        .child(el("nav").attr("aria-label", "Sections").children(links))
        .child(el("main").children(sections.into_iter().map(Section::render)))
        .child(footer(survey))
        .child(el("script").child(Node::Raw(include_str!("copy.js"))));
    el("html").attr("lang", "en").child(head).child(body)
}

fn meta(name: &str, content: &str) -> Element {
    el("meta").attr("name", name).attr("content", content)
}

/// A section of the page.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) body: Vec<Node>,
}

impl Section {
    fn render(self) -> Element {
        let title = format!("{}-title", self.id);
        el("section")
            .attr("id", self.id)
            .attr("aria-labelledby", &title)
            .child(el("h2").attr("id", &title).text(self.title))
            .children(self.body)
    }
}

fn sections(survey: &Survey) -> Vec<Section> {
    let sections = [
        needs::section(survey),
        goes_on::section(survey),
        plan(survey),
        Some(migrations::section(survey)),
        Some(tables::section(survey)),
        Some(history::section(survey)),
    ];
    sections.into_iter().flatten().collect()
}

/// The worst that there is to say, in a word.
fn standing(survey: &Survey) -> (Look, &'static str) {
    let status = &survey.status;
    let looks: Vec<_> =
        status.migrations.iter().map(|migration| Look::of(migration.row.state)).collect();
    let has = |look| looks.contains(&look);
    match () {
        () if needs::is_needed(survey) => (Look::Failed, "needs a person"),
        () if status.hold.is_some() => (Look::Paused, "held"),
        () if status.lease.is_some() || status.detached.is_some() => (Look::Running, "running"),
        () if has(Look::Failed) => (Look::Failed, "failed, the next deploy goes on"),
        () if has(Look::Paused) || has(Look::Running) => {
            (Look::Paused, "stopped, the next deploy goes on")
        }
        () if has(Look::Waiting) || has(Look::Undone) => (Look::Waiting, "migrations are pending"),
        () => (Look::Done, "all is done"),
    }
}

fn header(survey: &Survey, stack: &str) -> Element {
    let status = &survey.status;
    let unconfirmed = if status.unconfirmed { ", not yet confirmed by the stack" } else { "" };
    let generation = format!("{}{unconfirmed}", status.generation);
    let last = status.runs.first().map(|run| {
        format!("{} on {} by build {}", run.kind, words::moment(&run.started_at), run.build)
    });
    let facts = [
        ("Scope", Some(survey.scope.clone())),
        ("Ledger", Some(survey.ledger.clone())),
        ("Generation", Some(generation)),
        ("Last run", last),
        ("Stack", Some(status.stack_id.clone()).filter(|id| !id.is_empty())),
    ];
    let facts = facts.into_iter().filter_map(|(name, value)| {
        let fact = if name == "Stack" { el("div").class("wide") } else { el("div") };
        Some(fact.child(el("dt").text(name)).child(el("dd").text(value?)))
    });
    let (look, word) = standing(survey);
    el("header")
        .child(
            el("div")
                .class("title")
                .child(el("h1").text(stack))
                .child(badge(look, word).attr("role", "status")),
        )
        .child(el("dl").class("facts").children(facts))
}

fn plan(survey: &Survey) -> Option<Section> {
    let plan = survey.plan.as_ref()?;
    let body: Vec<Node> = if plan.refused.is_empty() {
        vec![el("pre").class("plan").attr("tabindex", 0).text(plan.text.trim_end()).into()]
    } else {
        let objections = plan.refused.iter().map(|objection| el("li").text(objection));
        vec![
            el("p").text("A deploy would be refused before anything is changed:").into(),
            el("ul").class("objections").children(objections).into(),
        ]
    };
    Some(Section { id: "plan", title: "What a deploy would do", body })
}

fn footer(survey: &Survey) -> Element {
    let made = el("time").attr("datetime", &survey.made_at).text(words::moment(&survey.made_at));
    el("footer").child(
        el("p")
            .text("Made on ")
            .child(made)
            .text(format_args!(" by {}. Times are UTC. ", survey.status.build))
            .text("Of items it shows their keys alone; it loads nothing."),
    )
}
