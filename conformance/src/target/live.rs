//! A broker behind TCP, in real time.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a live broker is measured by a real clock"
)]

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Instant;

use mqtt_proto::Version;

use super::broker::takes;
use super::{Failure, Outcome, Target, leftovers, refusals};
use crate::fields::Val;
use crate::play::act::Act;
use crate::play::call::Call;
use crate::play::inbox::Inbox;
use crate::play::play;
use crate::play::world::{Pace, Refusal, World};
use crate::profile::{Profile, Secret};
use crate::trace::ast::{BrokerAct, Direction};
use crate::trace::{Test, Trace};

/// How long a broker may take to accept a connection, or bytes.
const CONNECTING: Duration = Duration::from_secs(5);

/// A socket has no shorter timeout: none at all is another thing.
const SHORTEST: Duration = Duration::from_millis(1);

/// How many bytes a broker may send in one trace.
const FLOOD: usize = 256 << 10;

/// How many pieces of that wait to be told.
const PIECES: usize = 256;

/// A broker at an address; the runner plays its clients.
///
/// Traces begin their client ids and topics with a name of their own, so that they do not meet. After each, the sessions
/// and retained messages that it made are deleted.
#[derive(Clone, Debug)]
pub struct LiveBroker {
    address: SocketAddr,
    profile: Profile,
}

impl LiveBroker {
    /// The broker at this address, which can do everything.
    ///
    /// # Errors
    ///
    /// Nobody listens there.
    pub fn at(address: SocketAddr) -> io::Result<Self> {
        TcpStream::connect_timeout(&address, CONNECTING)?;
        let profile = Profile::new("live broker");
        Ok(Self { address, profile })
    }

    /// What the broker can do, how long it takes, and which names and credentials it wants.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }
}

impl Target for LiveBroker {
    fn name(&self) -> &str {
        "live broker"
    }

    fn is_tested_by(&self, test: Test) -> bool {
        test == Test::Broker
    }

    fn takes(&self, trace: &Trace) -> bool {
        takes(trace)
    }

    fn run(&mut self, trace: &Trace, version: Version) -> Outcome {
        let asked = match refusals::broker::obliged(trace, version) {
            Ok(asked) => asked,
            Err(why) => return Outcome::NotApplicable(why),
        };
        let trace = asked.as_ref().unwrap_or(trace);
        let must_close = refusals::broker::must_close(trace, version);
        if let Some(field) = trace.head.config.first() {
            return Outcome::NotApplicable(format!("it needs a broker that is set up with {field}"));
        }
        if let Err(why) = self.profile.broker.has_commands_for(trace) {
            return Outcome::NotApplicable(why);
        }
        let trace = match self.profile.apply(trace, version) {
            Ok(trace) => trace,
            Err(why) => return Outcome::NotApplicable(why),
        };
        let trace = trace.as_ref();
        let mut is_first = true;
        let outcome = play(trace, version, || {
            if !core::mem::take(&mut is_first) {
                self.tidy(trace, version);
            }
            Ok(Box::new(LiveWorld::new(self.address, &self.profile, must_close)))
        });
        let denied = self.allow_all(trace);
        self.tidy(trace, version);
        match (outcome, denied) {
            (outcome, None) => outcome,
            // What is still denied fails the traces that come next: said here, and what has failed before it as well.
            (Outcome::Failed(mut failures), Some(failure)) => {
                failures.push(failure);
                Outcome::Failed(failures)
            }
            (_, Some(failure)) => Outcome::Failed(vec![failure]),
        }
    }
}

impl LiveBroker {
    /// Takes back what a trace has denied; a failure if that cannot be.
    fn allow_all(&self, trace: &Trace) -> Option<Failure> {
        if !trace.acts().any(|act| matches!(act, BrokerAct::Deny(_))) {
            return None;
        }
        let broker = &self.profile.broker;
        let allowed = broker.allow().map_err(Refusal::NotApplicable);
        let allowed = allowed.and_then(|allow| allow.run(&environment(self.address), broker.start_within));
        let (Refusal::Refused(_, why) | Refusal::Invalid(why) | Refusal::NotApplicable(why)) =
            allowed.err()?;
        let end = trace.lines.last().map(|line| line.at).unwrap_or_default();
        Some(Failure::new(
            end,
            format!("what was denied cannot be taken back: {why}"),
        ))
    }

