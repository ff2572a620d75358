//! The lives of a survivor: how it is started, when it is killed, what it has said.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use mqtt_proto::Version;
use mqtt_session::record::{RecordError, Records};
use process_kill::{JOURNAL, Random};

/// How long anything may take that has to come. Nothing waits this long that does not fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A survivor lives at most so many microseconds, from its start or from its first word on.
const SPANS: [(bool, u64); 4] = [
    (true, 20_000),
    (false, 30_000),
    (false, 100_000),
    (false, 250_000),
];

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// All lives of one survivor.
pub(crate) struct Lives {
    role: &'static str,
    version: Version,
    server: SocketAddr,
    pub(crate) directory: PathBuf,
    rounds: u32,
    round: u32,
    random: Random,
    /// Killed before it had said that its journal is read.
    pub(crate) killed_early: usize,
    /// Killed within a record.
    pub(crate) torn: usize,
    /// Half a record was put behind what it had written.
    pub(crate) torn_by_hand: usize,
}

impl Lives {
    pub(crate) fn new(role: &'static str, version: Version, server: SocketAddr) -> Self {
        let name = format!("{role}-{version:?}-{}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let seed = number("KILL_SEED", 1);
        Self {
            role,
            version,
            server,
            directory,
            rounds: number("KILL_ROUNDS", 10).max(1) as u32,
            round: 0,
            random: Random::new(seed),
            killed_early: 0,
            torn: 0,
            torn_by_hand: 0,
        }
    }

    pub(crate) const fn rounds(&self) -> u32 {
        self.rounds
    }

    /// The number of this round, from 1 on.
    pub(crate) const fn round(&self) -> u32 {
        self.round
    }

    pub(crate) fn start(&mut self) -> Life {
        self.round += 1;
        let mut child = Command::new(env!("CARGO_BIN_EXE_survivor"))
            .args([self.role, &self.server.to_string()])
            .arg(if self.version == Version::V5 { "5" } else { "3.1.1" })
            .arg(&self.directory)
            .arg(self.round.to_string())
            .arg(self.random.below(u64::MAX).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().unwrap();
        let (said, says) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = said.send(line);
            }
        });
        Life { child, stdin, says }
    }

    /// Lets it live for a while, kills it, and looks at its journal. Tells each thing it has said.
    pub(crate) fn kill(&mut self, mut life: Life, mut heard: impl FnMut(&str)) {
        let (from_start, longest) = SPANS[self.random.below(4) as usize];
        let span = Duration::from_micros(self.random.below(longest));
        let mut words = 0;
        let mut hear = |line: &str| {
            words += 1;
            heard(line);
        };
        if !from_start {
            hear(&life.says.recv_timeout(PATIENCE).expect("a first word"));
        }
        let end = Instant::now() + span;
        loop {
            match life
                .says
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => hear(&line),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => panic!("it ended by itself"),
            }
        }
        life.child.kill().unwrap();
        let status = life.child.wait().unwrap();
        assert_killed(status);
        life.says.iter().for_each(|line| hear(&line));
        self.killed_early += usize::from(words == 0);
        self.look_at_journal();
    }

    /// Lets it come to rest.
    pub(crate) fn rest(&self, mut life: Life, mut heard: impl FnMut(&str)) {
        drop(life.stdin.take());
        let end = Instant::now() + PATIENCE;
        loop {
            match life
                .says
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) if line == "rest" => break,
                Ok(line) => heard(&line),
                Err(why) => panic!("it does not come to rest: {why}"),
            }
        }
        assert!(life.child.wait().unwrap().success());
    }

    /// Counts records that are not whole, and makes some.
    fn look_at_journal(&mut self) {
        let path = self.directory.join(JOURNAL);
        let Ok(bytes) = fs::read(&path) else { return };
        let mut records = Records::new(&bytes);
        let Some(last) = records.by_ref().last() else {
            return;
        };
        match records.error() {
            Some(RecordError::Incomplete { .. }) => self.torn += 1,
            Some(other) => panic!("round {}: {other}", self.round),
            None if self.random.below(3) == 0 => {
                // The kernel takes small writes whole, nearly always: this is what it could have left of one.
                let mut frame = vec![0; last.encoded_len()];
                last.encode(&mut frame).unwrap();
                let some = 1 + self.random.below(frame.len() as u64 - 1) as usize;
                let mut file = OpenOptions::new().append(true).open(&path).unwrap();
                file.write_all(&frame[..some]).unwrap();
                self.torn_by_hand += 1;
            }
            None => {}
        }
    }
}

impl Drop for Lives {
    fn drop(&mut self) {
        // What has failed may be looked at.
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

#[cfg(unix)]
fn assert_killed(status: std::process::ExitStatus) {
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
}

#[cfg(not(unix))]
fn assert_killed(_: std::process::ExitStatus) {}

/// One life.
pub(crate) struct Life {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) says: Receiver<String>,
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
