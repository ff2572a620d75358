//! Over `embedded-io-async`.

use core::{pin::pin, task::Poll, time::Duration};

use mqtt_embedded_io::{Client, Error, Link};
use mqtt_proto::{Properties, QoS, ReasonCode, Version, packet::Disconnect};
use mqtt_session::{
    Instant, Payload,
    storage::{ArrivalSlot, Borrowed, Fixed, Slot, Storage},
};

use crate::{
    config, filter, options, publish,
    world::{Cut, Delay, End, World, told},
};

/// How a test calls `next`.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Calls {
    /// Until it is ready.
    Awaited,
    /// Every call is dropped after it was polled once, and there is another one.
    Dropped,
}

fn next<S: Storage, N: FnMut() -> Instant>(
    world: &World,
    calls: Calls,
    client: &mut Client<'_, '_, S, Cut, Delay, N>,
) -> Result<String, Error<Cut>> {
    match calls {
        Calls::Awaited => world.run(async { client.next().await.map(|event| told(&event)) }),
        Calls::Dropped => loop {
            let call = pin!(async { client.next().await.map(|event| told(&event)) });
            if let Poll::Ready(event) = world.poll(call) {
                return event;
            }
            world.advance();
        },
    }
}

/// A conversation that uses all there is, on one link.
fn converse<S: Storage>(
    world: &World,
    calls: Calls,
    version: Version,
    session: &mut mqtt_session::Client<S>,
    end: &End,
    tx: &mut [u8],
) {
    let mut rx = [0; 256];
    let link = Link::new(&mut rx, tx);
    let carried = pin!(link.carry(end.clone(), end.clone()));
    let now = || world.now();
    let mut client = Client::connect(
        session,
        &link,
        carried,
        world.delay(),
        now,
        &options(version, true),
    )
    .unwrap();
    assert_eq!(next(world, calls, &mut client).unwrap(), "connected false");
    client.subscribe(&[filter("t/#")], Properties::EMPTY).unwrap();
    assert_eq!(next(world, calls, &mut client).unwrap(), "subscribed [2]");
    for round in 0..3 {
        let mut expected = Vec::new();
        for qos in QoS::ALL {
            client.publish(&publish("t/x", qos), b"hello, world").unwrap();
            expected.push(format!("message t/x {} hello, world", qos as u8));
            expected.push(if qos == QoS::AtMostOnce {
                "written".into()
            } else {
                "acknowledged 0x0".to_string()
            });
        }
        let mut seen: Vec<_> = expected
            .iter()
            .map(|_| next(world, calls, &mut client).unwrap())
            .collect();
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected, "{version:?} {calls:?} round {round}");
    }
    client.ping().unwrap();
    assert_eq!(next(world, calls, &mut client).unwrap(), "ponged");
    client
        .disconnect(&Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
        .unwrap();
    assert_eq!(next(world, calls, &mut client).unwrap(), "closed Client 0x0");
    assert_eq!(next(world, calls, &mut client), Err(Error::Closed));
    assert_eq!(next(world, calls, &mut client), Err(Error::Closed));
    assert!(
        end.written().ends_with(&[0xE0, 0]),
        "DISCONNECT is the last that is written"
    );
}

#[test]
fn every_version_talks_over_every_link_whether_calls_of_next_are_awaited_or_dropped() {
    for version in Version::ALL {
        for calls in [Calls::Awaited, Calls::Dropped] {
            for (room, piece, tx) in [(4_096, 4_096, 128), (4_096, 1, 128), (7, 3, 16), (1, 1, 8)] {
                let world = World::new();
                let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
                let end = world.dial(room, piece);
                converse(&world, calls, version, &mut session, &end, &mut vec![0; tx]);
            }
        }
    }
}

