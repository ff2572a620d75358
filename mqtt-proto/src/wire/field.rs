//! Parsers of single fields (5.0 section 1.5, 3.1.1 section 1.5).

use nom::{
    IResult, Parser as _,
    bytes::complete::take,
    error::{ErrorKind, ParseError},
    number::complete::be_u32,
};

/// What a parser of a field gives back.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// Why a field cannot be read.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It runs past the end.
    Short,
    /// It is not UTF-8; so many bytes of input are left at the first bad byte.
    Utf8 { rest: usize },
    /// It holds U+0000; so many bytes of input are left there.
    Nul { rest: usize },
    /// A variable byte integer has a fifth byte.
    VarintTooLong,
}

impl ParseError<&[u8]> for Fault {
    fn from_error_kind(_: &[u8], _: ErrorKind) -> Self {
        // Nothing but the end of the input makes the parsers of nom that are used here fail.
        Self::Short
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// The failure of a parser that met the end.
pub(crate) const fn short() -> nom::Err<Fault> {
    nom::Err::Error(Fault::Short)
}

// These three stand in every packet, and are by hand: with the general ones of nom decoding takes nearly twice as long.

#[inline]
pub(crate) fn u8(input: &[u8]) -> Parsed<'_, u8> {
    let Some((value, rest)) = input.split_first() else {
        return Err(short());
    };
    Ok((rest, *value))
}

#[inline]
pub(crate) fn u16(input: &[u8]) -> Parsed<'_, u16> {
    let Some((value, rest)) = input.split_first_chunk() else {
        return Err(short());
    };
    Ok((rest, u16::from_be_bytes(*value)))
}

/// Bytes behind their two-byte length.
#[inline]
pub(crate) fn binary(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, len) = u16(input)?;
    let Some((bytes, rest)) = rest.split_at_checked(usize::from(len)) else {
        return Err(short());
    };
    Ok((rest, bytes))
}

pub(crate) fn u32(input: &[u8]) -> Parsed<'_, u32> {
    be_u32(input)
}

/// So many bytes.
pub(crate) fn bytes(input: &[u8], len: usize) -> Parsed<'_, &[u8]> {
    take(len).parse(input)
}

/// UTF-8 behind its two-byte length; U+0000 is not looked for.
pub(crate) fn raw_text(input: &[u8]) -> Parsed<'_, &str> {
    let (rest, bytes) = binary(input)?;
    match core::str::from_utf8(bytes) {
        Ok(text) => Ok((rest, text)),
        Err(e) => {
            let bad = bytes
                .len()
                .saturating_sub(e.valid_up_to())
                .saturating_add(rest.len());
            Err(nom::Err::Error(Fault::Utf8 { rest: bad }))
        }
    }
}

/// UTF-8 without U+0000 behind its two-byte length. Control characters and U+FEFF are kept: a receiver may refuse
/// the former and must not drop the latter (5.0 section 1.5.4, `5/MQTT-1.5.4-3`, `3.1.1/MQTT-1.5.3-3`).
///
/// Client id: `5/MQTT-3.1.3-4`, `3.1.1/MQTT-3.1.3-4`; user name: `5/MQTT-3.1.3-12`, `3.1.1/MQTT-3.1.3-11`; in properties
/// `5/MQTT-3.3.2-13`, `5/MQTT-3.3.2-19`; everywhere `3.1/2.5-1`.
pub(crate) fn text(input: &[u8]) -> Parsed<'_, &str> {
    let (rest, text) = raw_text(input)?;
    if !contains(text, |b| b == 0) {
        return Ok((rest, text));
    }
    let at = text.bytes().position(|b| b == 0).unwrap_or_default();
    let nul = text.len().saturating_sub(at).saturating_add(rest.len());
    Err(nom::Err::Error(Fault::Nul { rest: nul }))
}

/// Whether a byte like this is in the text. Looks at all of them without a branch, which is faster than looking for the first.
#[inline]
pub(crate) fn contains(text: &str, wanted: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(false, |found, b| found | wanted(b))
}

/// A variable byte integer (3.1/2.1-10), and whether it is as short as can be.
pub(crate) fn varint(input: &[u8]) -> Parsed<'_, (u32, bool)> {
    let mut value = 0;
    let mut rest = input;
    for shift in [0, 7, 14, 21] {
        let (after, byte) = u8(rest)?;
        rest = after;
        value |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok((rest, (value, shift == 0 || byte != 0)));
        }
    }
    Err(nom::Err::Error(Fault::VarintTooLong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_has_the_value_of_the_tables_of_the_standard() {
        for (bytes, value) in [
            (&[0x00][..], 0),
            (&[0x7F], 127),
            (&[0x80, 0x01], 128),
            (&[0xFF, 0x7F], 16_383),
            (&[0x80, 0x80, 0x01], 16_384),
            (&[0xFF, 0xFF, 0x7F], 2_097_151),
            (&[0x80, 0x80, 0x80, 0x01], 2_097_152),
            (&[0xFF, 0xFF, 0xFF, 0x7F], 268_435_455),
        ] {
            assert_eq!(varint(bytes), Ok((&[][..], (value, true))));
        }
        assert_eq!(varint(&[0x80, 0x00]), Ok((&[][..], (0, false))));
        assert_eq!(varint(&[0xFF, 0x80, 0x00]), Ok((&[][..], (127, false))));
        assert_eq!(
            varint(&[0x80, 0x80, 0x80, 0x80, 0x01]),
            Err(nom::Err::Error(Fault::VarintTooLong))
        );
        assert_eq!(varint(&[0x80]), Err(short()));
    }
}
