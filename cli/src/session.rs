//! What verbs work with: the settings, the migrations, and the library's commands in process.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tablewright::command::{Command, Hands, Survey};
use tablewright::deadline::Deadline;
use tablewright::migrator::{BuildError, Migrator};
use tablewright::services::Services;

use crate::args::Global;
use crate::exit::Failure;
use crate::settings::Settings;

/// Time of a command: whoever has called it waits.
const LONGEST: Duration = Duration::from_hours(24);

/// What verbs work with.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) global: Global,
    compiled: Result<Migrator, BuildError>,
}

impl Session {
    pub(crate) fn new(global: Global, compiled: Result<Migrator, BuildError>) -> Self {
        Self { global, compiled }
    }

    /// The settings, read anew.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Settings::find(self.global.config.as_deref()).map_err(Failure::Faults)
    }

    /// The migrations: those that are compiled, and those of the folder.
    pub(crate) fn migrator(&self, settings: &Settings) -> Result<Arc<Migrator>, BuildError> {
        let compiled = self.compiled.clone();
        let all = compiled.and_then(|compiled| match settings.folder() {
            Some(folder) => compiled.and_folder(folder),
            None => Ok(compiled),
        });
        all.map(Arc::new)
    }

    /// The same for a verb that is of no use without them.
    pub(crate) fn sound_migrator(&self, settings: &Settings) -> Result<Arc<Migrator>, Failure> {
        self.migrator(settings).map_err(refused)
    }

    /// The clients: of the environment, or of the endpoint that was named.
    pub(crate) async fn services(&self) -> Result<Services, Failure> {
        let services = match &self.global.endpoint_url {
            Some(endpoint) => Services::from_env_at(endpoint).await,
            None => Services::from_env().await,
        };
        services.map_err(|error| Failure::failed(format!("no HTTPS client can be made: {error}")))
    }

    /// Has the library carry a command out, as the function does.
    pub(crate) async fn command(
        &self,
        settings: &Settings,
        event: &Value,
    ) -> Result<Value, Failure> {
        let services = self.services().await?;
        obey(&services, &self.migrator(settings), event).await
    }

    /// Has the library look at the whole of the scope that a command means.
    pub(crate) async fn survey(
        &self,
        settings: &Settings,
        event: &Value,
        properties: Option<&Value>,
    ) -> Result<Survey, Failure> {
        let services = self.services().await?;
        let hands = hands(&services, &self.migrator(settings));
        Ok(Box::pin(Command::read(event)?.survey(&hands, properties)).await?)
    }
}

/// Carries a command out with these clients.
pub(crate) async fn obey(
    services: &Services,
    migrator: &Result<Arc<Migrator>, BuildError>,
    event: &Value,
) -> Result<Value, Failure> {
    Ok(Box::pin(Command::read(event)?.obey(&hands(services, migrator))).await?)
}

fn hands(services: &Services, migrator: &Result<Arc<Migrator>, BuildError>) -> Hands {
    let invocation = format!("{} of process {}", tablewright::clock::now(), std::process::id());
    let budget = Deadline::after(LONGEST);
    Hands::new(services.clone(), migrator.clone(), &invocation, budget)
}

/// A refused list of migrations, with the faults of files shown in their places.
pub(crate) fn refused(error: BuildError) -> Failure {
    match error {
        BuildError::Files(faults) => Failure::Faults(faults),
        other => Failure::Failed(other.to_string()),
    }
}
