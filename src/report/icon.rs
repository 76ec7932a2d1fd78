//! A sign for each state: its form tells it apart as well as its colour.

use super::node::{Element, el};
use crate::ledger::state::State;

/// How the states of migrations look: as several of them mean the same to whoever glances at a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    Done,
    Baseline,
    Waiting,
    Running,
    Paused,
    Errors,
    Failed,
    Undone,
    Strange,
}

impl Look {
    pub(super) const ALL: [Self; 9] = [
        Self::Done,
        Self::Baseline,
        Self::Waiting,
        Self::Running,
        Self::Paused,
        Self::Errors,
        Self::Failed,
        Self::Undone,
        Self::Strange,
    ];

    pub(super) fn of(state: State) -> Self {
        match state {
            State::Applied => Self::Done,
            State::Baseline => Self::Baseline,
            State::Pending => Self::Waiting,
            State::Started | State::Undoing => Self::Running,
            State::Paused => Self::Paused,
            State::AppliedWithErrors => Self::Errors,
            State::Failed | State::UndoFailed => Self::Failed,
            State::Undone => Self::Undone,
            State::Unknown => Self::Strange,
        }
    }

    /// Name of its class and of its sign.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Baseline => "baseline",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Errors => "errors",
            Self::Failed => "failed",
            Self::Undone => "undone",
            Self::Strange => "strange",
        }
    }

    /// What it stands for.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Done => "applied",
            Self::Baseline => "baseline",
            Self::Waiting => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Errors => "applied with errors",
            Self::Failed => "failed",
            Self::Undone => "undone",
            Self::Strange => "unknown",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Done => "M4.5 8.5l2.5 2.5l4.5-5.5",
            Self::Baseline => "M4.5 8h7",
            Self::Waiting => "M8 5v3.2l2 1.6",
            Self::Running => "M6.5 5.2l4.5 2.8l-4.5 2.8z",
            Self::Paused => "M6.3 5.3v5.4M9.7 5.3v5.4",
            Self::Errors => "M8 4.6v4.2M8 11v.4",
            Self::Failed => "M5.5 5.5l5 5M10.5 5.5l-5 5",
            Self::Undone => "M6.8 4.8l-2.3 2.2l2.3 2.2M4.7 7h4.1a2.2 2.2 0 0 1 0 4.4h-1.6",
            Self::Strange => "M6 6.4a2 2 0 1 1 2.8 1.8q-.8.4-.8 1.2M8 11.4v.2",
        }
    }
}

/// The signs, drawn once, for [`sign`] to use.
pub(super) fn signs() -> Element {
    // Said on the parts themselves: style sheets do not reach into what is used elsewhere.
    let drawn = |part: Element, width: &str| {
        let part = part.attr("fill", "none").attr("stroke", "currentColor");
        part.attr("stroke-width", width)
            .attr("stroke-linecap", "round")
            .attr("stroke-linejoin", "round")
    };
    let symbols = Look::ALL.map(|look| {
        let circle = el("circle").attr("cx", 8).attr("cy", 8).attr("r", 7);
        el("symbol")
            .attr("id", format_args!("sign-{}", look.name()))
            .attr("viewBox", "0 0 16 16")
            .child(drawn(circle, "1.4"))
            .child(drawn(el("path").attr("d", look.path()), "1.7"))
    });
    el("svg").class("signs").attr("aria-hidden", "true").children(symbols)
}

/// The sign of a state; beside it stands its word.
pub(super) fn sign(look: Look) -> Element {
    let used = el("use").attr("href", format!("#sign-{}", look.name()));
    el("svg")
        .class(format!("sign {}", look.name()))
        .attr("viewBox", "0 0 16 16")
        .attr("aria-hidden", "true")
        .child(used)
}

/// The state in words, behind its sign.
pub(super) fn badge(look: Look, word: impl std::fmt::Display) -> Element {
    el("span").class(format!("badge {}", look.name())).child(sign(look)).text(word)
}
