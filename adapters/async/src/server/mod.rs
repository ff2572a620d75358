//! A broker and all its connections in one future.
//!
//! A turn: what was accepted; for each connection that was woken at most two reads into one buffer that all share; then
//! one write for each connection that has something to be written, so that all that a turn gathers for it leaves at once;
//! then the next deadline. No connection has a task, a lock, a channel or a buffer of its own.

mod store;

use core::{
    fmt,
    future::poll_fn,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{sync::Arc, task::Wake};

use mqtt_session::{
    Instant,
    server::{
        ConnId, Peer, ServerConfig, ServerEvent,
        driver::{Driver, Flushed, Written},
    },
};
use mqtt_std::Clock;

use crate::{
    Accept, Link, Timer,
    ready::{ConnWaker, ReadyList},
};

pub use store::Store;

/// The buffer that all reads share.
const SCRATCH: usize = 64 << 10;
/// Reads of one connection in one turn.
const READS: usize = 2;
/// Connections that are accepted, read or written in one turn, before other tasks get theirs.
const TURN: usize = 256;
/// How long to wait when the system has no room for another connection.
const SHORTAGE: Duration = Duration::from_millis(100);

/// An MQTT server on listeners of type `A`, with a timer of type `T`. [`run`](Self::run) is the whole of it.
pub struct Server<A: Accept, T> {
    driver: Driver,
    listeners: Vec<A>,
    wires: Vec<Option<Wire<A::Link>>>,
    ready: Arc<ReadyList>,
    scratch: Vec<u8>,
    clock: Clock,
    timer: T,
    accept_after: Option<Instant>,
    stop: ServerStop,
}

struct Wire<L> {
    id: ConnId,
    link: L,
    task: Waker,
    waker: Arc<ConnWaker>,
    /// Not read, because the server did not want it: nothing will wake it.
    unread: bool,
    blocked: bool,
    unflushed: bool,
}

/// Ends a server from anywhere.
#[derive(Clone, Debug)]
pub struct ServerStop {
    stopped: Arc<AtomicBool>,
    ready: Arc<ReadyList>,
}

impl ServerStop {
    /// The server closes all its connections, and its [`run`](Server::run) returns.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.ready.wake();
    }
}

impl<A: Accept, T: Timer> Server<A, T> {
    /// A server without listeners.
    pub fn new(config: ServerConfig) -> Self {
        let ready = ReadyList::new();
        Self {
            driver: Driver::new(config),
            listeners: Vec::new(),
            wires: Vec::new(),
            scratch: vec![0; SCRATCH],
            clock: Clock::new(),
            timer: T::default(),
            accept_after: None,
            stop: ServerStop {
                stopped: Arc::default(),
                ready: Arc::clone(&ready),
            },
            ready,
        }
    }

    /// Accepts connections from this listener, too.
    pub fn listen(&mut self, listener: A) {
        self.listeners.push(listener);
    }

    /// What ends it.
    pub fn stopper(&self) -> ServerStop {
        self.stop.clone()
    }

    /// The machine, to look at.
    pub const fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Serves until [`ServerStop::stop`], and tells what happens. Afterwards all connections are closed; sessions
    /// are kept, and it may be run again.
    ///
    /// May be dropped at any time; running again goes on where it was.
    pub async fn run(&mut self, mut on_event: impl FnMut(ServerEvent)) {
        poll_fn(|cx| self.poll_run(cx, &mut on_event)).await;
    }

    /// [`run`](Self::run) for those who poll.
    pub fn poll_run(&mut self, cx: &mut Context<'_>, on_event: &mut impl FnMut(ServerEvent)) -> Poll<()> {
        self.ready.register(cx.waker());
        let stopped = self.stop.stopped.swap(false, Ordering::AcqRel);
        let now = self.clock.now();
        if stopped {
            for index in 0..self.wires.len() {
                self.close(now, index);
            }
        } else {
            self.turn(cx, now);
        }
        while let Some(event) = self.driver.poll_event() {
            on_event(event);
        }
        if stopped { Poll::Ready(()) } else { Poll::Pending }
    }

    fn turn(&mut self, cx: &mut Context<'_>, now: Instant) {
        let mut more = self.accept(cx, now);
        for _ in 0..TURN {
            let Some(id) = self.ready.pop() else { break };
            self.woken(now, id);
        }
        if self.driver.poll_timeout().is_some_and(|at| at <= now) {
            self.driver.handle_timeout(now);
        }
        more |= !self.flush_dirty(now) || !self.ready.is_empty();
        let next = [self.driver.poll_timeout(), self.accept_after]
            .into_iter()
            .flatten()
            .min();
        more |= next.is_some_and(|at| self.timer.poll_until(cx, self.clock.deadline(at)).is_ready());
        if more {
            cx.waker().wake_by_ref();
        }
    }

