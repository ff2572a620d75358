//! The broker's process.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use process_kill::Random;

use crate::PATIENCE;

/// It lives at most so many microseconds, from its start or from when it listens.
const SPANS: [(bool, u64); 5] = [
    (true, 60_000),
    (false, 20_000),
    (false, 100_000),
    (false, 250_000),
    (false, 500_000),
];

pub(crate) struct Broker {
    child: Child,
    says: Receiver<String>,
}

/// An address at which the broker can listen each time. Not among those that the system gives to clients: a client could
/// reach itself.
pub(crate) fn address() -> SocketAddr {
    let from = 20_000 + (std::process::id() % 9_000) as u16;
    (from..from + 1_000)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port")
}

impl Broker {
    pub(crate) fn start(address: SocketAddr, directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_broker"))
            .args([
                "broker",
                "--log-level",
                "error",
                "--listen",
                &address.to_string(),
                "--data",
            ])
            .arg(directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (said, says) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        Self { child, says }
    }

    /// Waits until it listens.
    pub(crate) fn listens(&self) {
        let line = self.says.recv_timeout(PATIENCE).expect("it starts");
        assert!(line.starts_with("listening on "), "{line}");
    }

    /// Lets it live for a while, and kills it. True if it had begun to listen.
    pub(crate) fn kill(mut self, random: &mut Random) -> bool {
        let (from_start, longest) = SPANS[random.below(SPANS.len() as u64) as usize];
        let span = Duration::from_micros(random.below(longest));
        if !from_start {
            self.listens();
        }
        let end = Instant::now() + span;
        let mut listened = !from_start;
        loop {
            match self
                .says
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(_) => listened = true,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => panic!("it ended by itself: {:?}", self.child.wait()),
            }
        }
        self.kill_now();
        listened
    }

    /// Kills it.
    pub(crate) fn kill_now(mut self) {
        self.child.kill().unwrap();
        assert_killed(self.child.wait().unwrap());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn assert_killed(status: std::process::ExitStatus) {
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
}

#[cfg(not(unix))]
fn assert_killed(_: std::process::ExitStatus) {}