#[test]
fn a_session_in_borrowed_memory_serves_one_connection_after_the_other() {
    let world = World::new();
    let (mut slots, mut arrivals, mut bytes) = ([Slot::EMPTY; 5], [ArrivalSlot::EMPTY; 3], [0; 256]);
    let storage = Borrowed::new(&mut slots, &mut arrivals, &mut bytes);
    let mut session = mqtt_session::Client::new(config(), storage);
    for version in Version::ALL {
        let end = world.dial(64, 64);
        converse(&world, Calls::Awaited, version, &mut session, &end, &mut [0; 64]);
    }
}

#[test]
fn what_was_in_flight_on_a_lost_link_arrives_once_on_the_next() {
    let expected = ["acknowledged 0x0", "message t 2 once"];
    for version in Version::ALL {
        // The link is lost after each number of bytes that the client writes.
        for after in 0.. {
            let world = World::new();
            let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
            let (mut rx, mut tx) = ([0; 256], [0; 64]);
            let mut seen = Vec::new();
            let whole = {
                let link = Link::new(&mut rx, &mut tx);
                let end = world.dial(1, 1);
                let carried = pin!(link.carry(end.clone(), end.clone()));
                let options = options(version, false);
                let mut client = Client::connect(
                    &mut session,
                    &link,
                    carried,
                    world.delay(),
                    || world.now(),
                    &options,
                )
                .unwrap();
                let mut begun = false;
                while end.written().len() < after && seen.len() < 2 {
                    let polled = {
                        let call = pin!(async { client.next().await.map(|event| told(&event)) });
                        world.poll(call)
                    };
                    match polled {
                        Poll::Ready(event) => match event.unwrap().as_str() {
                            "connected false" => {
                                _ = client.subscribe(&[filter("t")], Properties::EMPTY).unwrap()
                            }
                            "subscribed [2]" => {
                                client.publish(&publish("t", QoS::ExactlyOnce), b"once").unwrap();
                                begun = true;
                            }
                            event => seen.push(event.to_string()),
                        },
                        Poll::Pending => world.advance(),
                    }
                }
                if !begun {
                    // Before there is a message, nothing can happen to it.
                    continue;
                }
                end.cut();
                while let Ok(event) = next(&world, Calls::Awaited, &mut client) {
                    if !event.starts_with("closed") {
                        seen.push(event);
                    }
                }
                seen.len() == 2 && end.written().len() < after
            };
            let link = Link::new(&mut rx, &mut tx);
            let end = world.dial(64, 64);
            let carried = pin!(link.carry(end.clone(), end.clone()));
            let options = options(version, false);
            let mut client = Client::connect(
                &mut session,
                &link,
                carried,
                world.delay(),
                || world.now(),
                &options,
            )
            .unwrap();
            assert_eq!(
                next(&world, Calls::Dropped, &mut client).unwrap(),
                "connected true"
            );
            // Whatever is still to come has come before the answer to this.
            client.ping().unwrap();
            let mut ponged = false;
            while !ponged || seen.len() < 2 {
                let event = next(&world, Calls::Dropped, &mut client).unwrap();
                if event == "ponged" {
                    ponged = true
                } else {
                    seen.push(event)
                }
            }
            client.ping().unwrap();
            assert_eq!(next(&world, Calls::Dropped, &mut client).unwrap(), "ponged");
            seen.sort();
            // A server that has forgotten the id when PUBREL comes again says so (5.0, 4.3.3 and 3.7.2.1).
            if version == Version::V5 && seen[0] == "acknowledged 0x92" {
                seen[0] = expected[0].into();
            }
            assert_eq!(seen, expected, "{version:?} cut after {after} bytes");
            if whole {
                break;
            }
        }
    }
}

