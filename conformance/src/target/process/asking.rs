//! A program is started, told what to do, and waited for.

use core::time::Duration;

use super::arguments::addressed;
use super::child::{Output, Program};
use super::client::Client;
use super::lines::{self, Answer, Said};
use super::world::{HOST, ProcessWorld, Seen, SeenWhat, TICK};
use crate::play::world::Refusal;
use crate::profile::Drive;

/// How long a program may take to answer a call.
pub(super) const ANSWERING: Duration = Duration::from_secs(5);

/// How long the output of a program that has ended is read, if what it has started keeps it open.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);

impl ProcessWorld<'_> {
    /// Starts the program of a connection if it does not run.
    pub(super) fn started(&mut self, conn: usize) -> Result<(), Refusal> {
        let port = self.client(conn).map_err(Refusal::Invalid)?.port.number();
        let client = &mut self.clients[conn];
        if let Some(program) = &mut client.program {
            // A command that has done its work is started again for the next call.
            if self.profile.client.drive == Drive::Calls || program.ended().is_none() {
                return Ok(());
            }
            client.has_told_its_end = false;
            client.ended_at = None;
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
    pub(super) fn ask(
        &mut self,
        conn: usize,
        line: &str,
        enough: impl Fn(&mut Client) -> bool,
    ) -> Result<Option<Answer>, Refusal> {
        let client = &mut self.clients[conn];
        let told = client.program.as_ref().map(|program| program.tell(line));
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
            if client.has_ended() && !self.read_on(conn) {
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
        let until = self.start.elapsed() + LAST_WORDS;
        loop {
            let program = self.clients[conn].program.as_ref();
            let is_silent = program.is_none_or(Program::is_silent);
            match self.receiver.recv_timeout(TICK) {
                Ok(seen) => {
                    if self.keep(seen).is_err() {
                        return false;
                    }
                }
                Err(_) if is_silent => break,
                Err(_) => {}
            }
            if self.start.elapsed() >= until {
                break;
            }
        }
        !self.clients[conn].answers.is_empty()
    }

    /// Keeps what comes during a call for later, but the answers.
    fn keep(&mut self, seen: Seen) -> Result<(), String> {
        self.count(&seen.what)?;
        if let SeenWhat::Line(conn, Output::Standard, line) = &seen.what {
            if self.profile.client.drive == Drive::Calls {
                if let Said::Answer(answer) = lines::said(line)? {
                    self.clients[*conn].answer(answer);
                    return Ok(());
                }
            }
        }
        self.backlog.push_back(seen);
        Ok(())
    }

    /// Waits until the client has opened a link, or has ended, or the time is over.
    pub(super) fn connected(&mut self, conn: usize) -> Result<(), Refusal> {
        let until = self.start.elapsed() + self.profile.client.starts_within;
        while self.start.elapsed() < until {
            let client = &mut self.clients[conn];
            if client.port.has_caller() {
                break;
            }
            if client.has_ended() {
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
}