    /// Ends the sessions and deletes the retained messages of a trace. What fails shows in the trace that comes next.
    fn tidy(&self, trace: &Trace, version: Version) {
        let credentials = self.profile.broker.credentials().unwrap_or_default();
        for bytes in leftovers::conversations(trace, version, &credentials) {
            let _ = self.converse(&bytes);
        }
    }

    /// Sends all of it, and waits until the broker closes: the last packet is a DISCONNECT.
    fn converse(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&self.address, CONNECTING)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(CONNECTING))?;
        stream.set_read_timeout(Some(self.profile.patience.max(SHORTEST)))?;
        stream.write_all(bytes)?;
        let mut ignored = [0; 1024];
        let until = Instant::now() + self.profile.patience;
        // One that goes on sending is not listened to for ever.
        while stream.read(&mut ignored)? > 0 && Instant::now() < until {}
        Ok(())
    }
}

/// What a reader has seen: when, on which link, and bytes or the end.
struct Seen {
    at: Instant,
    serial: u64,
    bytes: Option<Vec<u8>>,
}

/// Where the broker is, for the commands of a profile.
fn environment(address: SocketAddr) -> Vec<(String, String)> {
    vec![
        ("MQTT_HOST".to_owned(), address.ip().to_string()),
        ("MQTT_PORT".to_owned(), address.port().to_string()),
    ]
}

struct LiveWorld<'p> {
    address: SocketAddr,
    profile: &'p Profile,
    start: Instant,
    links: Vec<Option<(u64, TcpStream)>>,
    serial: u64,
    sender: SyncSender<Seen>,
    receiver: Receiver<Seen>,
    /// What the broker has sent so far.
    bytes: usize,
    password: Option<Secret>,
    must_close: bool,
}

impl<'p> LiveWorld<'p> {
    fn new(address: SocketAddr, profile: &'p Profile, must_close: bool) -> Self {
        // A broker that floods waits for the runner to read.
        let (sender, receiver) = sync_channel(PIECES);
        Self {
            address,
            profile,
            must_close,
            start: Instant::now(),
            links: Vec::new(),
            serial: 0,
            sender,
            receiver,
            bytes: 0,
            // One that is not to be had has made the trace not applicable.
            password: profile
                .broker
                .credentials()
                .ok()
                .and_then(|credentials| credentials.password),
        }
    }

