//! What a client finds that has never been there before.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use adapter_suite::{options, subscription};
use mqtt_proto::{Properties, QoS, ReasonCode, Version, packet::Disconnect};
use mqtt_session::Event;
use mqtt_std::Client;
use process_kill::number_in;

use crate::PATIENCE;

/// The retained messages of these topics, as numbers. `None` if the connection ends before all have come.
pub(crate) fn look(broker: SocketAddr, wanted: &BTreeMap<u32, u32>) -> Option<BTreeMap<u32, u32>> {
    let mut client = Client::connect(broker, &options(Version::V5, "looker")).ok()?;
    let mut found = BTreeMap::new();
    while !wanted.keys().all(|which| found.contains_key(which)) {
        match client.next_timeout(PATIENCE).ok()?.expect("a retained message") {
            Event::Connected(_) => {
                let filter = subscription("retained/+", QoS::ExactlyOnce);
                client.subscribe(&[filter], Properties::EMPTY).ok()?;
            }
            Event::Completed { .. } => {}
            Event::Message(message) => {
                let which = message
                    .topic
                    .as_str()
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap();
                found.insert(which, number_in(message.payload).unwrap());
            }
            Event::Closed(_) => return None,
            other => panic!("{other:?}"),
        }
    }
    let _ = client.disconnect(&Disconnect::new(ReasonCode::NORMAL_DISCONNECTION));
    let _ = client.next_timeout(Duration::from_millis(100));
    Some(found)
}
