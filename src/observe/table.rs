//! One live table: its description, and the features of it that are asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::wanted::{Feature, ScalingWanted, SettingsWanted, Wanted};
use crate::dynamo::{self, Class, Description, Dynamo, Status, patiently};
use crate::schema::{Settings, Table, Tags};
use crate::services::Services;

/// A table as it is.
#[derive(Debug, Clone)]
pub struct LiveTable {
    /// What `DescribeTable` says, with the features that were asked for filled in.
    pub description: Description,
    /// All its tags.
    pub tags: Tags,
    /// Whether a scan finds nothing; `None` where nobody looked.
    pub empty: Option<bool>,
    /// Features that the engine does not implement.
    pub unsupported: BTreeSet<Feature>,
}

impl LiveTable {
    /// The table in the model's form.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.description.table
    }
}

/// Observes one table; `None` where there is none.
///
/// # Errors
/// What DynamoDB refuses.
pub async fn table(
    services: &Services,
    name: &str,
    wanted: &Wanted,
) -> Result<Option<LiveTable>, dynamo::Error> {
    let dynamo = &services.dynamo;
    let Some(description) = patiently(|| dynamo.describe_table(name)).await? else {
        return Ok(None);
    };
    let is_there = description.status == Status::Active;
    let description = description.detached(&wanted.detached);
    let mut live =
        LiveTable { description, tags: Tags::new(), empty: None, unsupported: BTreeSet::new() };
    if !is_there {
        return Ok(Some(live));
    }
    if wanted.time_to_live {
        let ttl = patiently(|| dynamo.time_to_live(name)).await;
        live.description.table.time_to_live = live.supported(Feature::TimeToLive, ttl)?;
    }
    let (arn, settings) = (live.description.arn.clone(), live.table().settings.clone());
    live.description.table.settings =
        live.settings(dynamo, &arn, &wanted.settings, settings).await?;
    live.tags = live.table().settings.tags.clone().unwrap_or_default();
    live.look_at_replicas(services, &wanted.replicas).await?;
    live.look_at_scaling(services, &wanted.scaling).await?;
    if wanted.emptiness {
        live.empty = match patiently(|| dynamo.is_empty(name)).await {
            Ok(empty) => Some(empty),
            // Still being made.
            Err(error) if matches!(error.class, Class::Busy | Class::Missing) => None,
            Err(error) => return Err(error),
        };
    }
    Ok(Some(live))
}

/// All tags of a table; `None` where the engine keeps none.
///
/// # Errors
/// What DynamoDB refuses.
pub(crate) async fn tags(
    dynamo: &Dynamo,
    name: &str,
    arn: &str,
) -> Result<Option<Tags>, dynamo::Error> {
    match patiently(|| dynamo.tags(name, arn)).await {
        Ok(tags) => Ok(Some(tags)),
        Err(error) if error.class == Class::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

impl LiveTable {
    /// Completes the settings of the table in one region, as far as they are asked for; what is going on with them is
    /// noted.
    async fn settings(
        &mut self,
        dynamo: &Dynamo,
        arn: &str,
        wanted: &SettingsWanted,
        mut settings: Settings,
    ) -> Result<Settings, dynamo::Error> {
        let name = self.table().name.clone();
        let name = name.as_str();
        let asks = |feature| wanted.features.contains(&feature);
        if asks(Feature::Tags) {
            let tags = patiently(|| dynamo.tags(name, arn)).await;
            // Without them the table has none that we know of.
            settings.tags = Some(self.supported(Feature::Tags, tags)?.unwrap_or_default());
        }
        if asks(Feature::Recovery) {
            let recovery = patiently(|| dynamo.recovery(name)).await;
            settings.recovery = self.supported(Feature::Recovery, recovery)?;
        }
        if asks(Feature::Destination) {
            let destination = patiently(|| dynamo.destination(name)).await;
            let destination = self.supported(Feature::Destination, destination)?;
            settings.destination = self.note_passing(destination);
        }
        if asks(Feature::Insights) {
            let insights = patiently(|| dynamo.insights(name, None)).await;
            let insights = self.supported(Feature::Insights, insights)?;
            settings.insights = self.note_passing(insights);
        }
        for index in &wanted.index_insights {
            let insights = patiently(|| dynamo.insights(name, Some(index))).await;
            let insights = self.supported(Feature::Insights, insights)?;
            let insights = self.note_passing(insights);
            settings.index_insights.extend(insights.map(|insights| (index.clone(), insights)));
        }
        if asks(Feature::Policy) {
            let policy = patiently(|| dynamo.policy(name, arn)).await;
            settings.policy = self.supported(Feature::Policy, policy)?;
        }
        if asks(Feature::DeletionProtection) {
            let described = patiently(|| dynamo.describe_table(name)).await?;
            settings.deletion_protection =
                described.and_then(|found| found.table.settings.deletion_protection);
        }
        Ok(settings)
    }

    /// Asks in the regions of replicas that are there for what each has for itself.
    async fn look_at_replicas(
        &mut self,
        services: &Services,
        wanted: &BTreeMap<String, SettingsWanted>,
    ) -> Result<(), dynamo::Error> {
        for (region, wanted) in wanted {
            let replicas = self.description.table.replicas.as_ref();
            if replicas.is_none_or(|replicas| !replicas.contains_key(region)) {
                continue;
            }
            let (dynamo, arn) = (services.dynamo_in(region), self.description.arn_in(region));
            let settings = self.settings(&dynamo, &arn, wanted, Settings::default()).await?;
            let replicas = self.description.table.replicas.iter_mut().flatten();
            if let Some((_, replica)) = replicas.into_iter().find(|(of, _)| *of == region) {
                replica.settings = settings;
            }
        }
        Ok(())
    }

    /// Asks what scales the table and its indexes, where that matters.
    async fn look_at_scaling(
        &mut self,
        services: &Services,
        wanted: &ScalingWanted,
    ) -> Result<(), dynamo::Error> {
        let asked = match wanted {
            ScalingWanted::No => return Ok(()),
            ScalingWanted::IfMoved(figures) if !figures.are_moved_in(self.table()) => return Ok(()),
            ScalingWanted::IfMoved(_) => BTreeSet::new(),
            ScalingWanted::Yes(indexes) => indexes.clone(),
        };
        let (name, live) = (&self.table().name, self.table().global_indexes.keys());
        let indexes: BTreeSet<&str> = live.chain(&asked).map(String::as_str).collect();
        let scaling = patiently(|| services.scaler.of_table(name, indexes.iter().copied())).await;
        if let Some(scaling) = self.supported(Feature::AutoScaling, scaling)? {
            self.description.table.scaling = scaling.table;
            self.description.table.index_scaling = scaling.indexes;
        }
        Ok(())
    }

    /// Takes the report of a feature, or notes that the engine does not have it.
    fn supported<T>(
        &mut self,
        feature: Feature,
        report: Result<T, dynamo::Error>,
    ) -> Result<Option<T>, dynamo::Error> {
        match report {
            Ok(report) => Ok(Some(report)),
            Err(error) if error.class == Class::Unsupported => {
                self.unsupported.insert(feature);
                Ok(None)
            }
            // While a table is being made its features are not there yet.
            Err(error) if matches!(error.class, Class::Busy | Class::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Splits a report into what is there and what is still going on.
    fn note_passing<T>(&mut self, report: Option<(T, Option<String>)>) -> Option<T> {
        let (report, passing) = report?;
        self.description.unsettled.extend(passing);
        Some(report)
    }
}
