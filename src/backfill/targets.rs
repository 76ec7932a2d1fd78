//! The tables that a backfill writes to, each described once.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::dynamo::{Description, Dynamo, patiently};
use crate::interrupt::Interrupt;

/// A table that is written to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    /// Names of the attributes of its key, in order.
    pub(super) keys: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Targets {
    dynamo: Dynamo,
    known: Mutex<HashMap<String, Arc<Target>>>,
}

impl Targets {
    /// Begins with the table that is read.
    pub(super) fn new(dynamo: &Dynamo, source: &Arc<Target>) -> Self {
        let known = HashMap::from([(source.name.clone(), Arc::clone(source))]);
        Self { dynamo: dynamo.clone(), known: Mutex::new(known) }
    }

    pub(super) async fn get(&self, name: &str) -> Result<Arc<Target>, Interrupt> {
        let mut known = self.known.lock().await;
        if let Some(target) = known.get(name) {
            return Ok(Arc::clone(target));
        }
        let target = Arc::new(Target::of(&describe(&self.dynamo, name).await?));
        known.insert(name.to_owned(), Arc::clone(&target));
        Ok(target)
    }
}

impl Target {
    pub(super) fn of(described: &Description) -> Self {
        let keys = described.table.keys.names().map(str::to_owned).collect();
        Self { name: described.table.name.clone(), keys }
    }
}

pub(crate) async fn describe(dynamo: &Dynamo, name: &str) -> Result<Description, Interrupt> {
    let described = patiently(|| dynamo.describe_table(name)).await?;
    described.ok_or_else(|| Interrupt::Failed(format!("table {name} does not exist")))
}
