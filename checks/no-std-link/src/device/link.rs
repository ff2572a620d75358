//! The simulated link: bytes in flight, few of them, and never as many at a time as one would like.

/// Numbers that look as if they were drawn.
pub(crate) struct Random(u32);

impl Random {
    pub(crate) const fn new(seed: u32) -> Self {
        Self(seed)
    }

    /// From 1 to `most`.
    fn up_to(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) as usize % most + 1
    }
}

/// One way of the link.
pub(crate) struct Pipe {
    bytes: [u8; 100],
    len: usize,
}

impl Pipe {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; 100],
            len: 0,
        }
    }

    /// Takes some of these bytes, perhaps none, and tells how many.
    pub(crate) fn write(&mut self, random: &mut Random, from: &[u8]) -> usize {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let n = random.up_to(70).min(room.len()).min(from.len());
        for (place, byte) in room.iter_mut().zip(from).take(n) {
            *place = *byte;
        }
        self.len += n;
        n
    }

    /// Gives some bytes, if there are any, and tells how many.
    pub(crate) fn read(&mut self, random: &mut Random, into: &mut [u8]) -> usize {
        let n = random.up_to(70).min(self.len).min(into.len());
        for (place, byte) in into.iter_mut().zip(&self.bytes).take(n) {
            *place = *byte;
        }
        self.bytes.copy_within(n..self.len, 0);
        self.len -= n;
        n
    }

    /// The link is lost, and what was on its way with it.
    pub(crate) fn cut(&mut self) {
        self.len = 0;
    }
}
