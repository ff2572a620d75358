//! A client's loop by hand: no adapter, no runtime, no thread. It subscribes, publishes one message, shows what
//! comes back, and leaves. Start a broker, then: `cargo run --example client_loop --features alloc -- 127.0.0.1:1883`
#![allow(clippy::disallowed_types, reason = "whoever drives the machine has a clock")]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "other events are shown, whatever they are"
)]

use core::{error::Error, time::Duration};
use std::{
    env,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Instant as Time,
};

use mqtt_proto::{
    Properties, QoS, ReasonCode, TopicFilter, TopicName, Version,
    packet::{Disconnect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Body, Client, Config, ConnectOptions, Event, Instant, Publish, ReceiveBuffer, storage::Heap,
};

fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1883".into());
    let mut socket = TcpStream::connect(address)?;
    // How long a read waits at most: the loop comes around so often, and notices deadlines.
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let start = Time::now();
    let now = || Instant::ZERO + start.elapsed();

    let mut client = Client::new(Config::DEFAULT, Heap::new());
    let mut rx = ReceiveBuffer::new(vec![0; client.config().receive_buffer as usize]);
    client.connect(now(), &OPTIONS)?;
    let mut open = true;
    while open {
        // Events, one a call, until there is none.
        loop {
            let handled = client.handle_input(now(), rx.filled());
            let consumed = handled.consumed;
            let Some(event) = handled.event else {
                rx.consume(consumed);
                break;
            };
            match event {
                Event::Connected(_) => {
                    let options = SubscriptionOptions::new(QoS::AtLeastOnce);
                    let filter = TopicFilter::new("greetings/#")?;
                    client.subscribe(now(), &[Subscription { filter, options }], Properties::EMPTY)?;
                    let message = Publish::new(TopicName::new("greetings/loop")?, QoS::ExactlyOnce);
                    client.publish(now(), &message, "hello")?;
                }
                Event::Message(message) => {
                    println!(
                        "{}: {}",
                        message.topic.as_str(),
                        String::from_utf8_lossy(message.payload)
                    );
                    client.disconnect(now(), &Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))?;
                }
                Event::Closed(closed) => {
                    println!("{closed:?}");
                    open = false;
                }
                other => println!("{other:?}"),
            }
            rx.consume(consumed);
        }
        // Bytes out: what is owed, the last packet after `Closed` too.
        while let Some(transmit) = client.poll_transmit() {
            let Body::Bytes(body) = transmit.body else {
                return Err("nothing external was published".into());
            };
            let n = socket.write(if transmit.head.is_empty() {
                body
            } else {
                transmit.head
            })?;
            client.handle_written(now(), n);
        }
        // Bytes in, unless something is to be told first.
        if open && client.wants_input() && client.poll_timeout().is_none_or(|at| at > now()) {
            match socket.read(rx.spare()) {
                Ok(0) => client.handle_disconnect(now()),
                Ok(n) => rx.commit(n),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

const OPTIONS: ConnectOptions<'_> = ConnectOptions {
    version: Version::V5,
    clean_start: true,
    keep_alive: 30,
    client_id: "client-loop",
    will: None,
    user_name: None,
    password: None,
    properties: Properties::EMPTY,
};
