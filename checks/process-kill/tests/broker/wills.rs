//! Clients that are connected when the broker is killed, and never come back.

use std::{
    net::SocketAddr,
    sync::mpsc::{self, Receiver},
    thread,
};

use mqtt_proto::Version;
use mqtt_session::{Config, Event, storage::Heap};
use mqtt_std::{Client, Will};
use process_kill::{payload_of, qos_of};

use crate::{WILLS, publisher};

/// A client whose will is this number. Says when it is connected, and lives until its connection ends. In even rounds its session
/// ends with its connection, in odd ones it is kept, and the will has no delay either way.
pub(crate) fn mortal(broker: SocketAddr, round: u32, number: u32) -> Receiver<u32> {
    let (connected, is_connected) = mpsc::channel();
    thread::spawn(move || {
        let mut options = publisher::options(&format!("mortal{number}"));
        options.session_expiry = if round % 2 == 0 { 0 } else { 3_600 };
        let mut will = Will::new(WILLS, payload_of(number, 9)).unwrap();
        will.qos = qos_of(number);
        options.will = Some(will);
        let mut client = Client::new(Config::DEFAULT, Heap::new()).unwrap();
        let attached = options.lend(Version::V5, |options| client.attach_tcp(broker, options));
        if attached.is_err() {
            return;
        }
        while let Ok(event) = client.next() {
            match event {
                Some(Event::Connected(_)) => drop(connected.send(number)),
                Some(Event::Closed(_)) => return,
                _ => {}
            }
        }
    });
    is_connected
}
