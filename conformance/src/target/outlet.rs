//! What a machine writes, told to the inbox packet by packet.

use core::time::Duration;

use mqtt_proto::{Frame, frame_len};

use crate::play::inbox::Inbox;
use crate::trace::ast::Direction;

/// How often a machine may ask to be called again at once before something is wrong with it.
pub(super) const SPINS: usize = 1_000;

/// How often a machine may write, or tell an event, at once.
pub(super) const TURNS: usize = 1_000_000;

/// One direction of a link.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    /// The beginning of a packet.
    partial: Vec<u8>,
}

impl Outlet {
    /// Bytes are written: any number of packets, or pieces. Says after how many of them the trace cuts the link.
    pub(super) fn pass(
        &mut self,
        at: Duration,
        conn: usize,
        direction: Direction,
        bytes: &[u8],
        inbox: &mut Inbox<'_>,
    ) -> Option<usize> {
        let mut start = 0;
        while start < bytes.len() {
            let before = self.partial.len();
            self.partial.extend_from_slice(&bytes[start..]);
            let Ok(Frame::Len(len)) = frame_len(&self.partial, u32::MAX) else {
                inbox.bytes(at, conn, direction, &bytes[start..]);
                return None;
            };
            self.partial.truncate(len);
            let packet = core::mem::take(&mut self.partial);
            let end = start + len.saturating_sub(before);
            if let Some(n) = inbox.cut_after(conn, direction, &packet) {
                inbox.cut_packet(at, conn, direction, &packet, n);
                return Some(start + n.saturating_sub(before));
            }
            inbox.bytes(at, conn, direction, &bytes[start..end]);
            start = end;
        }
        None
    }
}