#[test]
fn reading_does_not_wait_for_a_writer_that_is_stalled_and_nothing_spins() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let (mut rx, mut tx) = ([0; 256], [0; 16]);
    let link = Link::new(&mut rx, &mut tx);
    let end = world.dial_nobody(32);
    let carried = pin!(link.carry(end.clone(), end.clone()));
    let mut options = options(Version::V311, true);
    options.keep_alive = 0;
    let mut client = Client::connect(
        &mut session,
        &link,
        carried,
        world.delay(),
        || world.now(),
        &options,
    )
    .unwrap();
    // More than the link takes; CONNECT and a part of this are all that gets out.
    client
        .publish(&publish("t", QoS::AtLeastOnce), &[b'x'; 100])
        .unwrap();
    end.inject(&[0x20, 2, 0, 0]);
    assert_eq!(
        next(&world, Calls::Awaited, &mut client).unwrap(),
        "connected false"
    );
    for n in 0..100 {
        end.inject(&[0x30, 4, 0, 1, b't', b'0' + n % 10]);
        assert_eq!(
            next(&world, Calls::Awaited, &mut client).unwrap(),
            format!("message t 0 {}", n % 10)
        );
    }
    assert_eq!(end.written().len(), 32);
    world.take_polls();
    client.ping().unwrap();
    let mut call = pin!(client.next());
    for _ in 0..3 {
        assert!(world.poll(call.as_mut()).is_pending());
    }
    assert_eq!(world.take_polls(), 3, "a poll of a stalled client comes to rest");
}

#[test]
fn both_ends_publish_four_mebibytes_at_once_over_a_link_that_holds_four_kibibytes() {
    const SIZE: usize = 4 << 20;
    let world = World::new();
    let mut config = config();
    config.receive_buffer = SIZE as u32 + 16;
    let mut session = mqtt_session::Client::new(config, Fixed::<4, 256>::new());
    let (mut rx, mut tx) = (vec![0; SIZE + 16], [0; 512]);
    let link = Link::new(&mut rx, &mut tx);
    let end = world.dial_nobody(4 << 10);
    let carried = pin!(link.carry(end.clone(), end.clone()));
    let mut source = |_, _, out: &mut [u8]| {
        out.fill(b'x');
        out.len()
    };
    let options = options(Version::V311, true);
    let mut client = Client::connect(
        &mut session,
        &link,
        carried,
        world.delay(),
        || world.now(),
        &options,
    )
    .unwrap();
    client.set_payload_source(&mut source);
    client
        .publish(&publish("t", QoS::AtMostOnce), Payload::External(SIZE as u32))
        .unwrap();
    // CONNACK and a message; the server does not read before it has written all of it.
    let mut message = b"\x20\x02\0\0\x30\x83\x80\x80\x02\0\x01t".to_vec();
    message.resize(message.len() + SIZE, b'y');
    let (mut offered, mut polls, mut seen) = (0, 0, Vec::new());
    while seen.len() < 3 {
        polls += 1;
        offered += end.offer(&message[offered..]);
        if offered == message.len() {
            end.read_up();
        }
        let next = pin!(async { client.next().await.map(|event| told(&event).len()) });
        if let Poll::Ready(event) = world.poll(next) {
            seen.push(event.unwrap());
        }
    }
    assert_eq!(
        seen,
        [
            "connected false".len(),
            "message t 0 ".len() + SIZE,
            "written".len()
        ]
    );
    assert!(polls < 60_000, "{polls} polls for 1,024 pieces in and 8,192 out");
}

#[test]
fn a_payload_that_never_enters_memory_is_written_in_pieces_of_the_smallest_buffer() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 80>::new());
    let (mut rx, mut tx) = ([0; 256], [0; 8]);
    let link = Link::new(&mut rx, &mut tx);
    let end = world.dial_nobody(1 << 20);
    let carried = pin!(link.carry(end.clone(), end.clone()));
    let mut source = |_, offset: u32, out: &mut [u8]| {
        for (at, place) in (offset..).zip(out.iter_mut()) {
            *place = (at % 251) as u8;
        }
        out.len()
    };
    let options = options(Version::V5, true);
    let mut client = Client::connect(
        &mut session,
        &link,
        carried,
        world.delay(),
        || world.now(),
        &options,
    )
    .unwrap();
    client.set_payload_source(&mut source);
    client
        .publish(&publish("image", QoS::AtMostOnce), Payload::External(100_000))
        .unwrap();
    end.inject(&[0x20, 3, 0, 0, 0]);
    assert_eq!(
        next(&world, Calls::Dropped, &mut client).unwrap(),
        "connected false"
    );
    assert_eq!(next(&world, Calls::Dropped, &mut client).unwrap(), "written");
    assert!(
        client
            .disconnect(&Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
            .is_ok()
    );
    assert_eq!(
        next(&world, Calls::Dropped, &mut client).unwrap(),
        "closed Client 0x0"
    );
    end.cut();
    let written = end.written();
    let payload: Vec<_> = (0..100_000u32).map(|at| (at % 251) as u8).collect();
    assert!(written.windows(payload.len()).any(|part| part == payload));
}

