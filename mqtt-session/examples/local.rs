//! A program that is its own broker and takes part in it: no socket, no thread, no clock.
//!
//! `cargo run -p mqtt-session --features server --example local`

use mqtt_proto::{
    PacketId, Properties, QoS, TopicName,
    packet::{Publish, PublishHead, SubscriptionOptions},
    topic::Pattern,
};
use mqtt_session::{
    Instant,
    server::{LocalOptions, Server, ServerConfig},
};

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let now = Instant::from_secs(1);
    let mut server = Server::new(ServerConfig::default());
    // The connections of clients are opened, read and written beside this: see the example `server_loop`.
    let broker = server.broker_mut();

    let heating = broker.open_local(now, LocalOptions::new("heating"))?;
    let pattern = Pattern::new("site/+room/temp/#sensor")?;
    let options = SubscriptionOptions::new(QoS::AtLeastOnce);
    broker
        .subscribe_local(now, heating, pattern, options)
        .expect("granted");

    let sensors = broker.open_local(now, LocalOptions::new("sensors"))?;
    for (topic, payload) in [("site/attic/temp/1", "17.5"), ("site/cellar/temp/2", "11")] {
        let head = PublishHead {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: TopicName::new(topic)?,
            packet_id: None::<PacketId>,
            properties: Properties::EMPTY,
        };
        let payload = payload.as_bytes();
        let subscribers = broker.publish_local(now, sensors, &Publish { head, payload })?;
        println!("{topic} went to {subscribers}");
    }
    // In a loop: after each turn, for each connection that `poll_local` gives.
    while let Some(delivery) = broker.poll_delivery(now, heating) {
        let (room, sensor) = (delivery.capture("room"), delivery.capture("sensor"));
        println!("{room:?} {sensor:?} {:?}", delivery.message().payload());
    }
    broker.close_local(now, sensors);
    Ok(())
}
