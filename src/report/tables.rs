//! The tables: each drawn, with what it has and how large it is.

use super::drawing;
use super::node::{Element, Node, el};
use super::page::Section;
use super::words;
use crate::command::{Survey, Surveyed};
use crate::desired::RemovalPolicy;
use crate::dynamo::{Description, Status};
use crate::schema::{
    Capacity, Dimension, Recovery, Scaling, Settings, Stream, Table, TableClass, TimeToLive,
};

pub(super) fn section(survey: &Survey) -> Section {
    let (gone, there): (Vec<_>, Vec<_>) =
        survey.tables.iter().partition(|(_, table)| table.deleted_at.is_some());
    let mut body: Vec<Node> = Vec::new();
    if there.is_empty() {
        body.push(el("p").class("empty").text("There are none.").into());
    } else {
        let cards = there.into_iter().map(|(name, table)| card(name, table));
        body.push(el("div").class("cards").children(cards).into());
    }
    if !gone.is_empty() {
        body.push(el("h3").text("Deleted").into());
        body.push(el("ul").class("gone").children(gone.into_iter().map(deleted)).into());
    }
    Section { id: "tables", title: "Tables", body }
}

fn deleted((name, table): (&String, &Surveyed)) -> Element {
    let at = table.deleted_at.as_deref().map(words::moment).unwrap_or_default();
    let backups = table.backups.iter().map(|arn| el("li").class("mono").text(arn));
    el("li")
        .child(el("span").class("id").text(name))
        .text(format_args!(" on {at}, after these backups:"))
        .child(el("ul").children(backups))
}

fn card(name: &str, table: &Surveyed) -> Element {
    let mut marks = Vec::new();
    if let Some(generation) = table.doomed {
        marks.push(format!("to be deleted, left out by generation {generation}"));
    } else if table.removal.is_none() {
        marks.push("not managed here".to_owned());
    } else if !table.declared {
        marks.push("not declared any more".to_owned());
    }
    let marks = marks.into_iter().map(|mark| el("span").class("chip warn").text(mark));
    let head = el("div").class("card-head").child(el("h3").class("id").text(name)).children(marks);
    let article = el("article").class("card").child(head);
    match (&table.live, &table.unseen) {
        (Some(live), _) => {
            let description = &live.description;
            article
                .child(figures(description))
                .child(drawing::draw(description))
                .child(facts(description, table.removal))
        }
        (None, Some(why)) => article.child(el("p").class("error").text(why)),
        (None, None) => article.child(el("p").class("error").text("DynamoDB has no such table.")),
    }
}

fn figures(description: &Description) -> Element {
    let (items, bytes) = (description.items, description.bytes);
    let mut figures = vec![
        words::many(usize::try_from(items).unwrap_or(usize::MAX), "item", "items"),
        words::bytes(bytes),
        description.table.capacity.to_string(),
    ];
    match &description.status {
        Status::Active => {}
        Status::Deleting => figures.push("DELETING".to_owned()),
        Status::Broken(state) => figures.push(state.clone()),
    }
    figures.extend(description.unsettled.iter().cloned());
    el("p")
        .class("figures")
        .attr("title", "Items and size as DynamoDB counted them some hours ago")
        .text(figures.join(" · "))
}

/// What a table has beside its keys, as far as it is known: what was declared was asked for.
fn facts(description: &Description, removal: Option<RemovalPolicy>) -> Element {
    let table = &description.table;
    let stream = table.stream.filter(|stream| *stream != Stream::Off);
    let expiry = match &table.time_to_live {
        Some(TimeToLive::On(attribute)) => Some(attribute.clone()),
        Some(TimeToLive::Off) | None => None,
    };
    let class = table.class.filter(|class| *class != TableClass::Standard);
    let replicas = table.replicas.iter().flatten().map(|(region, _)| region.as_str());
    let replicas = replicas.collect::<Vec<_>>().join(", ");
    let mut facts = vec![
        ("Stream", stream.map(|stream| stream.to_string())),
        ("Expiry", expiry),
        ("Encryption", table.encryption.as_ref().map(ToString::to_string)),
        ("Class", class.map(|class| class.to_string())),
        ("Warm throughput", table.warm.map(|warm| warm.to_string())),
        ("Auto scaling", scaling(table)),
        ("Replicas", Some(replicas).filter(|replicas| !replicas.is_empty())),
    ];
    facts.extend(settings(&table.settings));
    facts.push(("When it leaves", removal.map(|removal| removal.to_string())));
    let facts = facts.into_iter().filter_map(|(name, value)| {
        Some(el("div").child(el("dt").text(name)).child(el("dd").text(value?)))
    });
    el("dl").class("facts small").children(facts)
}

fn settings(settings: &Settings) -> [(&'static str, Option<String>); 6] {
    let recovery = settings.recovery.filter(|recovery| *recovery != Recovery::Off);
    let protected = settings.deletion_protection.unwrap_or_default();
    let tags = settings.tags.iter().flatten();
    let tags = tags.filter(|(key, _)| !key.starts_with(crate::observe::TAG_PREFIX));
    let tags: Vec<_> = tags.map(|(key, value)| format!("{key}={value}")).collect();
    [
        ("Recovery", recovery.map(|recovery| recovery.to_string())),
        ("Kinesis", settings.destination.as_ref().map(ToString::to_string)),
        ("Insights", settings.insights.as_ref().map(ToString::to_string)),
        ("Policy", settings.policy.as_ref().map(|_| "a resource policy".to_owned())),
        ("Protection", protected.then(|| "against deletion".to_owned())),
        ("Tags", Some(tags.join(", ")).filter(|tags| !tags.is_empty())),
    ]
}

fn scaling(table: &Table) -> Option<String> {
    if matches!(table.capacity, Capacity::OnDemand(_)) {
        return None;
    }
    let each = Dimension::ALL.into_iter().filter_map(|dimension| {
        let scaling = table.scaling.of(dimension).filter(|scaling| **scaling != Scaling::Off)?;
        Some(format!("{dimension} {scaling}"))
    });
    let each: Vec<_> = each.collect();
    (!each.is_empty()).then(|| each.join(", "))
}
