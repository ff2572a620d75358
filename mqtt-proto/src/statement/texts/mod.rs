//! What each statement says, in the order of the table; per version, because they are many.

mod v31;
mod v311;
mod v5;

pub(super) static ALL: [&[&str]; 3] = [v31::TEXTS, v311::TEXTS, v5::TEXTS];
