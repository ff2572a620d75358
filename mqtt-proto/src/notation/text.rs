//! Text, bytes and codes as values.

use core::fmt::{self, Display, Formatter, Write};

use crate::ReasonCode;

/// Prints text in quotes, escaped so that it stays on its line and hides nothing.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(pub &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                c if is_hidden(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Characters that are not seen where they stand, break the line, or turn its direction: a peer chose them, and a log shows
/// them.
const fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Prints bytes as [`Text`] if they are UTF-8, else in hex; 32 and more of the same byte as `"x"*300`.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a>(pub &'a [u8]);

/// From here on the same byte again and again is counted.
const RUN: usize = 32;

impl Display for Data<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (bytes, times) = match self.0 {
            [first, rest @ ..] if self.0.len() >= RUN && rest.iter().all(|b| b == first) => {
                (core::slice::from_ref(first), self.0.len())
            }
            bytes => (bytes, 1),
        };
        match core::str::from_utf8(bytes) {
            Ok(text) => Text(text).fmt(f)?,
            Err(_) => {
                f.write_str("x\"")?;
                for byte in bytes {
                    write!(f, "{byte:02x}")?;
                }
                f.write_char('"')?;
            }
        }
        if times > 1 { write!(f, "*{times}") } else { Ok(()) }
    }
}

/// A reason code: `0`, `1`, `0x87`.
pub(super) struct Code(pub(super) ReasonCode);

impl Display for Code {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.0 {
            small @ 0..=9 => write!(f, "{small}"),
            code => write!(f, "{code:#04x}"),
        }
    }
}
