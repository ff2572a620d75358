//! What the asynchronous and the blocking client share: the session on loan, and how a connection ends.

use mqtt_session::{Client, ConnectOptions, Event, Instant, ReceiveBuffer, client::Found, storage::Storage};

use crate::{Error, outgoing::Outgoing};

/// Room for any fixed header.
const SMALLEST: usize = 8;

/// A session on loan to one connection.
#[derive(Debug)]
pub(crate) struct Session<'a, S: Storage, E> {
    pub(crate) machine: &'a mut Client<S>,
    /// The time of the last look at the transport. The machine is told no later one before the next look: a deadline
    /// must not seem missed while the answer waits to be read and only the caller was away.
    pub(crate) now: Instant,
    /// The last event. It is told when the last packet is written, so that whoever stops there has ended well; or at
    /// that moment.
    closed: Option<(Found, usize, Instant)>,
    /// The transport is of no use any more, for this reason.
    lost: Option<Error<E>>,
    stage: Stage,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// The machine knows that the transport is lost.
    Disconnected,
    /// All is told.
    Over,
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
            closed: None,
            lost: None,
            stage: Stage::Open,
        })
    }

    /// An event that can be told without IO, and how many bytes were consumed with it. Without `rx`, which is being
    /// read into, there are no whole packets to be taken. `writing`: not all that was taken from the machine is written.
    ///
    /// # Errors
    /// Nothing more comes.
    pub(crate) fn take_event(
        &mut self,
        mut rx: Option<&mut ReceiveBuffer<&mut [u8]>>,
        writing: bool,
    ) -> Result<Option<(Found, usize)>, Error<E>> {
        loop {
            if self.closed.is_some() {
                return Ok(self.take_closed(writing));
            }
            if self.stage == Stage::Over {
                return Err(self.lost.take().unwrap_or(Error::Closed));
            }
            let input = rx.as_deref().map_or(&[][..], ReceiveBuffer::filled);
            let handled = self.machine.handle_input(self.now, input);
            let (consumed, closed) = (handled.consumed, matches!(handled.event, Some(Event::Closed(_))));
            let found = handled.event.map(|event| event.detach(input));
            if let Some(rx) = rx.as_deref_mut() {
                rx.consume(consumed);
            }
            match found {
                Some(found) if closed => {
                    self.closed = Some((found, consumed, self.now + self.machine.config().close_timeout))
                }
                Some(found) => return Ok(Some((found, consumed))),
                None if self.lost.is_some() && self.stage == Stage::Open => {
                    self.machine.handle_disconnect(self.now);
                    self.stage = Stage::Disconnected;
                }
                None => return Ok(None),
            }
        }
    }

    fn take_closed(&mut self, writing: bool) -> Option<(Found, usize)> {
        let (.., until) = self.closed.as_ref()?;
        let silent = !writing && self.machine.poll_transmit().is_none();
        if !(silent || self.lost.is_some() || *until <= self.now) {
            return None;
        }
        self.machine.handle_disconnect(self.now);
        self.stage = Stage::Over;
        self.closed.take().map(|(found, consumed, _)| (found, consumed))
    }

    /// The transport is of no use any more. What it brought before is still told, then what follows from its end, then
    /// why.
    pub(crate) fn lose(&mut self, why: Error<E>) {
        if self.writes() {
            self.lost = Some(why);
        }
    }

    /// Ends the connection without a word, also of what is taken from the machine and not written.
    pub(crate) fn abort(&mut self) {
        self.machine.abort(self.now);
        self.lose(Error::Closed);
    }

    /// Something may be written.
    pub(crate) fn writes(&self) -> bool {
        self.lost.is_none() && self.stage == Stage::Open
    }

    /// Something may be read.
    pub(crate) fn reads(&self) -> bool {
        self.writes() && self.closed.is_none() && self.machine.wants_input()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.closed {
            Some((.., until)) => Some(*until),
            None => self.machine.poll_timeout(),
        }
    }
}

impl<S: Storage, E> Drop for Session<'_, S, E> {
    fn drop(&mut self) {
        self.machine.handle_disconnect(self.now);
    }
}
