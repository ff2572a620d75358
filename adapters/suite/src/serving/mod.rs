//! The behaviours of servers. Each is a claim about the server of any runtime, and panics if it does not hold.
//!
//! An adapter's tests give a function that runs a server in a thread, and say `adapter_suite::serving!(function);`. The clients
//! here are sockets, written and read by hand.

mod durable;

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
    time::Duration,
};

pub use durable::*;
use mqtt_proto::{
    Packet, PacketType, Properties, QoS, ReasonCode, Sender, TopicName, Version, frame_len,
    packet::{Publish, PublishHead, SubscriptionOptions},
    topic::Pattern,
};
use mqtt_session::{
    Instant,
    server::{
        Asked, ConnId, Decision, Ended, LocalOptions, Pool, Question, Server, ServerConfig, ServerEvent,
    },
};
use mqtt_tokio::{CommandError, ServerError, ServerHandle, ServerStop, Store, Verdict};

use crate::PATIENCE;

/// The number of the TCP listener in these tests.
pub const TCP: u16 = 7;
/// The number of the Unix listener in these tests.
pub const UNIX: u16 = 9;

/// What a server is to listen on, already bound.
#[derive(Debug)]
pub struct Listeners {
    /// To be listener [`TCP`].
    pub tcp: TcpListener,
    /// To be listener [`UNIX`].
    #[cfg(unix)]
    pub unix: std::os::unix::net::UnixListener,
}

/// A policy.
pub type Decide = Box<dyn FnMut(&Question<'_>) -> Verdict + Send>;

/// What takes the deliveries of local connections.
pub type Inside = Box<dyn FnMut(&mut Server, Instant, ConnId) + Send>;

/// How a server is set up.
#[derive(Default)]
#[non_exhaustive]
pub struct Setup {
    /// Of the machine.
    pub config: ServerConfig,
    /// For the stop, if not the default.
    pub stop_timeout: Option<Duration>,
    /// Who decides, if anybody.
    pub policy: Option<Decide>,
    /// Who takes the deliveries of local connections.
    pub inside: Option<Inside>,
    /// Where durable state is kept, if anywhere.
    pub store: Option<Box<dyn Store + Send>>,
}

/// A server of this type as a [`Setup`] says.
#[macro_export]
macro_rules! set_up {
    ($type:ty, $setup:expr) => {{
        let mut server = match $setup.store {
            Some(store) => <$type>::with_store($setup.config, store).unwrap(),
            None => <$type>::new($setup.config),
        };
        if let Some(timeout) = $setup.stop_timeout {
            server.set_stop_timeout(timeout);
        }
        if let Some(policy) = $setup.policy {
            server.set_policy(policy);
        }
        if let Some(inside) = $setup.inside {
            server.set_inside(inside);
        }
        server
    }};
}

impl core::fmt::Debug for Setup {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Setup").finish_non_exhaustive()
    }
}

/// To topic `t`, at QoS 0.
const SUBSCRIBE: &[u8] = b"\x82\x07\x00\x01\x00\x00\x01t\x00";

/// What a server in a thread gives first.
pub type Ends = (ServerHandle, ServerStop);

/// Runs a server until it is stopped; gives its ends first, and every event.
pub type Serve =
    fn(Setup, Listeners, mpsc::Sender<Ends>, mpsc::Sender<ServerEvent>) -> Result<(), ServerError>;

struct Running {
    address: SocketAddr,
    #[cfg(unix)]
    path: std::path::PathBuf,
    handle: ServerHandle,
    stop: ServerStop,
    events: Receiver<ServerEvent>,
    thread: JoinHandle<Result<(), ServerError>>,
}

fn start(serve: Serve, setup: Setup) -> Running {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = tcp.local_addr().expect("an address");
    #[cfg(unix)]
    let path = std::env::temp_dir().join(format!("mqtt-{}-{}", std::process::id(), address.port()));
    let listeners = Listeners {
        tcp,
        #[cfg(unix)]
        unix: std::os::unix::net::UnixListener::bind(&path).expect("a free name"),
    };
    let (ends, started) = mpsc::channel();
    let (happened, events) = mpsc::channel();
    let thread = thread::spawn(move || serve(setup, listeners, ends, happened));
    let (handle, stop) = started.recv_timeout(PATIENCE).expect("a server");
    Running {
        address,
        #[cfg(unix)]
        path,
        handle,
        stop,
        events,
        thread,
    }
}

