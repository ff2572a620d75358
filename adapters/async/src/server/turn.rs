//! A turn of the loop.

use core::{
    task::{Context, Poll},
    time::Duration,
};
use std::task::Wake;

use mqtt_session::{
    Instant,
    server::{
        ConnId, Decision, Peer,
        driver::{Flushed, Written},
    },
};

use super::{Server, Verdict, Wire, trace};
use crate::{Accept, Link, Timer, ready::ConnWaker};

/// Reads of one connection in one turn.
const READS: usize = 2;
/// Commands that are carried out, and connections that are accepted, read or written in one turn, before other tasks get theirs.
const TURN: usize = 256;
/// Bytes that are read in one turn, or somewhat more. What they lead to is still in the processor's cache when it is written, and
/// whoever gets all of it is written to in full writes all the same.
const READ: usize = 128 << 10;
/// Questions that are answered in one turn.
const QUESTIONS: usize = 1_024;
/// How long to wait when the system has no room for another connection.
const SHORTAGE: Duration = Duration::from_millis(100);

impl<A: Accept, T: Timer> Server<A, T> {
    pub(super) fn turn(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.command(now);
        let mut more = self.accept(cx, now);
        let mut read = 0;
        for _ in 0..TURN {
            if read >= READ {
                break;
            }
            let Some(id) = self.ready.pop() else { break };
            read += self.woken(now, id);
        }
        if self.driver.poll_timeout().is_some_and(|at| at <= now) {
            self.driver.handle_timeout(now);
        }
        more |= !self.decide(now);
        self.deliver_inside(now);
        more |= !self.flush_dirty(now) || !self.ready.is_empty() || !self.commands.is_empty();
        let next = [
            self.driver.poll_timeout(),
            self.accept_after,
            self.lingering.poll_timeout(now),
            self.cut_off(now),
        ];
        let next = next.into_iter().flatten().min();
        more |= next.is_some_and(|at| self.timer.poll_until(cx, self.clock.deadline(at)).is_ready());
        if more {
            cx.waker().wake_by_ref();
        }
    }

    fn command(&mut self, now: Instant) {
        for _ in 0..TURN {
            let Some(command) = self.commands.next() else {
                return;
            };
            command(self.driver.server_mut(), now);
        }
    }

    /// Answers what clients ask. `false`: there is more.
    fn decide(&mut self, now: Instant) -> bool {
        for _ in 0..QUESTIONS {
            let Some(ticket) = self.driver.server_mut().poll_question() else {
                return true;
            };
            let verdict = match (&mut self.policy, self.driver.server().question(ticket)) {
                (_, None) => continue,
                (None, Some(_)) => Verdict::Now(Decision::Allow),
                (Some(policy), Some(question)) => policy.decide(&question),
            };
            match verdict {
                Verdict::Now(decision) => self.driver.server_mut().handle_decision(now, ticket, decision),
                Verdict::Later => {}
            }
        }
        false
    }

    fn deliver_inside(&mut self, now: Instant) {
        let Some(inside) = &mut self.inside else { return };
        for _ in 0..TURN {
            let Some(conn) = self.driver.server_mut().broker_mut().poll_local() else {
                return;
            };
            inside(self.driver.server_mut(), now, conn);
        }
        // There may be more, and nothing else would say so.
        self.ready.wake();
    }

    /// `true`: there may be more.
    fn accept(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.accept_after.is_some_and(|at| at > now) {
            return false;
        }
        self.accept_after = None;
        for index in 0..self.listeners.len() {
            for taken in 0.. {
                if taken == TURN {
                    return true;
                }
                let (number, listener) = &mut self.listeners[index];
                match listener.poll_accept(cx) {
                    Poll::Ready(Ok((link, mut peer))) => {
                        peer.listener = *number;
                        self.open(now, link, peer);
                    }
                    Poll::Ready(Err(error)) => {
                        trace::not_accepted(*number, &error);
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
        let listener = peer.listener;
        // Overloaded: there is no better answer than to hang up.
        let Ok(id) = self.driver.open(now, peer) else {
            trace::overloaded(listener);
            return;
        };
        if self.wires.len() <= id.index() {
            self.wires.resize_with(id.index() + 1, || None);
        }
        let waker = ConnWaker::new(id, &self.ready);
        self.wires[id.index()] = Some(Wire {
            id,
            link,
            waker,
            unread: false,
            blocked: false,
            unflushed: false,
        });
        self.open += 1;
    }

    /// Reads from a connection, and finds out whether it can be written again. Says how many bytes it has read.
    fn woken(&mut self, now: Instant, id: ConnId) -> usize {
        let Self {
            driver,
            wires,
            scratch,
            lingering,
            ..
        } = self;
        let Some(wire) = wire(wires, id) else {
            lingering.woken(id, scratch);
            return 0;
        };
        wire.waker.taken();
        if wire.blocked {
            wire.blocked = false;
            driver.unblock(id);
        }
        let task = wire.task();
        let cx = &mut Context::from_waker(&task);
        if wire.unflushed {
            wire.unflushed = wire.link.poll_flush(cx).is_pending();
        }
        let mut read = 0;
        for _ in 0..READS {
            wire.unread = !driver.wants_input(id);
            if wire.unread {
                return read;
            }
            match wire.link.poll_read(cx, scratch) {
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.close(now, id.index());
                    return read;
                }
                Poll::Ready(Ok(n)) => {
                    read += n;
                    wire.unread = !driver.received(now, id, &scratch[..n]);
                }
                Poll::Pending => return read,
            }
        }
        // Its turn is over, and nothing but this wakes it.
        wire.waker.wake_by_ref();
        read
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
        let task = wire.task();
        let link = &mut wire.link;
        let cx = &mut Context::from_waker(&task);
        let mut last_words = false;
        let flushed = driver.flush(now, id, |bytes| {
            let written = write_until_pending(link, cx, bytes);
            last_words = matches!(written, Written::Bytes(n) if n == bytes.len());
            written
        });
        match flushed {
            Flushed::Done => wire.unflushed = link.poll_flush(cx).is_pending(),
            Flushed::Blocked => wire.blocked = true,
            Flushed::Dead if last_words => return self.linger(now, id.index()),
            Flushed::Dead => return self.close(now, id.index()),
        }
        if wire.unread && driver.wants_input(id) {
            wire.waker.wake_by_ref();
        }
    }

    /// The connection is over, and its link may have to carry what was said last.
    fn linger(&mut self, now: Instant, index: usize) {
        if let Some(wire) = self.take(now, index) {
            self.lingering.close(now, wire, &mut self.scratch);
        }
    }

    pub(super) fn close(&mut self, now: Instant, index: usize) {
        if let Some(mut wire) = self.take(now, index) {
            // One attempt: who does not take it now is left to the system.
            let _ = wire.link.poll_close(&mut Context::from_waker(&wire.task()));
        }
    }

    fn take(&mut self, now: Instant, index: usize) -> Option<Wire<A::Link>> {
        let wire = self.wires.get_mut(index)?.take()?;
        self.open -= 1;
        self.driver.close(now, wire.id);
        Some(wire)
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
