//! Where a trace is played with a client program: links, output and time are real.

use core::time::Duration;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use mqtt_proto::Version;

use super::adapt::waits;
use super::asking::ANSWERING;
use super::by_hand::ByHand;
use super::child::{Output, crash};
use super::client::Client;
use super::lines::{self, Answer, Said};
use super::links::{Port, SENDING};
use crate::fields::Val;
use crate::play::call::Call;
use crate::play::inbox::{Happened, Inbox};
use crate::play::world::{Pace, Refusal, World};
use crate::profile::{Drive, Profile};
use crate::target::refusals;
use crate::trace::Trace;
use crate::trace::ast::{Command, Direction, Field, Line, Step};

/// The address at which clients find the runner.
pub(super) const HOST: &str = "127.0.0.1";

/// How many bytes a client may send and print in one trace.
pub(super) const FLOOD: usize = 256 << 10;

/// How much of what a client does may wait for the runner: pieces of [`child::LONGEST_LINE`](super::child::LONGEST_LINE) at most.
const AHEAD: usize = 16;

/// How often links and programs are looked after.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// Something that a client has done, and when.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) what: SeenWhat,
}

#[derive(Debug)]
pub(super) enum SeenWhat {
    /// On the link of this number.
    Bytes(u64, Vec<u8>),
    /// The link of this number is over.
    End(u64),
    /// The program of this connection has printed a line.
    Line(usize, Output, Vec<u8>),
}

/// Programs, one for each connection of the trace.
pub(super) struct ProcessWorld<'t> {
    pub(super) profile: Arc<Profile>,
    version: Version,
    pace: Pace,
    pub(super) command: Vec<OsString>,
    pub(super) config: Vec<Field>,
    /// The standard says that the client closes where the trace says `refused`.
    must_refuse: bool,
    by_hand: Option<ByHand<'t>>,
    pub(super) start: Instant,
    pub(super) clients: Vec<Client>,
    serial: u64,
    pub(super) sender: SyncSender<Seen>,
    pub(super) receiver: Receiver<Seen>,
    /// Seen while a call waited for its answer.
    pub(super) backlog: VecDeque<Seen>,
    /// How many bytes have come in all.
    bytes: usize,
    /// When the trace must be over.
    limit: Duration,
}

impl<'t> ProcessWorld<'t> {
    /// `command`: the program with its arguments, all of them if it is driven by them. `trace`: as it can be asked it.
    pub(super) fn new(
        profile: Arc<Profile>,
        version: Version,
        pace: Pace,
        command: Vec<OsString>,
        trace: &Trace,
    ) -> Self {
        let limit = longest(trace, pace, profile.client.starts_within);
        // A client that floods waits for the runner to read.
        let (sender, receiver) = sync_channel(AHEAD);
        Self {
            profile,
            version,
            pace,
            command,
            config: trace.head.config.clone(),
            must_refuse: refusals::client::must_close(trace, version),
            by_hand: None,
            start: Instant::now(),
            clients: Vec::new(),
            serial: 0,
            sender,
            receiver,
            backlog: VecDeque::new(),
            bytes: 0,
            limit,
        }
    }

    /// The same for a client that somebody starts by hand, and that comes to this port.
    pub(super) fn by_hand(mut self, port: Port, by_hand: ByHand<'t>) -> Self {
        self.clients = vec![Client::at(port)];
        self.by_hand = Some(by_hand);
        self
    }

    pub(super) fn client(&mut self, conn: usize) -> Result<&mut Client, String> {
        while self.clients.len() <= conn {
            self.clients.push(Client::at(Port::open()?));
        }
        Ok(&mut self.clients[conn])
    }