#[test]
fn an_external_payload_without_a_source_ends_the_connection_and_says_why() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 80>::new());
    let (mut rx, mut tx) = ([0; 256], [0; 64]);
    let link = Link::new(&mut rx, &mut tx);
    let end = world.dial(256, 256);
    let carried = pin!(link.carry(end.clone(), end));
    let options = options(Version::V5, true);
    let mut client = Client::connect(
        &mut session,
        &link,
        carried,
        world.delay(),
        || world.now(),
        &options,
    )
    .unwrap();
    client
        .publish(&publish("image", QoS::AtMostOnce), Payload::External(10))
        .unwrap();
    assert_eq!(
        next(&world, Calls::Awaited, &mut client).unwrap(),
        "connected false"
    );
    assert_eq!(
        next(&world, Calls::Awaited, &mut client).unwrap(),
        "closed Transport"
    );
    assert_eq!(next(&world, Calls::Awaited, &mut client), Err(Error::NoPayload));
}

#[test]
fn a_transport_that_fails_is_told_as_closed_and_then_as_its_error() {
    for calls in [Calls::Awaited, Calls::Dropped] {
        let world = World::new();
        let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
        let (mut rx, mut tx) = ([0; 256], [0; 64]);
        let link = Link::new(&mut rx, &mut tx);
        let end = world.dial(256, 256);
        let carried = pin!(link.carry(end.clone(), end.clone()));
        let options = options(Version::V5, true);
        let mut client = Client::connect(
            &mut session,
            &link,
            carried,
            world.delay(),
            || world.now(),
            &options,
        )
        .unwrap();
        assert_eq!(next(&world, calls, &mut client).unwrap(), "connected false");
        client.subscribe(&[filter("t")], Properties::EMPTY).unwrap();
        end.cut();
        assert_eq!(
            next(&world, calls, &mut client).unwrap(),
            "aborted ConnectionLost"
        );
        assert_eq!(next(&world, calls, &mut client).unwrap(), "closed Transport");
        assert_eq!(next(&world, calls, &mut client), Err(Error::Read(Cut)));
        assert_eq!(next(&world, calls, &mut client), Err(Error::Closed));
    }
}

#[test]
fn a_client_that_breaks_off_leaves_a_session_whose_events_must_be_taken_before_the_next() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let options = options(Version::V5, true);
    let (mut rx, mut tx) = ([0; 256], [0; 64]);
    {
        let link = Link::new(&mut rx, &mut tx);
        let end = world.dial(256, 256);
        let carried = pin!(link.carry(end.clone(), end));
        let mut client = Client::connect(
            &mut session,
            &link,
            carried,
            world.delay(),
            || world.now(),
            &options,
        )
        .unwrap();
        assert_eq!(
            next(&world, Calls::Awaited, &mut client).unwrap(),
            "connected false"
        );
        client.subscribe(&[filter("t")], Properties::EMPTY).unwrap();
    }
    let link = Link::new(&mut rx, &mut tx);
    let end = world.dial(256, 256);
    let carried = pin!(link.carry(end.clone(), end.clone()));
    let refused = Client::connect(
        &mut session,
        &link,
        carried,
        world.delay(),
        || world.now(),
        &options,
    );
    assert_eq!(refused.map(|_| ()).unwrap_err(), Error::EventsWaiting);
    let mut events = Vec::new();
    while let Some(event) = session.handle_timeout(world.now()).event {
        events.push(told(&event));
    }
    assert_eq!(events, ["aborted ConnectionLost", "closed Transport"]);
    let carried = pin!(link.carry(end.clone(), end.clone()));
    let refused = Client::connect(
        &mut session,
        &link,
        carried,
        world.delay(),
        || world.now(),
        &options,
    );
    assert_eq!(refused.map(|_| ()).unwrap_err(), Error::LinkUsed);
    converse(
        &world,
        Calls::Awaited,
        Version::V5,
        &mut session,
        &end,
        &mut [0; 64],
    );
}

