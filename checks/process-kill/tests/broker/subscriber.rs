//! Clients that take messages, over as many connections as it takes.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use adapter_suite::{kept, subscription};
use mqtt_proto::{Properties, QoS, ReasonCode, Version, packet::Disconnect};
use mqtt_session::{Config, Event, storage::Heap};
use mqtt_std::{Attempt, Client, News, Options};
use process_kill::{TOPIC, number_in, qos_of};

use crate::{PATIENCE, RETAINED, WILLS, publisher};

/// What came, in order: wills apart.
#[derive(Clone, Default)]
pub(crate) struct Taken {
    pub(crate) messages: Arc<Mutex<Vec<u32>>>,
    pub(crate) wills: Arc<Mutex<Vec<u32>>>,
}

impl Taken {
    fn take(&self, topic: &str, payload: &[u8], qos: QoS) {
        let number = number_in(payload).expect("a message of ours");
        assert_eq!(qos, qos_of(number));
        let list = if topic == WILLS {
            &self.wills
        } else {
            &self.messages
        };
        list.lock().unwrap().push(number);
    }
}

fn filters() -> [mqtt_proto::packet::Subscription<'static>; 3] {
    const { assert!(RETAINED.len() == 8) };
    [TOPIC, "retained/+", WILLS].map(|filter| subscription(filter, QoS::ExactlyOnce))
}

/// It is there all the time, and subscribes once.
pub(crate) struct Subscriber {
    pub(crate) taken: Taken,
    over: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Subscriber {
    /// Has subscribed when this returns.
    pub(crate) fn start(broker: SocketAddr) -> Self {
        let taken = Taken::default();
        let over = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = mpsc::channel();
        let thread = {
            let (taken, over) = (taken.clone(), Arc::clone(&over));
            thread::spawn(move || {
                let connect = |_: &Attempt, _: &mut Options| TcpStream::connect(broker);
                let mut client = Client::new(Config::DEFAULT, Heap::new())
                    .unwrap()
                    .reconnecting(publisher::policy(), publisher::options("subscriber"), connect)
                    .with_seed(99);
                let mut connections = 0;
                while !over.load(Relaxed) {
                    match client.next_timeout(Duration::from_millis(5)).unwrap() {
                        Some(News::Event(Event::Connected(connected))) => {
                            assert_eq!(
                                connected.session_present,
                                connections > 0,
                                "the broker has lost the session of the subscriber"
                            );
                            if connections == 0 {
                                client.subscribe(&filters(), Properties::EMPTY).unwrap();
                            }
                            connections += 1;
                        }
                        Some(News::Event(Event::Completed { .. })) => ready.send(()).unwrap(),
                        Some(News::Event(Event::Message(message))) => {
                            taken.take(message.topic.as_str(), message.payload, message.qos);
                        }
                        Some(News::Stopped(stopped)) => panic!("{stopped:?}"),
                        _ => {}
                    }
                }
                connections
            })
        };
        is_ready.recv_timeout(PATIENCE).expect("SUBACK");
        Self { taken, over, thread }
    }

    /// How many connections it has had.
    pub(crate) fn finish(self) -> u32 {
        self.over.store(true, Relaxed);
        self.thread.join().unwrap()
    }
}

/// Subscribes, and is away until the end.
pub(crate) struct Late {
    client: Client,
}

impl Late {
    pub(crate) fn start(broker: SocketAddr) -> Self {
        let mut client = Client::connect(broker, &kept(Version::V5, "late")).unwrap();
        loop {
            match client.next_timeout(PATIENCE).unwrap().expect("it goes on") {
                Event::Connected(_) => drop(client.subscribe(&filters(), Properties::EMPTY).unwrap()),
                Event::Completed { .. } => {
                    let last = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
                    client.disconnect(&last).unwrap();
                }
                Event::Closed(_) => return Self { client },
                other => panic!("{other:?}"),
            }
        }
    }

    /// Comes back, and takes what has waited for it until there is as much as there has to be.
    pub(crate) fn come_back(mut self, broker: SocketAddr, taken: &Taken, is_all: impl Fn() -> bool) {
        let Self { client } = &mut self;
        client.attach_tcp(broker, &kept(Version::V5, "late")).unwrap();
        let mut quiet = 0;
        loop {
            match client.next_timeout(Duration::from_millis(100)).unwrap() {
                Some(Event::Connected(connected)) => {
                    assert!(connected.session_present, "of the late subscriber")
                }
                Some(Event::Message(message)) => {
                    quiet = 0;
                    taken.take(message.topic.as_str(), message.payload, message.qos);
                }
                Some(other) => panic!("{other:?}"),
                None if is_all() => return,
                None => {
                    quiet += 1;
                    assert!(
                        quiet < 100,
                        "nothing more comes to the late subscriber after {} messages and {} wills",
                        taken.messages.lock().unwrap().len(),
                        taken.wills.lock().unwrap().len()
                    );
                }
            }
        }
    }
}
