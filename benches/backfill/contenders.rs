//! Who migrates the table: tablewright as it is deployed, or a loop; each in a process of its own, which reports on itself.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tablewright::authoring::{Language, Source};
use tablewright::migrator::Builder;
use tablewright::testing::{ControlPlane, Stack};
use tablewright::{Backfill, Change, Item, Migration, MigrationError, Migrator};

use crate::Result;
use crate::loops::{self, Write};
use crate::orders::{self, TABLE, label};

/// One that migrates the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contender {
    /// A deploy with one migration, from its event to its answer.
    Tablewright,
    /// The same deploy with the migration as a declaration.
    Yaml,
    /// The same deploy with the migration as a script.
    JavaScript,
    /// A loop in Rust with conditional batches.
    Statements,
    /// A loop in Rust with batches of puts.
    Puts,
    /// A loop in Node.js with batches of puts.
    NodeBatches,
    /// A loop in Node.js with an update an item.
    NodeUpdates,
}

/// What is prescribed to contenders; the scripts divide a scan as they like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Write requests at the same time.
    pub(crate) requests: usize,
    /// Parts of the scan; none leaves them to tablewright.
    pub(crate) segments: u32,
}

/// What a contender reports of its run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    /// Processor time, its start and end included.
    pub(crate) cpu: f64,
    /// Most memory that the process had resident, in KiB.
    pub(crate) peak: u64,
}

impl Contender {
    /// Runs it to its end.
    pub(crate) fn run(self, endpoint: &str, pace: Pace) -> Result<Run> {
        let mut command = match self {
            Self::Tablewright | Self::Yaml | Self::JavaScript | Self::Statements | Self::Puts => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["contender", &self.name()?, endpoint]);
                command
            }
            Self::NodeBatches => node("batches.mjs", endpoint),
            Self::NodeUpdates => node("updates.mjs", endpoint),
        };
        command.args([pace.requests.to_string(), pace.segments.to_string()]);
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("{self:?}: {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn name(self) -> Result<String> {
        Ok(serde_json::from_value(serde_json::to_value(self)?)?)
    }
}

fn node(script: &str, endpoint: &str) -> Command {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/node");
    let mut command = Command::new("node");
    command.arg(scripts.join(script)).arg(endpoint).env("NODE_NO_WARNINGS", "1");
    command
}

/// The process of a contender in Rust, on as many threads as the function has.
pub(crate) fn contend(kind: &str, endpoint: &str, pace: Pace) -> Result<()> {
    let contender: Contender = serde_json::from_value(json!(kind))?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let client = orders::client(endpoint);
    let seconds = runtime.block_on(async {
        let write = match contender {
            Contender::Statements => Write::Statements,
            Contender::Puts => Write::Puts,
            Contender::Tablewright => return deploy(client, compiled(pace)).await,
            Contender::Yaml => {
                return deploy(client, file(Language::Yaml, &declaration(pace))).await;
            }
            Contender::JavaScript => {
                return deploy(client, file(Language::JavaScript, &script(pace))).await;
            }
            Contender::NodeBatches | Contender::NodeUpdates => {
                return Err("Node.js runs by itself".into());
            }
        };
        let start = Instant::now();
        loops::migrate(&client, write, pace).await?;
        Ok(start.elapsed().as_secs_f64())
    })?;
    println!("{}", serde_json::to_string(&Run { seconds, cpu: cpu()?, peak: peak()? })?);
    Ok(())
}

/// Seconds that the threads of this process have run.
fn cpu() -> Result<f64> {
    const TICKS_IN_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Past the name, which may have spaces, follow the third field and others.
    let (_, fields) = stat.rsplit_once(") ").ok_or("the system does not say")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_IN_A_SECOND)
}

/// The most memory that this process has had resident, in KiB.
fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.split_whitespace().next());
    Ok(peak.ok_or("the system does not say how much memory was used")?.parse()?)
}

/// A deploy of a stack that exists, to which nothing but the migration is new; how many seconds it took.
async fn deploy(client: aws_sdk_dynamodb::Client, migrator: Builder) -> Result<f64> {
    let mut stack = Stack::new(&ControlPlane::new());
    stack.connect(client);
    let mut properties = json!({
        // One of its own: the ledger of another run on this engine would say that all is done.
        "LedgerTable": format!("ledger-{}", std::process::id()),
        "Migrations": { "Baseline": "none" },
    });
    stack.deploy(&properties).await.expect_success();
    stack.build(migrator.build());
    properties["Migrations"]["Hash"] = json!("1");
    let start = Instant::now();
    stack.deploy(&properties).await.expect_success();
    Ok(start.elapsed().as_secs_f64())
}

const ID: &str = "0001_labels";

fn compiled(pace: Pace) -> Builder {
    let mut backfill = Backfill::new(TABLE, add_label).concurrency(pace.requests);
    if pace.segments > 0 {
        backfill = backfill.segments(pace.segments);
    }
    Migrator::builder().migration(Migration::backfills(ID, [backfill]))
}

fn file(language: Language, text: &str) -> Builder {
    let (id, file, text) = (ID.to_owned(), ID.to_owned(), text.to_owned());
    Migrator::builder().files([Source { id, language, file, text }])
}

fn declaration(Pace { requests, segments }: Pace) -> String {
    let segments = if segments > 0 { format!("segments: {segments}\n") } else { String::new() };
    format!(
        "table: {TABLE}\nset:\n  label: {{ cel: \"'ORDER#' + item.pk\" }}\nconcurrency: {requests}\n{segments}"
    )
}

fn script(Pace { requests, segments }: Pace) -> String {
    let segments =
        if segments > 0 { format!("export const segments = {segments};\n") } else { String::new() };
    format!(
        "export const table = '{TABLE}';\nexport const concurrency = {requests};\n{segments}\
         export function up(item) {{ item.label = 'ORDER#' + item.pk; }}\n"
    )
}

fn add_label(mut order: Item) -> Result<Change, MigrationError> {
    let label = label(order.text("pk")?);
    order.set_text("label", label);
    Ok(Change::Update(order))
}
