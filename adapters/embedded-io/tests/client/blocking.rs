//! Over `embedded-io`, in a main loop.

use mqtt_embedded_io::{
    Error,
    blocking::{Client, WritesMayWait},
};
use mqtt_proto::{Properties, QoS, ReasonCode, Version, packet::Disconnect};
use mqtt_session::{
    Instant,
    storage::{Fixed, Storage},
};

use crate::{
    config, filter, options, publish,
    world::{Cut, End, World, told},
};

fn next<S: Storage, T>(world: &World, client: &mut Client<'_, '_, S, T>) -> Result<String, Error<Cut>>
where
    T: embedded_io::Read<Error = Cut> + embedded_io::ReadReady + embedded_io::Write + embedded_io::WriteReady,
{
    for _ in 0..100_000 {
        if let Some(event) = client.poll_once(world.now())?.as_ref().map(told) {
            return Ok(event);
        }
        world.serve();
    }
    panic!("no event");
}

fn connect<'a, 'b, const BYTES: usize>(
    world: &World,
    session: &'a mut mqtt_session::Client<Fixed<4, BYTES>>,
    end: &End,
    version: Version,
    buffers: (&'b mut [u8], &'b mut [u8]),
) -> Client<'a, 'b, Fixed<4, BYTES>, End> {
    let options = options(version, true);
    Client::connect(session, end.clone(), buffers.0, buffers.1, world.now(), &options).unwrap()
}

#[test]
fn every_version_talks_over_every_link_in_a_main_loop() {
    for version in Version::ALL {
        for (room, piece, tx) in [(4_096, 4_096, 128), (4_096, 1, 128), (7, 3, 16), (1, 1, 8)] {
            let world = World::new();
            let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
            let (mut rx, mut tx) = ([0; 256], vec![0; tx]);
            let end = world.dial(room, piece);
            let mut client = connect(&world, &mut session, &end, version, (&mut rx, &mut tx));
            assert_eq!(next(&world, &mut client).unwrap(), "connected false");
            client.subscribe(&[filter("t/#")], Properties::EMPTY).unwrap();
            assert_eq!(next(&world, &mut client).unwrap(), "subscribed [2]");
            let mut expected = Vec::new();
            for qos in QoS::ALL {
                client.publish(&publish("t/x", qos), b"hello").unwrap();
                expected.push(format!("message t/x {} hello", qos as u8));
                expected.push(if qos == QoS::AtMostOnce {
                    "written".into()
                } else {
                    "acknowledged 0x0".to_string()
                });
            }
            let mut seen: Vec<_> = expected
                .iter()
                .map(|_| next(&world, &mut client).unwrap())
                .collect();
            seen.sort();
            expected.sort();
            assert_eq!(seen, expected, "{version:?}");
            client
                .disconnect(&Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
                .unwrap();
            assert_eq!(next(&world, &mut client).unwrap(), "closed Client 0x0");
            assert_eq!(next(&world, &mut client), Err(Error::Closed));
            assert!(end.written().ends_with(&[0xE0, 0]));
        }
    }
}

#[test]
fn reading_goes_on_while_the_transport_takes_nothing() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let (mut rx, mut tx) = ([0; 256], [0; 16]);
    let end = world.dial_nobody(20);
    let mut client = connect(&world, &mut session, &end, Version::V311, (&mut rx, &mut tx));
    client
        .publish(&publish("t", QoS::AtLeastOnce), &[b'x'; 100])
        .unwrap();
    end.inject(&[0x20, 2, 0, 0]);
    assert_eq!(next(&world, &mut client).unwrap(), "connected false");
    for _ in 0..50 {
        end.inject(&[0x30, 4, 0, 1, b't', b'!']);
        assert_eq!(next(&world, &mut client).unwrap(), "message t 0 !");
    }
    assert_eq!(end.written().len(), 20);
}

#[test]
fn a_failing_transport_is_closed_and_then_its_error() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let (mut rx, mut tx) = ([0; 256], [0; 64]);
    let end = world.dial(256, 256);
    let mut client = connect(&world, &mut session, &end, Version::V5, (&mut rx, &mut tx));
    assert_eq!(next(&world, &mut client).unwrap(), "connected false");
    end.cut();
    assert_eq!(next(&world, &mut client).unwrap(), "closed Transport");
    assert_eq!(next(&world, &mut client), Err(Error::Read(Cut)));
    assert_eq!(next(&world, &mut client), Err(Error::Closed));
}

#[test]
fn abort_writes_nothing_more_not_even_what_was_taken_and_is_told_once() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let (mut rx, mut tx) = ([0; 256], [0; 64]);
    let end = world.dial(7, 3);
    let mut client = connect(&world, &mut session, &end, Version::V5, (&mut rx, &mut tx));
    assert_eq!(next(&world, &mut client).unwrap(), "connected false");
    client
        .publish(&publish("t", QoS::AtLeastOnce), b"half of this")
        .unwrap();
    assert!(client.poll_once(world.now()).unwrap().is_none());
    let written = end.written().len();
    client.abort();
    client.abort();
    assert_eq!(next(&world, &mut client).unwrap(), "closed Client");
    assert_eq!(next(&world, &mut client), Err(Error::Closed));
    assert_eq!(end.written().len(), written);
}

#[test]
fn a_main_loop_that_obeys_poll_timeout_keeps_the_connection_alive() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let (mut rx, mut tx) = ([0; 256], [0; 64]);
    let end = world.dial(256, 256);
    let mut client = connect(&world, &mut session, &end, Version::V311, (&mut rx, &mut tx));
    assert_eq!(next(&world, &mut client).unwrap(), "connected false");
    let begin = world.now();
    while world.now() < begin + core::time::Duration::from_secs(600) {
        let deadline: Instant = client.poll_timeout().unwrap();
        world.sleep(deadline.saturating_duration_since(world.now()));
        for _ in 0..3 {
            assert!(client.poll_once(world.now()).unwrap().is_none());
            world.serve();
        }
    }
    let pings = end.written().windows(2).filter(|two| *two == [0xC0, 0]).count();
    assert_eq!(pings, 10);
}

#[test]
fn a_stream_that_cannot_tell_whether_it_takes_bytes_is_asked_to() {
    let world = World::new();
    let mut session = mqtt_session::Client::new(config(), Fixed::<4, 256>::new());
    let (mut rx, mut tx) = ([0; 256], [0; 64]);
    let stream = WritesMayWait(world.dial(256, 256));
    let options = options(Version::V5, true);
    let mut client = Client::connect(&mut session, stream, &mut rx, &mut tx, world.now(), &options).unwrap();
    assert_eq!(next(&world, &mut client).unwrap(), "connected false");
    client.publish(&publish("t", QoS::ExactlyOnce), b"x").unwrap();
    assert_eq!(next(&world, &mut client).unwrap(), "acknowledged 0x0");
}
