//! The written form of a [`Statement`](super::Statement).

use core::fmt;

use super::table::Run;
use crate::Version;

/// The parts of a name.
///
/// A numbered statement `a.b.c-n` is `path = [a, b, c, 0]` and `last = n`, rule n of section a.b of MQTT 3.1 is
/// `path = [a, b, 0, 0]` and `last = n`; a section `2.1.2` is `path = [2, 1, 0, 0]` and `last = 2`. Appendix A of
/// MQTT 3.1 counts as chapter [`APPENDIX_A`].
#[derive(Clone, Copy)]
pub(super) struct Label {
    pub(super) version: Version,
    pub(super) numbered: bool,
    path: [u8; 4],
    last: u8,
}

/// No standard has a tenth chapter.
const APPENDIX_A: u8 = 10;

impl Run {
    /// How many names the run holds.
    pub(super) const fn len(&self) -> u16 {
        // No run spans more than 255 numbers, and none is empty.
        (self.last.saturating_sub(self.first) as u16).saturating_add(1)
    }

    /// Where in the run the name stands.
    pub(super) const fn position(&self, wanted: Label) -> Option<u16> {
        let (a, b) = (&self.path, &wanted.path);
        if self.version as u8 == wanted.version as u8
            && self.numbered == wanted.numbered
            && a[0] == b[0]
            && a[1] == b[1]
            && a[2] == b[2]
            && a[3] == b[3]
            && self.first <= wanted.last
            && wanted.last <= self.last
        {
            Some(wanted.last.saturating_sub(self.first) as u16)
        } else {
            None
        }
    }

    /// The name at this place, if the run is that long.
    pub(super) fn label(&self, position: u16) -> Option<Label> {
        let last = self.first.checked_add(u8::try_from(position).ok()?)?;
        (last <= self.last).then_some(Label {
            version: self.version,
            numbered: self.numbered,
            path: self.path,
            last,
        })
    }
}

impl Label {
    pub(super) const FIRST: Self = Self {
        version: Version::V31,
        numbered: false,
        path: [2, 0, 0, 0],
        last: 1,
    };

    /// Reads a name; that the standard has it is for the table to say.
    pub(super) const fn parse(label: &str) -> Option<Self> {
        let bytes = label.as_bytes();
        let (version, bytes) = match bytes {
            [b'5', b'/', rest @ ..] => (Version::V5, rest),
            [b'3', b'.', b'1', b'.', b'1', b'/', rest @ ..] => (Version::V311, rest),
            [b'3', b'.', b'1', b'/', rest @ ..] => (Version::V31, rest),
            _ => return None,
        };
        match bytes {
            _ if matches!(version, Version::V31) => Self::parse_v31(bytes),
            [b'M', b'Q', b'T', b'T', b'-', rest @ ..] => Self::parse_number(version, rest),
            _ => Self::parse_section(version, bytes),
        }
    }

    /// `a.b`, `A`, and with a number of ours `a.b-n`, `A-n`.
    const fn parse_v31(bytes: &[u8]) -> Option<Self> {
        let (path, rest) = match bytes {
            [b'A'] => {
                return Some(Self {
                    version: Version::V31,
                    numbered: false,
                    path: [0; 4],
                    last: APPENDIX_A,
                });
            }
            [b'A', b'-', rest @ ..] => ([APPENDIX_A, 0, 0, 0], rest),
            _ => {
                let Some((a, [b'.', rest @ ..])) = number(bytes) else {
                    return None;
                };
                match number(rest) {
                    Some((b, [b'-', rest @ ..])) if a != APPENDIX_A => ([a, b, 0, 0], rest),
                    _ => return Self::parse_section(Version::V31, bytes),
                }
            }
        };
        let Some((last, [])) = number(rest) else {
            return None;
        };
        Some(Self {
            version: Version::V31,
            numbered: true,
            path,
            last,
        })
    }

    /// `a.b.c-n`
    const fn parse_number(version: Version, bytes: &[u8]) -> Option<Self> {
        let Some((a, [b'.', bytes @ ..])) = number(bytes) else {
            return None;
        };
        let Some((b, [b'.', bytes @ ..])) = number(bytes) else {
            return None;
        };
        let Some((c, [b'-', bytes @ ..])) = number(bytes) else {
            return None;
        };
        let Some((last, [])) = number(bytes) else {
            return None;
        };
        Some(Self {
            version,
            numbered: true,
            path: [a, b, c, 0],
            last,
        })
    }

    /// `a`, `a.b`, … `a.b.c.d.e`
    const fn parse_section(version: Version, mut bytes: &[u8]) -> Option<Self> {
        let mut path = [0; 4];
        loop {
            let (last, rest) = match number(bytes) {
                // Zero fills the unused places of the path; no section has that number.
                None | Some((0, _)) => return None,
                Some(found) => found,
            };
            match rest {
                [] if last == APPENDIX_A && path[0] == 0 => return None,
                [] => {
                    return Some(Self {
                        version,
                        numbered: false,
                        path,
                        last,
                    });
                }
                [b'.', rest @ ..] => bytes = rest,
                _ => return None,
            }
            path = match path {
                [0, ..] => [last, 0, 0, 0],
                [a, 0, ..] => [a, last, 0, 0],
                [a, b, 0, _] => [a, b, last, 0],
                [a, b, c, 0] => [a, b, c, last],
                _ => return None,
            };
        }
    }
}

/// A decimal number without leading zeros, and what follows it.
const fn number(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (mut value, mut bytes) = match bytes {
        [b'0', rest @ ..] => return Some((0, rest)),
        [digit @ b'1'..=b'9', rest @ ..] => (digit.saturating_sub(b'0'), rest),
        _ => return None,
    };
    while let [digit @ b'0'..=b'9', rest @ ..] = bytes {
        let Some(tens) = value.checked_mul(10) else {
            return None;
        };
        let Some(sum) = tens.checked_add(digit.saturating_sub(b'0')) else {
            return None;
        };
        (value, bytes) = (sum, rest);
    }
    Some((value, bytes))
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.version {
            Version::V31 => "3.1/",
            Version::V311 => "3.1.1/",
            Version::V5 => "5/",
        })?;
        match (self.numbered, self.version, self.path) {
            (true, Version::V31, [APPENDIX_A, ..]) => return write!(f, "A-{}", self.last),
            (true, Version::V31, [a, b, ..]) => return write!(f, "{a}.{b}-{}", self.last),
            (true, _, [a, b, c, _]) => return write!(f, "MQTT-{a}.{b}.{c}-{}", self.last),
            (false, ..) => {}
        }
        for part in self.path.iter().take_while(|&&part| part != 0) {
            write!(f, "{part}.")?;
        }
        match (self.path, self.last) {
            ([0, ..], APPENDIX_A) => f.write_str("A"),
            (_, last) => write!(f, "{last}"),
        }
    }
}
