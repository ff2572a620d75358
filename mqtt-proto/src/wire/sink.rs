//! Bytes being written, or only counted: a packet's layout is told once, and serves for both.

use super::MAX_REMAINING_LENGTH;

/// Takes the fields of a packet. Lengths were checked before.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    fn binary(&mut self, bytes: &[u8]) {
        self.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
        self.put(bytes);
    }

    fn text(&mut self, text: &str) {
        self.binary(text.as_bytes());
    }

    /// A variable byte integer, as short as can be (`5/MQTT-1.5.5-1`).
    fn varint(&mut self, value: u32) {
        let mut rest = value.min(MAX_REMAINING_LENGTH);
        loop {
            let [low, ..] = (rest & 0x7F).to_le_bytes();
            rest >>= 7;
            if rest == 0 {
                return self.u8(low);
            }
            self.u8(low | 0x80);
        }
    }
}

/// Counts bytes.
#[derive(Debug, Default)]
pub(crate) struct Count(pub(crate) usize);

impl Sink for Count {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}

/// Writes bytes into a buffer that is known to be long enough; what does not fit is dropped.
#[derive(Debug)]
pub(crate) struct Writer<'o> {
    free: &'o mut [u8],
}

impl<'o> Writer<'o> {
    pub(crate) const fn new(out: &'o mut [u8]) -> Self {
        Self { free: out }
    }

    /// Bytes that are still free.
    pub(crate) const fn free(&self) -> usize {
        self.free.len()
    }
}

impl Sink for Writer<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if let Some((head, tail)) = core::mem::take(&mut self.free).split_at_mut_checked(bytes.len()) {
            head.copy_from_slice(bytes);
            self.free = tail;
        }
    }
}

/// Bytes of a variable byte integer.
pub(crate) const fn varint_len(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}
