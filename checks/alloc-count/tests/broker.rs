//! What a message costs the broker for each further subscriber, and what a connection costs that does nothing.

use alloc_count::{Counting, bytes, count, held};
use mqtt_session::{
    Instant,
    server::{ConnId, Decision, Peer, Server, ServerConfig},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Instant = Instant::from_secs(1);
const PAYLOAD: usize = 1_000;

fn client(server: &mut Server, number: usize) -> ConnId {
    let conn = server.open(NOW, Peer::default()).unwrap();
    // MQTT 3.1.1, clean session, keep alive 60, a client id of six bytes.
    let mut connect = b"\x10\x12\x00\x04MQTT\x04\x02\x00\x3c\x00\x06".to_vec();
    connect.extend(format!("{number:06}").bytes());
    assert_eq!(server.handle_input(NOW, conn, &connect), connect.len());
    assert_eq!(take(server, conn), 4);
    conn
}

fn take(server: &mut Server, conn: ConnId) -> usize {
    let mut out = [0; 4_096];
    server.take_transmit(NOW, conn, &mut out)
}

fn ready(server: &mut Server) -> usize {
    core::iter::from_fn(|| server.poll_ready()).count()
}

/// A publisher and so many subscribers of "t".
fn audience(subscribers: usize) -> (Server, Vec<ConnId>) {
    let mut server = Server::new(ServerConfig::default());
    let clients: Vec<ConnId> = (0..=subscribers).map(|n| client(&mut server, n)).collect();
    for &conn in &clients[1..] {
        server.handle_input(NOW, conn, b"\x82\x06\x00\x01\x00\x01t\x00");
        assert_eq!(take(&mut server, conn), 5);
    }
    ready(&mut server);
    (server, clients)
}

fn publish(server: &mut Server, conn: ConnId, message: &[u8]) {
    assert_eq!(server.handle_input(NOW, conn, message), message.len());
}

#[test]
fn a_message_is_one_block_and_each_further_subscriber_costs_a_queue_entry() {
    let mut message = b"\x30\xeb\x07\x00\x01t".to_vec();
    message.resize(6 + PAYLOAD, b'x');
    let cost = |subscribers: usize| {
        let (mut server, clients) = audience(subscribers);
        let (cold, ()) = bytes(|| publish(&mut server, clients[0], &message));
        for &conn in &clients[1..] {
            assert_eq!(take(&mut server, conn), message.len());
        }
        ready(&mut server);
        let (warm_bytes, (warm, ())) = bytes(|| count(|| publish(&mut server, clients[0], &message)));
        let (sending, ()) = count(|| {
            clients[1..]
                .iter()
                .for_each(|&conn| assert_eq!(take(&mut server, conn), message.len()))
        });
        assert_eq!(sending, 0, "sending allocates nothing");
        (cold, warm, warm_bytes)
    };
    let (one, many) = (cost(1), cost(1_001));
    println!("message of {PAYLOAD} bytes:");
    println!(
        "  first subscriber: {} bytes allocated with a cold queue, {} in {} block with a warm one",
        one.0, one.2, one.1
    );
    println!(
        "  further subscriber: {:.1} bytes allocated with a cold queue, {:.1} with a warm one; copied: once, into the write buffer",
        (many.0 - one.0) as f64 / 1_000.0,
        (many.2 - one.2) as f64 / 1_000.0,
    );
    assert_eq!(
        (one.1, many.1),
        (1, 1),
        "one block for the message, however many keep it"
    );
    assert_eq!(one.2, many.2);
    assert!(one.2 < PAYLOAD as u64 + 64);
    assert!(
        (many.0 - one.0) / 1_000 < 512,
        "the smallest queue, and a place among the connections that are ready"
    );
}

#[test]
fn a_message_that_nobody_keeps_allocates_nothing() {
    let (mut server, clients) = audience(1);
    let nobody = b"\x30\x05\x00\x01uhi".to_vec();
    for _ in 0..2 {
        publish(&mut server, clients[0], &nobody);
    }
    let (allocations, ()) = count(|| publish(&mut server, clients[0], &nobody));
    assert_eq!(allocations, 0);
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    const CLIENTS: usize = 4_096;
    let mut server = Server::new(ServerConfig::default());
    let (bytes, ()) = held(|| {
        for n in 0..CLIENTS {
            client(&mut server, n);
            while server.poll_event().is_some() {}
            ready(&mut server);
        }
    });
    let each = bytes as f64 / CLIENTS as f64;
    println!("idle connection with its session: {each:.0} bytes");
    assert!(each < 732.0, "what mosquitto needs");
}

#[test]
fn a_message_nobody_is_asked_about_costs_nothing_and_a_decision_at_once_one_entry() {
    let cost = |asks: bool| {
        let mut config = ServerConfig::default();
        config.offer_mut(0).asks.publish = asks;
        let mut server = Server::new(config);
        let conn = client(&mut server, 1);
        let mut one = || {
            publish(&mut server, conn, b"\x30\x05\x00\x01thi");
            let mut asked = 0;
            while let Some(ticket) = server.poll_question() {
                assert!(server.question(ticket).is_some());
                server.handle_decision(NOW, ticket, Decision::Allow);
                asked += 1;
            }
            assert_eq!(asked, usize::from(asks));
        };
        // What is kept for its memory is there after the first.
        one();
        count(one).0
    };
    assert_eq!(cost(false), 0, "nothing is copied and nothing kept");
    assert!(
        cost(true) <= 1,
        "the inbox of the one before serves again: {}",
        cost(true)
    );
}
