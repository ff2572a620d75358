use mqtt_proto::{Packet, ReasonCode};
use mqtt_session::{
    Body, Instant,
    server::{
        ConnId, Peer, ServerConfig,
        driver::{Driver, Flushed, Written},
    },
};

use crate::net::*;

/// A conversation of two clients, as bytes of the first.
fn conversation() -> Vec<u8> {
    let mut bytes = encode(V5, Packet::Connect(connect(V5, "a")));
    for packet in [
        Packet::PingReq,
        Packet::Publish(message("t", Q0, 0, "zero")),
        Packet::Publish(message("t", Q1, 1, "one")),
        Packet::Publish(message("t", Q2, 2, "two")),
        Packet::PingReq,
    ] {
        bytes.extend(encode(V5, packet));
    }
    bytes
}

#[test]
fn reads_split_anywhere_give_the_same_answers() {
    let bytes = conversation();
    let run = |sizes: &mut dyn FnMut() -> usize| {
        let mut net = Net::new();
        let to = net.client(V311, "s");
        net.subscribe(to, "#", Q2);
        let end = net.open(V5);
        let (mut from, mut have) = (0, 0);
        while from < bytes.len() {
            have = (have + sizes()).min(bytes.len());
            from += net.server.handle_input(net.now, end.id, &bytes[from..have]);
        }
        let mut said = net.recv(end);
        said.sort(); // Answers to pings overtake the others; all else is in one order.
        (said, net.recv(to))
    };
    let whole = run(&mut || bytes.len());
    assert_eq!((whole.0.len(), whole.1.len()), (5, 3), "{whole:?}");
    for first in 1..bytes.len() {
        let mut sizes = [first].into_iter();
        assert_eq!(
            run(&mut || sizes.next().unwrap_or(bytes.len())),
            whole,
            "split at {first}"
        );
    }
    for size in 1..8 {
        assert_eq!(run(&mut || size), whole, "pieces of {size}");
    }
}

#[test]
fn writes_split_anywhere_give_the_same_bytes() {
    let run = |size: usize| {
        let mut net = Net::new();
        let end = net.client(V5, "a");
        net.subscribe(end, "#", Q1);
        net.send(end, Packet::PingReq);
        net.publish(end, message("t", Q1, 1, "a rather longer payload"));
        net.say(end, "u", "");
        let mut bytes = Vec::new();
        if size == 0 {
            // Packet by packet, head and body apart, one byte at a time.
            while let Some(transmit) = net.server.poll_transmit(net.now, end.id) {
                let Body::Bytes(body) = transmit.body else {
                    panic!("no external bytes here")
                };
                bytes.push(*transmit.head.iter().chain(body).next().unwrap());
                net.server.handle_written(net.now, end.id, 1);
            }
            return bytes;
        }
        loop {
            let mut out = vec![0; size];
            let n = net.server.take_transmit(net.now, end.id, &mut out);
            bytes.extend_from_slice(&out[..n]);
            if n == 0 {
                return bytes;
            }
        }
    };
    let whole = run(1_000);
    assert_eq!(decode(V5, &whole).len(), 4);
    for size in 0..40 {
        assert_eq!(run(size), whole, "{size}");
    }
}

