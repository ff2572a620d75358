//! Names for records.

/// Names a record that was polled, until it is persisted. Each is the one after the last; after the greatest comes zero,
/// so that only the machine can say which of two is older.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Seq(u32);

impl Seq {
    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number, for logs.
    pub const fn get(self) -> u32 {
        self.0
    }
}
