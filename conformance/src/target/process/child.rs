//! A client program: started, listened to, and killed with all that it has started.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use super::stopping;
use super::world::{Seen, SeenWhat};

/// The longest line of output that is taken as one, in bytes.
pub(super) const LONGEST_LINE: usize = 64 << 10;

/// How many lines a program may leave unread on its standard input, beside what the system holds for it.
const UNREAD: usize = 16;

/// Where a line of output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Standard,
    Errors,
}

/// A running program.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    /// To the thread that writes its standard input: a program that does not read must not stop the runner.
    stdin: Option<SyncSender<Vec<u8>>>,
    /// What it prints is read by these.
    readers: Vec<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

impl Program {
    /// Starts it in a process group of its own. What it prints is told under this number.
    pub(super) fn start(command: &[OsString], conn: usize, seen: &SyncSender<Seen>) -> Result<Self, String> {
        let [program, arguments @ ..] = command else {
            return Err("there is no command to start".to_owned());
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let failed = |e: io::Error| format!("{} cannot be started: {e}", program.to_string_lossy());
        let mut child = stopping::spawn(&mut command).map_err(failed)?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let (lines, unread) = sync_channel(UNREAD);
        let mut started = Self {
            child,
            stdin: Some(lines),
            readers: Vec::new(),
            ended: None,
        };
        let read = |from: Box<dyn Read + Send>, output| {
            let seen = seen.clone();
            std::thread::Builder::new()
                .spawn(move || read_lines(from, conn, output, &seen))
                .map_err(|e| format!("no thread to read with: {e}"))
        };
        if let Some(stdin) = stdin {
            std::thread::Builder::new()
                .spawn(move || write_lines(stdin, &unread))
                .map_err(|e| format!("no thread to write with: {e}"))?;
        }
        if let Some(stdout) = stdout {
            started.readers.push(read(Box::new(stdout), Output::Standard)?);
        }
        if let Some(stderr) = stderr {
            started.readers.push(read(Box::new(stderr), Output::Errors)?);
        }
        Ok(started)
    }

    /// Writes a line to its standard input, without waiting until it is read.
    ///
    /// # Errors
    ///
    /// It has closed that, or leaves too much unread.
    pub(super) fn tell(&self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n").into_bytes();
        let told = self.stdin.as_ref().map(|stdin| stdin.try_send(line));
        match told {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(io::ErrorKind::WouldBlock.into()),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Its exit status, once it has ended.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Whether all that it has printed was seen: what it has started may still print.
    pub(super) fn is_silent(&self) -> bool {
        self.readers.iter().all(JoinHandle::is_finished)
    }

    /// Ends it and all that it has started.
    fn kill(&mut self) {
        drop(self.stdin.take());
        stopping::kill_group(&self.child);
        if self.ended().is_none() {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// By which signal a program has ended that nobody killed.
pub(super) fn crash(status: ExitStatus) -> Option<String> {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Some(format!("it has crashed with signal {signal}"));
    }
    let _ = status;
    None
}

fn write_lines(mut stdin: ChildStdin, lines: &Receiver<Vec<u8>>) {
    while let Ok(line) = lines.recv() {
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn read_lines(mut from: Box<dyn Read + Send>, conn: usize, output: Output, seen: &SyncSender<Seen>) {
    let mut rest: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    let tell = |line: Vec<u8>| {
        let what = SeenWhat::Line(conn, output, line);
        seen.send(Seen {
            at: Instant::now(),
            what,
        })
        .is_ok()
    };
    loop {
        let n = match from.read(&mut buffer) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        rest.extend_from_slice(&buffer[..n]);
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let after = rest.split_off(at + 1);
            rest.truncate(at);
            if !tell(core::mem::replace(&mut rest, after)) {
                return;
            }
        }
        if (n == 0 || rest.len() > LONGEST_LINE) && !rest.is_empty() && !tell(core::mem::take(&mut rest)) {
            return;
        }
        if n == 0 {
            return;
        }
    }
}