#[test]
fn the_same_input_and_seed_give_the_same_output() {
    let run = |seed| {
        let mut net = Net::with(|config| config.seed = seed);
        let (end, said) = net.client_with(connect(V5, ""));
        net.subscribe(end, "#", Q0);
        net.say(end, "t", "x");
        (said, net.recv(end))
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}

/// A transport with so much room.
fn take<'t>(taken: &'t mut Vec<u8>, room: &'t mut usize) -> impl FnMut(&[u8]) -> Written + 't {
    move |bytes| {
        let n = bytes.len().min(*room);
        *room -= n;
        taken.extend_from_slice(&bytes[..n]);
        if n == 0 {
            Written::WouldBlock
        } else {
            Written::Bytes(n)
        }
    }
}

#[test]
fn a_turn_writes_once_for_each_connection_and_a_blocked_one_waits() {
    let mut driver = Driver::new(ServerConfig::default());
    let now = Instant::from_secs(1);
    let ends = ["a", "b"].map(|name| {
        let c = driver.open(now, Peer::default()).unwrap();
        assert!(driver.received(now, c, &encode(V311, Packet::Connect(connect(V311, name)))));
        assert!(driver.received(now, c, &[0x82, 0x06, 0x00, 0x01, 0x00, 0x01, b't', 0x00]));
        c
    });
    let mut dirty: Vec<_> = core::iter::from_fn(|| driver.take_dirty()).collect();
    dirty.sort();
    assert_eq!(dirty, ends);
    for c in ends {
        let mut writes = 0;
        let flushed = driver.flush(now, c, |bytes| {
            writes += 1;
            assert_eq!(
                decode(V311, bytes),
                ["CONNACK session_present=0 code=0", "SUBACK id=1 codes=[0]"]
            );
            Written::Bytes(bytes.len())
        });
        assert_eq!((flushed, writes), (Flushed::Done, 1));
    }
    let payload = "x".repeat(1_000);
    let publish = encode(V311, Packet::Publish(message("t", Q0, 0, &payload)));
    for _ in 0..300 {
        driver.received(now, ends[0], &publish[..10]);
        driver.received(now, ends[0], &publish[10..]);
    }
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    let mut room = [usize::MAX, 1_500];
    let mut all: Vec<_> = core::iter::from_fn(|| driver.take_dirty()).collect();
    while let Some(c) = all.pop() {
        if c == ends[0] {
            assert_eq!(driver.flush(now, c, take(&mut fast, &mut room[0])), Flushed::Done);
        } else {
            assert_eq!(
                driver.flush(now, c, take(&mut slow, &mut room[1])),
                Flushed::Blocked
            );
        }
        all.extend(core::iter::from_fn(|| driver.take_dirty()));
    }
    assert_eq!(decode(V311, &fast).len(), 300);
    assert_eq!(slow.len(), 1_500);
    driver.received(now, ends[0], &publish);
    assert_eq!(
        driver.take_dirty(),
        Some(ends[0]),
        "the blocked one is not offered"
    );
    room[1] = usize::MAX;
    driver.unblock(ends[1]);
    while let Some(c) = driver.take_dirty() {
        assert_eq!(driver.flush(now, c, take(&mut slow, &mut room[1])), Flushed::Done);
    }
    assert_eq!(decode(V311, &slow).len(), 301);
    assert_eq!(driver.flush(now, ends[0], |_| Written::Dead), Flushed::Dead);
    driver.close(now, ends[0]);
    assert_eq!(driver.flush(now, ends[0], |_| unreachable!()), Flushed::Dead);
}

#[test]
fn the_driver_says_when_a_connection_is_to_be_closed_after_its_last_bytes() {
    let mut driver = Driver::new(ServerConfig::default());
    let now = Instant::from_secs(1);
    let c = driver.open(now, Peer::default()).unwrap();
    driver.received(now, c, &encode(V5, Packet::Connect(connect(V5, "a"))));
    driver.received(now, c, &[0x00, 0x00]);
    assert!(!driver.wants_input(c));
    let (mut taken, mut room) = (Vec::new(), usize::MAX);
    assert_eq!(driver.take_dirty(), Some(c));
    assert_eq!(driver.flush(now, c, take(&mut taken, &mut room)), Flushed::Dead);
    assert_eq!(decode(V5, &taken)[1], "DISCONNECT code=0x81");
}

#[test]
fn a_client_that_was_not_read_until_its_pings_were_answered_is_ready_when_it_may_be_read_again() {
    let flood = encode(V311, Packet::PingReq).repeat(70);
    for gathered in [true, false] {
        let mut net = Net::new();
        let end = net.client(V311, "a");
        while net.server.poll_ready().is_some() {}
        let consumed = net.server.handle_input(net.now, end.id, &flood);
        assert!(consumed < flood.len() && !net.server.wants_input(end.id));
        assert_eq!(
            net.server.poll_ready(),
            Some(end.id),
            "there is something to write"
        );
        if gathered {
            net.server.take_transmit(net.now, end.id, &mut [0; 1024]);
        } else {
            while let Some(transmit) = net.server.poll_transmit(net.now, end.id) {
                let n = transmit.len();
                net.server.handle_written(net.now, end.id, n);
            }
        }
        assert!(net.server.wants_input(end.id));
        assert_eq!(net.server.poll_ready(), Some(end.id), "it may be read again");
    }
}

#[test]
fn a_connection_that_is_over_is_given_up_when_its_client_takes_no_bytes_for_too_long() {
    type End = fn(&mut Driver, Instant, ConnId);
    let ends: [(&str, End); 4] = [
        ("silence", |_, _, _| {}),
        ("taken over", |driver, now, _| {
            let other = driver.open(now, Peer::default()).unwrap();
            driver.received(now, other, &encode(V5, Packet::Connect(connect(V5, "slow"))));
        }),
        ("disconnected", |driver, now, c| {
            driver.disconnect(now, c, ReasonCode::ADMINISTRATIVE_ACTION);
        }),
        ("a violation", |driver, now, c| {
            driver.received(now, c, &[0x00, 0x00]);
        }),
    ];
    for (how, end) in ends {
        // Bytes are left in the driver, in the server, or in both.
        for room in [0, 10, 70_000] {
            let mut driver = Driver::new(ServerConfig::default());
            let mut now = Instant::from_secs(1);
            let c = driver.open(now, Peer::default()).unwrap();
            let keep_alive = if how == "silence" { 2 } else { 0 };
            let hello = connect(V5, "slow");
            driver.received(
                now,
                c,
                &encode(
                    V5,
                    Packet::Connect(mqtt_proto::packet::Connect { keep_alive, ..hello }),
                ),
            );
            driver.received(now, c, &[0x82, 0x07, 0x00, 0x01, 0x00, 0x00, 0x01, b't', 0x00]);
            let payload = "x".repeat(200_000);
            driver.received(
                now,
                c,
                &encode(V5, Packet::Publish(message("t", Q0, 0, &payload))),
            );
            let (mut taken, mut room) = (Vec::new(), room);
            assert_eq!(driver.take_dirty(), Some(c));
            assert_eq!(
                driver.flush(now, c, take(&mut taken, &mut room)),
                Flushed::Blocked
            );
            end(&mut driver, now, c);
            let mut dead = false;
            for _ in 0..20 {
                while let Some(dirty) = driver.take_dirty() {
                    let flushed = driver.flush(now, dirty, |_| Written::WouldBlock);
                    dead |= dirty == c && flushed == Flushed::Dead;
                }
                if dead {
                    break;
                }
                now = driver
                    .poll_timeout()
                    .unwrap_or_else(|| panic!("{how}: it stays for ever"));
                driver.handle_timeout(now);
            }
            assert!(dead, "{how}");
            assert!(now <= Instant::from_secs(1 + 3 + 10), "{how}: {now:?}");
            driver.close(now, c);
        }
    }
}

#[test]
fn time_that_goes_back_makes_no_new_connection_late() {
    let mut net = Net::new();
    let old = net.client(V5, "a");
    net.say(old, "t", "x");
    net.now = Instant::from_secs(1);
    let end = net.open(V311);
    net.now = Instant::from_secs(1_001);
    net.server.handle_timeout(net.now);
    net.send(end, Packet::Connect(connect(V311, "b")));
    assert_eq!(net.recv(end), ["CONNACK session_present=0 code=0"]);
}

#[test]
fn what_makes_room_makes_ready() {
    // An acknowledgement: the next message may be sent.
    let mut net = Net::with(|config| config.offer_mut(0).grant.limits.max_in_flight = 1);
    let end = net.client(V311, "a");
    net.subscribe(end, "t", Q2);
    for n in 0..4 {
        net.publish(end, message("t", if n == 0 { Q1 } else { Q2 }, n + 1, "x"));
    }
    let sent = |net: &mut Net| {
        let said = net.recv(end);
        while net.server.poll_ready().is_some() {}
        said.iter().filter(|said| said.starts_with("PUBLISH")).count()
    };
    assert_eq!(sent(&mut net), 1);
    net.puback(end, 1);
    assert_eq!(net.server.poll_ready(), Some(end.id));
    assert_eq!(sent(&mut net), 1);
    net.pubrec(end, 2);
    assert_eq!(sent(&mut net), 0);
    net.pubcomp(end, 2);
    assert_eq!(net.server.poll_ready(), Some(end.id));
    assert_eq!(sent(&mut net), 1);

    // Answers that were taken: the client may be read again.
    let end = net.client(V311, "b");
    let flood = [0x82, 0x06, 0x00, 0x01, 0x00, 0x01, b'u', 0x00].repeat(5_000);
    assert!(net.server.handle_input(net.now, end.id, &flood) < flood.len());
    while net.server.poll_ready().is_some() {}
    let mut out = [0; 5 * 1_000];
    assert_eq!(net.server.take_transmit(net.now, end.id, &mut out), out.len());
    assert!(net.server.wants_input(end.id));
    assert_eq!(net.server.poll_ready(), Some(end.id));
}

/// Flushes until nobody has anything; what this connection was sent.
fn settle(driver: &mut Driver, now: Instant, c: ConnId) -> Vec<u8> {
    let (mut taken, mut room) = (Vec::new(), usize::MAX);
    while let Some(dirty) = driver.take_dirty() {
        assert_eq!(dirty, c);
        let _ = driver.flush(now, c, take(&mut taken, &mut room));
    }
    taken
}

#[test]
fn a_driver_keeps_what_is_incomplete_however_its_reads_are_split() {
    let bytes = conversation();
    let run = |size: usize| {
        let mut driver = Driver::new(ServerConfig::default());
        let now = Instant::from_secs(1);
        let c = driver.open(now, Peer::default()).unwrap();
        for piece in bytes.chunks(size) {
            assert!(driver.received(now, c, piece));
        }
        let mut said = decode(V5, &settle(&mut driver, now, c));
        said.sort();
        said
    };
    let whole = run(bytes.len());
    assert_eq!(whole.len(), 5, "{whole:?}");
    for size in 1..bytes.len() {
        assert_eq!(run(size), whole, "pieces of {size}");
    }
}

#[test]
fn what_there_was_no_room_for_is_taken_as_soon_as_there_is() {
    let mut driver = Driver::new(ServerConfig::default());
    let now = Instant::from_secs(1);
    let c = driver.open(now, Peer::default()).unwrap();
    let mut bytes = encode(V311, Packet::Connect(connect(V311, "a")));
    bytes.extend(encode(V311, Packet::PingReq).repeat(1_000));
    assert!(
        !driver.received(now, c, &bytes),
        "not before the answers are written"
    );
    // Nothing more comes from the client.
    assert_eq!(decode(V311, &settle(&mut driver, now, c)).len(), 1 + 1_000);
    assert!(driver.wants_input(c));
}

#[test]
fn a_new_connection_in_an_old_place_knows_nothing_of_the_old_one_and_is_not_touched_by_its_id() {
    let mut driver = Driver::new(ServerConfig::default());
    let now = Instant::from_secs(1);
    let bytes = encode(V311, Packet::Connect(connect(V311, "a")));
    let (front, back) = bytes.split_at(5);
    let old = driver.open(now, Peer::default()).unwrap();
    assert!(driver.received(now, old, front));
    driver.close(now, old);
    let new = driver.open(now, Peer::default()).unwrap();
    assert_eq!(old.index(), new.index());
    assert!(driver.received(now, new, front));
    assert!(!driver.received(now, old, back));
    driver.unblock(old);
    driver.close(now, old);
    assert_eq!(driver.flush(now, old, |_| unreachable!()), Flushed::Dead);
    assert_eq!(driver.take_dirty(), None);
    assert!(driver.received(now, new, back));
    assert_eq!(
        decode(V311, &settle(&mut driver, now, new)),
        ["CONNACK session_present=0 code=0"]
    );
}

#[test]
fn a_blocked_connection_is_not_dirty_until_its_transport_takes_bytes_again() {
    let mut driver = Driver::new(ServerConfig::default());
    let now = Instant::from_secs(1);
    let c = driver.open(now, Peer::default()).unwrap();
    driver.received(now, c, &encode(V311, Packet::Connect(connect(V311, "a"))));
    assert_eq!(driver.take_dirty(), Some(c));
    assert_eq!(driver.flush(now, c, |_| Written::WouldBlock), Flushed::Blocked);
    driver.received(now, c, &encode(V311, Packet::PingReq));
    assert_eq!(driver.take_dirty(), None, "there would be something to write");
    driver.unblock(c);
    assert_eq!(decode(V311, &settle(&mut driver, now, c)).len(), 2);
}

#[test]
fn a_broker_ignores_an_id_that_is_gone_even_if_its_place_is_taken_again() {
    use mqtt_session::server::{Broker, Pace, Reply, Request};
    let mut broker = Broker::new(ServerConfig::default());
    let now = Instant::from_secs(1);
    let old = broker.open(Peer::default()).unwrap();
    let _ = broker.handle_request(now, old, Request::Lost);
    let new = broker.open(Peer::default()).unwrap();
    assert_eq!(old.index(), new.index());
    let asked = || Request::Connect(connect(V5, "a"));
    assert_eq!(broker.handle_request(now, old, asked()), Pace::Go);
    assert!(broker.is_over(old) && broker.peer(old).is_none());
    assert!(broker.poll_reply(now, old).is_none());
    let _ = broker.handle_request(now, new, asked());
    assert!(broker.poll_reply(now, old).is_none());
    let _ = broker.handle_request(now, old, Request::Lost);
    broker.disconnect_client(now, old, ReasonCode::SERVER_SHUTTING_DOWN);
    assert!(!broker.is_over(new));
    assert!(matches!(broker.poll_reply(now, new), Some(Reply::Accept(_))));
}

#[test]
fn what_comes_behind_disconnect_is_taken_whatever_it_is_and_means_nothing_5_0_3_14_4() {
    let publish = encode(V5, Packet::Publish(message("t", Q0, 0, "x")));
    for len in 0..=publish.len() {
        let mut net = Net::new();
        let to = net.client(V5, "s");
        net.subscribe(to, "t", Q0);
        let end = net.client(V5, "a");
        let mut bytes = encode(
            V5,
            Packet::Disconnect(mqtt_proto::packet::Disconnect::new(ReasonCode::SUCCESS)),
        );
        bytes.extend_from_slice(&publish[..len]);
        assert_eq!(net.server.handle_input(net.now, end.id, &bytes), bytes.len());
        assert_eq!(net.recv(end), ["close"]);
        assert_eq!(net.recv(to), [""; 0], "{len}");
    }
}
