//! Who takes answers where no CloudFormation does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::request::AllowedHosts;

/// Where answers go that go nowhere.
const HOST: &str = "cloudformation.invalid";

/// Takes answers in process, as S3 does for CloudFormation, without sockets; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Receiver(Arc<Mutex<Desk>>);

#[derive(Debug, Default)]
struct Desk {
    replies: VecDeque<u16>,
    puts: Vec<Put>,
}

/// An answer that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where it was put.
    pub url: String,
    /// What it says.
    pub body: String,
    /// The HTTP status that it was taken or refused with.
    pub status: u16,
    /// When it came.
    pub at: Instant,
}

impl Receiver {
    /// A URL to answer to, which differs for each number.
    #[must_use]
    pub fn url(&self, number: u64) -> String {
        format!("http://{HOST}/{number}")
    }

    /// The only host that it answers for.
    #[must_use]
    pub(crate) fn hosts() -> AllowedHosts {
        AllowedHosts::parse(HOST)
    }

    /// Has the next answers meet these HTTP statuses; all others meet 200.
    pub fn reply(&self, statuses: &[u16]) {
        self.lock().replies.extend(statuses);
    }

    /// What came so far, in its order.
    #[must_use]
    pub fn puts(&self) -> Vec<Put> {
        self.lock().puts.clone()
    }

    /// Takes an answer or refuses it.
    pub(super) fn put(&self, url: &str, body: &str) -> u16 {
        let mut desk = self.lock();
        let status = desk.replies.pop_front().unwrap_or(200);
        desk.puts.push(Put {
            url: url.to_owned(),
            body: body.to_owned(),
            status,
            at: Instant::now(),
        });
        status
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
