//! A strict DynamoDB for tests: everything that AWS's control plane enforces and no emulator does.
//!
//! An emulator makes a table at once, takes two indexes in one call and forgets that a stream was on. A migration
//! or a deploy that passes its tests there can fail on AWS. [`ControlPlane`] decorates an embedded engine, which
//! holds the items, with what AWS does:
//!
//! - **States take time**, as measured ([`Durations`]): a table is `CREATING`, a new index is given its resources, then
//!   backfilled for minutes while the table is `ACTIVE`.
//! - **One change a call**: `UpdateTable` refuses nearly every pair of changes, and whatever collides with what is
//!   in flight, in AWS's words.
//! - **Quotas and cooldowns** ([`Quotas`]): decreases of throughput, changes of key, class and expiry, indexes of a
//!   table, changes of an account.
//! - **Reads lag**: a new table is not found at first, tags are those from before, answers tell the old values.
//! - **What emulators lack**: backups with the data and restores from them, point-in-time recovery, warm throughput,
//!   encryption keys, contributor insights, resource policies, Kinesis destinations, replicas, autoscaling targets.
//! - **Streams in shards** that end after four hours and have children; their records go after a day.
//! - **Faults on purpose** ([`Fault`]): throttling, lost answers, unprocessed items, latency; and an application that
//!   writes beside ([`ControlPlane::bystander`], [`ControlPlane::watch`]).
//!
//! # In process
//!
//! [`ControlPlane::client`] is an SDK client without sockets. Under tokio's paused time the waits of a deploy take
//! none, since tokio moves its clock on whenever all tasks wait. For that, tokio needs its feature `test-util`.
//!
//! ```
//! # use aws_sdk_dynamodb::types::*;
//! use std::time::Duration;
//!
//! use tablewright::testing::ControlPlane;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
//! # runtime.block_on(async {
//! let plane = ControlPlane::new();
//! let client = plane.client();
//! let key = KeySchemaElement::builder().attribute_name("pk").key_type(KeyType::Hash).build()?;
//! let attribute = AttributeDefinition::builder()
//!     .attribute_name("pk")
//!     .attribute_type(ScalarAttributeType::S)
//!     .build()?;
//! client
//!     .create_table()
//!     .table_name("orders")
//!     .billing_mode(BillingMode::PayPerRequest)
//!     .key_schema(key)
//!     .attribute_definitions(attribute)
//!     .send()
//!     .await?;
//!
//! // AWS is still creating it.
//! let early = client.scan().table_name("orders").send().await;
//! assert!(early.unwrap_err().into_service_error().is_resource_not_found_exception());
//!
//! tokio::time::sleep(Duration::from_secs(10)).await; // or: plane.advance(Duration::from_secs(10));
//! client.scan().table_name("orders").send().await?;
//!
//! let operations: Vec<_> = plane.calls().into_iter().map(|call| call.operation).collect();
//! assert_eq!(operations, ["CreateTable", "Scan", "Scan"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Clients of other services get at it by [`ControlPlane::http_client`].
//!
//! # Over HTTP
//!
//! [`ControlPlane::serve`] listens on a port of this machine for any SDK in any language, without credentials being
//! checked. Real sockets are outside of tokio's paused time, so let time pass by [`ControlPlane::advance`] or by a
//! factor, [`Builder::speed`].
//!
//! # What it does not do
//!
//! Restores to a point in time, exports, imports, vector indexes and multi-region strong consistency. It is one region:
//! replicas are what the table's own region says about them. Resource policies are kept and not enforced, nothing scales
//! by load, items do not expire. `ItemCount` and `TableSizeBytes`, which AWS refreshes every six hours or so, are 0 until
//! [`ControlPlane::count`] says otherwise. Waits in a runtime of its own, whose time is not paused, take as long as they take.

mod account;
mod admission;
mod autoscaling;
mod backups;
mod calls;
mod capacity;
mod clock;
mod concerns;
mod create;
mod describe;
mod disk;
mod durations;
mod engine;
mod faults;
mod flights;
mod function;
mod insights;
mod items;
mod kinesis;
mod kms;
mod pace;
mod policy;
mod quotas;
mod recovery;
mod rejection;
mod replicas;
mod schema;
mod seed;
mod server;
mod services;
mod settings;
mod shards;
mod stack;
mod table;
mod tags;
mod time_to_live;
mod transport;
mod trap;
mod trial;
mod update_table;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use serde_json::Value;