impl Running {
    fn client(&self, id: &str) -> Peer<TcpStream> {
        let stream = TcpStream::connect(self.address).expect("a server");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Peer::connected(stream, id)
    }

    fn kept(&self, id: &str) -> Peer<TcpStream> {
        let stream = TcpStream::connect(self.address).expect("a server");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Peer::kept(stream, id)
    }

    /// The next client that was accepted.
    fn accepted(&self) -> ConnId {
        loop {
            if let ServerEvent::Connected { conn, .. } = self.events.recv_timeout(PATIENCE).expect("a client")
            {
                return conn;
            }
        }
    }

    fn join(self) -> Receiver<ServerEvent> {
        let (end, events) = self.end();
        end.expect("it was told to stop");
        events
    }

    fn end(self) -> (Result<(), ServerError>, Receiver<ServerEvent>) {
        let end = self.thread.join().expect("the server has not panicked");
        #[cfg(unix)]
        std::fs::remove_file(&self.path).expect("the name of the socket");
        (end, self.events)
    }
}

/// A client of 5.0.
struct Peer<S> {
    stream: S,
    received: Vec<u8>,
}

impl<S: Read + Write> Peer<S> {
    fn connected(stream: S, id: &str) -> Self {
        Self::connected_as(stream, id, b"\x10\x00\x00\x04MQTT\x05\x02\x00\x00\x00\x00")
    }

    /// With a session that is kept for an hour.
    fn kept(stream: S, id: &str) -> Self {
        let connect = b"\x10\x00\x00\x04MQTT\x05\x00\x00\x00\x05\x11\x00\x00\x0e\x10\x00";
        Self::connected_as(stream, id, connect)
    }

    fn connected_as(stream: S, id: &str, connect: &[u8]) -> Self {
        let mut this = Self {
            stream,
            received: Vec::new(),
        };
        let mut connect = connect.to_vec();
        connect.push(u8::try_from(id.len()).expect("a short name"));
        connect.extend_from_slice(id.as_bytes());
        connect[1] = u8::try_from(connect.len() - 2).expect("a short packet");
        this.stream.write_all(&connect).expect("a connection");
        assert_eq!(this.packet(), Some((PacketType::ConnAck, None)));
        this
    }

    /// The next packet, and the reason code of a DISCONNECT; `None` at the end.
    fn packet(&mut self) -> Option<Said> {
        loop {
            if let Ok(mqtt_proto::Frame::Len(len)) = frame_len(&self.received, u32::MAX) {
                if self.received.len() >= len {
                    let packet = Packet::decode(Version::V5, Sender::Server, &self.received[..len]);
                    let said = match packet.expect("a packet") {
                        Packet::Disconnect(disconnect) => (PacketType::Disconnect, Some(disconnect.code)),
                        other => (other.packet_type(), None),
                    };
                    self.received.drain(..len);
                    return Some(said);
                }
            }
            let mut room = [0; 4_096];
            match self.stream.read(&mut room).expect("no error before the end") {
                0 => {
                    assert_eq!(self.received, b"", "half a packet");
                    return None;
                }
                n => self.received.extend_from_slice(&room[..n]),
            }
        }
    }

    /// That comes before the end.
    fn last_packet(&mut self) -> Said {
        let mut last = None;
        while let Some(said) = self.packet() {
            last = Some(said);
        }
        last.expect("a packet before the end")
    }
}

type Said = (PacketType, Option<ReasonCode>);

const fn disconnect(code: ReasonCode) -> Said {
    (PacketType::Disconnect, Some(code))
}

/// Every client is told why (`5/MQTT-3.14.0-1` lets a server), nobody is accepted any more, and everything ends.
pub fn a_stop_is_told_to_every_client_and_ends_listening(serve: Serve) {
    let server = start(serve, Setup::default());
    let mut clients: Vec<_> = (0..3).map(|n| server.client(&format!("client{n}"))).collect();
    // This one has not said who it is: there is nothing to tell it.
    let mut silent = TcpStream::connect(server.address).expect("a server");
    server.stop.stop();
    for client in &mut clients {
        let last = client.last_packet();
        assert_eq!(last, disconnect(ReasonCode::SERVER_SHUTTING_DOWN));
    }
    assert!(matches!(silent.read(&mut [0; 8]), Ok(0) | Err(_)));
    drop((clients, silent));
    let address = server.address;
    let events = server.join();
    let refused = TcpStream::connect(address).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let ends: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            ServerEvent::Disconnected {
                client_id: Some(_),
                why,
                ..
            } => Some(why),
            _ => None,
        })
        .collect();
    assert_eq!(ends, vec![Ended::Refused(ReasonCode::SERVER_SHUTTING_DOWN); 3]);
}

