//! A server, links to it that are bounded, cut up, stalled and lost, and a clock that jumps to the next deadline.
//! Everything on one thread, nothing waits.

use core::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
};
use std::{collections::VecDeque, rc::Rc, string::String};

use embedded_hal_async::delay::DelayNs;
use embedded_io::{ErrorKind, ErrorType, ReadReady, WriteReady};
use mqtt_session::{
    Body, Event, Instant,
    client::Outcome,
    server::{ConnId, Peer, Server, ServerConfig},
};

/// The world, shared by the ends of links, the clock and the test.
#[derive(Clone)]
pub(crate) struct World(Rc<RefCell<Inner>>);

struct Inner {
    server: Server,
    now: Instant,
    wires: Vec<Wire>,
    alarms: Vec<Instant>,
    /// Something waits for nothing but to be polled again.
    stirred: bool,
    polls: usize,
}

/// One connection.
struct Wire {
    conn: Option<ConnId>,
    up: VecDeque<u8>,
    /// What the server has read and not consumed.
    held: Vec<u8>,
    down: VecDeque<u8>,
    room: usize,
    piece: usize,
    /// The server does not read.
    stalled: bool,
    /// The client's end fails.
    cut: bool,
    /// Reads and writes end at once if they can.
    prompt: bool,
    /// All that was ever written, in order.
    written: Vec<u8>,
}

/// The transport was cut.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut;

impl core::fmt::Display for Cut {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("cut")
    }
}

impl core::error::Error for Cut {}

impl embedded_io::Error for Cut {
    fn kind(&self) -> ErrorKind {
        ErrorKind::ConnectionReset
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self(Rc::new(RefCell::new(Inner {
            server: Server::new(ServerConfig::default()),
            now: Instant::from_secs(1_000),
            wires: Vec::new(),
            alarms: Vec::new(),
            stirred: false,
            polls: 0,
        })))
    }

    /// A connection to the server with so much room in each direction, that moves at most `piece` bytes at a time.
    pub(crate) fn dial(&self, room: usize, piece: usize) -> End {
        let mut world = self.0.borrow_mut();
        let now = world.now;
        let conn = world.server.open(now, Peer::default()).unwrap();
        self.add(&mut world, Some(conn), room, piece)
    }

    /// A connection to nobody: what comes from the other side is up to the test.
    pub(crate) fn dial_nobody(&self, room: usize) -> End {
        self.add(&mut self.0.borrow_mut(), None, room, usize::MAX)
    }

    fn add(&self, world: &mut Inner, conn: Option<ConnId>, room: usize, piece: usize) -> End {
        world.wires.push(Wire {
            conn,
            up: VecDeque::new(),
            held: Vec::new(),
            prompt: false,
            down: VecDeque::new(),
            room,
            piece,
            stalled: false,
            cut: false,
            written: Vec::new(),
        });
        End {
            world: self.clone(),
            wire: world.wires.len() - 1,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.borrow().now
    }

    /// How often a future was polled since this was asked last.
    pub(crate) fn take_polls(&self) -> usize {
        core::mem::take(&mut self.0.borrow_mut().polls)
    }

    /// Runs a future to its end, letting time jump when nothing else moves.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = self.poll(future.as_mut()) {
                return output;
            }
            self.advance();
        }
    }

    /// Polls once.
    pub(crate) fn poll<F: Future>(&self, future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
        self.0.borrow_mut().polls += 1;
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Lets the server work, or the time jump.
    pub(crate) fn advance(&self) {
        let mut world = self.0.borrow_mut();
        let stirred = core::mem::take(&mut world.stirred);
        if world.pump() || stirred {
            return;
        }
        let next = world
            .alarms
            .iter()
            .copied()
            .chain(world.server.poll_timeout())
            .min();
        let next = next.expect("nothing moves, and nothing is waited for");
        world.now = world.now.max(next);
        world.alarms.clear();
    }

    /// Time passes, and nobody looks.
    pub(crate) fn sleep(&self, span: core::time::Duration) {
        let mut world = self.0.borrow_mut();
        world.now = world.now + span;
    }

    /// Lets the server do what it can.
    pub(crate) fn serve(&self) {
        while self.0.borrow_mut().pump() {}
    }

    pub(crate) fn delay(&self) -> Delay {
        Delay(self.clone())
    }
}

