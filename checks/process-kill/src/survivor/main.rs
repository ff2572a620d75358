//! A client with a journal in a process that is killed: `survivor <role> <server> <version> <directory> <round> <seed>`.
//!
//! It says on stdout, a line at a time, what must be true from then on whatever becomes of the process, and goes on until
//! it is killed. When its stdin ends, it comes to rest and exits.
#![allow(
    clippy::std_instead_of_core,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "a program with a thread, that ends itself when anything unexpected happens"
)]

mod publisher;
mod session;
mod subscriber;

use std::{
    env,
    error::Error,
    io::{self, Read, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use mqtt_proto::Version;
use process_kill::Random;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a survivor was started with.
struct Life {
    server: SocketAddr,
    version: Version,
    directory: PathBuf,
    round: u32,
    random: Random,
    /// Stdin has ended.
    over: Arc<AtomicBool>,
}

impl Life {
    fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }
}

/// One line, at once.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [role, server, version, directory, round, seed] = &arguments[..] else {
        return Err("survivor <role> <server> <version> <directory> <round> <seed>".into());
    };
    let over = Arc::new(AtomicBool::new(false));
    let mut life = Life {
        server: server.parse()?,
        version: match version.as_str() {
            "5" => Version::V5,
            "3.1.1" => Version::V311,
            _ => return Err("no such version".into()),
        },
        directory: directory.into(),
        round: round.parse()?,
        random: Random::new(seed.parse()?),
        over: Arc::clone(&over),
    };
    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        over.store(true, Relaxed);
    });
    match role.as_str() {
        "publisher" => publisher::live(&mut life),
        "subscriber" => subscriber::live(&mut life),
        _ => Err("no such role".into()),
    }
}
