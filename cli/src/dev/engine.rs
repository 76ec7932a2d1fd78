//! The engine that runs in this process, what its tables begin with, and where they are kept.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tablewright::services::Services;
use tablewright::testing::{ControlPlane, Durations, Quotas, Server};

use crate::exit::Failure;
use crate::render::{complain, counted};

/// DynamoDB in this process, on a port of this machine.
#[derive(Debug)]
pub(super) struct Engine {
    plane: ControlPlane,
    server: Server,
    /// Where the tables are kept when it has ended.
    file: Option<PathBuf>,
    /// Whether something came that is not kept there.
    is_behind: Cell<bool>,
}

/// Name of the file in the folder of `--persist`.
const FILE: &str = "dynamodb.jsonl";

impl Engine {
    pub(super) async fn start(
        port: u16,
        is_strict: bool,
        folder: Option<&Path>,
    ) -> Result<Self, Failure> {
        let plane = ControlPlane::builder().region(tablewright::services::LOCAL_REGION);
        let plane = if is_strict {
            plane
        } else {
            plane.durations(Durations::none()).quotas(Quotas::without_waits()).unseen_reads(0)
        };
        let plane = plane.build();
        let file = folder.map(|folder| keep_in(folder, &plane)).transpose()?;
        let server = plane.serve_on(port).await.map_err(|error| {
            Failure::failed(format!(
                "port {port} of 127.0.0.1 cannot be listened on: {error}; choose another with --port"
            ))
        })?;
        Ok(Self { plane, server, file, is_behind: Cell::new(false) })
    }

    pub(super) fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    pub(super) fn services(&self) -> Services {
        self.plane.services()
    }

    pub(super) fn tables(&self) -> Vec<String> {
        self.plane.tables()
    }

    /// Forgets which calls came, once what they did is kept.
    pub(super) fn tidy(&self) -> Result<(), Failure> {
        let is_behind = self.is_behind.get() || !self.plane.calls().is_empty();
        self.plane.reset_calls();
        let Some(file) = self.file.as_ref().filter(|_| is_behind) else { return Ok(()) };
        let saved = self.plane.save(file);
        self.is_behind.set(saved.is_err());
        saved.map_err(|error| {
            Failure::failed(format!("the tables cannot be kept in {}: {error}", file.display()))
        })
    }

    /// No tables, no items.
    pub(super) fn start_over(&self) {
        self.plane.start_over();
    }

    /// Puts the items of a file.
    pub(super) fn seed(&self, file: &Path) -> Result<usize, Failure> {
        let failed = |why: String| Failure::failed(format!("the seed {}: {why}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        // JSON is YAML.
        let items: Value =
            serde_saphyr::from_str(&text).map_err(|error| failed(error.to_string()))?;
        self.plane.seed(&items).map_err(failed)
    }
}

/// Makes the folder, or the tables that are kept there.
fn keep_in(folder: &Path, plane: &ControlPlane) -> Result<PathBuf, Failure> {
    let file = folder.join(FILE);
    let failed = |why: String| Failure::failed(format!("{}: {why}", file.display()));
    std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    if file.exists() {
        let tables = plane.load(&file).map_err(|why| {
            failed(format!("{why}. Nothing was changed; remove the file to start over"))
        })?;
        complain(&format!("+ {} of {}", counted(tables, "table"), file.display()));
    }
    Ok(file)
}
