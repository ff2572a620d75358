//! Where a trace is played with a client program: links, output and time are real.

use core::time::Duration;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Instant;

use mqtt_proto::Version;

use super::arguments::addressed;
use super::child::{Output, Program, crash};
use super::lines::{self, Answer, Said};
use super::links::Port;
use crate::fields::Val;
use crate::play::call::Call;
use crate::play::inbox::{Happened, Inbox};
use crate::play::world::{Pace, Refusal, World};
use crate::profile::{Drive, Profile};
use crate::target::refusals;
use crate::trace::Trace;
use crate::trace::ast::{Command, Direction, Field, Line, Position};

/// The address at which clients find the runner.
pub(super) const HOST: &str = "127.0.0.1";

/// How many bytes a client may send and print in one trace.
const FLOOD: usize = 256 << 10;

/// How often links and programs are looked after.
const TICK: Duration = Duration::from_millis(10);

/// How long a program may take to answer a call.
const ANSWERING: Duration = Duration::from_secs(5);

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

/// A client, and how it is reached.
#[derive(Debug)]
struct Client {
    port: Port,
    program: Option<Program>,
    answers: VecDeque<Answer>,
    /// Answers to calls that the runner has not waited for.
    owed: usize,
    /// The last that the program has said on standard error.
    complaint: String,
    has_told_its_end: bool,
}

/// A client that somebody starts and calls by hand, and is told what to do.
pub(super) struct ByHand {
    pub(super) port: u16,
    pub(super) trace: Trace,
    /// The line of which it was told last.
    pub(super) told: Option<Position>,
}

impl ByHand {
    /// Tells what the runner waits for, once.
    fn tell(&mut self, line: &Line) {
        if self.told.replace(line.at) != Some(line.at) {
            let what = self.trace.line(line.at);
            println!("{:>4}  {what}", line.at.line);
        }
    }
}

/// Programs, one for each connection of the trace.
pub(super) struct ProcessWorld {
    profile: Arc<Profile>,
    version: Version,
    pace: Pace,
    command: Vec<OsString>,
    config: Vec<Field>,
    /// The standard says that the client closes where the trace says `refused`.
    must_refuse: bool,
    by_hand: Option<ByHand>,
    start: Instant,
    clients: Vec<Client>,
    serial: u64,
    sender: SyncSender<Seen>,
    receiver: Receiver<Seen>,
    /// Seen while a call waited for its answer.
    backlog: VecDeque<Seen>,
    bytes: usize,
}

