//! The client at the other side of the broker, which lives on, in a thread.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use adapter_suite::{kept, options, subscription, topic};
use mqtt_proto::{Properties, QoS, ReasonCode, Version, packet::Disconnect};
use mqtt_session::{Event, Publish};
use mqtt_std::Client;
use process_kill::{TOPIC, number_in, payload_of, qos_of};

use crate::life::PATIENCE;

/// The last of all messages.
const LAST: u32 = u32::MAX - 1;

/// Takes everything, in a session that is kept.
pub(crate) struct Receiver {
    thread: JoinHandle<Vec<u32>>,
    finish: Arc<AtomicBool>,
}

impl Receiver {
    /// Has subscribed when this returns.
    pub(crate) fn start(broker: SocketAddr) -> Self {
        let finish = Arc::new(AtomicBool::new(false));
        let wanted = Arc::clone(&finish);
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut client = Client::connect(broker, &kept(Version::V5, "receiver")).unwrap();
            let mut received = Vec::new();
            let mut deadline = None;
            loop {
                if wanted.load(Relaxed) && deadline.is_none() {
                    // Behind all that the broker has for this session.
                    let message = Publish::new(topic(TOPIC), qos_of(LAST));
                    client.publish(&message, &payload_of(LAST, 0)[..]).unwrap();
                    deadline = Some(Instant::now() + PATIENCE);
                }
                assert!(deadline.is_none_or(|at| Instant::now() < at), "the last one");
                match client.next_timeout(Duration::from_millis(10)).unwrap() {
                    None => {}
                    Some(Event::Connected(_)) => {
                        client
                            .subscribe(&[subscription(TOPIC, QoS::ExactlyOnce)], Properties::EMPTY)
                            .unwrap();
                    }
                    Some(Event::Completed { .. }) => {
                        let _ = ready.send(());
                    }
                    Some(Event::Message(message)) => match number_in(message.payload).unwrap() {
                        LAST => return received,
                        number => {
                            assert_eq!(message.qos, qos_of(number));
                            received.push(number);
                        }
                    },
                    Some(other) => panic!("{other:?}"),
                }
            }
        });
        is_ready.recv_timeout(PATIENCE).expect("SUBACK");
        Self { thread, finish }
    }

    /// All that it has received, when nothing more is to come.
    pub(crate) fn finish(self) -> Vec<u32> {
        self.finish.store(true, Relaxed);
        self.thread.join().unwrap()
    }
}

/// How often each came; asserts that first deliveries of each QoS are in order.
pub(crate) fn count(numbers: impl IntoIterator<Item = u32>) -> BTreeMap<u32, usize> {
    let mut times = BTreeMap::new();
    let mut latest = [None; 2];
    for number in numbers {
        let count: &mut usize = times.entry(number).or_default();
        *count += 1;
        if *count == 1 {
            // 5/MQTT-4.6.0-5, 3.1.1/MQTT-4.6.0-5: those of one publisher and QoS.
            let latest = &mut latest[number as usize % 2];
            assert!(*latest < Some(number), "{number} came first after {latest:?}");
            *latest = Some(number);
        }
    }
    times
}

/// Publishes 1, 2, 3 and so on, as long as it is wanted, and not too far ahead of who takes them.
pub(crate) struct Publisher {
    thread: JoinHandle<u32>,
    pub(crate) taken: Arc<AtomicUsize>,
    finish: Arc<AtomicBool>,
}

/// So many messages wait at the broker, or are under way to it.
const AHEAD: usize = 60;

impl Publisher {
    pub(crate) fn start(broker: SocketAddr) -> Self {
        let (finish, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (over, took) = (Arc::clone(&finish), Arc::clone(&taken));
        let thread = thread::spawn(move || {
            let mut client = Client::connect(broker, &options(Version::V5, "publisher")).unwrap();
            let (mut published, mut ended) = (0, 0);
            let mut stopping = false;
            loop {
                let more = published == 0 || !over.load(Relaxed);
                while more && published as usize <= took.load(Relaxed) + AHEAD {
                    published += 1;
                    let message = Publish::new(topic(TOPIC), qos_of(published));
                    client.publish(&message, &payload_of(published, 20)[..]).unwrap();
                }
                if !more && ended == published && client.is_connected() && !stopping {
                    let last = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
                    client.disconnect(&last).unwrap();
                    stopping = true;
                }
                match client.next_timeout(Duration::from_millis(2)).unwrap() {
                    None | Some(Event::Connected(_)) => {}
                    Some(Event::Completed { .. }) => ended += 1,
                    Some(Event::Closed(_)) if stopping => return published,
                    Some(other) => panic!("{other:?}"),
                }
            }
        });
        Self {
            thread,
            taken,
            finish,
        }
    }

    /// How many there were, when the broker has them all.
    pub(crate) fn finish(self) -> u32 {
        self.finish.store(true, Relaxed);
        self.thread.join().unwrap()
    }
}
