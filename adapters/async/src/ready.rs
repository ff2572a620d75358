//! Which connections have something to read, or room to write.

use core::{
    sync::atomic::{AtomicBool, Ordering},
    task::Waker,
};
use std::{sync::Arc, task::Wake};

use atomic_waker::AtomicWaker;
use concurrent_queue::ConcurrentQueue;
use mqtt_session::server::ConnId;

/// Connections that were woken, and the task that looks after them. Each is on the list once, so it is as long as
/// there are connections at most.
#[derive(Debug)]
pub(crate) struct ReadyList {
    woken: ConcurrentQueue<ConnId>,
    task: AtomicWaker,
}

impl ReadyList {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            woken: ConcurrentQueue::unbounded(),
            task: AtomicWaker::new(),
        })
    }

    /// Whom to wake from now on.
    pub(crate) fn register(&self, task: &Waker) {
        self.task.register(task);
    }

    pub(crate) fn pop(&self) -> Option<ConnId> {
        self.woken.pop().ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.woken.is_empty()
    }

    /// Wakes the task without a connection.
    pub(crate) fn wake(&self) {
        self.task.wake();
    }
}

/// The waker of one connection, for reading and for writing.
#[derive(Debug)]
pub(crate) struct ConnWaker {
    id: ConnId,
    queued: AtomicBool,
    list: Arc<ReadyList>,
}

impl ConnWaker {
    /// For a new connection, which is on the list: it has not been read yet.
    pub(crate) fn new(id: ConnId, list: &Arc<ReadyList>) -> Arc<Self> {
        let waker = Arc::new(Self {
            id,
            queued: AtomicBool::new(false),
            list: Arc::clone(list),
        });
        waker.wake_by_ref();
        waker
    }

    /// It was taken from the list. Called before its link is polled, so that no wake between the two is lost.
    pub(crate) fn taken(&self) {
        self.queued.store(false, Ordering::Release);
    }
}

impl Wake for ConnWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            // Unbounded and never closed: it takes everything.
            let _ = self.list.woken.push(self.id);
            self.list.task.wake();
        }
    }
}