impl ProcessWorld {
    /// `command`: the program with its arguments, all of them if it is driven by them.
    pub(super) fn new(
        profile: Arc<Profile>,
        version: Version,
        pace: Pace,
        command: Vec<OsString>,
        config: Vec<Field>,
        must_refuse: bool,
    ) -> Self {
        // A client that floods waits for the runner to read.
        let (sender, receiver) = sync_channel(256);
        Self {
            profile,
            version,
            pace,
            command,
            config,
            must_refuse,
            by_hand: None,
            start: Instant::now(),
            clients: Vec::new(),
            serial: 0,
            sender,
            receiver,
            backlog: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The same for a client that somebody starts by hand.
    pub(super) fn by_hand(mut self, by_hand: ByHand) -> Self {
        self.by_hand = Some(by_hand);
        self
    }

    fn client(&mut self, conn: usize) -> Result<&mut Client, String> {
        let port = self.by_hand.as_ref().map_or(0, |by_hand| by_hand.port);
        while self.clients.len() <= conn {
            self.clients.push(Client {
                port: Port::open(port)?,
                program: None,
                answers: VecDeque::new(),
                owed: 0,
                complaint: String::new(),
                has_told_its_end: false,
            });
        }
        Ok(&mut self.clients[conn])
    }

    /// Starts the program of a connection if it does not run.
    fn started(&mut self, conn: usize) -> Result<(), Refusal> {
        let port = self.client(conn).map_err(Refusal::Invalid)?.port.number();
        let client = &mut self.clients[conn];
        if let Some(program) = &mut client.program {
            // A command that has done its work is started again for the next call.
            if self.profile.client.drive == Drive::Calls || program.ended().is_none() {
                return Ok(());
            }
            client.has_told_its_end = false;
            client.complaint.clear();
        }
        let command = addressed(&self.command, HOST, port);
        let program = Program::start(&command, conn, &self.sender).map_err(Refusal::Invalid)?;
        self.clients[conn].program = Some(program);
        if self.profile.client.drive == Drive::Calls {
            for field in self.config.clone() {
                let answer = self.ask(conn, &format!("config {field}"), |_| false)?;
                if let Some(Answer::Cannot(why) | Answer::Refused(why)) = answer {
                    return Err(Refusal::NotApplicable(format!("config {field}: {why}")));
                }
            }
        }
        Ok(())
    }

    /// Writes a line to a program and waits for its answer, or until something else is enough: `None` then.
    fn ask(
        &mut self,
        conn: usize,
        line: &str,
        enough: impl Fn(&mut Client) -> bool,
    ) -> Result<Option<Answer>, Refusal> {
        let client = &mut self.clients[conn];
        let told = client.program.as_mut().map(|program| program.tell(line));
        if let Some(Err(error)) = told {
            let why = client.why_it_ended();
            return Err(Refusal::Invalid(format!(
                "the program does not read `{line}`: {error}{why}"
            )));
        }
        // A program may have to start before it can answer.
        let until = self.start.elapsed() + self.profile.client.starts_within.max(ANSWERING);
        loop {
            let client = &mut self.clients[conn];
            if let Some(answer) = client.answers.pop_front() {
                return Ok(Some(answer));
            }
            if enough(client) {
                client.owed += 1;
                return Ok(None);
            }
            if client
                .program
                .as_mut()
                .is_some_and(|program| program.ended().is_some())
                && !self.read_on(conn)
            {
                let why = self.clients[conn].why_it_ended();
                return Err(Refusal::Invalid(format!(
                    "the program does not answer `{line}`{why}"
                )));
            }
            if self.start.elapsed() >= until {
                return Err(Refusal::Invalid(format!("the program does not answer `{line}`")));
            }
            if let Ok(seen) = self.receiver.recv_timeout(TICK) {
                self.keep(seen).map_err(Refusal::Invalid)?;
            }
        }
    }

    /// Reads what a program that has ended had still said; false if that is no answer.
    fn read_on(&mut self, conn: usize) -> bool {
        while let Ok(seen) = self.receiver.recv_timeout(TICK) {
            if self.keep(seen).is_err() {
                return false;
            }
        }
        !self.clients[conn].answers.is_empty()
    }

    /// Keeps what comes during a call for later, but the answers.
    fn keep(&mut self, seen: Seen) -> Result<(), String> {
        if let SeenWhat::Line(conn, Output::Standard, line) = &seen.what {
            if self.profile.client.drive == Drive::Calls {
                if let Said::Answer(answer) = lines::said(line)? {
                    self.clients[*conn].answer(answer);
                    return Ok(());
                }
            }
        }
        self.backlog.push_back(seen);
        if self.backlog.len() > FLOOD / 64 {
            return Err("the program prints without end".to_owned());
        }
        Ok(())
    }

    /// Waits until the client has opened a link, or has ended, or the time is over.
    fn connected(&mut self, conn: usize) -> Result<(), Refusal> {
        let until = self.start.elapsed() + self.profile.client.starts_within;
        while self.start.elapsed() < until {
            let client = &mut self.clients[conn];
            if client.port.has_caller() {
                break;
            }
            if client
                .program
                .as_mut()
                .is_some_and(|program| program.ended().is_some())
            {
                self.read_on(conn);
                let why = self.clients[conn].why_it_ended();
                return Err(Refusal::Invalid(format!("the client has not connected{why}")));
            }
            if let Ok(seen) = self.receiver.recv_timeout(TICK) {
                self.keep(seen).map_err(Refusal::Invalid)?;
            }
        }
        Ok(())
    }

    /// Links that are gone are not listened to any more.
    fn tell(&mut self, seen: Seen, inbox: &mut Inbox<'_>) -> Result<(), String> {
        let at = seen.at.saturating_duration_since(self.start);
        let conn_of = |clients: &[Client], serial| clients.iter().position(|client| client.port.is(serial));
        match seen.what {
            SeenWhat::Bytes(serial, bytes) => {
                if let Some(conn) = conn_of(&self.clients, serial) {
                    self.counted(bytes.len())?;
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
                self.counted(line.len() + 1)?;
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

    fn counted(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes += bytes;
        if self.bytes > FLOOD {
            return Err(format!("the client floods: more than {FLOOD} bytes in one trace"));
        }
        Ok(())
    }

    /// Looks after links and programs.
    fn look_after(&mut self, inbox: &mut Inbox<'_>) -> Result<(), String> {
        let now = self.now();
        for (conn, client) in self.clients.iter_mut().enumerate() {
            if client.port.has_caller() && !client.port.has_link() && inbox.awaits_connect(conn) {
                self.serial += 1;
                let answered = client.port.answer(self.serial, &self.sender);
                answered.map_err(|e| format!("the link of the client cannot be read: {e}"))?;
            }
            let Some(status) = client.program.as_mut().and_then(Program::ended) else {
                continue;
            };
            if core::mem::replace(&mut client.has_told_its_end, true) {
                continue;
            }
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

impl Client {
    fn answer(&mut self, answer: Answer) {
        if self.owed > 0 {
            self.owed -= 1;
        } else {
            self.answers.push_back(answer);
        }
    }

    fn complaint(&self) -> String {
        if self.complaint.is_empty() {
            String::new()
        } else {
            format!(", its last words: {}", self.complaint)
        }
    }

    fn why_it_ended(&mut self) -> String {
        let ended = self.program.as_mut().and_then(Program::ended);
        let status = ended
            .map(|status| format!(": it has ended with {status}"))
            .unwrap_or_default();
        format!("{status}{}", self.complaint())
    }
}

impl World for ProcessWorld {
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
        (!self.must_refuse).then(|| refusals::need_not_close(self.version))
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
        if self.by_hand.is_some() {
            let port = self.client(conn).map_err(Refusal::Invalid)?.port.number();
            let is_connect = call.command == Command::Connect;
            let line = lines::call(call, self.version, is_connect.then_some((HOST, port)));
            println!("      now let the client do: {line}");
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
        if let (Some(by_hand), Some(line)) = (&mut self.by_hand, inbox.ahead().first()) {
            by_hand.tell(line);
        }
        loop {
            self.look_after(inbox)?;
            while let Some(seen) = self.backlog.pop_front().or_else(|| self.receiver.try_recv().ok()) {
                self.tell(seen, inbox)?;
            }
            if inbox.arrivals() > before {
                return Ok(true);
            }
            let left = until.saturating_sub(self.now());
            if left.is_zero() {
                return Ok(false);
            }
            match self.receiver.recv_timeout(left.min(TICK)) {
                Ok(seen) => self.tell(seen, inbox)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}