/// What a client was sending meanwhile does not take its last packet away.
pub fn a_client_in_the_middle_of_sending_is_told_why_it_ends(serve: Serve) {
    for _ in 0..5 {
        let server = start(serve, Setup::default());
        let mut client = server.client("busy");
        let mut sender = client.stream.try_clone().expect("a second end");
        let busy = thread::spawn(move || {
            let publish = [&b"\x30\xFF\x07\x00\x01t\x00"[..], &[b'x'; 1_019]].concat();
            // Until the server has closed for good.
            while sender.write_all(&publish).is_ok() {}
        });
        server.stop.stop();
        let last = client.last_packet();
        assert_eq!(last, disconnect(ReasonCode::SERVER_SHUTTING_DOWN));
        let _ = client.stream.shutdown(Shutdown::Both);
        busy.join().expect("a sender");
        server.join();
    }
}

/// The same holds for one that has broken a rule and goes on sending.
pub fn a_client_that_breaks_a_rule_while_it_sends_is_told_so(serve: Serve) {
    let server = start(serve, Setup::default());
    let mut client = server.client("wrong");
    // A second CONNECT (5/MQTT-3.1.0-2), and much behind it.
    let mut wrong = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01a".to_vec();
    wrong.resize(1 << 20, 0);
    let mut sender = client.stream.try_clone().expect("a second end");
    let sending = thread::spawn(move || sender.write_all(&wrong));
    let last = client.last_packet();
    assert_eq!(last, disconnect(ReasonCode::PROTOCOL_ERROR));
    let _ = client.stream.shutdown(Shutdown::Both);
    let _ = sending.join().expect("a sender");
    server.stop.stop_now();
    server.join();
}

/// A client that takes nothing does not keep the server from ending.
pub fn a_client_that_takes_nothing_holds_a_stop_up_no_longer_than_it_may(serve: Serve) {
    let setup = Setup {
        stop_timeout: Some(Duration::from_millis(100)),
        ..Setup::default()
    };
    let server = start(serve, setup);
    let mut client = server.client("deaf");
    client.stream.write_all(SUBSCRIBE).expect("a connection");
    assert_eq!(client.packet(), Some((PacketType::SubAck, None)));
    // Its own messages come back, more than the system holds; the server reads them as long as its queue has room.
    let publish = [&b"\x30\x84\x80\x04\x00\x01t\x00"[..], &[b'x'; 65_536]].concat();
    for _ in 0..200 {
        client.stream.write_all(&publish).expect("the server reads");
    }
    server.stop.stop();
    server.join();
}

/// Without a word, and nothing is waited for.
pub fn a_stop_at_once_ends_a_stop_in_order(serve: Serve) {
    let setup = Setup {
        stop_timeout: Some(Duration::from_secs(3_600)),
        ..Setup::default()
    };
    let server = start(serve, setup);
    let mut client = server.client("slow");
    server.stop.stop();
    let last = client.packet().expect("DISCONNECT");
    assert_eq!(last, disconnect(ReasonCode::SERVER_SHUTTING_DOWN));
    // It does not close, and need not.
    server.stop.stop_now();
    server.join();
    drop(client);
}

