//! Debian's mosquitto as a process, with a database in a directory of its own.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long it may take to start, or to save its database and end.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Mosquitto {
    program: PathBuf,
    directory: PathBuf,
    address: SocketAddr,
    process: Option<Child>,
}

/// The program, if this machine has it.
pub(crate) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> = std::env::split_paths(&path).collect();
    // Debian installs it where only administrators look.
    places.push("/usr/sbin".into());
    places
        .into_iter()
        .map(|place| place.join("mosquitto"))
        .find(|file| file.is_file())
}

/// What it calls itself.
pub(crate) fn version(program: &PathBuf) -> String {
    let said = Command::new(program).arg("-h").output().unwrap().stdout;
    let said = String::from_utf8_lossy(&said);
    said.lines().next().unwrap_or("mosquitto").to_owned()
}

impl Mosquitto {
    pub(crate) fn start(program: PathBuf, name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("mqtt-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let place = directory.display();
        // It saves its database when it is told to end, and every now and then; it queues without a limit. (Started by
        // root it would become a user who may not write here.)
        let config = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n\
             persistence_location {place}/\nautosave_interval 1\nmax_queued_messages 0\nmax_queued_bytes 0\n\
             max_inflight_messages 50\nlog_dest file {place}/log\nlog_type error\nlog_type warning\nlog_type notice\n",
            address.port()
        );
        fs::write(directory.join("conf"), config).unwrap();
        let mut mosquitto = Self {
            program,
            directory,
            address,
            process: None,
        };
        mosquitto.run();
        mosquitto
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn run(&mut self) {
        let process = Command::new(&self.program)
            .arg("-c")
            .arg(self.directory.join("conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(process.unwrap());
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            assert!(
                Instant::now() < until,
                "mosquitto does not listen: {}",
                self.log()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let pid = process.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let until = Instant::now() + PATIENCE;
        while process.try_wait()?.is_none() {
            if Instant::now() > until {
                process.kill()?;
                process.wait()?;
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// What it has to say.
    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let stopped = self.stop();
        if thread::panicking() {
            eprintln!("mosquitto's last words:\n{}", self.log());
        } else {
            stopped.unwrap();
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}
