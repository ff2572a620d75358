//! Both clients of the embedded-io adapter, over constant bytes of a server.

use core::{
    cell::Cell,
    convert::Infallible,
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
};

use embedded_hal_async::delay::DelayNs;
use embedded_io::{ErrorType, ReadReady, WriteReady};
use mqtt_embedded_io::{Client, Link, blocking};
use mqtt_session::{Event, Instant, storage::Fixed};

use crate::client::{CONNECT, FROM_CLIENT, FROM_SERVER, config, message};

/// A stream to a server that says CONNACK after CONNECT, and the rest when it has the PUBLISH.
struct Wire {
    read: Cell<usize>,
    written: Cell<([u8; 64], usize)>,
}

impl Wire {
    const fn new() -> Self {
        Self {
            read: Cell::new(0),
            written: Cell::new(([0; 64], 0)),
        }
    }

    /// What can be read now.
    fn there(&self) -> &'static [u8] {
        let (_, len) = self.written.get();
        let said = match len {
            0..15 => 0,
            15..24 => 4,
            _ => FROM_SERVER.len(),
        };
        FROM_SERVER.get(self.read.get()..said).unwrap_or_default()
    }

    fn take(&self, out: &mut [u8]) -> usize {
        let n = out
            .iter_mut()
            .zip(self.there())
            .map(|(place, byte)| *place = *byte)
            .count();
        self.read.set(self.read.get() + n);
        n
    }

    fn put(&self, bytes: &[u8]) -> usize {
        let (mut written, len) = self.written.get();
        let n = written
            .iter_mut()
            .skip(len)
            .zip(bytes)
            .map(|(place, byte)| *place = *byte)
            .count();
        self.written.set((written, len + n));
        n
    }

    fn has_all(&self) -> bool {
        let (written, len) = self.written.get();
        written.get(..len) == Some(FROM_CLIENT)
    }
}

/// The end of a wire; both halves are the same.
#[derive(Copy, Clone)]
struct End<'a>(&'a Wire);

impl ErrorType for End<'_> {
    type Error = Infallible;
}

impl ReadReady for End<'_> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.0.there().is_empty())
    }
}

impl embedded_io::Read for End<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        Ok(self.0.take(out))
    }
}

impl WriteReady for End<'_> {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(true)
    }
}

impl embedded_io::Write for End<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(self.0.put(bytes))
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl embedded_io_async::Read for End<'_> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| match self.0.take(out) {
            0 => Poll::Pending,
            n => Poll::Ready(Ok(n)),
        })
        .await
    }
}

impl embedded_io_async::Write for End<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(self.0.put(bytes))
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// No time passes here.
struct Never;

impl DelayNs for Never {
    async fn delay_ns(&mut self, _: u32) {
        core::future::pending().await
    }
}

fn now() -> Instant {
    Instant::from_secs(1)
}

/// Connects, publishes and receives with both clients.
pub(crate) fn run() -> bool {
    main_loop() == Some(()) && polled() == Some(())
}

fn main_loop() -> Option<()> {
    let wire = Wire::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let (mut rx, mut tx) = ([0; 64], [0; 32]);
    let mut client =
        blocking::Client::connect(&mut session, End(&wire), &mut rx, &mut tx, now(), &CONNECT).ok()?;
    client.publish(&message()?, b"on").ok()?;
    let mut seen = 0;
    for _ in 0..8 {
        seen += count(client.poll_once(now()).ok()?.as_ref());
    }
    (seen == 111 && wire.has_all()).then_some(())
}

fn polled() -> Option<()> {
    let wire = Wire::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let (mut rx, mut tx) = ([0; 64], [0; 32]);
    let link = Link::new(&mut rx, &mut tx);
    let carried = pin!(link.carry(End(&wire), End(&wire)));
    let mut client = Client::connect(&mut session, &link, carried, Never, now, &CONNECT).ok()?;
    client.publish(&message()?, b"on").ok()?;
    let mut context = Context::from_waker(Waker::noop());
    let mut seen = 0;
    for _ in 0..8 {
        let next = pin!(client.next());
        if let Poll::Ready(event) = next.poll(&mut context) {
            seen += count(event.as_ref().ok());
        }
    }
    (seen == 111 && wire.has_all()).then_some(())
}

/// 1, 10 and 100 for the three events that are to come.
fn count(event: Option<&Event<'_>>) -> usize {
    match event {
        None => 0,
        Some(Event::Connected(_)) => 1,
        Some(Event::Completed { .. }) => 10,
        Some(Event::Message(message)) if message.payload == b"21.5" => 100,
        Some(_) => 1_000,
    }
}
