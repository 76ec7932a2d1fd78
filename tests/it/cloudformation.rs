//! A CloudFormation for tests, as far as it can be asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use tablewright::stacks::{StackStatus, Stacks, Unreadable};

use crate::support::STACK;

/// A CloudFormation that says what the test has it say, or nothing; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeStacks {
    status: Arc<Mutex<String>>,
    is_silent: Arc<Mutex<bool>>,
    asked: Arc<AtomicU64>,
}

impl FakeStacks {
    /// Says nothing from now on.
    pub(crate) fn fall_silent(&self) {
        *self.is_silent.lock().unwrap() = true;
    }

    pub(crate) fn set(&self, status: &str) {
        status.clone_into(&mut self.status.lock().unwrap());
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Stacks for FakeStacks {
    fn status<'a>(&'a self, stack_id: &'a str) -> BoxFuture<'a, Result<StackStatus, Unreadable>> {
        assert_eq!(stack_id, STACK);
        self.asked.fetch_add(1, Ordering::Relaxed);
        let status = if *self.is_silent.lock().unwrap() {
            Err(Unreadable("AccessDenied".to_owned()))
        } else {
            Ok(StackStatus(self.status.lock().unwrap().clone()))
        };
        async move { status }.boxed()
    }
}