    /// Links that are gone are not listened to any more.
    fn tell(&mut self, seen: Seen, inbox: &mut Inbox<'_>) -> Result<(), String> {
        let at = seen.at.saturating_duration_since(self.start);
        let conn_of = |clients: &[Client], serial| clients.iter().position(|client| client.port.is(serial));
        match seen.what {
            SeenWhat::Bytes(serial, bytes) => {
                if let Some(conn) = conn_of(&self.clients, serial) {
                    inbox.bytes(at, conn, Direction::ToServer, &bytes);
                }
            }
            SeenWhat::End(serial) => {
                if let Some(conn) = conn_of(&self.clients, serial) {
                    inbox.end(at, conn, Direction::ToServer);
                    self.clients[conn].port.close();
                }
            }
            SeenWhat::Line(conn, output, line) => {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if output == Output::Errors {
                    inbox.note(at, conn, format!("# standard error: {text}"));
                    self.clients[conn].complaint = text;
                    return Ok(());
                }
                match self.said(&line)? {
                    Said::Answer(answer) => self.clients[conn].answer(answer),
                    Said::Event(event) if self.profile.client.events.contains_key(event.name) => {
                        inbox.event(at, conn, event);
                    }
                    Said::Event(_) | Said::Other => {
                        inbox.note(at, conn, format!("# standard output: {text}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn said(&self, line: &[u8]) -> Result<Said, String> {
        if let Some(template) = &self.profile.client.message {
            return Ok(lines::message(template, line).map_or(Said::Other, Said::Event));
        }
        match lines::said(line)? {
            Said::Answer(_) if self.profile.client.drive == Drive::Arguments => Ok(Said::Other),
            said => Ok(said),
        }
    }

    /// What was seen next, at the latest after this time.
    fn next_seen(&mut self, within: Duration) -> Result<Option<Seen>, String> {
        if let Some(kept) = self.backlog.pop_front() {
            return Ok(Some(kept));
        }
        let Ok(seen) = self.receiver.recv_timeout(within) else {
            return Ok(None);
        };
        self.count(&seen.what)?;
        Ok(Some(seen))
    }

    /// Counts what has come, before any of it is kept.
    pub(super) fn count(&mut self, seen: &SeenWhat) -> Result<(), String> {
        self.bytes += match seen {
            SeenWhat::Bytes(_, bytes) => bytes.len(),
            SeenWhat::Line(_, _, line) => line.len() + 1,
            SeenWhat::End(_) => 0,
        };
        if self.bytes > FLOOD {
            return Err(format!("the client floods: more than {FLOOD} bytes in one trace"));
        }
        Ok(())
    }

    /// Takes the links that a line of the trace asks for.
    fn take_links(&mut self, inbox: &Inbox<'_>) -> Result<(), String> {
        for (conn, client) in self.clients.iter_mut().enumerate() {
            if client.port.has_caller() && !client.port.has_link() && inbox.awaits_connect(conn) {
                self.serial += 1;
                let answered = client.port.answer(self.serial, &self.sender);
                answered.map_err(|e| format!("the link of the client cannot be read: {e}"))?;
            }
        }
        Ok(())
    }

    /// Programs that have ended, and whose last words are seen.
    fn ended(&mut self) -> Vec<(usize, ExitStatus)> {
        let now = self.now();
        let clients = self.clients.iter_mut().enumerate();
        clients
            .filter_map(|(conn, client)| Some((conn, client.end(now)?)))
            .collect()
    }

    fn tell_ends(&self, ended: Vec<(usize, ExitStatus)>, inbox: &mut Inbox<'_>) -> Result<(), String> {
        let now = self.now();
        for (conn, status) in ended {
            let client = &self.clients[conn];
            inbox.note(now, conn, format!("# the program has ended: {status}"));
            if let Some(why) = crash(status) {
                return Err(format!("the client is gone: {why}{}", client.complaint()));
            }
            if self.profile.client.drive == Drive::Arguments
                && self.profile.client.events.contains_key("Closed")
            {
                let code = status
                    .code()
                    .and_then(|code| u64::try_from(code).ok())
                    .unwrap_or_default();
                let event = Happened {
                    name: "Closed",
                    list: vec![("status", Val::Int(code))],
                    gives: None,
                };
                inbox.event(now, conn, event);
            }
        }
        Ok(())
    }
}

impl World for ProcessWorld<'_> {
    fn sends(&self) -> Option<Direction> {
        Some(Direction::ToClient)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn need_not_refuse(&self) -> Option<String> {
        (!self.must_refuse).then(|| refusals::client::need_not_close(self.version))
    }

    fn open(&mut self, _: usize) -> Result<(), String> {
        Err("the client opens the link".to_owned())
    }

    fn send(&mut self, conn: usize, bytes: &[u8]) -> Result<(), String> {
        self.client(conn)?.port.send(bytes)
    }

    fn cut(&mut self, conn: usize) {
        if let Some(client) = self.clients.get_mut(conn) {
            client.port.close();
        }
    }

    fn call(&mut self, conn: usize, call: &Call) -> Result<Option<Val>, Refusal> {
        if let Some(by_hand) = &mut self.by_hand {
            by_hand.call(&lines::call(call, self.version, None));
            return Ok(None);
        }
        self.started(conn)?;
        let is_connect = call.command == Command::Connect;
        if self.profile.client.drive == Drive::Arguments {
            // The command line has said it all.
            if is_connect && self.connected(conn).is_err() {
                // It was ending when it was to be started.
                self.started(conn)?;
                self.connected(conn)?;
            }
            return Ok(None);
        }
        let mut call = call.clone();
        let before = call.fields.len();
        call.fields.retain(|(name, _)| name != "refused");
        let may_be_refused = call.fields.len() < before;
        let place = lines::place(call.command);
        let version = self.version;
        call.fields
            .retain(|(name, _)| place.field(name).is_none_or(|spec| spec.is_in(version)));
        let port = self.clients[conn].port.number();
        let line = lines::call(&call, version, is_connect.then_some((HOST, port)));
        let answer = self.ask(conn, &line, |client| {
            is_connect && !may_be_refused && client.port.has_caller()
        })?;
        match answer {
            Some(Answer::Refused(_)) if may_be_refused => Ok(None),
            Some(Answer::Refused(why)) => Err(Refusal::Refused("refused".to_owned(), why)),
            Some(Answer::Cannot(why)) => {
                let name = lines::name(call.command);
                Err(Refusal::NotApplicable(format!("the client cannot {name}: {why}")))
            }
            Some(Answer::Done(_)) | None if is_connect && !may_be_refused => {
                self.connected(conn)?;
                Ok(None)
            }
            Some(Answer::Done(token)) => Ok(token.map(Val::Int)),
            None => Ok(None),
        }
    }

    fn wait(&mut self, until: Duration, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let before = inbox.arrivals();
        if let Some(by_hand) = &mut self.by_hand {
            by_hand.comes_to(inbox.ahead());
        }
        loop {
            self.take_links(inbox)?;
            // What they have printed is told before.
            let ended = self.ended();
            while let Some(seen) = self.next_seen(Duration::ZERO)? {
                self.tell(seen, inbox)?;
            }
            self.tell_ends(ended, inbox)?;
            if inbox.arrivals() > before {
                return Ok(true);
            }
            let now = self.now();
            if now > self.limit {
                return Err(format!("the trace is not over after {:?}", self.limit));
            }
            let left = until.saturating_sub(now);
            if left.is_zero() {
                return Ok(false);
            }
            if let Some(seen) = self.next_seen(left.min(TICK))? {
                self.tell(seen, inbox)?;
            }
        }
    }
}

/// How long a trace can take if each of its lines takes as long as it may.
fn longest(trace: &Trace, pace: Pace, starts_within: Duration) -> Duration {
    let for_each = pace.patience + pace.slack * 2 + starts_within.max(ANSWERING) + SENDING;
    waits(&trace.lines) + for_each * number_of(&trace.lines).saturating_add(1)
}

fn number_of(lines: &[Line]) -> u32 {
    let inside = |line: &Line| match &line.step {
        Step::AnyOrder(lines) => number_of(lines),
        Step::Either(branches) => branches.iter().map(|lines| number_of(lines)).sum(),
        _ => 0,
    };
    lines.iter().map(|line| inside(line).saturating_add(1)).sum()
}
