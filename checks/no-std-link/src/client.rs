//! The client machine, in memory of its own and in memory that is lent to it, against constant bytes of a server.

use mqtt_proto::{Properties, QoS, TopicName, Version, packet::Connect};
use mqtt_session::{
    Body, Client, Config, Event, Instant, Publish,
    client::Outcome,
    storage::{ArrivalSlot, Borrowed, Fixed, Slot, Storage},
};

/// CONNACK, PUBACK 1, and a QoS 1 message "21.5" of `t` with packet id 7, all of 3.1.1.
pub(crate) const FROM_SERVER: &[u8] = b"\x20\x02\0\0\x40\x02\0\x01\x32\x09\0\x01t\0\x0721.5";

/// CONNECT, a QoS 1 message "on" to `t` with packet id 1, and PUBACK 7.
pub(crate) const FROM_CLIENT: &[u8] =
    b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c\x32\x07\0\x01t\0\x01on\x40\x02\0\x07";

pub(crate) const CONNECT: Connect<'_> = Connect {
    version: Version::V311,
    clean_start: true,
    keep_alive: 60,
    client_id: "c",
    will: None,
    user_name: None,
    password: None,
    properties: Properties::EMPTY,
};

pub(crate) const fn config() -> Config {
    let mut config = Config::DEFAULT;
    config.receive_buffer = 64;
    config
}

pub(crate) fn message() -> Option<Publish<'static>> {
    Some(Publish::new(TopicName::new("t").ok()?, QoS::AtLeastOnce))
}

/// Connects, publishes and receives with both kinds of storage.
pub(crate) fn run() -> bool {
    let (mut slots, mut arrivals, mut bytes) = ([Slot::EMPTY; 3], [ArrivalSlot::EMPTY; 2], [0; 128]);
    let borrowed = Borrowed::new(&mut slots, &mut arrivals, &mut bytes);
    talk(Fixed::<4, 256>::new()) == Some(()) && talk(borrowed) == Some(())
}

fn talk(storage: impl Storage) -> Option<()> {
    let now = Instant::from_secs(1);
    let mut client = Client::new(config(), storage);
    let (mut written, mut len) = ([0; 64], 0);
    client.connect(now, &CONNECT).ok()?;
    client.publish(now, &message()?, b"on").ok()?;
    len += write(&mut client, now, written.get_mut(len..)?);

    let (mut rest, mut seen) = (FROM_SERVER, 0);
    loop {
        let handled = client.handle_input(now, rest);
        rest = rest.get(handled.consumed..)?;
        match (seen, handled.event) {
            (0, Some(Event::Connected(_))) => len += write(&mut client, now, written.get_mut(len..)?),
            (
                1,
                Some(Event::Completed {
                    outcome: Outcome::Acknowledged { .. },
                    ..
                }),
            ) => {}
            (2, Some(Event::Message(message))) if message.payload == b"21.5" => {}
            (3, None) => break,
            _ => return None,
        }
        seen += 1;
    }
    len += write(&mut client, now, written.get_mut(len..)?);
    (rest.is_empty() && written.get(..len)? == FROM_CLIENT).then_some(())
}

/// Copies all that is to be sent.
fn write(client: &mut Client<impl Storage>, now: Instant, out: &mut [u8]) -> usize {
    let mut len = 0;
    while let Some(transmit) = client.poll_transmit() {
        let Body::Bytes(body) = transmit.body else { break };
        let bytes = transmit.head.iter().chain(body);
        let n = out
            .iter_mut()
            .skip(len)
            .zip(bytes)
            .map(|(place, byte)| *place = *byte)
            .count();
        client.handle_written(now, n);
        len += n;
    }
    len
}