impl Inner {
    fn pump(&mut self) -> bool {
        let Self {
            server, wires, now, ..
        } = self;
        server.handle_timeout(*now);
        let mut moved = false;
        while server.poll_ready().is_some() {}
        for wire in wires.iter_mut().filter(|wire| !wire.stalled) {
            let Some(conn) = wire.conn else { continue };
            moved |= !wire.up.is_empty();
            wire.held.extend(wire.up.drain(..));
            let n = server.handle_input(*now, conn, &wire.held);
            wire.held.drain(..n);
            moved |= n > 0;
        }
        for wire in wires {
            let Some(conn) = wire.conn else { continue };
            while wire.down.len() < wire.room {
                let Some(transmit) = server.poll_transmit(*now, conn) else {
                    break;
                };
                let Body::Bytes(body) = transmit.body else {
                    unreachable!("the server keeps its payloads")
                };
                let room = wire.room - wire.down.len();
                let before = wire.down.len();
                wire.down.extend(transmit.head.iter().chain(body).take(room));
                let n = wire.down.len() - before;
                server.handle_written(*now, conn, n);
                moved = true;
            }
            if server.wants_close(conn) || wire.cut {
                server.handle_disconnect(*now, conn);
                wire.conn = None;
                moved = true;
            }
        }
        moved
    }
}

/// The client's end of a link; clone it for the two halves. Reads and writes are not cancel-safe: bytes move when they
/// begin, and they end when they are polled again.
#[derive(Clone)]
pub(crate) struct End {
    world: World,
    wire: usize,
}

impl End {
    fn with<T>(&self, act: impl FnOnce(&mut Wire) -> T) -> T {
        act(&mut self.world.0.borrow_mut().wires[self.wire])
    }

    pub(crate) fn cut(&self) {
        self.with(|wire| wire.cut = true);
        self.world.serve();
    }

    pub(crate) fn stall(&self, stalled: bool) {
        self.with(|wire| wire.stalled = stalled);
    }

    pub(crate) fn be_prompt(&self) {
        self.with(|wire| wire.prompt = true);
    }

    /// Bytes from the other side.
    pub(crate) fn inject(&self, bytes: &[u8]) {
        self.with(|wire| wire.down.extend(bytes));
    }

    /// As many of these bytes from the other side as there is room for.
    pub(crate) fn offer(&self, bytes: &[u8]) -> usize {
        self.with(|wire| {
            let n = bytes.len().min(wire.room - wire.down.len());
            wire.down.extend(&bytes[..n]);
            n
        })
    }

    /// The other side reads.
    pub(crate) fn read_up(&self) {
        self.with(|wire| wire.up.clear());
    }

    pub(crate) fn written(&self) -> Vec<u8> {
        self.with(|wire| wire.written.clone())
    }

    fn try_read(&self, out: &mut [u8]) -> Poll<Result<usize, Cut>> {
        self.with(|wire| {
            if wire.cut {
                return Poll::Ready(Err(Cut));
            }
            let n = out.len().min(wire.piece).min(wire.down.len());
            if n == 0 {
                return if wire.conn.is_none() && wire.written.ends_with(END) {
                    Poll::Ready(Ok(0))
                } else {
                    Poll::Pending
                };
            }
            for (place, byte) in out.iter_mut().zip(wire.down.drain(..n)) {
                *place = byte;
            }
            Poll::Ready(Ok(n))
        })
    }

