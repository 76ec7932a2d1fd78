//! One migration tried out: what it makes of items, once, twice and back again, whatever kills or hinders it.

mod compare;
mod world;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use self::world::World;
use super::{Fault, Mishap, Trap};
use crate::dynamo::WireItem;
use crate::migration::{Guard, Migration, Work};
use crate::migrator::Migrator;

/// Items by the name of their table.
pub type Tables = BTreeMap<String, Vec<WireItem>>;

/// More writes than one migration of a handful of items takes.
const WRITES_MAX: usize = 500;

/// One migration of a list, and the items that it is tried on.
///
/// Each check begins with the declared tables and the given items on a [`ControlPlane`](super::ControlPlane) of its own,
/// takes all older migrations as done, and deploys this one as a stack would. Under tokio's paused time it takes none.
///
/// ```
/// use serde_json::json;
/// use tablewright::testing::{Trial, item};
/// use tablewright::{Change, Migration, Migrator};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
/// # runtime.block_on(async {
/// let label = Migration::backfill("0001_label", "orders", |mut order| {
///     let label = format!("ORDER#{}", order.text("pk")?);
///     order.set_text("label", label);
///     Ok(Change::Update(order))
/// });
/// let migrator = Migrator::builder().migration(label).build().unwrap();
/// let properties = json!({
///     "Tables": [{
///         "TableName": "orders",
///         "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
///         "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
///     }],
/// });
/// Trial::new(migrator, "0001_label", properties)
///     .before("orders", [item(json!({ "pk": "1" }))])
///     .after("orders", [item(json!({ "pk": "1", "label": "ORDER#1" }))])
///     .expect_success()
///     .await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Trial {
    migrator: Migrator,
    id: String,
    properties: Value,
    before: Tables,
    after: Tables,
    back: Tables,
    refusal: Option<String>,
}

/// What a trial looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It makes of the items what is expected, or refuses them as expected and leaves them as they were.
    Result,
    /// Run over its own result, as after a crash before that was on record, it changes nothing.
    Again,
    /// Taken back, it leaves the items as they were.
    Back,
    /// Its process dies before each of its writes in turn, and the next deploy comes to the same end.
    Crash,
    /// Requests are throttled, answered in part or not at all, and it comes to the same end.
    Hindrance,
    /// Another run takes its lease before each of its writes in turn, and the next deploy comes to the same end.
    LostLease,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds; may say more.
    Passed(String),
    /// It does not.
    Failed(Vec<String>),
    /// It has no sense here.
    NotTried(String),
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Id of the migration.
    pub id: String,
    /// Each check, in the order of [`Check`]; those after a wrong result are left out.
    pub checks: Vec<(Check, Verdict)>,
}

impl Trial {
    /// Tries the migration of this id, with the resource properties that declare its tables.
    #[must_use]
    pub fn new(migrator: Migrator, id: &str, properties: Value) -> Self {
        Self {
            migrator,
            id: id.to_owned(),
            properties,
            before: Tables::new(),
            after: Tables::new(),
            back: Tables::new(),
            refusal: None,
        }
    }

    /// Items that a table holds before it; none where it is named for afterwards alone.
    #[must_use]
    pub fn before(mut self, table: &str, items: impl IntoIterator<Item = WireItem>) -> Self {
        self.before.entry(table.to_owned()).or_default().extend(items);
        self
    }

    /// All items that a table is to hold after it. A table that is not named is not looked at.
    #[must_use]
    pub fn after(mut self, table: &str, items: impl IntoIterator<Item = WireItem>) -> Self {
        self.after.entry(table.to_owned()).or_default().extend(items);
        self
    }

    /// All items that a table is to hold when it is taken back, where they are not those from before.
    #[must_use]
    pub fn back(mut self, table: &str, items: impl IntoIterator<Item = WireItem>) -> Self {
        self.back.entry(table.to_owned()).or_default().extend(items);
        self
    }

    /// Expects it to fail with these words among its own, and to leave everything as it was.
    #[must_use]
    pub fn refused(mut self, words: &str) -> Self {
        self.refusal = Some(words.to_owned());
        self
    }

