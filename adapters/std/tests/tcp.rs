//! What is peculiar to blocking sockets: who waits for whom, and what can interrupt it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    reason = "tests, of what has threads and clocks"
)]

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use mqtt_proto::{
    Packet, PacketId, Properties, QoS, ReasonCode, TopicFilter, TopicName, Version,
    packet::{ConnAck, Disconnect, Publish as Wire, PublishHead, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Config, ConnectOptions, Event, Payload, Publish, Refused,
    client::{ClosedBy, Outcome},
    storage::Heap,
};
use mqtt_std::{Client, ConnectError, Interest, Tcp, Transport, Woken};
use socket2::{Domain, Socket, Type};

const LONG: Duration = Duration::from_secs(60);

const fn options(version: Version) -> ConnectOptions<'static> {
    ConnectOptions {
        version,
        clean_start: true,
        keep_alive: 0,
        client_id: "std",
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    }
}

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len(Version::V5).unwrap()];
    packet.encode(Version::V5, &mut bytes).unwrap();
    bytes
}

fn connack() -> Vec<u8> {
    encode(&Packet::ConnAck(ConnAck {
        session_present: false,
        code: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    }))
}

fn wire_publish(qos: QoS, payload: &[u8]) -> Vec<u8> {
    encode(&Packet::Publish(Wire {
        head: PublishHead {
            dup: false,
            qos,
            retain: false,
            topic: TopicName::new("t").unwrap(),
            packet_id: (qos > QoS::AtMostOnce).then_some(PacketId::MIN),
            properties: Properties::EMPTY,
        },
        payload,
    }))
}

fn publish(qos: QoS) -> Publish<'static> {
    Publish::new(TopicName::new("t").unwrap(), qos)
}

fn subscription() -> Subscription<'static> {
    Subscription {
        filter: TopicFilter::new("t").unwrap(),
        options: SubscriptionOptions::new(QoS::AtMostOnce),
    }
}

/// A server that is played by a thread, for one connection; its socket holds little.
fn played(play: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.set_recv_buffer_size(4 << 10).unwrap();
    listener.set_send_buffer_size(4 << 10).unwrap();
    listener
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    listener.listen(1).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        play(stream);
    });
    (address, thread)
}

/// A connection to it whose socket holds little.
fn narrow(to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.set_send_buffer_size(4 << 10).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

/// Reads one CONNECT.
fn accept(stream: &mut TcpStream) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x10);
    stream.read_exact(&mut vec![0; head[1].into()]).unwrap();
    stream.write_all(&connack()).unwrap();
}

fn connected<T: Transport>(client: &mut Client<T>) {
    let event = client.next_timeout(LONG).unwrap();
    assert!(matches!(event, Some(Event::Connected(_))), "{event:?}");
}

/// Counts how often a client goes to its transport.
struct Counted(Tcp, Arc<AtomicUsize>);

impl Transport for Counted {
    type Stream = TcpStream;

    fn open(&mut self, stream: TcpStream) -> io::Result<()> {
        self.0.open(stream)
    }
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read(out)
    }
    fn write(&mut self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.write(head, body)
    }
    fn wait(&mut self, interest: Interest, timeout: Option<Duration>) -> io::Result<Woken> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.wait(interest, timeout)
    }
    fn close(&mut self) {
        self.0.close();
    }
}

