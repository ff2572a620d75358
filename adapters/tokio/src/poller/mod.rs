//! One registration at the runtime for any number of sockets.
//!
//! tokio keeps about 265 bytes of each socket that is registered with it. So the sockets of a server are registered with a
//! `mio::Poll` of their own, and tokio knows that one only. When it becomes ready, tokio wakes [`Pump`], which notes what has become
//! ready in it (`notes`) and wakes those who wait for that; no task stands between.
//!
//! Events come once for each change. A socket is read when it is noted as readable, until a read gives less than there was room
//! for: then whatever comes next is a change.

mod notes;
mod socket;

use core::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    task::Wake,
};

use mio::{Events, Interest, Registry, Token, event::Source};
use tokio::io::{Interest as Wanted, unix::AsyncFd};

use notes::Notes;
pub(crate) use socket::Registered;

/// Changes that are noted at once.
const EVENTS: usize = 1_024;

/// One registration at the runtime, on Unix, for any number of [listeners](crate::Listener) and all their connections: of these, tokio
/// knows nothing, and keeps nothing.
///
/// It is registered with the runtime on which one of its listeners is first polled.
#[derive(Clone, Default)]
pub struct Poller(Arc<Shared>);

#[derive(Default)]
pub(crate) struct Shared {
    notes: Mutex<Notes>,
    /// `None` until something is registered.
    polling: Mutex<Option<Polling>>,
    registry: OnceLock<Registry>,
    /// How often the pump was asked for since it began.
    asked: AtomicUsize,
}

struct Polling {
    poll: AsyncFd<mio::Poll>,
    events: Events,
    waker: Waker,
    /// Those to be woken when nothing is locked any more.
    woken: Vec<Waker>,
}

/// What tokio wakes. It keeps nothing alive: what it looks after keeps it.
struct Pump(Weak<Shared>);

impl Wake for Pump {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(shared) = self.0.upgrade() {
            shared.pump();
        }
    }
}

impl Poller {
    /// One that nothing waits with yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for this socket from now on; gives it back if the system does not let it.
    pub(crate) fn register<S: Source>(
        &self,
        socket: S,
        interest: Interest,
    ) -> Result<Registered<S>, (io::Error, S)> {
        Registered::new(&self.0, socket, interest)
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

impl Shared {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn polling(&self) -> MutexGuard<'_, Option<Polling>> {
        self.polling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the socket a place among the notes, and asks the system for its changes.
    fn register(self: &Arc<Self>, source: &mut impl Source, interest: Interest) -> io::Result<u32> {
        let registry = self.start()?;
        let key = self.notes().insert();
        let number = u32::try_from(key).map_err(|_| io::ErrorKind::OutOfMemory.into());
        number
            .and_then(|number| registry.register(source, Token(key), interest).map(|()| number))
            .inspect_err(|_| self.notes().remove(key))
    }

    fn deregister(&self, source: &mut impl Source, key: usize) {
        if let Some(registry) = self.registry.get() {
            // It is closed next, which does the same.
            let _ = registry.deregister(source);
        }
        self.notes().remove(key);
    }

    fn start(self: &Arc<Self>) -> io::Result<&Registry> {
        if let Some(registry) = self.registry.get() {
            return Ok(registry);
        }
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        #[allow(
            deprecated,
            reason = "what took its place is unsafe, for types that lie about their descriptor"
        )]
        let poll = AsyncFd::with_interest(poll, Wanted::READABLE)?;
        let mut polling = self.polling();
        if polling.is_none() {
            *polling = Some(Polling {
                poll,
                events: Events::with_capacity(EVENTS),
                waker: Arc::new(Pump(Arc::downgrade(self))).into(),
                woken: Vec::new(),
            });
            let _ = self.registry.set(registry);
        }
        drop(polling);
        self.pump();
        self.registry.get().ok_or_else(|| io::ErrorKind::Other.into())
    }

    /// Notes what has become ready, until tokio says that nothing more has. If it is asked for while it is at it, on whatever
    /// thread, it begins again.
    fn pump(&self) {
        if self.asked.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let mut asked = 1;
        loop {
            let mut woken = self.take_woken();
            for waker in woken.drain(..) {
                waker.wake();
            }
            if let Some(polling) = &mut *self.polling() {
                polling.woken = woken;
            }
            match self
                .asked
                .compare_exchange(asked, 0, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return,
                Err(since) => asked = since,
            }
        }
    }

    /// Those who are to be woken, because what they wait for has become ready.
    fn take_woken(&self) -> Vec<Waker> {
        let mut polling = self.polling();
        let Some(polling) = &mut *polling else {
            return Vec::new();
        };
        let waker = polling.waker.clone();
        // Whoever is woken here is no task, and has no budget.
        let mut noting = tokio::task::unconstrained(poll_fn(|cx| polling.poll_note(cx, self)));
        if Pin::new(&mut noting)
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            self.notes().end(&mut polling.woken);
        }
        core::mem::take(&mut polling.woken)
    }
}

impl Polling {
    /// Ready when nothing more will come.
    fn poll_note(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<io::Error> {
        loop {
            let mut ready = match self.poll.poll_read_ready_mut(cx) {
                Poll::Ready(Ok(ready)) => ready,
                Poll::Ready(Err(error)) => return Poll::Ready(error),
                Poll::Pending => return Poll::Pending,
            };
            match ready.get_inner_mut().poll(&mut self.events, Some(Duration::ZERO)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Poll::Ready(error),
            }
            let mut notes = shared.notes();
            let mut count = 0;
            for event in &self.events {
                notes.note(event.token().0, event, &mut self.woken);
                count += 1;
            }
            if count < EVENTS {
                ready.clear_ready();
            }
        }
    }
}
