//! Programs that are started, read line by line, and killed when a test is over.

use core::time::Duration;
use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

/// Nothing here takes that long.
const PATIENCE: Duration = Duration::from_secs(20);

/// The three versions by the names of the option `-V`.
pub(crate) const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

pub(crate) fn mqtt(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
    command.args(args);
    command
}

/// Runs a program to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    run_with_input(args, b"")
}

pub(crate) fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut command = mqtt(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || {
        // Whoever does not want to read it all may end early.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// Runs a program that has nothing to say but that all is well.
pub(crate) fn succeed(args: &[&str]) {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", error(&output));
    assert_eq!(error(&output), "", "{args:?}");
}

pub(crate) fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A program that runs.
pub(crate) struct Process {
    child: Child,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
}

/// What comes out of a pipe.
pub(crate) struct Lines(Option<Receiver<String>>);

impl Process {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = mqtt(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (
            Lines::of(child.stdout.take().unwrap()),
            Lines::of(child.stderr.take().unwrap()),
        );
        Self { child, out, err }
    }

    /// A subscriber, once its subscription is answered. Its stderr shows its packets.
    pub(crate) fn subscriber(broker: &Broker, args: &[&str]) -> Self {
        let port = broker.port();
        let subscriber = Self::start(&[&["sub", "-h", "127.0.0.1", "-p", &port, "-d"], args].concat());
        subscriber.err.wait_for("<- SUBACK");
        subscriber
    }

    /// The same, but what it prints is the test's to read, or not.
    pub(crate) fn subscriber_and_pipe(broker: &Broker, args: &[&str]) -> (Self, impl Read) {
        let port = broker.port();
        let mut child = mqtt(&[&["sub", "-h", "127.0.0.1", "-p", &port, "-d"], args].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, err) = (
            child.stdout.take().unwrap(),
            Lines::of(child.stderr.take().unwrap()),
        );
        err.wait_for("<- SUBACK");
        (
            Self {
                child,
                out: Lines(None),
                err,
            },
            stdout,
        )
    }

    /// The exit status; it must end by itself.
    pub(crate) fn status(&mut self) -> i32 {
        // Pipes are closed at the end of a process: what is waited for is that, with a time-out.
        self.err.drain();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            loop {
                let mut line = Vec::new();
                match pipe.read_until(b'\n', &mut line) {
                    Ok(1..)
                        if sender
                            .send(String::from_utf8_lossy(&line).trim_end_matches('\n').into())
                            .is_ok() => {}
                    _ => return,
                }
            }
        });
        Self(Some(receiver))
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&self) -> Option<String> {
        self.next_after(&[])
    }

    fn next_after(&self, passed: &[String]) -> Option<String> {
        match self.0.as_ref()?.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no line came, and no end, after {passed:#?}"),
        }
    }

    /// Passes lines over, up to one that begins so.
    pub(crate) fn wait_for(&self, begin: &str) -> String {
        self.wait_until(begin, |line| line.starts_with(begin))
    }

    /// Passes lines over, up to one that has this in it.
    pub(crate) fn wait_for_part(&self, part: &str) -> String {
        self.wait_until(part, |line| line.contains(part))
    }

    fn wait_until(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let mut passed = Vec::new();
        while let Some(line) = self.next_after(&passed) {
            if is_it(&line) {
                return line;
            }
            passed.push(line);
        }
        panic!("no line with {what:?}, but {passed:#?}")
    }

    /// All lines up to the end.
    pub(crate) fn drain(&self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.next_after(&lines) {
            lines.push(line);
        }
        lines
    }
}

/// `mqtt broker` on a free port.
pub(crate) struct Broker {
    pub(crate) process: Process,
    pub(crate) address: String,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(args: &[&str]) -> Self {
        let process = Process::start(&[&["broker", "--listen", "127.0.0.1:0"], args].concat());
        let line = process.out.wait_for("listening on ");
        let address = line["listening on ".len()..].to_string();
        Self { process, address }
    }

    pub(crate) fn port(&self) -> String {
        self.address.rsplit_once(':').unwrap().1.into()
    }

    /// Publishes, and waits until that is done.
    pub(crate) fn publish(&self, args: &[&str]) {
        succeed(&[&["pub", "-h", "127.0.0.1", "-p", &self.port()], args].concat());
    }

    /// Runs a subscriber to its end, and gives its lines.
    pub(crate) fn subscribe(&self, args: &[&str]) -> Vec<String> {
        let output = run(&[&["sub", "-h", "127.0.0.1", "-p", &self.port()], args].concat());
        assert!(output.status.success(), "{args:?}: {}", error(&output));
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(String::from)
            .collect()
    }
}