/// Commands from other threads are carried out while the server runs, and refused afterwards.
pub fn handles_reach_the_server_from_any_thread_until_it_has_stopped(serve: Serve) {
    let server = start(serve, Setup::default());
    let handle = server.handle.clone();
    let mut client = server.client("one");
    let conn = server.accepted();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let handle = handle.clone();
            thread::spawn(move || {
                for _ in 0..500 {
                    let holdings = handle.with_blocking(|machine, _| machine.broker().holdings());
                    assert_eq!(holdings.expect("a server").connections, 1);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("a thread");
    }
    // In order, each seen by the next, and the end of the connection is seen by its client.
    let mut results: Vec<_> = (0..100)
        .map(|n| handle.try_with(move |_, _| n).expect("room"))
        .collect();
    let last = handle
        .with_blocking(move |machine, now| machine.disconnect(now, conn, ReasonCode::ADMINISTRATIVE_ACTION));
    assert_eq!(last, Ok(()));
    let said = client.last_packet();
    assert_eq!(said, disconnect(ReasonCode::ADMINISTRATIVE_ACTION));
    drop(client);
    for (n, result) in results.drain(..).enumerate() {
        assert_eq!(block_on(result), Ok(n));
    }
    let mut client = server.client("two");
    let conn = block_on(handle.find(Pool::DEFAULT, "two")).expect("a server");
    assert_eq!(conn, Some(server.accepted()));
    assert_eq!(block_on(handle.find(Pool::DEFAULT, "three")), Ok(None));
    assert_eq!(block_on(handle.kill(conn.expect("it is there"))), Ok(()));
    assert_eq!(client.packet(), None, "not a word");
    drop(client);
    assert_eq!(block_on(handle.metrics()).expect("a server").connections, 0);
    server.stop.stop();
    server.join();
    assert_eq!(handle.with_blocking(|_, _| ()), Err(CommandError::Stopped));
    assert_eq!(handle.try_with(|_, _| ()).err(), Some(CommandError::Stopped));
    assert_eq!(block_on(handle.holdings()).err(), Some(CommandError::Stopped));
}

/// A policy is asked what the configuration says, and what it says is done, before the next packet is looked at.
pub fn a_policy_decides_what_it_is_asked(serve: Serve) {
    let mut config = ServerConfig::default();
    config.offers[0].asks.connect = true;
    config.offers[0].asks.publish = true;
    let policy = |question: &Question<'_>| match question.asked {
        Asked::Connect(_) if question.client_id == "good" => Decision::Allow.into(),
        Asked::Publish(publish) if publish.head.topic.as_str() == "t" => Decision::Allow.into(),
        _ => Verdict::Now(Decision::Deny(ReasonCode::NOT_AUTHORIZED)),
    };
    let setup = Setup {
        config,
        policy: Some(Box::new(policy)),
        ..Setup::default()
    };
    let server = start(serve, setup);
    let mut client = server.client("good");
    client.stream.write_all(SUBSCRIBE).expect("a connection");
    assert_eq!(client.packet(), Some((PacketType::SubAck, None)));
    for publish in [
        b"\x32\x08\x00\x01u\x00\x01\x00no",
        b"\x32\x08\x00\x01t\x00\x02\x00ok",
    ] {
        client.stream.write_all(publish).expect("a connection");
    }
    let answers = [client.packet(), client.packet(), client.packet()];
    let of = |of| answers.iter().filter(|said| **said == Some((of, None))).count();
    assert_eq!(
        (of(PacketType::PubAck), of(PacketType::Publish)),
        (2, 1),
        "{answers:?}"
    );
    let stream = TcpStream::connect(server.address).expect("a server");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut refused = Peer::connected(stream, "bad");
    assert_eq!(refused.packet(), None, "refused, so it is closed");
    server.stop.stop_now();
    server.join();
}

/// A decision that takes its time comes from another thread, and others are served meanwhile.
pub fn a_decision_may_come_later_from_another_thread(serve: Serve) {
    let mut config = ServerConfig::default();
    config.offers[0].asks.connect = true;
    let (ask, asked) = mpsc::channel();
    let policy = move |question: &Question<'_>| {
        if question.client_id == "slow" {
            let _ = ask.send(question.ticket);
            return Verdict::Later;
        }
        Decision::Allow.into()
    };
    let setup = Setup {
        config,
        policy: Some(Box::new(policy)),
        ..Setup::default()
    };
    let server = start(serve, setup);
    let address = server.address;
    let slow = thread::spawn(move || {
        let stream = TcpStream::connect(address).expect("a server");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Peer::connected(stream, "slow")
    });
    let ticket = asked.recv_timeout(PATIENCE).expect("a question");
    let quick = server.client("quick");
    assert!(!slow.is_finished());
    let decided = block_on(server.handle.decide(ticket, Decision::Allow));
    assert_eq!(decided, Ok(()));
    let slow = slow.join().expect("CONNACK");
    // Again: nothing happens.
    let again = block_on(server.handle.decide(ticket, Decision::Deny(ReasonCode::BANNED)));
    assert_eq!(again, Ok(()));
    let connections = block_on(server.handle.holdings()).expect("a server").connections;
    assert_eq!(connections, 2);
    drop((quick, slow));
    server.stop.stop_now();
    server.join();
}

