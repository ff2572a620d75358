//! Why a run failed: what was expected and what was seen, and what went over the wire up to then.

use core::fmt;
use core::time::Duration;

use crate::play::instead::Instead;
use crate::trace::ast::{Direction, Position};

/// A line that did not come out as it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Which line.
    pub at: Position,
    /// What is wrong, in words; empty where `compared` says it all.
    pub headline: String,
    /// What was expected and what was seen instead: one where one thing was expected, several where one of several was.
    pub compared: Vec<Compared>,
    /// What else there is to know, in words.
    pub notes: Vec<String>,
    /// What went over the wire up to then, and what else happened.
    pub exchange: Vec<Exchanged>,
    /// What came in place of what the line expects, if the line could be written anew from it.
    pub instead: Option<Instead>,
}

/// What was expected beside what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compared {
    /// All of these, in any order; mostly one.
    pub expected: Vec<Decoded>,
    /// What came instead.
    pub seen: Decoded,
    /// How it differs, field by field; empty where that is plain.
    pub differs: Vec<String>,
}

/// Something as a trace writes it, and its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded {
    /// Connection and arrow before what was seen, as a line has them; empty where `text` is a line.
    pub on: String,
    /// In the notation of traces, or in words.
    pub text: String,
    /// It is in words, such as `nothing within 1s`.
    pub in_words: bool,
    /// What it is on the wire; `None` for what has no bytes, such as an event.
    pub bytes: Option<Vec<u8>>,
    /// The line allows other bytes as well: these have what was seen where the line leaves something open.
    pub is_open: bool,
}

/// A line of the record of a run: a packet, the end of a stream, a call, an event, or a link that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchanged {
    /// When, since the start of the run.
    pub at: Duration,
    /// On which connection; empty in a trace that has one.
    pub conn: String,
    /// Which way; `None` for what is not on the wire.
    pub direction: Option<Direction>,
    /// In the notation of traces.
    pub text: String,
    /// What was on the wire.
    pub bytes: Option<Vec<u8>>,
}

impl Failure {
    /// A failure that words alone describe.
    #[must_use]
    pub fn new(at: Position, headline: impl Into<String>) -> Self {
        Self {
            at,
            headline: headline.into(),
            ..Self::default()
        }
    }

    /// Something else came than the line says.
    #[must_use]
    pub fn unlike(at: Position, compared: Compared) -> Self {
        Self {
            at,
            compared: vec![compared],
            ..Self::default()
        }
    }

    /// What was expected and what was seen, in the notation of traces: several lines, of which the first has no indent.
    #[must_use]
    pub fn why(&self) -> String {
        let mut lines = Vec::new();
        if !self.headline.is_empty() {
            lines.push(self.headline.clone());
        }
        for one in &self.compared {
            for (i, expected) in one.expected.iter().enumerate() {
                let word = if i == 0 { "expected " } else { "and      " };
                lines.push(format!("{word}{}", expected.text));
            }
            if one.seen.text != self.headline {
                lines.push(format!("seen     {}", one.seen));
            }
            if !one.differs.is_empty() {
                lines.push(one.differs.join("; "));
            }
        }
        lines.extend(self.notes.iter().cloned());
        lines.join("\n    ")
    }
}

impl Decoded {
    /// What is said in words.
    #[must_use]
    pub fn in_words(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            in_words: true,
            ..Self::default()
        }
    }

    /// What stands in the notation of traces.
    #[must_use]
    pub fn as_written(text: impl Into<String>, bytes: Option<Vec<u8>>) -> Self {
        Self {
            text: text.into(),
            bytes,
            ..Self::default()
        }
    }
}

/// Prints its text, in backticks unless it is in words.
impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if self.in_words { "" } else { "`" };
        write!(f, "{quote}{}{quote}", self.text)
    }
}

impl Exchanged {
    /// What stands before the text: time, connection and arrow.
    fn before(&self) -> String {
        let arrow = match self.direction {
            Some(Direction::ToServer) => "-> ",
            Some(Direction::ToClient) => "<- ",
            None => "",
        };
        let gap = if self.conn.is_empty() { "" } else { " " };
        format!("{:>9.3}s  {}{gap}{arrow}", self.at.as_secs_f64(), self.conn)
    }
}

/// `seconds  connection -> text`; with `{:#}` its bytes on the lines below, under the text.
impl fmt::Display for Exchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.before();
        let indent = before.chars().count();
        let text = if f.alternate() {
            shortened(&self.text)
        } else {
            self.text.clone()
        };
        write!(f, "{before}{text}")?;
        if let (true, Some(bytes)) = (f.alternate(), &self.bytes) {
            for line in hex_lines(&self.text, bytes, false) {
                write!(f, "\n{:indent$}{line}", "")?;
            }
        }
        Ok(())
    }
}

