//! `-d`: the packets that pass, on stderr, in the notation of traces.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io::{self, IoSlice};

use mqtt_proto::{Frame, Packet, Sender, Version, frame_len, notation::Data};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream that can show the packets in it.
#[derive(Debug)]
pub(crate) struct Tap<T> {
    stream: T,
    trace: Option<Trace>,
}

/// Both directions of one connection.
#[derive(Debug)]
struct Trace {
    version: Version,
    sent: Direction,
    received: Direction,
}

#[derive(Debug)]
struct Direction {
    arrow: &'static str,
    from: Sender,
    /// The begin of a packet.
    rest: Vec<u8>,
    /// Packets cannot be told apart any more.
    lost: bool,
}

impl<T> Tap<T> {
    /// Shows packets of that version, or nothing.
    pub(crate) fn new(stream: T, shown: Option<Version>) -> Self {
        let direction = |arrow, from| Direction {
            arrow,
            from,
            rest: Vec::new(),
            lost: false,
        };
        let trace = shown.map(|version| Trace {
            version,
            sent: direction("->", Sender::Client),
            received: direction("<-", Sender::Server),
        });
        Self { stream, trace }
    }
}

impl Direction {
    /// Lines for the packets that end in these bytes. Secrets are masked.
    fn pass(&mut self, version: Version, bytes: &[u8], mut show: impl FnMut(String)) {
        if self.lost {
            return;
        }
        self.rest.extend_from_slice(bytes);
        let mut done = 0;
        loop {
            let rest = &self.rest[done..];
            let line = match frame_len(rest, u32::MAX) {
                Ok(Frame::Len(len)) => {
                    let frame = &rest[..len];
                    done += len;
                    match Packet::decode(version, self.from, frame) {
                        Ok(packet) => format!("{} {packet}", self.arrow),
                        Err(error) => format!("{} hex # {error}: {}", self.arrow, Data(frame)),
                    }
                }
                Ok(Frame::Need(_)) => break,
                Err(error) => {
                    self.lost = true;
                    format!("{} hex # {error}: {}", self.arrow, Data(rest))
                }
            };
            show(line);
            if self.lost {
                break;
            }
        }
        self.rest.drain(..done);
    }
}

fn print(line: String) {
    eprintln!("{line}");
}

impl<T: AsyncRead + Unpin> AsyncRead for Tap<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = room.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, room))?;
        if let Some(trace) = &mut self.trace {
            trace
                .received
                .pass(trace.version, &room.filled()[before..], print);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tap<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, parts))?;
        if let Some(trace) = &mut self.trace {
            let mut left = written;
            for part in parts {
                let n = left.min(part.len());
                trace.sent.pass(trace.version, &part[..n], print);
                left -= n;
            }
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_shown_once_each_whatever_the_pieces() {
        let bytes = b"\x30\x05\x00\x01ahi\xd0\x00\x40\x02\x00\x07";
        for piece in 1..=bytes.len() {
            let mut tap = Tap::new((), Some(Version::V311));
            let mut lines = Vec::new();
            let received = &mut tap.trace.as_mut().unwrap().received;
            for part in bytes.chunks(piece) {
                received.pass(Version::V311, part, |line| lines.push(line));
            }
            assert_eq!(
                lines,
                [
                    "<- PUBLISH topic=\"a\" payload=\"hi\"",
                    "<- PINGRESP",
                    "<- PUBACK id=7"
                ]
            );
        }
    }

    #[test]
    fn what_is_no_packet_is_shown_with_the_reason_and_ends_the_trace() {
        let mut tap = Tap::new((), Some(Version::V5));
        let mut lines = Vec::new();
        let received = &mut tap.trace.as_mut().unwrap().received;
        for bytes in [&b"\xd0\x01\x00"[..], b"\x30\xff\xff\xff\xff\x7f", b"\xd0\x00"] {
            received.pass(Version::V5, bytes, |line| lines.push(line));
        }
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines.iter().all(|line| line.starts_with("<- hex # ")),
            "{lines:?}"
        );
    }
}
