//! The buffer between a transport and a machine.

/// Bytes that were received and not consumed yet, in memory that the caller chooses: an array, a slice, a `Vec`.
///
/// Read into [`spare`](Self::spare), say [`commit`](Self::commit), give [`filled`](Self::filled) to the machine and
/// [`consume`](Self::consume) what it took. Nothing is moved before the room at the end is needed, so what an event
/// borrows stays where it is until the next call of `spare`.
#[derive(Clone, Debug)]
pub struct ReceiveBuffer<B> {
    bytes: B,
    start: usize,
    end: usize,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> ReceiveBuffer<B> {
    /// An empty buffer in this memory; all of its length is used.
    pub const fn new(bytes: B) -> Self {
        Self {
            bytes,
            start: 0,
            end: 0,
        }
    }

    /// How many bytes it can hold: give this to [`Config::receive_buffer`](crate::Config::receive_buffer).
    pub fn capacity(&self) -> usize {
        self.bytes.as_ref().len()
    }

    /// What is in it.
    pub fn filled(&self) -> &[u8] {
        self.bytes.as_ref().get(self.start..self.end).unwrap_or_default()
    }

    /// Room to read into; empty only if the buffer is full. Moves what is in it to the front where that makes room.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.clear();
        } else if self.end == self.capacity() && self.start > 0 {
            let (start, end) = (self.start, self.end);
            self.bytes.as_mut().copy_within(start..end, 0);
            self.end -= start;
            self.start = 0;
        }
        let end = self.end;
        self.bytes.as_mut().get_mut(end..).unwrap_or_default()
    }

    /// So many bytes were read into [`spare`](Self::spare).
    pub fn commit(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.capacity());
    }

    /// So many bytes of [`filled`](Self::filled) are done with. They stay where they are until the next
    /// [`spare`](Self::spare), for whoever has looked at them before: see [`before`](Self::before).
    pub fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
    }

    /// What [`filled`](Self::filled) was before `n` bytes of it were consumed.
    pub fn before(&self, n: usize) -> &[u8] {
        self.bytes
            .as_ref()
            .get(self.start.saturating_sub(n)..self.end)
            .unwrap_or_default()
    }

    /// Drops what is in it: the transport is gone.
    pub const fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_whatever_the_pieces() {
        let input: [u8; 40] = core::array::from_fn(|i| i as u8);
        for piece in 1..=5 {
            for eaten in 1..=5 {
                let mut buffer = ReceiveBuffer::new([0; 5]);
                let (mut given, mut taken) = (0, 0);
                while taken < input.len() {
                    let spare = buffer.spare();
                    let n = spare.len().min(piece).min(input.len() - given);
                    spare[..n].copy_from_slice(&input[given..given + n]);
                    buffer.commit(n);
                    given += n;
                    let n = buffer.filled().len().min(eaten);
                    assert_eq!(buffer.filled()[..n], input[taken..taken + n]);
                    buffer.consume(n);
                    assert_eq!(buffer.before(n)[..n], input[taken..taken + n]);
                    taken += n;
                }
                assert!(buffer.filled().is_empty());
            }
        }
    }
}
