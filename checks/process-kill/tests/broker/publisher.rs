//! Clients that publish, over as many connections as it takes.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use adapter_suite::topic;
use mqtt_session::{Config, Event, Publish, reconnect::Policy, storage::Heap};
use mqtt_std::{Attempt, Client, News, Options};
use process_kill::{NUMBERS, TOPIC, payload_of, qos_of};

use crate::{PATIENCE, RETAINED};

/// Messages under way at a time.
const UNDER_WAY: usize = 40;

/// Every so many messages, another one is retained.
const RETAINED_EVERY: u32 = 16;

/// Topics of retained messages, for each publisher.
pub(crate) const RETAINED_TOPICS: u32 = 5;

/// Impatient: a broker is only ever away for moments.
pub(crate) fn policy() -> Policy {
    let mut policy = Policy::DEFAULT;
    policy.minimum = Duration::from_millis(1);
    policy.maximum = Duration::from_millis(10);
    policy.growth_percent = 120;
    policy
}

/// A session that is kept.
pub(crate) fn options(id: &str) -> Options {
    let mut options = Options::new(id);
    options.clean_start = false;
    options.session_expiry = 3_600;
    options
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Numbers below this were published, those from the publisher's first on.
    pub(crate) published: AtomicU32,
    pub(crate) acknowledged: AtomicU32,
    pub(crate) connections: AtomicU32,
    /// For each topic, the number that was acknowledged last.
    pub(crate) retained: Mutex<BTreeMap<u32, u32>>,
}

#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) first: u32,
    pub(crate) figures: Arc<Figures>,
    allowed: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

pub(crate) fn retained_topic(which: u32) -> String {
    format!("{RETAINED}/{which}")
}

impl Publisher {
    /// Has connected when this returns.
    pub(crate) fn start(broker: SocketAddr, who: u32) -> Self {
        let first = who * NUMBERS;
        let figures = Arc::new(Figures::default());
        figures.published.store(first, Relaxed);
        let allowed = Arc::new(AtomicU32::new(first));
        let over = Arc::new(AtomicBool::new(false));
        let (ready, is_ready) = mpsc::channel();
        let thread = {
            let (figures, allowed, over) = (Arc::clone(&figures), Arc::clone(&allowed), Arc::clone(&over));
            thread::spawn(move || live(broker, first, &figures, &allowed, &over, &ready))
        };
        is_ready.recv_timeout(PATIENCE).expect("CONNACK");
        Self {
            first,
            figures,
            allowed,
            over,
            thread,
        }
    }

    /// It may publish so many more.
    pub(crate) fn go_on(&self, more: u32) {
        self.allowed.fetch_add(more, Relaxed);
    }

    /// All that it may publish is published, and has its end.
    pub(crate) fn is_done(&self) -> bool {
        assert!(!self.thread.is_finished(), "it has panicked: see above");
        let published = self.figures.published.load(Relaxed);
        published == self.allowed.load(Relaxed)
            && self.figures.acknowledged.load(Relaxed) == published - self.first
    }

    /// How many were acknowledged.
    pub(crate) fn acknowledged(&self) -> u32 {
        self.figures.acknowledged.load(Relaxed)
    }

    /// The numbers that were published.
    pub(crate) fn numbers(&self) -> core::ops::Range<u32> {
        self.first..self.figures.published.load(Relaxed)
    }

    pub(crate) fn finish(self) {
        self.over.store(true, Relaxed);
        self.thread.join().unwrap();
    }
}

fn live(
    broker: SocketAddr,
    first: u32,
    figures: &Figures,
    allowed: &AtomicU32,
    over: &AtomicBool,
    ready: &mpsc::Sender<()>,
) {
    let id = format!("publisher{first}");
    let connect = |_: &Attempt, _: &mut Options| TcpStream::connect(broker);
    let mut client = Client::new(Config::DEFAULT, Heap::new())
        .unwrap()
        .reconnecting(policy(), options(&id), connect)
        .with_seed(first.into());
    let mut next = first;
    let mut under_way = BTreeMap::new();
    while !over.load(Relaxed) {
        // Not before there is a session: it must be found again.
        let is_connected = figures.connections.load(Relaxed) > 0;
        while is_connected && next < allowed.load(Relaxed) && under_way.len() < UNDER_WAY {
            let which =
                (next % RETAINED_EVERY == 0).then_some(first + next / RETAINED_EVERY % RETAINED_TOPICS);
            let name = which.map_or_else(|| TOPIC.into(), retained_topic);
            let mut message = Publish::new(topic(&name), qos_of(next));
            message.retain = which.is_some();
            let payload = payload_of(next, next as usize % 300);
            let token = client
                .publish(&message, &payload[..])
                .map_err(|no| no.why)
                .unwrap();
            under_way.insert(token, (next, which));
            next += 1;
            figures.published.store(next, Relaxed);
        }
        match client.next_timeout(Duration::from_millis(2)).unwrap() {
            Some(News::Event(Event::Connected(connected))) => {
                let before = figures.connections.fetch_add(1, Relaxed);
                assert_eq!(
                    connected.session_present,
                    before > 0,
                    "the broker has lost the session of {id}"
                );
                let _ = ready.send(());
            }
            Some(News::Event(Event::Completed { token, .. })) => {
                let (number, which) = under_way.remove(&token).expect("one of those under way");
                if let Some(which) = which {
                    figures.retained.lock().unwrap().insert(which, number);
                }
                figures.acknowledged.fetch_add(1, Relaxed);
            }
            Some(News::Event(Event::Aborted { .. }) | News::Stopped(_)) => panic!("{id} was given up"),
            _ => {}
        }
    }
    assert_eq!(under_way.len(), 0);
}