    /// Runs every check.
    pub async fn run(&self) -> Tried {
        let mut checks = Vec::new();
        let (verdict, reached) = self.result().await;
        let goes_on = matches!(verdict, Verdict::Passed(_)) && self.refusal.is_none();
        checks.push((Check::Result, verdict));
        if let Some(reached) = reached.filter(|_| goes_on) {
            let tried = [
                (Check::Again, self.again(&reached).await),
                (Check::Back, self.taken_back().await),
                (Check::Crash, self.crashing(&reached).await),
                (Check::Hindrance, self.hindered(&reached).await),
                (Check::LostLease, self.losing_the_lease(&reached).await),
            ];
            checks.extend(tried.map(|(check, verdict)| {
                (check, verdict.unwrap_or_else(|why| Verdict::Failed(vec![why])))
            }));
        }
        Tried { id: self.id.clone(), checks }
    }

    /// Runs every check and asserts that none has failed.
    ///
    /// # Panics
    /// Where one has, with all that is wrong.
    pub async fn expect_success(&self) {
        let tried = self.run().await;
        assert!(tried.is_success(), "{tried}");
    }

    /// What it makes of the items, and whether that is what is expected.
    async fn result(&self) -> (Verdict, Option<Tables>) {
        let mut world = match World::start(self).await {
            Ok(world) => world,
            Err(why) => return (Verdict::Failed(vec![why]), None),
        };
        let outcome = world.deploy().await;
        let reached = world.items().await;
        let differences = match (&outcome, &self.refusal) {
            (Ok(()), None) => world.differences(&self.after, &reached),
            (Err(said), Some(words)) if said.contains(words.as_str()) => {
                world.differences(&self.untouched(), &reached)
            }
            (Err(said), _) => vec![said.clone()],
            (Ok(()), Some(words)) => vec![format!("it succeeds, and {words:?} was expected")],
        };
        let said = if self.refusal.is_some() { "refused, as expected" } else { "" };
        (Verdict::of(differences, said), Some(reached))
    }

    async fn again(&self, reached: &Tables) -> Result<Verdict, String> {
        if let Some(why) = self.is_once_only() {
            return Ok(Verdict::NotTried(why));
        }
        let mut world = self.applied().await?;
        world.forget_that_it_ran().await?;
        Ok(self.ends_as(&mut world, reached).await)
    }

    async fn taken_back(&self) -> Result<Verdict, String> {
        let has_way_back = self.migration().is_some_and(|migration| migration.way_back().is_some());
        if !has_way_back {
            return Ok(Verdict::NotTried("it has no way back".to_owned()));
        }
        let world = self.applied().await?;
        world.take_back().await?;
        let mut expected = self.untouched();
        expected.extend(self.back.clone());
        let found = world.items().await;
        Ok(Verdict::of(world.differences(&expected, &found), ""))
    }

    /// What the tables hold that it is about, as long as it has done nothing.
    fn untouched(&self) -> Tables {
        let mut tables: Tables = self.after.keys().map(|table| (table.clone(), vec![])).collect();
        tables.extend(self.before.clone());
        tables
    }

    async fn crashing(&self, reached: &Tables) -> Result<Verdict, String> {
        if self.is_left_to_a_person() {
            return Ok(Verdict::NotTried(
                "it is not idempotent: after a crash a person has to look first".to_owned(),
            ));
        }
        for write in 0..WRITES_MAX {
            let mut world = World::start(self).await?;
            let trap = Trap::at_write(write, Mishap::Crash);
            world.deploy_into(&trap).await;
            if !trap.has_sprung() {
                return Ok(Verdict::Passed(format!("at each of {write} writes")));
            }
            if let Verdict::Failed(why) = self.ends_as(&mut world, reached).await {
                return Ok(Verdict::failed_at(write, "killed before", why));
            }
        }
        Ok(too_many_writes())
    }

