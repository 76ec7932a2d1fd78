//! A DynamoDB that answers each request after 5 ms, and counts: the items in memory, all else in the embedded engine.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::Result;
use crate::memory::{Answer, Items};
use crate::orders::TABLE;

/// How long an answer takes.
pub(crate) const LATENCY: Duration = Duration::from_millis(5);

/// What was asked for since the table was made, or since the counts were last read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Requests that write items of the table.
    pub(crate) writes: u64,
    /// Capacity units that they took.
    pub(crate) write_units: u64,
    /// Requests that read items of the table.
    pub(crate) reads: u64,
    /// All other requests, by their operation.
    pub(crate) others: BTreeMap<String, u64>,
}

struct StandIn {
    items: Mutex<Items>,
    counts: Mutex<Counts>,
    /// Where all other requests go.
    engine: String,
    client: reqwest::Client,
}

/// What is sent back.
struct Reply {
    status: u16,
    body: Bytes,
}

pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    let engine = TcpListener::bind("127.0.0.1:0").await?;
    let stand_in = Arc::new(StandIn {
        items: Mutex::default(),
        counts: Mutex::default(),
        engine: format!("http://{}", engine.local_addr()?),
        client: reqwest::Client::new(),
    });
    tokio::spawn(dynoxide::server::serve_on(engine, dynoxide::Database::memory()?));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let stand_in = Arc::clone(&stand_in);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&stand_in), request));
            // It ends as its client likes.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// Asks the stand-in at this address for its counts, and has it begin anew.
pub(crate) async fn counts(endpoint: &str) -> Result<Counts> {
    let answer = reqwest::get(endpoint).await?.bytes().await?;
    Ok(serde_json::from_slice(&answer)?)
}

async fn answer(
    stand_in: Arc<StandIn>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let due = Instant::now() + LATENCY;
    let reply = match stand_in.reply(request).await {
        Ok(reply) => reply,
        Err(error) => {
            let body = json!({ "__type": "ValidationException", "message": error.to_string() });
            Reply { status: 400, body: body.to_string().into() }
        }
    };
    tokio::time::sleep_until(due).await;
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).unwrap_or_default();
    let content_type = hyper::header::HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert("content-type", content_type);
    Ok(response)
}

impl StandIn {
    async fn reply(&self, request: Request<Incoming>) -> Result<Reply> {
        if request.method() == Method::GET {
            let counts = std::mem::take(&mut *lock(&self.counts));
            return Ok(Reply { status: 200, body: serde_json::to_vec(&counts)?.into() });
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.split_once('.')).map(|(_, name)| name);
        let operation = operation.ok_or("a request without an operation")?;
        if let Some(answer) = self.answer_from_memory(operation, &body)? {
            return Ok(Reply { status: 200, body: answer.into() });
        }
        *lock(&self.counts).others.entry(operation.to_owned()).or_default() += 1;
        let passed_on = self.client.post(&self.engine).headers(head.headers).body(body);
        let answer = passed_on.send().await?;
        Ok(Reply { status: answer.status().as_u16(), body: answer.bytes().await? })
    }

    /// The answer to a request about items of the table; `None` to any other.
    fn answer_from_memory(&self, operation: &str, body: &[u8]) -> Result<Option<String>> {
        type Serve = fn(&mut Items, &Value) -> Result<Answer>;
        let serve: Serve = match operation {
            "Scan" => |items, request| items.scan(request),
            "BatchWriteItem" => Items::put,
            "BatchExecuteStatement" => Items::execute,
            "UpdateItem" => Items::update,
            "DeleteTable" => |items, _| Ok(items.forget()),
            _ => return Ok(None),
        };
        let request: Value = serde_json::from_slice(body)?;
        let is_about_table = request["TableName"] == TABLE
            || request["RequestItems"].get(TABLE).is_some()
            || request.get("Statements").is_some();
        if !is_about_table {
            return Ok(None);
        }
        let answer = serve(&mut lock(&self.items), &request)?;
        let mut counts = lock(&self.counts);
        match operation {
            "DeleteTable" => return Ok(None),
            "Scan" => counts.reads += 1,
            _ => counts.writes += 1,
        }
        counts.write_units += answer.write_units;
        Ok(Some(answer.body))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