#[test]
fn both_ends_publish_four_mebibytes_at_once_over_sockets_that_hold_four_kibibytes() {
    const SIZE: usize = 4 << 20;
    let payload = vec![b'x'; SIZE];
    let (address, server) = played({
        let payload = payload.clone();
        move |mut stream| {
            accept(&mut stream);
            // Writes everything before it reads anything.
            stream
                .write_all(&wire_publish(QoS::AtLeastOnce, &payload))
                .unwrap();
            let mut expected = wire_publish(QoS::AtLeastOnce, &payload);
            expected.extend([0x40, 2, 0, 1]);
            let mut got = vec![0; expected.len()];
            stream.read_exact(&mut got).unwrap();
            // PUBACK may come first.
            let whole = got == expected || got.ends_with(&expected[..SIZE]);
            assert!(whole, "the message, and the answer to the other one");
            stream.write_all(&[0x40, 2, 0, 1]).unwrap();
            assert_eq!(stream.read(&mut [0; 2]).unwrap(), 2, "DISCONNECT");
        }
    });
    let mut config = Config::DEFAULT;
    config.receive_buffer = (SIZE + 64) as u32;
    let mut client = Client::new(config, Heap::new()).unwrap();
    client.attach(narrow(address), &options(Version::V5)).unwrap();
    connected(&mut client);
    client.publish(&publish(QoS::AtLeastOnce), &payload[..]).unwrap();
    let (mut came, mut went) = (false, false);
    while !(came && went) {
        match client.next_timeout(LONG).unwrap() {
            Some(Event::Message(message)) => came = message.payload == payload,
            Some(Event::Completed { .. }) => went = true,
            other => panic!("{other:?}"),
        }
    }
    client
        .disconnect(&Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
        .unwrap();
    assert!(matches!(client.next().unwrap(), Some(Event::Closed(_))));
    assert!(client.next().unwrap().is_none());
    server.join().unwrap();
}

#[test]
fn a_server_that_does_not_read_is_waited_for_and_not_asked_again_and_again() {
    let (over, is_over) = mpsc::channel::<()>();
    let (address, server) = played(move |mut stream| {
        accept(&mut stream);
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(5));
            stream.write_all(&wire_publish(QoS::AtMostOnce, b"tick")).unwrap();
        }
        assert!(is_over.recv().is_err());
    });
    let calls = Arc::new(AtomicUsize::new(0));
    let transport = Counted(Tcp::new().unwrap(), Arc::clone(&calls));
    let mut client = Client::with_transport(transport, Config::DEFAULT, Heap::new());
    client.attach(narrow(address), &options(Version::V5)).unwrap();
    connected(&mut client);
    client
        .publish(&publish(QoS::AtLeastOnce), &vec![b'x'; 4 << 20][..])
        .unwrap();
    for _ in 0..20 {
        let event = client.next_timeout(LONG).unwrap();
        assert!(
            matches!(event, Some(Event::Message(_))),
            "reading goes on: {event:?}"
        );
    }
    assert!(client.next_timeout(Duration::from_millis(100)).unwrap().is_none());
    let calls = calls.load(Ordering::Relaxed);
    assert!(calls < 400, "{calls} calls for 20 messages");
    drop(over);
    server.join().unwrap();
}

#[test]
fn another_thread_interrupts_the_wait_and_one_that_came_before_is_not_lost() {
    let (address, server) = played(|mut stream| {
        accept(&mut stream);
        let _ = stream.read(&mut [0; 1]);
    });
    let mut client = Client::connect(address, &options(Version::V5)).unwrap();
    connected(&mut client);
    let notifier = client.notifier();
    notifier.notify().unwrap();
    assert!(client.next().unwrap().is_none());
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        notifier.notify().unwrap();
    });
    assert!(client.next().unwrap().is_none());
    assert!(client.machine().is_connected());
    thread.join().unwrap();
    client.detach();
    assert!(matches!(client.next().unwrap(), Some(Event::Closed(_))));
    server.join().unwrap();
}

#[test]
fn a_time_out_ends_the_wait_and_nothing_else() {
    let (address, server) = played(|mut stream| {
        accept(&mut stream);
        thread::sleep(Duration::from_millis(80));
        stream.write_all(&wire_publish(QoS::AtMostOnce, b"late")).unwrap();
        let _ = stream.read(&mut [0; 1]);
    });
    let mut client = Client::connect(address, &options(Version::V5)).unwrap();
    connected(&mut client);
    assert!(client.next_timeout(Duration::ZERO).unwrap().is_none());
    let before = Instant::now();
    assert!(client.next_timeout(Duration::from_millis(20)).unwrap().is_none());
    assert!(before.elapsed() >= Duration::from_millis(20));
    assert!(matches!(client.next().unwrap(), Some(Event::Message(m)) if m.payload == b"late"));
    client.detach();
    server.join().unwrap();
}

