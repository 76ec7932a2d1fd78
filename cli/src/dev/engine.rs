//! The engine that runs in this process, and what its tables begin with.

use std::path::Path;

use serde_json::Value;
use tablewright::services::Services;
use tablewright::testing::{ControlPlane, Durations, Quotas, Server};

use crate::exit::Failure;

/// DynamoDB in this process, on a port of this machine.
#[derive(Debug)]
pub(super) struct Engine {
    plane: ControlPlane,
    server: Server,
}

impl Engine {
    pub(super) async fn start(port: u16, is_strict: bool) -> Result<Self, Failure> {
        let plane = ControlPlane::builder().region(tablewright::services::LOCAL_REGION);
        let plane = if is_strict {
            plane
        } else {
            plane.durations(Durations::none()).quotas(Quotas::without_waits()).unseen_reads(0)
        };
        let plane = plane.build();
        let server = plane.serve_on(port).await.map_err(|error| {
            Failure::failed(format!(
                "port {port} of 127.0.0.1 cannot be listened on: {error}; choose another with --port"
            ))
        })?;
        Ok(Self { plane, server })
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

    /// Forgets which calls came.
    pub(super) fn tidy(&self) {
        self.plane.reset_calls();
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
