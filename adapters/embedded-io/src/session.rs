//! What the asynchronous and the blocking client share: the session on loan, and how a connection ends.

use core::time::Duration;

use mqtt_session::{Client, ConnectOptions, Event, Instant, ReceiveBuffer, client::Found, storage::Storage};

use crate::{Error, outgoing::Outgoing};

/// How long a connection that has ended may take to write its last packet.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Room for any fixed header.
const SMALLEST: usize = 8;

/// A session on loan to one connection.
#[derive(Debug)]
pub(crate) struct Session<'a, S: Storage, E> {
    pub(crate) machine: &'a mut Client<S>,
    /// The time of the last look at the transport. The machine is told no later one before the next look: a deadline
    /// must not seem missed while the answer waits to be read and only the caller was away.
    pub(crate) now: Instant,
    /// After `Closed` was told: what is left is written, until then.
    last_words: Option<Instant>,
    /// The transport is of no use any more, for this reason.
    lost: Option<Error<E>>,
    /// The machine knows that it is lost.
    disconnected: bool,
    /// Nothing more comes.
    over: bool,
}

impl<'a, S: Storage, E> Session<'a, S, E> {
    pub(crate) fn connect(
        machine: &'a mut Client<S>,
        now: Instant,
        rx: &ReceiveBuffer<&mut [u8]>,
        tx: &Outgoing<'_>,
        options: &ConnectOptions<'_>,
    ) -> Result<Self, Error<E>> {
        let needed = SMALLEST.max(machine.config().receive_buffer as usize);
        if rx.capacity() < needed || tx.capacity() < SMALLEST {
            return Err(Error::BufferTooSmall);
        }
        if machine.poll_timeout().is_some_and(|at| at <= now) {
            return Err(Error::EventsWaiting);
        }
        machine.connect(now, options)?;
        Ok(Self {
            machine,
            now,
            last_words: None,
            lost: None,
            disconnected: false,
            over: false,
        })
    }

    /// An event that can be told without IO, and how many bytes were consumed with it. Without `rx`, which is being
    /// read into, there are no whole packets to be taken.
    pub(crate) fn take_event(&mut self, rx: Option<&mut ReceiveBuffer<&mut [u8]>>) -> Option<(Found, usize)> {
        let (consumed, found, closed) = match rx {
            Some(rx) => {
                let handled = self.machine.handle_input(self.now, rx.filled());
                let consumed = handled.consumed;
                let closed = matches!(handled.event, Some(Event::Closed(_)));
                let found = handled.event.map(|event| event.detach(rx.filled()));
                rx.consume(consumed);
                (consumed, found, closed)
            }
            None => {
                let event = self.machine.handle_timeout(self.now).event;
                let closed = matches!(event, Some(Event::Closed(_)));
                (0, event.map(|event| event.detach(&[])), closed)
            }
        };
        if closed {
            self.last_words = Some(self.now + LAST_WORDS);
        }
        Some((found?, consumed))
    }

    /// The transport is of no use any more. What it brought before is still told, then what follows from its end, then
    /// why.
    pub(crate) fn lose(&mut self, why: Error<E>) {
        if !self.is_lost() {
            self.lost = Some(why);
        }
    }

    /// To be called when there is no event. True: now there may be one. `writing`: not all is written.
    pub(crate) fn step_over(&mut self, writing: bool) -> Result<bool, Error<E>> {
        if self.over {
            return Err(Error::Closed);
        }
        if self.lost.is_some() && !self.disconnected {
            self.machine.handle_disconnect(self.now);
            self.disconnected = true;
            return Ok(true);
        }
        let silent = self
            .last_words
            .is_some_and(|until| until <= self.now || (!writing && self.machine.poll_transmit().is_none()));
        if self.disconnected || silent {
            self.machine.handle_disconnect(self.now);
            self.over = true;
            return Err(self.lost.take().unwrap_or(Error::Closed));
        }
        Ok(false)
    }

    /// Nothing is written or read any more.
    pub(crate) const fn is_lost(&self) -> bool {
        self.over || self.lost.is_some()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.last_words, self.machine.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }
}

impl<S: Storage, E> Drop for Session<'_, S, E> {
    fn drop(&mut self) {
        self.machine.handle_disconnect(self.now);
    }
}