    /// Waits until the broker that was started listens.
    fn await_port(&self) -> Result<(), String> {
        let until = Instant::now() + self.profile.broker.start_within;
        loop {
            match TcpStream::connect_timeout(&self.address, CONNECTING) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= until => {
                    let within = self.profile.broker.start_within;
                    return Err(format!("it does not listen again within {within:?}: {error}"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Links that are gone are not listened to any more.
    ///
    /// # Errors
    ///
    /// The broker sends more than a trace could ask for.
    fn tell(&mut self, seen: Seen, inbox: &mut Inbox<'_>) -> Result<(), String> {
        let of =
            |link: &Option<(u64, TcpStream)>| link.as_ref().is_some_and(|(serial, _)| *serial == seen.serial);
        let Some(conn) = self.links.iter().position(of) else {
            return Ok(());
        };
        let at = seen.at.saturating_duration_since(self.start);
        match seen.bytes {
            Some(bytes) => {
                self.bytes += bytes.len();
                if self.bytes > FLOOD {
                    return Err(format!("the broker floods: more than {FLOOD} bytes in one trace"));
                }
                inbox.bytes(at, conn, Direction::ToClient, &bytes);
            }
            None => {
                inbox.end(at, conn, Direction::ToClient);
                self.links[conn] = None;
            }
        }
        Ok(())
    }

    /// What is there by now.
    fn tell_all(&mut self, inbox: &mut Inbox<'_>) -> Result<(), String> {
        while let Ok(seen) = self.receiver.try_recv() {
            self.tell(seen, inbox)?;
        }
        Ok(())
    }
}

impl World for LiveWorld<'_> {
    fn sends(&self) -> Option<Direction> {
        Some(Direction::ToServer)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn pace(&self) -> Pace {
        Pace::real(self.profile.patience, self.profile.slack)
    }

    fn secret(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    fn need_not_refuse(&self) -> Option<String> {
        (!self.must_close).then(refusals::broker::need_not_close)
    }

    fn open(&mut self, conn: usize) -> Result<(), String> {
        let open = || {
            let stream = TcpStream::connect_timeout(&self.address, CONNECTING)?;
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(CONNECTING))?;
            Ok((stream.try_clone()?, stream))
        };
        let (reading, stream) = open().map_err(|e: io::Error| format!("no link to {}: {e}", self.address))?;
        self.serial += 1;
        let (serial, sender) = (self.serial, self.sender.clone());
        std::thread::Builder::new()
            .spawn(move || read_all(reading, serial, &sender))
            .map_err(|e| format!("no thread to read with: {e}"))?;
        if self.links.len() <= conn {
            self.links.resize_with(conn + 1, || None);
        }
        self.links[conn] = Some((serial, stream));
        Ok(())
    }

    fn send(&mut self, conn: usize, bytes: &[u8]) -> Result<(), String> {
        let Some(Some((_, stream))) = self.links.get_mut(conn) else {
            return Err("the link is closed".to_owned());
        };
        stream
            .write_all(bytes)
            .map_err(|e| format!("cannot be sent: {e}"))
    }

    fn cut(&mut self, conn: usize) {
        if let Some((_, stream)) = self.links.get_mut(conn).and_then(Option::take) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn call(&mut self, _: usize, _: &Call) -> Result<Option<Val>, Refusal> {
        Err(Refusal::NotApplicable("a broker is not called".to_owned()))
    }

    fn act(&mut self, act: &Act, inbox: &mut Inbox<'_>) -> Result<(), Refusal> {
        let broker = &self.profile.broker;
        let command = broker.command(act).map_err(Refusal::NotApplicable)?;
        let mut environment = environment(self.address);
        if let Act::Deny(fields) = act {
            for (name, value) in fields {
                let Val::Data(text) = value else {
                    return Err(Refusal::Invalid(format!("{name} is no text")));
                };
                let text = String::from_utf8_lossy(text).into_owned();
                environment.push((format!("MQTT_{}", name.to_uppercase()), text));
            }
        }
        command.run(&environment, broker.start_within)?;
        if act.stops() {
            self.tell_all(inbox).map_err(Refusal::Invalid)?;
            self.links.clear();
            self.await_port().map_err(Refusal::Invalid)?;
        }
        Ok(())
    }

    fn wait(&mut self, until: Duration, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let before = inbox.arrivals();
        loop {
            self.tell_all(inbox)?;
            if inbox.arrivals() > before {
                return Ok(true);
            }
            let left = until.saturating_sub(self.now());
            if left.is_zero() {
                return Ok(false);
            }
            match self.receiver.recv_timeout(left) {
                Ok(seen) => self.tell(seen, inbox)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}

impl Drop for LiveWorld<'_> {
    /// Takes leave, so that no will is published into the next trace.
    fn drop(&mut self) {
        for (_, mut stream) in self.links.drain(..).flatten() {
            let _ = stream.write_all(leftovers::DISCONNECT);
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn read_all(mut stream: TcpStream, serial: u64, sender: &SyncSender<Seen>) {
    let mut buffer = [0; 4096];
    loop {
        let bytes = match stream.read(&mut buffer) {
            Ok(n) if n > 0 => Some(buffer[..n].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(_) | Err(_) => None,
        };
        let is_over = bytes.is_none();
        let at = Instant::now();
        if sender.send(Seen { at, serial, bytes }).is_err() || is_over {
            return;
        }
    }
}
