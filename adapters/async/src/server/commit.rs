//! Commits, on a thread of their own: the loop goes on meanwhile, and what changes then is the next batch.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use mqtt_session::{Seq, server::Changes};

use super::{Store, trace};
use crate::ready::ReadyList;

/// A store, and the thread that commits to it. When this is dropped, the store is closed.
pub(super) struct Commits {
    /// `None` once the store has failed: nothing is given to it any more.
    batches: Option<Sender<Changes>>,
    done: Receiver<io::Result<Seq>>,
    busy: bool,
    thread: Option<JoinHandle<()>>,
}

impl Commits {
    pub(super) fn start(store: impl Store + Send + 'static, ready: &Arc<ReadyList>) -> io::Result<Self> {
        let (batches, to_commit) = mpsc::channel();
        let (committed, done) = mpsc::channel();
        let ready = Arc::clone(ready);
        let thread = thread::Builder::new()
            .name(String::from("mqtt-store"))
            .spawn(move || run(store, &to_commit, committed, ready))?;
        Ok(Self {
            batches: Some(batches),
            done,
            busy: false,
            thread: Some(thread),
        })
    }

    /// A batch is being committed.
    pub(super) const fn is_busy(&self) -> bool {
        self.busy
    }

    /// A batch may be given to it.
    pub(super) const fn is_idle(&self) -> bool {
        !self.busy && self.batches.is_some()
    }

    pub(super) fn commit(&mut self, changes: Changes) {
        if let Some(batches) = &self.batches {
            // If the thread is gone, `poll` tells.
            let _ = batches.send(changes);
            self.busy = true;
        }
    }

    /// The batch that is done, if it is. After an error nothing is committed any more.
    pub(super) fn poll(&mut self) -> Option<io::Result<Seq>> {
        if !self.busy {
            return None;
        }
        let done = match self.done.try_recv() {
            Ok(done) => done,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err(io::Error::other("the store has panicked")),
        };
        self.busy = false;
        if done.is_err() {
            self.batches = None;
        }
        Some(done)
    }
}

impl Drop for Commits {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // It has told of its panic, if there was one.
            let _ = thread.join();
        }
    }
}

/// Wakes the server also when a store panics.
struct Waking(Arc<ReadyList>);

impl Drop for Waking {
    fn drop(&mut self) {
        self.0.wake();
    }
}

fn run(
    mut store: impl Store,
    batches: &Receiver<Changes>,
    committed: Sender<io::Result<Seq>>,
    ready: Arc<ReadyList>,
) {
    // Dropped in the opposite order: the server is woken when it can see that nothing more comes.
    let waking = Waking(ready);
    let committed = committed;
    while let Ok(changes) = batches.recv() {
        let begun = Instant::now();
        let result = if changes.is_empty() {
            Ok(())
        } else {
            store.commit(&mut changes.iter())
        };
        if result.is_ok() {
            trace::committed(changes.len(), changes.size(), begun.elapsed());
        }
        let failed = result.is_err();
        let _ = committed.send(result.map(|()| changes.upto()));
        waking.0.wake();
        if failed {
            return;
        }
    }
}