    /// `true`: there may be more.
    fn accept(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.accept_after.is_some_and(|at| at > now) {
            return false;
        }
        self.accept_after = None;
        for number in 0..self.listeners.len() {
            for taken in 0.. {
                if taken == TURN {
                    return true;
                }
                match self.listeners[number].poll_accept(cx) {
                    Poll::Ready(Ok((link, mut peer))) => {
                        peer.listener = u16::try_from(number).unwrap_or(u16::MAX);
                        self.open(now, link, peer);
                    }
                    Poll::Ready(Err(_)) => {
                        self.accept_after = Some(now + SHORTAGE);
                        return false;
                    }
                    Poll::Pending => break,
                }
            }
        }
        false
    }

    fn open(&mut self, now: Instant, link: A::Link, peer: Peer) {
        // Overloaded: there is no better answer than to hang up.
        let Ok(id) = self.driver.open(now, peer) else {
            return;
        };
        if self.wires.len() <= id.index() {
            self.wires.resize_with(id.index() + 1, || None);
        }
        let waker = ConnWaker::new(id, &self.ready);
        let task = Waker::from(Arc::clone(&waker));
        self.wires[id.index()] = Some(Wire {
            id,
            link,
            task,
            waker,
            unread: false,
            blocked: false,
            unflushed: false,
        });
    }

    /// Reads from a connection, and finds out whether it can be written again.
    fn woken(&mut self, now: Instant, id: ConnId) {
        let Self {
            driver,
            wires,
            scratch,
            ..
        } = self;
        let Some(wire) = wire(wires, id) else { return };
        wire.waker.taken();
        if wire.blocked {
            wire.blocked = false;
            driver.unblock(id);
        }
        let cx = &mut Context::from_waker(&wire.task);
        if wire.unflushed {
            wire.unflushed = wire.link.poll_flush(cx).is_pending();
        }
        for _ in 0..READS {
            wire.unread = !driver.wants_input(id);
            if wire.unread {
                return;
            }
            match wire.link.poll_read(cx, scratch) {
                Poll::Ready(Ok(0) | Err(_)) => return self.close(now, id.index()),
                Poll::Ready(Ok(n)) => wire.unread = !driver.received(now, id, &scratch[..n]),
                Poll::Pending => return,
            }
        }
        // Its turn is over, and nothing but this wakes it.
        wire.waker.wake_by_ref();
    }

    /// Writes to every connection that has something to be written. `false`: there is more.
    fn flush_dirty(&mut self, now: Instant) -> bool {
        for _ in 0..TURN {
            let Some(id) = self.driver.take_dirty() else {
                return true;
            };
            self.flush(now, id);
        }
        false
    }

    fn flush(&mut self, now: Instant, id: ConnId) {
        let Self { driver, wires, .. } = self;
        let Some(wire) = wire(wires, id) else { return };
        let link = &mut wire.link;
        let cx = &mut Context::from_waker(&wire.task);
        match driver.flush(now, id, |bytes| write_until_pending(link, cx, bytes)) {
            Flushed::Done => wire.unflushed = link.poll_flush(cx).is_pending(),
            Flushed::Blocked => wire.blocked = true,
            Flushed::Dead => return self.close(now, id.index()),
        }
        if wire.unread && driver.wants_input(id) {
            wire.waker.wake_by_ref();
        }
    }

    fn close(&mut self, now: Instant, index: usize) {
        if let Some(mut wire) = self.wires.get_mut(index).and_then(Option::take) {
            // One attempt: who does not take it now is left to the system.
            let _ = wire.link.poll_close(&mut Context::from_waker(&wire.task));
            self.driver.close(now, wire.id);
        }
    }
}

/// Writes until all is written or the link takes no more: only then will it wake the connection.
fn write_until_pending(link: &mut impl Link, cx: &mut Context<'_>, bytes: &[u8]) -> Written {
    let mut written = 0;
    while written < bytes.len() {
        match link.poll_write(cx, &bytes[written..]) {
            Poll::Ready(Ok(0) | Err(_)) => return Written::Dead,
            Poll::Ready(Ok(n)) => written += n,
            Poll::Pending => return Written::Bytes(written),
        }
    }
    Written::Bytes(written)
}

fn wire<L>(wires: &mut [Option<Wire<L>>], id: ConnId) -> Option<&mut Wire<L>> {
    wires.get_mut(id.index())?.as_mut().filter(|wire| wire.id == id)
}

impl<A: Accept, T> fmt::Debug for Server<A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("driver", &self.driver)
            .field("listeners", &self.listeners.len())
            .finish_non_exhaustive()
    }
}
