//! Bytes on their way out, in the caller's buffer.

use mqtt_session::{Body, Client, Instant, Token, storage::Storage};

/// Where the bytes come from of payloads that were published as [`Payload::External`](mqtt_session::Payload::External):
/// called with the token of the publish, an offset into its payload, and room for at least one byte, it gives the number of bytes it
/// put there. 0 ends the connection.
pub type PayloadSource<'a> = &'a mut dyn FnMut(Token, u32, &mut [u8]) -> usize;

/// Packets, or a piece of one, that the session counts as written.
#[derive(Debug)]
pub(crate) struct Outgoing<'b> {
    bytes: &'b mut [u8],
    written: usize,
    filled: usize,
    /// The session had nothing more to say: whatever buffers behind this may be flushed.
    pub(crate) last: bool,
}

/// A payload had no bytes to give.
pub(crate) struct NoPayload;

impl<'b> Outgoing<'b> {
    pub(crate) const fn new(bytes: &'b mut [u8]) -> Self {
        Self {
            bytes,
            written: 0,
            filled: 0,
            last: false,
        }
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// What is left to write.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..self.filled).unwrap_or_default()
    }

    pub(crate) const fn advance(&mut self, n: usize) {
        self.written = self.written.saturating_add(n);
    }

    /// Takes what fits: as many whole packets as there are, or a piece of one that is larger than the buffer.
    pub(crate) fn fill<S: Storage>(
        &mut self,
        session: &mut Client<S>,
        now: Instant,
        source: Option<&mut PayloadSource<'_>>,
    ) -> Result<(), NoPayload> {
        self.written = 0;
        self.filled = session.take_transmit(now, self.bytes);
        if self.filled == 0 {
            self.filled = self.copy_piece(session, source)?;
            session.handle_written(now, self.filled);
        }
        self.last = session.poll_transmit().is_none();
        Ok(())
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "nothing of a body goes into a buffer that the head fills"
    )]
    fn copy_piece<S: Storage>(
        &mut self,
        session: &mut Client<S>,
        source: Option<&mut PayloadSource<'_>>,
    ) -> Result<usize, NoPayload> {
        let Some(transmit) = session.poll_transmit() else {
            return Ok(0);
        };
        let head = copy(transmit.head, self.bytes);
        let room = self.bytes.get_mut(head..).unwrap_or_default();
        let body = match transmit.body {
            Body::Bytes(body) if head == transmit.head.len() => copy(body, room),
            Body::External { token, offset, len } if head == transmit.head.len() && !room.is_empty() => {
                let n = room.len().min(len as usize);
                let n = source.map_or(0, |source| source(token, offset, &mut room[..n]).min(n));
                if n == 0 {
                    return Err(NoPayload);
                }
                n
            }
            // The head fills the buffer, or this is a kind of body that came later than this crate.
            #[allow(
                clippy::match_same_arms,
                clippy::wildcard_enum_match_arm,
                reason = "see above"
            )]
            _ => 0,
        };
        Ok(head + body)
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    to[..n].copy_from_slice(&from[..n]);
    n
}