use self::account::{Account, Service};
pub use self::calls::{Arrival, Call, Outcome};
use self::calls::{Caller, Watcher};
use self::clock::{Clock, Moment};
pub use self::durations::Durations;
use self::engine::Engine;
pub use self::faults::Fault;
use self::faults::{Dice, Failure, Faults, Plane, Strike};
pub use self::function::Function;
pub use self::kms::KeyState;
pub use self::pace::checkpoint_every;
pub(crate) use self::pace::checkpoint_interval;
pub use self::quotas::{Quotas, Rate};
use self::rejection::Rejection;
pub use self::seed::item;
pub use self::server::Server;
pub use self::stack::{Answer, Deployed, Stack};
use self::transport::InProcess;
pub use self::trap::{Mishap, Trap};
pub use self::trial::{Check, Tables, Trial, Tried, Verdict};
pub use crate::answer::{Put, Receiver};

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// A strict DynamoDB of one account in one region; see [the module](self). Clones are the same one.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    clock: Arc<Clock>,
    made_of: Arc<Builder>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    account: Account,
    faults: Faults,
    /// What ids of requests are drawn from: faults must not change any others.
    requests: Dice,
    calls: Vec<Call>,
    watcher: Option<Watcher>,
}

/// An answer on its way.
#[derive(Debug)]
struct Served {
    status: u16,
    body: String,
    request_id: String,
}

/// A connection that a fault broke.
#[derive(Debug, Clone, Copy)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was broken by a fault")
    }
}

impl Default for ControlPlane {
    fn default() -> Self {
        Self::new()
    }
}

impl ControlPlane {
    /// Starts with AWS's durations and quotas, empty, in real time.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts otherwise.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A client of DynamoDB in process.
    #[must_use]
    pub fn client(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::from_conf(self.config().build())
    }

    /// A client in process for what goes on beside what is tested, as an application that uses the same tables: no
    /// fault hits its calls, nobody watches them, and the log leaves them out.
    #[must_use]
    pub fn bystander(&self) -> aws_sdk_dynamodb::Client {
        let beside = SharedHttpClient::new(InProcess(self.clone(), Caller::Bystander));
        aws_sdk_dynamodb::Client::from_conf(self.config().http_client(beside).build())
    }

