//! `mqtt pub`.

use core::fmt::Write as _;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, Read},
};

use bytes::Bytes;
use mqtt_proto::MAX_REMAINING_LENGTH;
use mqtt_session::{
    Config, Payload, Token,
    client::{AbortReason, OwnedEvent, OwnedOutcome},
    storage::HeapLimits,
};
use tokio::sync::mpsc;

use crate::{
    args::{Publish, Source},
    connection::{Connection, Stop, explained, stopped},
    failure::Failure,
};

/// Messages that are under way at a time. When the machine has no room for more, no more is read.
const UNDER_WAY: u16 = 256;
/// Lines that were read and not taken yet.
const READ_AHEAD: usize = 64;
/// The longest payload there can be.
const LONGEST: u64 = MAX_REMAINING_LENGTH as u64;

/// Publishes, and returns when everything is acknowledged, or at QoS 0 written.
pub(crate) fn run(args: &Publish) -> Result<(), Failure> {
    let input = Input::open(&args.source)?;
    crate::block_on(async {
        // Room for the longest message there can be; that much is used only if there is one.
        let limits = HeapLimits {
            slots: UNDER_WAY,
            arrivals: 16,
            bytes: (LONGEST as usize) * 2,
        };
        let mut connection = Connection::new(&args.connect, Config::DEFAULT, limits);
        let mut sender = Sender::new(args, input);
        let result = tokio::select! {
            result = sender.send_all(&mut connection) => result,
            stop = stopped(&args.connect) => Err(match stop {
                Stop::TimedOut => Failure::timed_out(),
                Stop::Interrupted => Failure::interrupted(),
            }),
        };
        let ended = connection.end().await;
        match (result, sender.failure.take()) {
            (Err(failure), _) => Err(failure.and(&sender.undelivered())),
            (Ok(()), Some(failure)) => Err(failure),
            (Ok(()), None) => ended,
        }
    })
}

/// Where messages come from.
enum Input {
    One(Bytes),
    Lines(mpsc::Receiver<io::Result<Bytes>>),
    /// There are no more.
    Ended,
}

impl Input {
    fn open(source: &Source) -> Result<Self, Failure> {
        Ok(match source {
            Source::Text(text) => Self::One(Bytes::copy_from_slice(text)),
            Source::File(path) => {
                let cannot = |error| Failure::new(format!("cannot read {}: {error}", path.display()));
                Self::One(File::open(path).and_then(read_all).map_err(cannot)?)
            }
            Source::Stdin => {
                let cannot = |error| Failure::new(format!("cannot read stdin: {error}"));
                Self::One(read_all(io::stdin().lock()).map_err(cannot)?)
            }
            Source::Lines => {
                let (sender, receiver) = mpsc::channel(READ_AHEAD);
                #[allow(
                    clippy::disallowed_methods,
                    reason = "reading stdin waits, and nothing can interrupt it"
                )]
                std::thread::spawn(move || read_lines(&sender));
                Self::Lines(receiver)
            }
        })
    }
}

fn read_all(from: impl Read) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    if from.take(LONGEST + 1).read_to_end(&mut bytes)? as u64 > LONGEST {
        return Err(io::Error::other(format!(
            "more than the {LONGEST} bytes that a message can have"
        )));
    }
    Ok(bytes.into())
}

fn read_lines(lines: &mpsc::Sender<io::Result<Bytes>>) {
    let mut stdin = io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let line = match (&mut stdin).take(LONGEST + 2).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {
                if line.ends_with(b"\n") {
                    line.pop();
                }
                if line.len() as u64 > LONGEST {
                    Err(io::Error::other(format!(
                        "more than the {LONGEST} bytes that a message can have"
                    )))
                } else {
                    Ok(line.into())
                }
            }
            Err(error) => Err(error),
        };
        let failed = line.is_err();
        if lines.blocking_send(line).is_err() || failed {
            return;
        }
    }
}

struct Sender<'a> {
    args: &'a Publish,
    input: Input,
    /// Read, and not taken by the machine yet.
    next: Option<Bytes>,
    /// Messages that were read; they are numbered from 1.
    read: u64,
    /// The numbers of those that the machine has taken and that have not come to their end.
    under_way: BTreeMap<Token, u64>,
    /// The first thing that went wrong with a message.
    failure: Option<Failure>,
    failures: u64,
}

impl<'a> Sender<'a> {
    fn new(args: &'a Publish, input: Input) -> Self {
        Self {
            args,
            input,
            next: None,
            read: 0,
            under_way: BTreeMap::new(),
            failure: None,
            failures: 0,
        }
    }

    async fn send_all(&mut self, connection: &mut Connection<'_>) -> Result<(), Failure> {
        connection.open().await?;
        loop {
            while self.next.is_some() || self.read_ready() {
                if !self.publish_next(connection)? {
                    break;
                }
            }
            let Self {
                input,
                next,
                under_way,
                ..
            } = self;
            let lines = match input {
                Input::Lines(lines) if next.is_none() => Some(lines),
                Input::Lines(_) | Input::One(_) | Input::Ended => None,
            };
            if lines.is_none() && next.is_none() && under_way.is_empty() {
                return Ok(());
            }
            tokio::select! {
                event = connection.next() => self.handle(event?),
                line = read_line(lines) => self.take_line(line),
            }
        }
    }