#[test]
fn buffers_that_are_smaller_than_announced_are_refused() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    for (rx, tx) in [(255, 64), (256, 7)] {
        let (mut rx, mut tx) = (vec![0; rx], vec![0; tx]);
        let link = Link::new(&mut rx, &mut tx);
        let end = world.dial_nobody(1);
        let carried = pin!(link.carry(end.clone(), end));
        let options = options(Version::V5, true);
        let refused = Client::connect(
            &mut session,
            &link,
            carried,
            world.delay(),
            || world.now(),
            &options,
        );
        assert_eq!(refused.map(|_| ()).unwrap_err(), Error::BufferTooSmall);
    }
}

#[test]
fn a_quiet_connection_is_kept_alive_and_a_dead_one_is_noticed() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let (mut rx, mut tx) = ([0; 256], [0; 64]);
    let link = Link::new(&mut rx, &mut tx);
    let end = world.dial(256, 256);
    let carried = pin!(link.carry(end.clone(), end.clone()));
    let options = options(Version::V311, true);
    let mut client = Client::connect(
        &mut session,
        &link,
        carried,
        world.delay(),
        || world.now(),
        &options,
    )
    .unwrap();
    assert_eq!(
        next(&world, Calls::Awaited, &mut client).unwrap(),
        "connected false"
    );
    let begin = world.now();
    {
        let mut call = pin!(client.next());
        while world.now() < begin + Duration::from_secs(3_600) {
            assert!(world.poll(call.as_mut()).is_pending());
            world.advance();
        }
    }
    let pings = end.written().windows(2).filter(|two| *two == [0xC0, 0]).count();
    assert!(
        (59..=61).contains(&pings),
        "{pings} in an hour, with a keep-alive of a minute"
    );
    end.stall(true);
    let stalled = world.now();
    assert_eq!(
        next(&world, Calls::Awaited, &mut client).unwrap(),
        "closed Client 0x8d"
    );
    assert!(world.now() <= stalled + Duration::from_secs(60 + 20));
}

#[test]
fn an_answer_that_waits_in_the_transport_while_the_caller_is_away_is_not_late() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let (mut rx, mut tx) = ([0; 256], [0; 64]);
    let link = Link::new(&mut rx, &mut tx);
    let end = world.dial(256, 256);
    end.be_prompt();
    let carried = pin!(link.carry(end.clone(), end));
    let options = options(Version::V5, true);
    let mut client = Client::connect(
        &mut session,
        &link,
        carried,
        world.delay(),
        || world.now(),
        &options,
    )
    .unwrap();
    assert_eq!(
        next(&world, Calls::Awaited, &mut client).unwrap(),
        "connected false"
    );
    client.ping().unwrap();
    {
        let mut call = pin!(client.next());
        for _ in 0..4 {
            assert!(world.poll(call.as_mut()).is_pending());
        }
    }
    world.serve();
    world.sleep(Duration::from_secs(80));
    client.publish(&publish("t", QoS::AtLeastOnce), b"back").unwrap();
    assert_eq!(next(&world, Calls::Dropped, &mut client).unwrap(), "ponged");
    assert_eq!(
        next(&world, Calls::Dropped, &mut client).unwrap(),
        "acknowledged 0x10"
    );
}