    /// The configuration of [`client`](Self::client), to be completed: with other retries, with an interceptor.
    #[must_use]
    pub fn config(&self) -> aws_sdk_dynamodb::config::Builder {
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.lock().account.region.clone()))
            .credentials_provider(Credentials::new("strict", "strict", None, None, "tablewright"))
            .http_client(self.http_client())
    }

    /// An HTTP client for the configuration of any AWS SDK client: DynamoDB, its streams, Application Auto
    /// Scaling, KMS (`DescribeKey`).
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(InProcess(self.clone(), Caller::Tested))
    }

    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// Of the operating system.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn serve(&self) -> io::Result<Server> {
        self.serve_on(0).await
    }

    /// Listens on this port of this machine; on a free one where it is 0.
    ///
    /// # Errors
    /// Of the operating system: somebody else may listen there.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn serve_on(&self, port: u16) -> io::Result<Server> {
        Server::start(self.clone(), port).await
    }

    /// Empties it: no tables, no backups, no faults, no log of calls.
    pub fn start_over(&self) {
        let fresh = self.made_of.shared(&self.clock);
        *self.lock() = fresh;
    }

    /// Names of the tables that are there.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        self.lock().account.tables.keys().cloned().collect()
    }

    /// Puts items into tables that are there, a list of them by the name of each table; written as for [`item`].
    /// Returns how many.
    ///
    /// # Errors
    /// The first item that cannot be put, and why. What came before it stays.
    pub fn seed(&self, items: &Value) -> Result<usize, String> {
        seed::put(self, items)
    }

    /// Writes all tables, as far as `CreateTable` says what they are, with their identities and items to a file, as they are
    /// at one moment; what was in the file stays until all is written.
    ///
    /// # Errors
    /// Of the operating system.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        disk::save(&self.lock().account, file)
    }

    /// Makes the tables that [`save`](Self::save) wrote, which are there at once, and fills them. Returns how many.
    ///
    /// # Errors
    /// The first line that cannot be read or has no place here, and why. What came before it stays.
    pub fn load(&self, file: &Path) -> Result<usize, String> {
        disk::load(&mut self.lock().account, file)
    }

    /// Lets time pass in the plane, for nobody else.
    pub fn advance(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        self.lock().faults.add(fault);
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// The calls so far, or since the last [`reset_calls`](Self::reset_calls), in the order in which they were answered.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Empties the log of calls.
    pub fn reset_calls(&self) {
        self.lock().calls.clear();
    }

    /// Has `watcher` see each call that comes, in place of an earlier watcher. The call is carried out when the watcher is
    /// done: what it does with a [`bystander`](Self::bystander) comes just before.
    pub fn watch<F, Fut>(&self, watcher: F)
    where
        F: Fn(Arrival) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let watcher = Watcher(Arc::new(move |arrival| Box::pin(watcher(arrival))));
        self.lock().watcher = Some(watcher);
    }

    /// Makes a KMS key that goes by this alias, or points the alias to a new key. Returns the key's ARN.
    #[must_use]
    pub fn add_key(&self, alias: &str, state: KeyState) -> String {
        self.lock().account.add_key(alias, state)
    }

    /// Enables or disables a KMS key, named by ARN, id or alias.
    pub fn set_key(&self, key: &str, state: KeyState) {
        self.lock().account.set_key(key, state);
    }

    /// Puts tags on a table that only AWS can put there, as `aws:cloudformation:stack-id`; at once, and without a lock.
    pub fn tag_as_aws(&self, table: &str, tags: &[(&str, &str)]) {
        if let Some(table) = self.lock().account.tables.get_mut(table) {
            let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            table.tags.extend(tags);
        }
    }

    /// Has `DescribeTable` say that a table holds so many items and bytes, as AWS does after it has counted them.
    pub fn count(&self, table: &str, items: u64, bytes: u64) {
        if let Some(table) = self.lock().account.tables.get_mut(table) {
            table.counted = (items, bytes);
        }
    }

    /// Has a replica count as the source of another one, made in its region; it cannot be removed for a day.
    pub fn replica_was_source(&self, table: &str, region: &str) {
        self.lock().account.mark_source(table, region);
    }

    async fn serve_call(
        &self,
        target: &str,
        body: &[u8],
        caller: Caller,
    ) -> Result<Served, Broken> {
        let body = String::from_utf8_lossy(body);
        let Some((service, operation)) = Service::of(target) else {
            return Ok(self.served(Err(Rejection::unknown_operation())));
        };
        if caller == Caller::Bystander {
            let result = self.lock().account.call(service, operation, &body);
            return Ok(self.served(result));
        }
        let request: Value = serde_json::from_str(&body).unwrap_or_default();
        let tables = self.tables_of(&request);
        let watcher = self.lock().watcher.clone();
        if let Some(Watcher(watch)) = watcher {
            let (operation, tables) = (operation.to_owned(), tables.clone());
            watch(Arrival { operation, tables, request }).await;
        }
        let plane =
            if engine::OPERATIONS.contains(&operation) { Plane::Data } else { Plane::Control };
        let Strike { failure, latency } = self.lock().faults.strike(operation, plane, &tables);
        if !latency.is_zero() {
            tokio::time::sleep(self.clock.real(latency)).await;
        }
        let result = self.carry_out(service, operation, &body, failure, plane);
        let outcome = match (&result, failure) {
            (_, Some(_)) => Outcome::Faulted,
            (Ok(_), None) => Outcome::Ok,
            (Err(Rejection { code, message, .. }), None) => {
                Outcome::Rejected { code: code.clone(), message: message.clone() }
            }
        };
        self.lock().calls.push(Call {
            operation: operation.to_owned(),
            table: tables.into_iter().next(),
            outcome,
            at: self.clock.now().elapsed(),
        });
        match failure {
            Some(Failure::LostAnswer | Failure::NotSent) => Err(Broken),
            Some(
                Failure::Throttled
                | Failure::Denied
                | Failure::InternalError
                | Failure::Unprocessed
                | Failure::Latency(_),
            )
            | None => Ok(self.served(result)),
        }
    }

    fn carry_out(
        &self,
        service: Service,
        operation: &str,
        body: &str,
        failure: Option<Failure>,
        plane: Plane,
    ) -> Result<String, Rejection> {
        let call = |body: &str| self.lock().account.call(service, operation, body);
        match (failure, plane) {
            (Some(Failure::Throttled), Plane::Control) => {
                Err(Rejection::throttled("Rate exceeded"))
            }
            (Some(Failure::Throttled), Plane::Data) => Err(Rejection::throughput_exceeded()),
            (Some(Failure::Denied), _) => Err(Rejection::denied(&format!(
                "not authorized to perform: dynamodb:{operation} because no identity-based policy allows it"
            ))),
            (Some(Failure::InternalError), _) => {
                Err(Rejection::internal_error("Internal server error"))
            }
            (Some(Failure::NotSent), _) => Ok(String::new()),
            (Some(Failure::Unprocessed), _) => items::unprocessed(operation, body, call),
            (Some(Failure::LostAnswer | Failure::Latency(_)) | None, _) => call(body),
        }
    }

    /// Names of the tables that a request is about.
    fn tables_of(&self, request: &Value) -> Vec<String> {
        let shared = self.lock();
        let mut named: Vec<_> =
            items::targets(request).into_iter().map(|(table, _)| table).collect();
        for member in ["ResourceArn", "TargetTableName", "BackupArn", "StreamArn"] {
            named.extend(request[member].as_str().map(str::to_owned));
        }
        named.iter().map(|named| shared.account.name_of(named).to_owned()).collect()
    }

    fn served(&self, result: Result<String, Rejection>) -> Served {
        let request_id = self.lock().requests.uuid();
        match result {
            Ok(body) => Served { status: 200, body, request_id },
            Err(rejection) => {
                Served { status: rejection.status, body: rejection.body(), request_id }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a [`ControlPlane`] is made of.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    region: String,
    account: String,
    durations: Durations,
    quotas: Quotas,
    speed: f64,
    seed: u64,
    date: SystemTime,
    unseen: u32,
    page_items: Option<u32>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            region: "eu-west-1".to_owned(),
            account: "111122223333".to_owned(),
            durations: Durations::default(),
            quotas: Quotas::default(),
            speed: 1.0,
            seed: 0,
            // The function reads its clock so, too, and the times of records are compared with it.
            date: UNIX_EPOCH + Duration::from_millis(crate::clock::now_ms()),
            unseen: 1,
            page_items: None,
        }
    }
}