    /// Reads a message, if there is one to be had without waiting.
    fn read_ready(&mut self) -> bool {
        match &mut self.input {
            Input::One(payload) => {
                self.next = Some(core::mem::take(payload));
                self.read = 1;
                self.input = Input::Ended;
            }
            Input::Lines(lines) => {
                if let Ok(line) = lines.try_recv() {
                    self.take_line(Some(line));
                }
            }
            Input::Ended => {}
        }
        self.next.is_some()
    }

    /// `None`: there are no more.
    fn take_line(&mut self, line: Option<io::Result<Bytes>>) {
        match line {
            Some(Ok(line)) => {
                self.read += 1;
                self.next = Some(line);
            }
            Some(Err(error)) => {
                self.input = Input::Ended;
                self.fail(Failure::new(format!("line {} of stdin: {error}", self.read + 1)));
            }
            None => self.input = Input::Ended,
        }
    }

    /// `false`: the machine has no room now.
    fn publish_next(&mut self, connection: &mut Connection<'_>) -> Result<bool, Failure> {
        let Some(payload) = self.next.take() else {
            return Ok(true);
        };
        let taken = self.args.with_message(|message| {
            connection
                .client
                .publish(message, Payload::Shared(payload.clone()))
                .map_err(|refused| refused.why)
        })?;
        match taken {
            Ok(token) => drop(self.under_way.insert(token, self.read)),
            Err(why) if why.is_temporary() => {
                self.next = Some(payload);
                return Ok(false);
            }
            Err(why) => {
                // What comes after it would arrive without it: nothing more is read.
                let more = matches!(self.input, Input::Lines(_));
                self.input = Input::Ended;
                let failure = Failure::new(format!("{}: {why}", self.name(self.read)));
                self.fail(if more {
                    failure.and("neither it nor what follows was sent")
                } else {
                    failure
                });
            }
        }
        Ok(true)
    }

    fn handle(&mut self, event: OwnedEvent) {
        let (token, refusal) = match event {
            OwnedEvent::Completed {
                token,
                outcome: OwnedOutcome::Acknowledged { code, properties },
            } => {
                let refused = code.is_failure().then(|| (code, explained(properties.view())));
                (
                    token,
                    refused.map(|(code, more)| {
                        Failure::refused("refused by the server", code, self.args.connect.version).and(&more)
                    }),
                )
            }
            OwnedEvent::Completed { token, .. } => (token, None),
            OwnedEvent::Aborted { token, why } => (
                token,
                Some(Failure::new(match why {
                    AbortReason::SessionLost => "the server lost the session",
                    AbortReason::NoLongerAccepted => "the server does not take such messages",
                    _ => "not delivered",
                })),
            ),
            // Messages of an old session, with -c: they stay with the server, unacknowledged, for whoever subscribes.
            _ => return,
        };
        if let (Some(number), Some(refusal)) = (self.under_way.remove(&token), refusal) {
            let name = self.name(number);
            self.fail(refusal.of(&name));
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.failures += 1;
        self.failure.get_or_insert(failure);
    }

    fn name(&self, number: u64) -> String {
        match self.args.source {
            Source::Lines => format!("line {number} of stdin"),
            Source::Text(_) | Source::File(_) | Source::Stdin => "the message".into(),
        }
    }

    /// Which messages may not have arrived.
    fn undelivered(&self) -> String {
        let waiting = !self.under_way.is_empty();
        let unsent = self.next.is_some() || !matches!(self.input, Input::Ended);
        let what = if self.args.qos == mqtt_proto::QoS::AtMostOnce {
            "written"
        } else {
            "acknowledged"
        };
        let mut text = String::new();
        match self.args.source {
            Source::Lines => {
                if waiting {
                    let mut numbers: Vec<u64> = self.under_way.values().copied().collect();
                    numbers.sort_unstable();
                    let _ = write!(text, "not {what}: line {}", ranges(&numbers));
                }
                if unsent {
                    let first = if self.next.is_some() {
                        self.read
                    } else {
                        self.read + 1
                    };
                    let blank = if text.is_empty() { "" } else { "; " };
                    let _ = write!(text, "{blank}not sent: line {first} and what follows");
                }
            }
            Source::Text(_) | Source::File(_) | Source::Stdin if waiting => {
                let _ = write!(text, "the message was not {what}");
            }
            Source::Text(_) | Source::File(_) | Source::Stdin if unsent => {
                text.push_str("the message was not sent")
            }
            Source::Text(_) | Source::File(_) | Source::Stdin => {}
        }
        text
    }
}

async fn read_line(lines: Option<&mut mpsc::Receiver<io::Result<Bytes>>>) -> Option<io::Result<Bytes>> {
    match lines {
        Some(lines) => lines.recv().await,
        None => core::future::pending().await,
    }
}

/// `1-3, 7`
fn ranges(numbers: &[u64]) -> String {
    let mut text = String::new();
    for run in numbers.chunk_by(|a, b| a + 1 == *b) {
        let blank = if text.is_empty() { "" } else { ", " };
        let _ = match run {
            [one] => write!(text, "{blank}{one}"),
            [first, .., last] => write!(text, "{blank}{first}-{last}"),
            [] => Ok(()),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_row_are_a_range() {
        assert_eq!(ranges(&[1]), "1");
        assert_eq!(ranges(&[1, 2, 3, 5, 7, 8]), "1-3, 5, 7-8");
    }

    #[test]
    fn no_more_is_read_than_a_message_can_have() {
        assert_eq!(read_all(&b"abc"[..]).unwrap(), &b"abc"[..]);
        let error = read_all(io::repeat(0)).unwrap_err();
        assert!(error.to_string().contains("268435455"), "{error}");
    }
}