#[test]
fn the_last_words_to_a_server_that_breaks_a_rule_are_written_before_closed_is_told() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let (mut rx, mut tx) = ([0; 256], [0; 64]);
    let link = Link::new(&mut rx, &mut tx);
    let end = world.dial_nobody(256);
    let carried = pin!(link.carry(end.clone(), end.clone()));
    let options = options(Version::V5, true);
    let mut client = Client::connect(
        &mut session,
        &link,
        carried,
        world.delay(),
        || world.now(),
        &options,
    )
    .unwrap();
    end.inject(&[0x20, 3, 0, 0, 0]);
    assert_eq!(
        next(&world, Calls::Awaited, &mut client).unwrap(),
        "connected false"
    );
    // PUBACK for nothing that was published is allowed; a second CONNACK is not.
    end.inject(&[0x20, 3, 0, 0, 0]);
    assert_eq!(
        next(&world, Calls::Awaited, &mut client).unwrap(),
        "closed Client 0x82"
    );
    assert!(end.written().ends_with(&[0xE0, 1, 0x82]));
    assert_eq!(next(&world, Calls::Awaited, &mut client), Err(Error::Closed));
}

#[test]
fn a_transport_that_does_not_take_the_last_words_gets_the_time_to_close() {
    for calls in [Calls::Awaited, Calls::Dropped] {
        let world = World::new();
        let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
        let (mut rx, mut tx) = ([0; 256], [0; 64]);
        let link = Link::new(&mut rx, &mut tx);
        // CONNECT fills it.
        let end = world.dial_nobody(21);
        let carried = pin!(link.carry(end.clone(), end.clone()));
        let options = options(Version::V311, true);
        let mut client = Client::connect(
            &mut session,
            &link,
            carried,
            world.delay(),
            || world.now(),
            &options,
        )
        .unwrap();
        end.inject(&[0x20, 2, 0, 0]);
        assert_eq!(next(&world, calls, &mut client).unwrap(), "connected false");
        let begin = world.now();
        client
            .disconnect(&Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
            .unwrap();
        assert_eq!(next(&world, calls, &mut client).unwrap(), "closed Client 0x0");
        assert_eq!(world.now(), begin + config().close_timeout);
        assert_eq!(next(&world, calls, &mut client), Err(Error::Closed));
    }
}

#[test]
fn a_connection_that_ends_while_a_write_is_stalled_still_ends() {
    for ended_by_server in [true, false] {
        let world = World::new();
        let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
        let (mut rx, mut tx) = ([0; 256], [0; 16]);
        let link = Link::new(&mut rx, &mut tx);
        let end = world.dial_nobody(40);
        let carried = pin!(link.carry(end.clone(), end.clone()));
        let options = options(Version::V5, true);
        let mut client = Client::connect(
            &mut session,
            &link,
            carried,
            world.delay(),
            || world.now(),
            &options,
        )
        .unwrap();
        client
            .publish(&publish("t", QoS::AtLeastOnce), &[b'x'; 100])
            .unwrap();
        end.inject(&[0x20, 3, 0, 0, 0]);
        assert_eq!(
            next(&world, Calls::Awaited, &mut client).unwrap(),
            "connected false"
        );
        world.take_polls();
        let begin = world.now();
        let closed = if ended_by_server {
            // A second CONNACK, which no server may send.
            end.inject(&[0x20, 3, 0, 0, 0]);
            "closed Client 0x82"
        } else {
            client
                .disconnect(&Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
                .unwrap();
            "closed Client 0x0"
        };
        assert_eq!(next(&world, Calls::Awaited, &mut client).unwrap(), closed);
        assert!(world.now() <= begin + Duration::from_secs(60));
        assert!(
            world.take_polls() < 50,
            "it waits, and does not ask again and again"
        );
        assert_eq!(next(&world, Calls::Awaited, &mut client), Err(Error::Closed));
    }
}