/// A connection without a wire takes what is delivered to it in the turn in which it came, and what it says leaves in the same.
pub fn a_local_connection_answers_within_the_server(serve: Serve) {
    let inside = |machine: &mut Server, now, conn| {
        let broker = machine.broker_mut();
        while let Some(delivery) = broker.poll_delivery(now, conn) {
            assert_eq!(delivery.message().payload(), b"hi");
            let head = PublishHead {
                dup: false,
                qos: QoS::AtMostOnce,
                retain: false,
                topic: TopicName::new("answers").expect("a topic"),
                packet_id: None,
                properties: Properties::EMPTY,
            };
            let payload = b"there";
            broker
                .publish_local(now, conn, &Publish { head, payload })
                .expect("room");
        }
    };
    let setup = Setup {
        inside: Some(Box::new(inside)),
        ..Setup::default()
    };
    let server = start(serve, setup);
    let opened = server.handle.with_blocking(|machine, now| {
        let broker = machine.broker_mut();
        let conn = broker.open_local(now, LocalOptions::new("inside")).expect("room");
        let pattern = Pattern::new("questions").expect("a pattern");
        broker
            .subscribe_local(now, conn, pattern, SubscriptionOptions::new(QoS::AtMostOnce))
            .expect("a subscription");
    });
    assert_eq!(opened, Ok(()));
    let mut client = server.client("asker");
    let subscribe = b"\x82\x0d\x00\x01\x00\x00\x07answers\x00";
    client.stream.write_all(subscribe).expect("a connection");
    assert_eq!(client.packet(), Some((PacketType::SubAck, None)));
    let publish = b"\x30\x0e\x00\x09questions\x00hi";
    client.stream.write_all(publish).expect("a connection");
    assert_eq!(client.packet(), Some((PacketType::Publish, None)));
    drop(client);
    server.stop.stop_now();
    server.join();
}

/// More commands than there is room for wait with whoever gives them.
pub fn the_queue_of_commands_is_bounded(serve: Serve) {
    let server = start(serve, Setup::default());
    let (go, wait) = mpsc::channel::<()>();
    let held = server
        .handle
        .try_with(move |_, _| wait.recv().is_ok())
        .expect("room");
    let mut taken = 0;
    let full = loop {
        match server.handle.try_with(|_, _| ()) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full, CommandError::Full);
    assert!((1_000..3_000).contains(&taken), "{taken}");
    go.send(()).expect("it waits");
    assert_eq!(block_on(held), Ok(true));
    server.handle.with_blocking(|_, _| ()).expect("room again");
    server.stop.stop();
    server.join();
}

/// Both listeners reach one broker, and each connection knows through which it came.
#[cfg(unix)]
pub fn unix_sockets_serve_beside_tcp_and_listeners_have_the_numbers_they_were_given(serve: Serve) {
    let server = start(serve, Setup::default());
    let stream = std::os::unix::net::UnixStream::connect(&server.path).expect("a server");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut unix = Peer::connected(stream, "unix");
    let over_unix = server.accepted();
    let mut tcp = server.client("tcp");
    let over_tcp = server.accepted();
    let peers = server.handle.with_blocking(move |machine, _| {
        [over_unix, over_tcp].map(|conn| machine.broker().peer(conn).expect("a connection"))
    });
    let [of_unix, of_tcp] = peers.expect("a server");
    assert_eq!((of_unix.listener, of_unix.address), (UNIX, None));
    assert_eq!(
        (of_tcp.listener, of_tcp.address),
        (TCP, tcp.stream.local_addr().ok())
    );
    unix.stream.write_all(SUBSCRIBE).expect("a connection");
    assert_eq!(unix.packet(), Some((PacketType::SubAck, None)));
    tcp.stream
        .write_all(b"\x30\x06\x00\x01t\x00hi")
        .expect("a connection");
    assert_eq!(unix.packet(), Some((PacketType::Publish, None)));
    server.stop.stop();
    for last in [unix.last_packet(), tcp.last_packet()] {
        assert_eq!(last, disconnect(ReasonCode::SERVER_SHUTTING_DOWN));
    }
    drop((unix, tcp));
    server.join();
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// What `Serve` functions do with events: whoever has stopped listening has.
pub fn tell(events: &mpsc::Sender<ServerEvent>, event: ServerEvent) {
    let _ = events.send(event);
}