    async fn hindered(&self, reached: &Tables) -> Result<Verdict, String> {
        if self.is_left_to_a_person() {
            return Ok(Verdict::NotTried("it sends requests of its own".to_owned()));
        }
        let faults = [
            ("throttled", Fault::throttled().data_plane().every(3)),
            ("with answers that get lost", Fault::lost_answer().data_plane().every(4)),
            ("with half of each batch left", Fault::unprocessed().every(2)),
            ("with errors of DynamoDB's", Fault::internal_error().data_plane().every(5)),
        ];
        for (how, fault) in faults {
            let mut world = World::start(self).await?;
            world.fault(fault);
            if let Verdict::Failed(why) = self.ends_as(&mut world, reached).await {
                let why = why.iter().map(|why| format!("{how}: {why}")).collect();
                return Ok(Verdict::Failed(why));
            }
        }
        Ok(Verdict::Passed(String::new()))
    }

    async fn losing_the_lease(&self, reached: &Tables) -> Result<Verdict, String> {
        if self.is_left_to_a_person() {
            return Ok(Verdict::NotTried("it sends requests of its own".to_owned()));
        }
        for write in 0..WRITES_MAX {
            let mut world = World::start(self).await?;
            if !world.deploy_and_lose_the_lease(write).await {
                return Ok(Verdict::Passed(format!("at each of {write} writes")));
            }
            if let Verdict::Failed(why) = self.ends_as(&mut world, reached).await {
                return Ok(Verdict::failed_at(write, "superseded before", why));
            }
        }
        Ok(too_many_writes())
    }

    /// Deploys until that succeeds, and compares what is there then.
    async fn ends_as(&self, world: &mut World<'_>, expected: &Tables) -> Verdict {
        if let Err(why) = world.deploy_until_done().await {
            return Verdict::Failed(vec![why]);
        }
        let found = world.items().await;
        Verdict::of(world.differences(expected, &found), "")
    }

    async fn applied(&self) -> Result<World<'_>, String> {
        let mut world = World::start(self).await?;
        world.deploy().await?;
        Ok(world)
    }

    fn migration(&self) -> Option<&Migration> {
        self.migrator.get(&self.id).map(AsRef::as_ref)
    }

    /// Why running it over its own result makes no sense, where it does not.
    fn is_once_only(&self) -> Option<String> {
        match self.migration().map(|migration| &migration.work) {
            Some(Work::Backfills(all))
                if all.iter().any(|one| one.guard == Some(Guard::Journal)) =>
            {
                Some("its journal makes it exactly once".to_owned())
            }
            Some(Work::Copy(_) | Work::FinishCopy { .. }) => {
                Some("a copy knows itself how far it is".to_owned())
            }
            Some(Work::Function(_)) if self.is_left_to_a_person() => {
                Some("it is not idempotent".to_owned())
            }
            Some(Work::Backfills(_) | Work::Function(_)) | None => None,
        }
    }

    fn is_left_to_a_person(&self) -> bool {
        self.migration().is_some_and(|migration| !migration.idempotent)
    }
}

impl Verdict {
    fn of(differences: Vec<String>, said: &str) -> Self {
        if differences.is_empty() {
            Self::Passed(said.to_owned())
        } else {
            Self::Failed(differences)
        }
    }

    fn failed_at(write: usize, how: &str, why: Vec<String>) -> Self {
        let nth = write + 1;
        Self::Failed(why.into_iter().map(|why| format!("{how} write {nth}: {why}")).collect())
    }
}

impl Tried {
    /// Whether no check has failed.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.checks.iter().all(|(_, verdict)| !matches!(verdict, Verdict::Failed(_)))
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Result => "result",
            Self::Again => "a second time",
            Self::Back => "back again",
            Self::Crash => "killed",
            Self::Hindrance => "hindered",
            Self::LostLease => "superseded",
        })
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "migration {}", self.id)?;
        for (check, verdict) in &self.checks {
            match verdict {
                Verdict::Passed(more) if more.is_empty() => writeln!(f, "  ok      {check}")?,
                Verdict::Passed(more) => writeln!(f, "  ok      {check}: {more}")?,
                Verdict::NotTried(why) => writeln!(f, "  -       {check}: {why}")?,
                Verdict::Failed(why) => {
                    writeln!(f, "  FAILED  {check}")?;
                    why.iter().try_for_each(|why| writeln!(f, "            {why}"))?;
                }
            }
        }
        Ok(())
    }
}

fn too_many_writes() -> Verdict {
    Verdict::NotTried(format!("it writes more than {WRITES_MAX} times; give it fewer items"))
}
