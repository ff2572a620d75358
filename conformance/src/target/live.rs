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
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Instant;

use mqtt_proto::Version;

use super::{Outcome, Target, leftovers, refusals};
use crate::fields::Val;
use crate::play::act::Act;
use crate::play::call::Call;
use crate::play::inbox::Inbox;
use crate::play::play;
use crate::play::world::{Pace, Refusal, World};
use crate::profile::{Broker, Profile};
use crate::trace::ast::{BrokerAct, Direction};
use crate::trace::{Test, Trace};

/// How long a broker may take to accept a connection, or bytes.
const CONNECTING: Duration = Duration::from_secs(5);

/// A broker at an address; the runner plays its clients.
///
/// Traces begin their client ids and topics with a name of their own, so that they do not meet. After each, the sessions
/// and retained messages that it made are deleted.
#[derive(Clone, Debug)]
pub struct LiveBroker {
    address: SocketAddr,
    pace: Pace,
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
        Ok(Self {
            address,
            pace: Pace::real(profile.patience, profile.slack),
            profile,
        })
    }

    /// What the broker can do, how long it takes, and which names and credentials it wants.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.pace = Pace::real(profile.patience, profile.slack);
        self.profile = profile;
        self
    }

    /// How long expectations wait.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// What the broker cannot do beside what its profile says, of [`setup::FEATURES`](super::setup::FEATURES): traces that
    /// require it are not applicable.
    #[must_use]
    pub fn without(mut self, features: Vec<String>) -> Self {
        self.profile.lacks.extend(features);
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

    fn takes(&self, _: &Trace) -> bool {
        true
    }

    fn run(&mut self, trace: &Trace, version: Version) -> Outcome {
        let refusals;
        let trace = match trace.head.test {
            Test::Broker => trace,
            Test::Codec => match refusals::by_broker(trace) {
                Some(made) => {
                    refusals = made;
                    &refusals
                }
                None => {
                    return Outcome::NotApplicable("it has no bytes that a broker must refuse".to_owned());
                }
            },
            Test::Client => return Outcome::NotApplicable("it tests a client".to_owned()),
            Test::Pair => return Outcome::NotApplicable("it tests our client and server joined".to_owned()),
        };
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
            let broker = self.profile.broker.clone();
            Ok(Box::new(LiveWorld::new(self.address, self.pace, broker)))
        });
        match self.allow_all(trace) {
            Ok(()) => {}
            Err(why) => return Outcome::NotApplicable(why),
        }
        self.tidy(trace, version);
        outcome
    }
}

impl LiveBroker {
    /// Takes back what a trace has denied.
    fn allow_all(&self, trace: &Trace) -> Result<(), String> {
        if trace.acts().any(|act| matches!(act, BrokerAct::Deny(_))) {
            let allow = self.profile.broker.allow()?;
            let allowed = allow.run(&environment(self.address));
            return allowed.map_err(|why| format!("what it denies cannot be taken back: {why:?}"));
        }
        Ok(())
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
        stream.set_read_timeout(Some(self.pace.patience))?;
        stream.write_all(bytes)?;
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored)? > 0 {}
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

struct LiveWorld {
    address: SocketAddr,
    pace: Pace,
    broker: Broker,
    start: Instant,
    links: Vec<Option<(u64, TcpStream)>>,
    serial: u64,
    sender: Sender<Seen>,
    receiver: Receiver<Seen>,
}

impl LiveWorld {
    fn new(address: SocketAddr, pace: Pace, broker: Broker) -> Self {
        let (sender, receiver) = channel();
        Self {
            address,
            pace,
            broker,
            start: Instant::now(),
            links: Vec::new(),
            serial: 0,
            sender,
            receiver,
        }
    }

    /// Waits until the broker that was started listens.
    fn await_port(&self) -> Result<(), String> {
        let until = Instant::now() + self.broker.start_within;
        loop {
            match TcpStream::connect_timeout(&self.address, CONNECTING) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= until => {
                    let within = self.broker.start_within;
                    return Err(format!("it does not listen again within {within:?}: {error}"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Links that are gone are not listened to any more.
    fn tell(&mut self, seen: Seen, inbox: &mut Inbox<'_>) {
        let of =
            |link: &Option<(u64, TcpStream)>| link.as_ref().is_some_and(|(serial, _)| *serial == seen.serial);
        let Some(conn) = self.links.iter().position(of) else {
            return;
        };
        let at = seen.at.saturating_duration_since(self.start);
        match seen.bytes {
            Some(bytes) => inbox.bytes(at, conn, Direction::ToClient, &bytes),
            None => {
                inbox.end(at, conn, Direction::ToClient);
                self.links[conn] = None;
            }
        }
    }
}

impl World for LiveWorld {
    fn sends(&self) -> Option<Direction> {
        Some(Direction::ToServer)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn pace(&self) -> Pace {
        self.pace
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
        let command = self.broker.command(act).map_err(Refusal::NotApplicable)?;
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
        command.run(&environment)?;
        if act.stops() {
            while let Ok(seen) = self.receiver.try_recv() {
                self.tell(seen, inbox);
            }
            self.links.clear();
            self.await_port().map_err(Refusal::Invalid)?;
        }
        Ok(())
    }

    fn wait(&mut self, until: Duration, inbox: &mut Inbox<'_>) -> Result<bool, String> {
        let before = inbox.arrivals();
        loop {
            while let Ok(seen) = self.receiver.try_recv() {
                self.tell(seen, inbox);
            }
            if inbox.arrivals() > before {
                return Ok(true);
            }
            let left = until.saturating_sub(self.now());
            if left.is_zero() {
                return Ok(false);
            }
            match self.receiver.recv_timeout(left) {
                Ok(seen) => self.tell(seen, inbox),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}

impl Drop for LiveWorld {
    /// Takes leave, so that no will is published into the next trace.
    fn drop(&mut self) {
        for (_, mut stream) in self.links.drain(..).flatten() {
            let _ = stream.write_all(leftovers::DISCONNECT);
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn read_all(mut stream: TcpStream, serial: u64, sender: &Sender<Seen>) {
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