impl Builder {
    /// The region; `eu-west-1` by default.
    pub fn region(mut self, region: &str) -> Self {
        region.clone_into(&mut self.region);
        self
    }

    /// The account's number.
    pub fn account(mut self, account: &str) -> Self {
        account.clone_into(&mut self.account);
        self
    }

    /// How long changes take.
    pub fn durations(mut self, durations: Durations) -> Self {
        self.durations = durations;
        self
    }

    /// What is allowed how often.
    pub fn quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// How much faster than tokio's clock the plane's goes; 0 makes it stand still until it is
    /// [moved on](ControlPlane::advance).
    pub fn speed(mut self, factor: f64) -> Self {
        self.speed = factor.max(0.0);
        self
    }

    /// What identifiers and chances are drawn from: the same seed, the same run.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The date at the start; the real one by default. Some quotas are counted by days.
    pub fn starts_at(mut self, date: SystemTime) -> Self {
        self.date = date;
        self
    }

    /// How often `DescribeTable` does not find a new table yet, which AWS documents as possible; once by default.
    pub fn unseen_reads(mut self, times: u32) -> Self {
        self.unseen = times;
        self
    }

    /// Most items that a page of `Scan` or `Query` looks at; as many as 1 MB holds by default. With a few, a small table
    /// has many pages.
    pub fn page_items(mut self, items: u32) -> Self {
        self.page_items = Some(items);
        self
    }

    /// Starts it.
    #[must_use]
    pub fn build(self) -> ControlPlane {
        let clock = Arc::new(Clock::new(self.date, self.speed));
        let shared = self.shared(&clock);
        let made_of = Arc::new(self);
        ControlPlane { clock, made_of, shared: Arc::new(Mutex::new(shared)) }
    }

    fn shared(&self, clock: &Arc<Clock>) -> Shared {
        let account = Account {
            id: self.account.clone(),
            region: self.region.clone(),
            clock: clock.clone(),
            durations: self.durations.clone(),
            quotas: self.quotas.clone(),
            unseen: self.unseen,
            page_items: self.page_items,
            dice: Dice::new(self.seed),
            engine: Engine::new(clock.clone()),
            now: Moment::default(),
            tables: BTreeMap::new(),
            backups: BTreeMap::new(),
            keys: kms::Keys::default(),
            scaling: autoscaling::Scaling::default(),
            limiter: quotas::Limiter::default(),
        };
        // Faults draw from chances of their own: adding one must not change identifiers.
        let faults = Faults::new(!self.seed);
        let requests = Dice::new(self.seed.rotate_left(32));
        Shared { account, faults, requests, calls: Vec::new(), watcher: None }
    }
}
