//! The asynchronous client.

use core::{
    convert::Infallible,
    fmt,
    future::{Future, pending, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use embedded_hal_async::delay::DelayNs;
use mqtt_session::{ConnectOptions, Event, Instant, ReceiveBuffer, client::Found, storage::Storage};

use crate::{
    Error, Link, PayloadSource,
    commands::commands,
    outgoing::{NoPayload, Outgoing},
    session::Session,
};

/// One connection of a session, over `embedded-io-async`; see the [crate](crate) for an example.
///
/// It reads, writes and keeps time while [`next`](Self::next) is awaited, and only then. Dropped, it leaves the session
/// without a connection, ready for another one.
pub struct Client<'a, 'b, S: Storage, E, D, N> {
    session: Session<'a, S, E>,
    link: &'a Link<'b, E>,
    carried: Pin<&'a mut (dyn Future<Output = Infallible> + 'a)>,
    /// Away while it is read into.
    rx: Option<ReceiveBuffer<&'b mut [u8]>>,
    /// Away while it is written from.
    tx: Option<Outgoing<'b>>,
    delay: D,
    clock: N,
    source: Option<PayloadSource<'a>>,
}

impl<'a, 'b, S: Storage, E, D: DelayNs, N: FnMut() -> Instant> Client<'a, 'b, S, E, D, N> {
    /// Opens a connection on a transport that is ready: CONNECT is what is written first, and the answer to it the first
    /// event. `carried` is the future of this link's [`carry`](Link::carry), and `now` tells the time, rounded down.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`], [`Error::LinkUsed`], [`Error::EventsWaiting`] or [`Error::Refused`]; the session is as
    /// it was before.
    pub fn connect(
        session: &'a mut mqtt_session::Client<S>,
        link: &'a Link<'b, E>,
        carried: Pin<&'a mut (dyn Future<Output = Infallible> + 'a)>,
        delay: D,
        mut now: N,
        options: &ConnectOptions<'_>,
    ) -> Result<Self, Error<E>> {
        let (rx, tx) = link.take_buffers().ok_or(Error::LinkUsed)?;
        Ok(Self {
            session: Session::connect(session, now(), &rx, &tx, options)?,
            link,
            carried,
            rx: Some(rx),
            tx: Some(tx),
            delay,
            clock: now,
            source: None,
        })
    }

    /// Waits for the next event. May be dropped at any time: the next call goes on, and nothing is lost.
    ///
    /// # Errors
    /// The connection has ended, and all its events were told, [`Event::Closed`] the last of them: [`Error::Closed`] if
    /// it ended in order, or what was wrong with the transport.
    pub async fn next(&mut self) -> Result<Event<'_>, Error<E>> {
        let (found, consumed) = self.find().await?;
        let event = found.view(self.rx.as_ref().map_or(&[], |rx| rx.before(consumed)));
        // With its topic also if the server sent an alias.
        Ok(self.session.machine.resolve(event))
    }

    /// The next event, and how many bytes were consumed with it.
    async fn find(&mut self) -> Result<(Found, usize), Error<E>> {
        loop {
            if let Some(found) = self.session.take_event(self.rx.as_mut(), self.tx.is_none())? {
                return Ok(found);
            }
            // All whole packets are taken, if any are wanted: only now may the buffer go away.
            if self.session.reads() {
                if let Some(rx) = self.rx.take() {
                    self.link.start_read(rx);
                }
            }
            let moved = self.wait(Some(Duration::ZERO)).await;
            // Also when there is something to tell: however much comes, what is to be said is not kept waiting.
            if self.start_write() || moved || self.is_due() {
                continue;
            }
            let wait = self.session.poll_timeout();
            self.wait(wait.map(|at| at.saturating_duration_since(self.session.now)))
                .await;
        }
    }

    fn is_due(&self) -> bool {
        self.session
            .poll_timeout()
            .is_some_and(|at| at <= self.session.now)
    }

    /// Sends a buffer off to be written, if it is there and something is to be said.
    fn start_write(&mut self) -> bool {
        if !self.session.writes() {
            return false;
        }
        let Some(mut tx) = self.tx.take() else {
            return false;
        };
        let filled = tx.fill(self.session.machine, self.session.now, self.source.as_mut());
        if tx.rest().is_empty() {
            self.tx = Some(tx);
        } else {
            self.link.start_write(tx);
        }
        match filled {
            Ok(()) => self.tx.is_none(),
            Err(NoPayload) => {
                self.session.lose(Error::NoPayload);
                true
            }
        }
    }

    /// Lets the read and the write under way go on, until one of them is done or the time is over, and takes the time.
    /// Tells whether one is done.
    async fn wait(&mut self, at_most: Option<Duration>) -> bool {
        let (link, carried) = (self.link, &mut self.carried);
        let mut sleep = pin!(sleep(&mut self.delay, at_most));
        let moved = poll_fn(|cx| {
            let _: Poll<Infallible> = carried.as_mut().poll(cx);
            if link.has_moved() {
                return Poll::Ready(true);
            }
            sleep.as_mut().poll(cx).map(|()| false)
        })
        .await;
        self.session.now = (self.clock)();
        if let Some((mut rx, result)) = self.link.take_read() {
            match result {
                Ok(0) => self.session.lose(Error::Closed),
                Ok(n) => rx.commit(n),
                Err(error) => self.session.lose(Error::Read(error)),
            }
            self.rx = Some(rx);
        }
        if let Some((tx, result)) = self.link.take_written() {
            if let Err(error) = result {
                self.session.lose(error);
            }
            self.tx = Some(tx);
        }
        moved
    }

    commands!();
}

/// The delay of `embedded-hal` counts up to 71 minutes; waking early is harmless.
async fn sleep(delay: &mut impl DelayNs, at_most: Option<Duration>) {
    match at_most {
        None => pending().await,
        Some(Duration::ZERO) => {}
        Some(wait) => {
            delay
                .delay_us(u32::try_from(wait.as_micros()).unwrap_or(u32::MAX))
                .await
        }
    }
}

impl<S: Storage, E, D, N> fmt::Debug for Client<'_, '_, S, E, D, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("machine", &self.session.machine)
            .field("reading", &self.rx.is_none())
            .field("writing", &self.tx.is_none())
            .finish_non_exhaustive()
    }
}
