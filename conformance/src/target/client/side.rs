//! A client with its end of a link.

use core::time::Duration;

use super::ClientUnderTest;
use crate::fields::Val;
use crate::play::call::Call;
use crate::play::inbox::Inbox;
use crate::play::world::Refusal;
use crate::target::guarded;
use crate::target::outlet::{Outlet, TURNS};
use crate::trace::ast::{Command, Direction};

#[derive(Debug)]
pub(in crate::target) struct ClientSide<C> {
    client: C,
    outlet: Outlet,
    link: bool,
    /// What went wrong when there was nobody to tell.
    wrong: Option<String>,
}

/// What a client has written, and what became of its link then.
#[derive(Debug)]
pub(in crate::target) struct Sent {
    pub(in crate::target) bytes: Vec<u8>,
    pub(in crate::target) ending: Option<Ending>,
}

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::target) enum Ending {
    /// The trace cuts it.
    Cut,
    /// The client closed it.
    Closed,
}

impl<C: ClientUnderTest> ClientSide<C> {
    pub(in crate::target) fn new(client: C) -> Self {
        Self {
            client,
            outlet: Outlet::default(),
            link: false,
            wrong: None,
        }
    }

    pub(in crate::target) fn has_link(&self) -> bool {
        self.link
    }

    pub(in crate::target) fn receive(&mut self, now: Duration, bytes: &[u8]) -> Result<(), String> {
        guarded(|| self.client.handle_input(now, bytes))
    }

    /// The link is gone.
    pub(in crate::target) fn lose(&mut self, now: Duration) {
        if core::mem::take(&mut self.link) {
            self.outlet = Outlet::default();
            self.wrong = guarded(|| self.client.handle_disconnect(now)).err();
        }
    }

    pub(in crate::target) fn poll_timeout(&self) -> Option<Duration> {
        self.client.poll_timeout()
    }

    pub(in crate::target) fn handle_timeout(&mut self, now: Duration) -> Result<(), String> {
        if self.client.poll_timeout().is_none_or(|at| at > now) {
            return Ok(());
        }
        guarded(|| self.client.handle_timeout(now))
    }

    pub(in crate::target) fn call(&mut self, now: Duration, call: &Call) -> Result<Option<Val>, Refusal> {
        let given = guarded(|| self.client.call(now, call)).map_err(Refusal::Invalid)??;
        self.link |= call.command == Command::Connect;
        Ok(given)
    }

    /// Tells the events, and writes what there is to write.
    pub(in crate::target) fn pump(
        &mut self,
        now: Duration,
        conn: usize,
        inbox: &mut Inbox<'_>,
    ) -> Result<Sent, String> {
        let mut sent = Sent {
            bytes: Vec::new(),
            ending: None,
        };
        loop {
            self.tell_events(now, conn, inbox)?;
            let before = sent.bytes.len();
            for turns in 0.. {
                if turns > TURNS {
                    return Err(format!("the client writes again and again, and it is {now:?}"));
                }
                let written = if self.link {
                    guarded(|| self.client.poll_transmit(now))?
                } else {
                    None
                };
                let Some(bytes) = written.filter(|bytes| !bytes.is_empty()) else {
                    break;
                };
                let cut = self.outlet.pass(now, conn, Direction::ToServer, &bytes, inbox);
                let passes = cut.unwrap_or(bytes.len()).min(bytes.len());
                guarded(|| self.client.handle_written(now, passes))?;
                sent.bytes.extend_from_slice(&bytes[..passes]);
                if cut.is_some() {
                    sent.ending = Some(Ending::Cut);
                    self.lose(now);
                    self.tell_events(now, conn, inbox)?;
                    return Ok(sent);
                }
            }
            if sent.bytes.len() == before {
                break;
            }
        }
        if self.link && self.client.wants_close() {
            inbox.end(now, conn, Direction::ToServer);
            sent.ending = Some(Ending::Closed);
            self.lose(now);
            self.tell_events(now, conn, inbox)?;
        }
        Ok(sent)
    }

    fn tell_events(&mut self, now: Duration, conn: usize, inbox: &mut Inbox<'_>) -> Result<(), String> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        for _ in 0..=TURNS {
            match guarded(|| self.client.poll_event(now))? {
                Some(event) => inbox.event(now, conn, event),
                None => return Ok(()),
            }
        }
        Err(format!("the client tells events without end, and it is {now:?}"))
    }
}
