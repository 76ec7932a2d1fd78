//! A folder with settings and migrations, a plane that listens, and the binary that is run in that folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tablewright::testing::{ControlPlane, Durations, Quotas, Server};

/// One table, and a stack to deploy it as.
pub(crate) const SETTINGS: &str = "\
stack: shop
properties:
  Tables:
    - TableName: orders
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
  Migrations: { Baseline: none }
";

/// A folder of its own, gone at the end of the test.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static FOLDERS: AtomicU64 = AtomicU64::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("tablewright-cli-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let file = self.0.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// The binary, to be run in this folder, with nothing of the environment but what the test says.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tablewright"));
        command.current_dir(&self.0).env_clear().args(arguments);
        command.env("USER", "ann").env("HOSTNAME", "laptop").env("HOME", &self.0);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// What came of a run of the binary.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// A folder, and a plane that takes no time.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) folder: Folder,
    pub(crate) plane: ControlPlane,
    server: Server,
}

impl World {
    pub(crate) async fn new(settings: &str) -> Self {
        let plane = ControlPlane::builder()
            .durations(Durations::none())
            .quotas(Quotas::without_waits())
            .unseen_reads(0)
            .build();
        let folder = Folder::new();
        folder.write("tablewright.yaml", settings);
        let server = plane.serve().await.unwrap();
        Self { folder, plane, server }
    }

    /// Runs the binary against the plane.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.folder.command(arguments);
        command.args(["--endpoint-url", &self.server.endpoint()]);
        Ran::of(tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap())
    }

    /// The value of an attribute of an item of `orders`.
    pub(crate) async fn attribute(&self, pk: &str, name: &str) -> Option<String> {
        attribute(&self.plane.bystander(), pk, name).await
    }
}

/// The value of an attribute of an item of `orders`, where the item and the attribute are there.
pub(crate) async fn attribute(
    client: &aws_sdk_dynamodb::Client,
    pk: &str,
    name: &str,
) -> Option<String> {
    let key = aws_sdk_dynamodb::types::AttributeValue::S(pk.to_owned());
    let got = client.get_item().table_name("orders").key("pk", key).send().await.ok()?;
    got.item()?.get(name)?.as_s().ok().cloned()
}
