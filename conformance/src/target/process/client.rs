//! One client of a trace: its port, its program, and what that has answered.

use core::time::Duration;
use std::collections::VecDeque;
use std::process::ExitStatus;

use super::asking::LAST_WORDS;
use super::child::Program;
use super::lines::Answer;
use super::links::Port;

/// A client, and how it is reached.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) port: Port,
    pub(super) program: Option<Program>,
    pub(super) answers: VecDeque<Answer>,
    /// Answers to calls that the runner has not waited for.
    pub(super) owed: usize,
    /// The last that the program has said on standard error.
    pub(super) complaint: String,
    /// When it was first seen to have ended.
    pub(super) ended_at: Option<Duration>,
    pub(super) has_told_its_end: bool,
}

impl Client {
    /// Whose program was not started yet.
    pub(super) fn at(port: Port) -> Self {
        Self {
            port,
            program: None,
            answers: VecDeque::new(),
            owed: 0,
            complaint: String::new(),
            ended_at: None,
            has_told_its_end: false,
        }
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        if self.owed > 0 {
            self.owed -= 1;
        } else {
            self.answers.push_back(answer);
        }
    }

    pub(super) fn complaint(&self) -> String {
        if self.complaint.is_empty() {
            String::new()
        } else {
            format!(", its last words: {}", self.complaint)
        }
    }

    pub(super) fn why_it_ended(&mut self) -> String {
        let ended = self.program.as_mut().and_then(Program::ended);
        let status = ended
            .map(|status| format!(": it has ended with {status}"))
            .unwrap_or_default();
        format!("{status}{}", self.complaint())
    }

    /// Whether it has a program, and that has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        self.program
            .as_mut()
            .is_some_and(|program| program.ended().is_some())
    }

    /// Its exit status, once, when it has ended and all that it has printed was seen.
    pub(super) fn end(&mut self, now: Duration) -> Option<ExitStatus> {
        let program = self.program.as_mut()?;
        let status = program.ended()?;
        let since = *self.ended_at.get_or_insert(now);
        if self.has_told_its_end || !(program.is_silent() || now >= since + LAST_WORDS) {
            return None;
        }
        self.has_told_its_end = true;
        Some(status)
    }
}