#[test]
fn what_a_server_said_before_it_closed_is_told_although_writing_fails_first() {
    let (address, server) = played(|mut stream| {
        accept(&mut stream);
        stream.write_all(&[0xE0, 1, 0x8B]).unwrap();
    });
    let mut client = Client::connect(address, &options(Version::V5)).unwrap();
    connected(&mut client);
    server.join().unwrap();
    for _ in 0..100 {
        client
            .publish(&publish(QoS::AtMostOnce), &vec![0; 64 << 10][..])
            .unwrap();
    }
    loop {
        match client.next().unwrap() {
            Some(Event::Completed {
                outcome: Outcome::Written,
                ..
            }) => {}
            Some(Event::Closed(closed)) => {
                assert_eq!(
                    (closed.by, closed.code),
                    (ClosedBy::Server, Some(ReasonCode::SERVER_SHUTTING_DOWN))
                );
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(client.next().unwrap().is_none());
}

#[test]
fn an_external_payload_is_read_from_its_source_and_without_one_ends_the_connection() {
    let (address, server) = played(|mut stream| {
        accept(&mut stream);
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        let expected = wire_publish(QoS::AtMostOnce, &bytes);
        let mut got = vec![0; expected.len()];
        stream.read_exact(&mut got).unwrap();
        assert!(got == expected);
    });
    let mut client = Client::connect(address, &options(Version::V5)).unwrap();
    client.set_payload_source(|_, offset, out| {
        for (at, place) in (offset..).zip(out.iter_mut()) {
            *place = (at % 251) as u8;
        }
        Ok(out.len())
    });
    client
        .publish(&publish(QoS::AtMostOnce), Payload::External(100_000))
        .unwrap();
    connected(&mut client);
    assert!(matches!(client.next().unwrap(), Some(Event::Completed { .. })));
    assert!(matches!(client.next().unwrap(), Some(Event::Closed(_))));
    server.join().unwrap();

    let (address, server) = played(|mut stream| {
        accept(&mut stream);
        let _ = stream.read(&mut [0; 1]);
    });
    let mut client = Client::connect(address, &options(Version::V5)).unwrap();
    client
        .publish(&publish(QoS::AtMostOnce), Payload::External(1))
        .unwrap();
    connected(&mut client);
    assert!(matches!(client.next().unwrap(), Some(Event::Closed(c)) if c.by == ClosedBy::Transport));
    assert_eq!(
        client.transport_error().unwrap().kind(),
        io::ErrorKind::Unsupported
    );
    server.join().unwrap();
}

#[test]
fn a_client_is_attached_once_and_again_only_when_all_is_told() {
    let (address, server) = played(|mut stream| {
        accept(&mut stream);
        let _ = stream.read(&mut [0; 64]);
    });
    let mut client = Client::connect(address, &options(Version::V5)).unwrap();
    connected(&mut client);
    let refused = |result| matches!(result, Err(ConnectError::Refused(Refused::AlreadyConnected)));
    assert!(refused(client.attach_tcp(address, &options(Version::V5))));
    client.subscribe(&[subscription()], Properties::EMPTY).unwrap();
    client.detach();
    assert!(refused(client.attach_tcp(address, &options(Version::V5))));
    assert!(matches!(client.next().unwrap(), Some(Event::Aborted { .. })));
    assert!(matches!(client.next().unwrap(), Some(Event::Closed(_))));
    assert!(client.next().unwrap().is_none());
    server.join().unwrap();
    let nobody = client.attach_tcp(address, &options(Version::V5));
    assert!(matches!(nobody, Err(ConnectError::Io(_))), "{nobody:?}");
}