    fn try_write(&self, bytes: &[u8]) -> Poll<Result<usize, Cut>> {
        self.with(|wire| {
            if wire.cut {
                return Poll::Ready(Err(Cut));
            }
            let n = bytes
                .len()
                .min(wire.piece)
                .min(wire.room.saturating_sub(wire.up.len()));
            if n == 0 {
                return Poll::Pending;
            }
            wire.up.extend(&bytes[..n]);
            wire.written.extend(&bytes[..n]);
            Poll::Ready(Ok(n))
        })
    }

    /// Ends when it is polled once more.
    async fn later(&self) {
        let mut first = !self.with(|wire| wire.prompt);
        poll_fn(|_| {
            self.world.0.borrow_mut().stirred = true;
            if core::mem::take(&mut first) {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

/// DISCONNECT of 3.x, or of 5.0 without a reason: after it the server closes.
const END: &[u8] = &[0xE0, 0];

impl ErrorType for End {
    type Error = Cut;
}

impl embedded_io_async::Read for End {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Cut> {
        let n = poll_fn(|_| self.try_read(out)).await?;
        self.later().await;
        Ok(n)
    }
}

impl embedded_io_async::Write for End {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Cut> {
        let n = poll_fn(|_| self.try_write(bytes)).await?;
        self.later().await;
        Ok(n)
    }

    async fn flush(&mut self) -> Result<(), Cut> {
        self.later().await;
        Ok(())
    }
}

impl embedded_io::Read for End {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Cut> {
        match self.try_read(out) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("a blocking read would wait for ever"),
        }
    }
}

impl ReadReady for End {
    fn read_ready(&mut self) -> Result<bool, Cut> {
        Ok(self.with(|wire| wire.cut || !wire.down.is_empty()))
    }
}

impl embedded_io::Write for End {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Cut> {
        match self.try_write(bytes) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("a blocking write would wait for ever"),
        }
    }

    fn flush(&mut self) -> Result<(), Cut> {
        Ok(())
    }
}

impl WriteReady for End {
    fn write_ready(&mut self) -> Result<bool, Cut> {
        Ok(self.with(|wire| wire.cut || wire.up.len() < wire.room))
    }
}

/// A timer of the world.
pub(crate) struct Delay(World);

impl DelayNs for Delay {
    async fn delay_ns(&mut self, ns: u32) {
        let at = self.0.now() + core::time::Duration::from_nanos(ns.into());
        poll_fn(|_| {
            let mut world = self.0.0.borrow_mut();
            if world.now >= at {
                return Poll::Ready(());
            }
            world.alarms.push(at);
            Poll::Pending
        })
        .await;
    }
}

/// An event in words.
pub(crate) fn told(event: &Event<'_>) -> String {
    match event {
        Event::Connected(connected) => format!("connected {}", connected.session_present),
        Event::Message(message) => {
            let payload = String::from_utf8_lossy(message.payload);
            format!(
                "message {} {} {payload}",
                message.topic.as_str(),
                message.qos as u8
            )
        }
        Event::Completed { outcome, .. } => match outcome {
            Outcome::Written => "written".into(),
            Outcome::Acknowledged { code, .. } => format!("acknowledged {:#x}", code.0),
            Outcome::Subscribed { codes, .. } => {
                format!(
                    "subscribed {:?}",
                    codes.iter().map(|code| code.0).collect::<Vec<_>>()
                )
            }
            Outcome::Unsubscribed { .. } => "unsubscribed".into(),
            Outcome::Ponged { .. } => "ponged".into(),
            Outcome::Authenticated { .. } | _ => unreachable!(),
        },
        Event::MessageStart(start) => format!("start {}", start.payload_len),
        Event::MessageData { bytes, .. } => format!("data {}", bytes.len()),
        Event::MessageEnd(end) => format!("end {}", end.is_ok()),
        Event::Aborted { why, .. } => format!("aborted {why:?}"),
        Event::Closed(closed) => match closed.code {
            Some(code) => format!("closed {:?} {:#x}", closed.by, code.0),
            None => format!("closed {:?}", closed.by),
        },
        Event::Authenticate(_) | _ => unreachable!(),
    }
}
