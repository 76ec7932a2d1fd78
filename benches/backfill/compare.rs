//! Which contenders meet on which engine with how many items; each is measured on a table that was made for it.

use std::time::Instant;

use aws_sdk_dynamodb::Client;

use crate::Result;
use crate::contenders::{Contender, Pace, Run};
use crate::engines::{Engine, Kind};
use crate::orders::{self, Billing, TABLE};
use crate::stand_in::{self, Counts};
use crate::table;

/// Write requests at the same time, where nothing else is said: tablewright's own default.
const REQUESTS: usize = 16;
/// How often each contender runs; the middle one counts.
const ROUNDS: usize = 3;
/// From here on the slow ones run once.
const MANY: usize = 50_000;
/// Most units that a table may have, unless AWS has agreed to more (AWS documentation, "Service quotas").
const QUOTA: i64 = 40_000;
/// So many that nobody is held back by them.
const UNLIMITED: i64 = 1_000_000;
/// AWS's own engine is as slow as the slowest contender.
const MOST_IN_DYNAMODB_LOCAL: usize = 20_000;

/// One meeting of contenders.
#[derive(Debug)]
pub(crate) struct Meeting {
    pub(crate) kind: Kind,
    pub(crate) items: usize,
    pub(crate) billing: Billing,
    pub(crate) requests: usize,
    contenders: &'static [Contender],
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) meeting: Meeting,
    /// In the order of the meeting; tablewright comes first.
    pub(crate) runs: Vec<(Contender, Run)>,
    /// What tablewright asked the stand-in for.
    pub(crate) counts: Option<Counts>,
    /// Seconds that one request alone takes.
    pub(crate) latency: f64,
}

const ALL: &[Contender] = &[
    Contender::Tablewright,
    Contender::Statements,
    Contender::Puts,
    Contender::NodeBatches,
    Contender::NodeUpdates,
];
const ALONE: &[Contender] = &[Contender::Tablewright];
const LANGUAGES: &[Contender] = &[Contender::Tablewright, Contender::Yaml, Contender::JavaScript];

/// Lets all meet and prints the table.
pub(crate) fn compare() -> Result<()> {
    let sizes = std::env::var("ITEMS").unwrap_or_else(|_| "10000 100000".to_owned());
    let sizes = sizes.split_whitespace().map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut outcomes = Vec::new();
    for meeting in meetings(&sizes) {
        outcomes.push(meeting.hold(&runtime)?);
    }
    println!("{}", table::render(&outcomes));
    Ok(())
}

fn meetings(sizes: &[usize]) -> Vec<Meeting> {
    let meeting = |kind, items| Meeting {
        kind,
        items,
        billing: Billing::Provisioned(match kind {
            Kind::Embedded | Kind::DynamoDbLocal => QUOTA,
            Kind::StandIn => UNLIMITED,
        }),
        requests: REQUESTS,
        contenders: ALL,
    };
    let mut meetings: Vec<_> = sizes.iter().map(|items| meeting(Kind::Embedded, *items)).collect();
    let few = sizes.iter().filter(|items| **items <= MOST_IN_DYNAMODB_LOCAL);
    meetings.extend(few.map(|items| meeting(Kind::DynamoDbLocal, *items)));
    meetings.extend(sizes.iter().map(|items| meeting(Kind::StandIn, *items)));
    let Some(most) = sizes.iter().max() else { return meetings };
    // So few requests at the same time that latency holds it back and not this machine.
    let few = Meeting { requests: 4, contenders: ALONE, ..meeting(Kind::StandIn, *most) };
    let many = Meeting { contenders: ALONE, ..meeting(Kind::StandIn, most * 10) };
    let languages = Meeting { contenders: LANGUAGES, ..meeting(Kind::Embedded, *most) };
    let on_demand = Billing::OnDemand;
    let on_demand =
        Meeting { billing: on_demand, contenders: ALONE, ..meeting(Kind::Embedded, *most) };
    meetings.extend([languages, few, many, on_demand]);
    meetings
}

impl Meeting {
    fn pace(&self) -> Pace {
        let segments = match self.kind {
            // It walks through the whole table for each page of a segment.
            Kind::Embedded => 1,
            Kind::DynamoDbLocal | Kind::StandIn => 0,
        };
        Pace { requests: self.requests, segments }
    }

    fn hold(self, runtime: &tokio::runtime::Runtime) -> Result<Outcome> {
        eprintln!("{}, {} items, {:?}", self.kind, self.items, self.billing);
        let engine = Engine::start(self.kind)?;
        // Connections end with the runtime, which outlives the engine.
        let client = orders::client(&engine.endpoint);
        let mut all: Vec<_> = self.contenders.iter().map(|one| (*one, Vec::new())).collect();
        let (mut counts, mut latency) = (None, 0.0);
        for round in 0..if self.items > 2 * MANY { 1 } else { ROUNDS } {
            for (contender, runs) in &mut all {
                if round > 0 && self.items > MANY && *contender == Contender::NodeUpdates {
                    continue;
                }
                runtime.block_on(orders::make(&client, self.billing, self.items))?;
                if self.kind == Kind::StandIn {
                    latency = runtime.block_on(probe(&client))?;
                    runtime.block_on(stand_in::counts(&engine.endpoint))?;
                }
                let run = contender.run(&engine.endpoint, self.pace())?;
                let Run { seconds, cpu, peak } = run;
                eprintln!(
                    "  {contender:?}: {seconds:.1} s, {cpu:.1} s of processor, {} MiB",
                    peak / 1024
                );
                if self.kind == Kind::StandIn && *contender == Contender::Tablewright {
                    counts = Some(runtime.block_on(stand_in::counts(&engine.endpoint))?);
                }
                runtime.block_on(orders::check(&client, self.items))?;
                runtime.block_on(orders::drop(&client))?;
                runs.push(run);
            }
        }
        let runs = all.into_iter().map(|(contender, runs)| (contender, middle(runs))).collect();
        Ok(Outcome { meeting: self, runs, counts, latency })
    }
}

/// The run of middle speed, with the most memory that any took.
fn middle(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let peak = runs.iter().map(|run| run.peak).max().unwrap_or_default();
    Run { peak, ..runs[runs.len() / 2] }
}

/// Seconds that a request takes while nothing else goes on.
async fn probe(client: &Client) -> Result<f64> {
    const TIMES: u32 = 100;
    let start = Instant::now();
    for _ in 0..TIMES {
        client.scan().table_name(TABLE).limit(1).send().await?;
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(TIMES))
}
