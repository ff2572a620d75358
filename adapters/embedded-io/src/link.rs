//! The read and the write under way, outside of the client, so that dropping a call of it drops neither.

use core::{
    cell::Cell,
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use embedded_io_async::{Read, Write};
use mqtt_session::ReceiveBuffer;

use crate::{Error, outgoing::Outgoing};

/// The buffers of one connection, and where [`Client`](crate::Client) and [`carry`](Self::carry) hand them to each
/// other.
pub struct Link<'b, E> {
    reading: Cell<Errand<Incoming<'b>, Result<usize, E>>>,
    writing: Cell<Errand<Outgoing<'b>, Result<(), Error<E>>>>,
}

pub(crate) type Incoming<'b> = ReceiveBuffer<&'b mut [u8]>;

/// What one direction is at: a buffer goes there and comes back with a result.
enum Errand<B, R> {
    /// The client has the buffer, or the read or write under way.
    None,
    New(B),
    Asked(B),
    Done(B, R),
}

impl<B, R> Errand<B, R> {
    fn is_done(cell: &Cell<Self>) -> bool {
        let errand = cell.replace(Self::None);
        let done = matches!(errand, Self::Done(..));
        cell.set(errand);
        done
    }

    /// Takes out what `pick` gives, which gives the rest back.
    fn take<T>(cell: &Cell<Self>, pick: fn(Self) -> Result<T, Self>) -> Option<T> {
        match pick(cell.replace(Self::None)) {
            Ok(picked) => Some(picked),
            Err(other) => {
                cell.set(other);
                None
            }
        }
    }

    fn new_buffer(self) -> Result<B, Self> {
        if let Self::New(buffer) = self {
            Ok(buffer)
        } else {
            Err(self)
        }
    }

    fn asked(self) -> Result<B, Self> {
        if let Self::Asked(buffer) = self {
            Ok(buffer)
        } else {
            Err(self)
        }
    }

    fn done(self) -> Result<(B, R), Self> {
        if let Self::Done(buffer, result) = self {
            Ok((buffer, result))
        } else {
            Err(self)
        }
    }

    /// Waits for a buffer. No waker is kept: whoever asks polls the link in the same breath.
    async fn wait(cell: &Cell<Self>) -> B {
        poll_fn(|_| Self::take(cell, Self::asked).map_or(Poll::Pending, Poll::Ready)).await
    }
}

impl<'b, E> Link<'b, E> {
    /// A link for one connection. `rx` must hold the largest packet to be taken, which is what
    /// [`Config::receive_buffer`](mqtt_session::Config::receive_buffer) says; `tx` gathers small packets, and large ones
    /// go through it in pieces. Eight bytes are the least for each.
    pub fn new(rx: &'b mut [u8], tx: &'b mut [u8]) -> Self {
        Self {
            reading: Cell::new(Errand::New(ReceiveBuffer::new(rx))),
            writing: Cell::new(Errand::New(Outgoing::new(tx))),
        }
    }

    /// Carries bytes between the buffers and the two halves of a transport, whenever the client polls it. Pin it, give it to
    /// [`Client::connect`](crate::Client::connect), and drop it to close the transport.
    pub async fn carry<R, W>(&self, mut reader: R, mut writer: W) -> Infallible
    where
        R: Read<Error = E>,
        W: Write<Error = E>,
    {
        let mut read = pin!(async {
            loop {
                let mut rx = Errand::wait(&self.reading).await;
                let result = reader.read(rx.spare()).await;
                self.reading.set(Errand::Done(rx, result));
            }
        });
        let mut write = pin!(async {
            loop {
                let mut tx = Errand::wait(&self.writing).await;
                let result = write_all(&mut writer, &mut tx).await;
                self.writing.set(Errand::Done(tx, result));
            }
        });
        poll_fn(|cx| {
            let _: Poll<Infallible> = read.as_mut().poll(cx);
            let _: Poll<Infallible> = write.as_mut().poll(cx);
            Poll::Pending
        })
        .await
    }

    pub(crate) fn take_buffers(&self) -> Option<(Incoming<'b>, Outgoing<'b>)> {
        let rx = Errand::take(&self.reading, Errand::new_buffer)?;
        Some((rx, Errand::take(&self.writing, Errand::new_buffer)?))
    }

    /// Something is done, and can be taken.
    pub(crate) fn has_moved(&self) -> bool {
        Errand::is_done(&self.reading) || Errand::is_done(&self.writing)
    }

    /// Has this buffer, which has room, read into.
    pub(crate) fn start_read(&self, rx: Incoming<'b>) {
        self.reading.set(Errand::Asked(rx));
    }

    pub(crate) fn start_write(&self, tx: Outgoing<'b>) {
        self.writing.set(Errand::Asked(tx));
    }

    pub(crate) fn take_read(&self) -> Option<(Incoming<'b>, Result<usize, E>)> {
        Errand::take(&self.reading, Errand::done)
    }

    pub(crate) fn take_written(&self) -> Option<(Outgoing<'b>, Result<(), Error<E>>)> {
        Errand::take(&self.writing, Errand::done)
    }
}

impl<E> fmt::Debug for Link<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("moved", &self.has_moved())
            .finish_non_exhaustive()
    }
}

async fn write_all<W: Write>(writer: &mut W, tx: &mut Outgoing<'_>) -> Result<(), Error<W::Error>> {
    while !tx.rest().is_empty() {
        match writer.write(tx.rest()).await.map_err(Error::Write)? {
            0 => return Err(Error::WriteZero),
            n => tx.advance(n),
        }
    }
    if tx.last {
        // Transports with a buffer of their own, such as TLS, would keep it.
        writer.flush().await.map_err(Error::Write)?;
    }
    Ok(())
}
