//! Tells when what `dev` follows has changed: by what the files say, not by which of them were written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::exit::Failure;
use crate::session::Session;
use crate::settings::{FILE, Settings};

/// How long a change may go on: editors write a file in several steps.
const CALM: Duration = Duration::from_millis(50);

/// The files that are followed, and what they said.
pub(super) struct Changes {
    watcher: RecommendedWatcher,
    events: UnboundedReceiver<()>,
    /// Files, and folders whose files count.
    places: Vec<PathBuf>,
    seen: BTreeMap<PathBuf, Vec<u8>>,
}

impl Changes {
    pub(super) fn new() -> Result<Self, Failure> {
        let (tell, events) = unbounded_channel();
        let started = notify::recommended_watcher(move |_| {
            let _ = tell.send(());
        });
        let watcher = started
            .map_err(|error| Failure::failed(format!("files cannot be followed: {error}")))?;
        Ok(Self { watcher, events, places: Vec::new(), seen: BTreeMap::new() })
    }

    /// Notes what the files say, before they are read: what is written while they are is a change.
    pub(super) fn note(&mut self) {
        self.seen = self.read();
    }

    /// Follows these from now on, and notes what those say now that were not noted.
    pub(super) fn look_at(
        &mut self,
        session: &Session,
        settings: Option<&Settings>,
        seed: Option<&Path>,
    ) {
        let here = || PathBuf::from(FILE);
        if let Some(settings) = settings {
            let file = session.global.config.clone().or_else(|| settings.file.clone());
            self.places = vec![file.unwrap_or_else(here), settings.folder_to_be()];
            self.places.extend(seed.map(Path::to_owned));
        } else if self.places.is_empty() {
            self.places = vec![session.global.config.clone().unwrap_or_else(here)];
        }
        // A folder that is made later, or made anew, is seen by the one around it.
        for place in &self.places {
            let around = place.parent().filter(|around| !around.as_os_str().is_empty());
            let around = around.unwrap_or(Path::new("."));
            for folder in [place.as_path(), around].into_iter().filter(|folder| folder.is_dir()) {
                let _ = self.watcher.unwatch(folder);
                // One that cannot be followed is looked at again when another one changes.
                let _ = self.watcher.watch(folder, RecursiveMode::NonRecursive);
            }
        }
        let noted = std::mem::take(&mut self.seen);
        let mut now = self.read();
        now.extend(noted.into_iter().filter(|(file, _)| self.follows(file)));
        self.seen = now;
    }

    /// Waits until one of them says something else.
    pub(super) async fn next(&mut self) {
        while self.read() == self.seen {
            if self.events.recv().await.is_none() {
                return std::future::pending().await;
            }
            tokio::time::sleep(CALM).await;
            while self.events.try_recv().is_ok() {}
        }
    }

    fn follows(&self, file: &Path) -> bool {
        self.places.iter().any(|place| file == place || file.parent() == Some(place.as_path()))
    }

    fn read(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = self.places.iter().flat_map(|place| match std::fs::read_dir(place) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) => vec![place.clone()],
        });
        files.filter_map(|file| std::fs::read(&file).ok().map(|text| (file, text))).collect()
    }
}
