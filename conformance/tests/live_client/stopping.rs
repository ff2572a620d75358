//! A runner that is stopped leaves no client program behind.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Ended with the test, also where that fails.
struct Runner(Child);

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

#[test]
fn a_runner_that_is_told_to_end_kills_its_programs_and_what_they_have_started() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("it starts").success());
        let profile = folder.path().join("profile.toml");
        std::fs::write(
            &profile,
            "name = \"sleeper\"\njobs = 1\n[client]\nstarts_within = \"60s\"\n",
        )
        .expect("it is written");
        let trace = folder.path().join("connect.trace");
        std::fs::write(
            &trace,
            "title: t\ntest: client\nversion: 3.1.1\n\ndo connect client_id=\"a\" clean_start=1\n-> CONNECT ..\n",
        )
        .expect("it is written");
        // The program and what it starts hold the pipe open as long as they run.
        let script = format!("exec 3>'{}'; echo started >&3; sleep 60 & wait", pipe.display());
        let runner = Command::new(env!("CARGO_BIN_EXE_mqtt-conformance"))
            .arg("client")
            .arg("--profile")
            .arg(&profile)
            .arg(&trace)
            .args(["--", "sh", "-c", &script])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut runner = Runner(runner);
        let mut pipe = BufReader::new(std::fs::File::open(&pipe).expect("somebody writes to it"));
        let mut line = String::new();
        pipe.read_line(&mut line).expect("it says so");
        assert_eq!(line, "started\n");
        kill_process(Pid::from_child(&runner.0), signal).expect("it runs");
        let status = runner.0.wait().expect("it ends");
        assert_eq!(status.code(), Some(130), "{signal:?}");
        // Until nobody has it open any more.
        assert_eq!(pipe.read_to_end(&mut Vec::new()).expect("the end comes"), 0);
    }
}