/// As it is printed below the first line of a failure: decoded and in hex, and the exchange.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differs = self.compared.iter().flat_map(|one| &one.differs).next();
        if !self.headline.is_empty() {
            f.write_str(&self.headline)?;
        } else if let Some(differs) = differs.filter(|_| self.compared.len() == 1) {
            f.write_str(differs)?;
        } else if let Some(one) = self.compared.first() {
            write!(f, "seen {}", one.seen)?;
        }
        for one in &self.compared {
            for (i, expected) in one.expected.iter().enumerate() {
                labelled(f, if i == 0 { "expected" } else { "and" }, expected)?;
            }
            if one.seen.text != self.headline {
                labelled(f, "seen", &one.seen)?;
            }
            for differs in &one.differs {
                write!(f, "\n    {:<LABEL$}{differs}", "differs")?;
            }
        }
        for note in &self.notes {
            write!(f, "\n    {:<LABEL$}{note}", "note")?;
        }
        if !self.exchange.is_empty() {
            f.write_str("\n    exchange")?;
        }
        for line in &self.exchange {
            for line in format!("{line:#}").lines() {
                write!(f, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

/// Arrows stand under the arrows of the exchange.
const LABEL: usize = 12;

fn labelled(f: &mut fmt::Formatter<'_>, label: &str, what: &Decoded) -> fmt::Result {
    let line = format!("{}{}", what.on, what.text);
    let packet = behind_arrow(&line);
    let indent = LABEL + line.chars().count() - packet.chars().count();
    write!(f, "\n    {label:<LABEL$}{}", shortened(&line))?;
    for line in hex_lines(packet, what.bytes.as_deref().unwrap_or_default(), what.is_open) {
        write!(f, "\n    {:indent$}{line}", "")?;
    }
    Ok(())
}

/// A line without connection and arrow.
fn behind_arrow(line: &str) -> &str {
    let before = line.split_once('"').map_or(line, |(before, _)| before);
    let arrow = ["-> ", "<- "].iter().filter_map(|arrow| before.find(arrow)).min();
    arrow.map_or(line, |at| &line[at + 3..])
}

/// Bytes as they are written in a trace.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

/// Bytes on a line.
const ROW: usize = 32;
/// Lines at most: what is longer is cut, and the rest counted.
const ROWS: usize = 8;
/// Characters of a packet's text at most.
const TEXT: usize = 600;

/// Bytes in lines, unless their text is in hex already. `is_open`: there could be others instead.
fn hex_lines(text: &str, bytes: &[u8], is_open: bool) -> Vec<String> {
    if text.starts_with("hex ") {
        return Vec::new();
    }
    let mut lines: Vec<String> = bytes.chunks(ROW).take(ROWS).map(hex).collect();
    if let Some(last) = lines.last_mut() {
        let shown = ROW * ROWS;
        if bytes.len() > shown {
            last.push_str(&format!(" and {} bytes more", bytes.len() - shown));
        }
        if is_open {
            last.push_str(" ..");
        }
    }
    lines
}

/// A text that may be very long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => {
            let (shown, rest) = text.split_at(end);
            format!("{shown} and {} characters more", rest.chars().count())
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_stands_under_the_packet_that_it_is_of() {
        for (line, packet) in [
            ("PINGREQ", "PINGREQ"),
            ("-> PINGREQ", "PINGREQ"),
            ("maybe a <- PINGRESP", "PINGRESP"),
            ("a <- PUBLISH topic=\"-> \"", "PUBLISH topic=\"-> \""),
            ("event Message topic=\"-> \"", "event Message topic=\"-> \""),
        ] {
            assert_eq!(behind_arrow(line), packet);
        }
    }

    #[test]
    fn long_packets_are_cut_and_the_rest_is_counted() {
        let lines = hex_lines("..", &[0xab; ROW * ROWS + 3], true);
        assert_eq!(lines.len(), ROWS);
        assert!(lines[0].starts_with("ab ab") && lines[0].len() == ROW * 3 - 1);
        assert!(lines[ROWS - 1].ends_with("ab and 3 bytes more .."), "{lines:?}");
        assert_eq!(hex_lines("PINGREQ", &[0xc0, 0], false), ["c0 00"]);
        assert_eq!(hex_lines("hex c0 00", &[0xc0, 0], false), [""; 0]);
        assert_eq!(hex_lines("event Closed", &[], true), [""; 0]);
        assert_eq!(shortened("short"), "short");
        let long = shortened(&"ü".repeat(TEXT + 2));
        assert!(long.ends_with("ü and 2 characters more"), "{long}");
    }
}
