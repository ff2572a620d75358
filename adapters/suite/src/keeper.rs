//! A client that connects by itself, under test, with the patience and the words that behaviours need.

use core::time::Duration;
use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Instant,
};

use mqtt_proto::{QoS, Version};
use mqtt_session::{
    Config, Publish, Refused, Token,
    client::{OwnedEvent, OwnedMessage, OwnedOutcome},
    reconnect::{Policy, StopBecause},
    registry::RegistryEvent,
};
use mqtt_tokio::{Attempt, News, Options, Stop, Stopped, Waiting};

use crate::{Broker, Driver, PATIENCE, Reconnects, Subject, options, subscription, topic};

pub(crate) type Said = News<OwnedEvent>;

/// A policy that loses no time.
pub(crate) fn quick() -> Policy {
    let mut policy = Policy::DEFAULT;
    policy.minimum = Duration::from_millis(1);
    policy.maximum = Duration::from_millis(20);
    policy
}

/// What the hook is told and tells.
#[derive(Clone)]
pub(crate) struct Server(Arc<Mutex<(SocketAddr, Vec<Attempt>)>>);

impl Server {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new((address, Vec::new()))))
    }

    pub(crate) fn moves_to(&self, address: SocketAddr) {
        self.0.lock().expect("no panic holds it").0 = address;
    }

    /// The attempts that the hook has seen.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.0.lock().expect("no panic holds it").1.clone()
    }
}

/// An address where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

/// A client under test, and what it said that nobody has asked for yet.
pub(crate) struct Keeper<R> {
    pub(crate) client: R,
    pub(crate) said: VecDeque<Said>,
}

impl<R: Reconnects> Keeper<R> {
    pub(crate) fn new(policy: Policy, options: Options, server: &Server) -> Self {
        Self::with_hook(policy, options, server, |_, _| ())
    }

    pub(crate) fn with_hook(
        policy: Policy,
        options: Options,
        server: &Server,
        mut also: impl FnMut(&Attempt, &mut Options) + Send + 'static,
    ) -> Self {
        let server = server.clone();
        let hook = move |attempt: &Attempt, options: &mut Options| {
            also(attempt, options);
            let mut server = server.0.lock().expect("no panic holds it");
            server.1.push(attempt.clone());
            let configured = server.0.to_string();
            let there = attempt.servers(&configured).next().expect("a server");
            there.parse().expect("an address")
        };
        Self {
            client: R::new(Config::DEFAULT, policy, options, Box::new(hook)),
            said: VecDeque::new(),
        }
    }

    /// The next news, whatever it is.
    pub(crate) fn next(&mut self, what: &str) -> Said {
        match self.said.pop_front() {
            Some(news) => news,
            None => match self.client.next_news(PATIENCE) {
                Some(news) => news,
                None => panic!("{what}: nothing comes"),
            },
        }
    }

    /// The first news that `pick` takes; the others wait.
    pub(crate) fn wait<T>(&mut self, what: &str, mut pick: impl FnMut(Said) -> Result<T, Said>) -> T {
        let mut others = VecDeque::new();
        let until = Instant::now() + PATIENCE;
        loop {
            if Instant::now() > until {
                panic!("{what}: it does not come; instead {others:?}");
            }
            match pick(self.next(what)) {
                Ok(picked) => {
                    others.append(&mut self.said);
                    self.said = others;
                    return picked;
                }
                Err(other) => others.push_back(other),
            }
        }
    }

    pub(crate) fn connected(&mut self) -> bool {
        self.wait("it connects", |news| match news {
            News::Event(OwnedEvent::Connected(connected)) => Ok(connected.session_present),
            other => Err(other),
        })
    }

    pub(crate) fn waiting(&mut self) -> Waiting {
        self.wait("another attempt is announced", |news| match news {
            News::Waiting(waiting) => Ok(waiting),
            other => Err(other),
        })
    }

    pub(crate) fn stopped(&mut self) -> Stopped {
        self.wait("it stops", |news| match news {
            News::Stopped(stopped) => Ok(stopped),
            other => Err(other),
        })
    }

    pub(crate) fn completed(&mut self, token: Token) -> OwnedOutcome {
        self.wait("an operation ends", |news| match news {
            News::Event(OwnedEvent::Completed { token: of, outcome }) if of == token => Ok(outcome),
            other => Err(other),
        })
    }

    pub(crate) fn message(&mut self) -> OwnedMessage {
        self.wait("a message comes", |news| match news {
            News::Event(OwnedEvent::Message(message)) => Ok(message),
            other => Err(other),
        })
    }

    pub(crate) fn restored(&mut self) -> (usize, usize) {
        self.wait("subscriptions are restored", |news| match news {
            News::Subscriptions(RegistryEvent::Restored { restored, refused }) => Ok((restored, refused)),
            other => Err(other),
        })
    }

    pub(crate) fn publish(&mut self, name: &str, qos: QoS, payload: &[u8]) -> Result<Token, Refused> {
        self.client.publish(&Publish::new(topic(name), qos), payload)
    }

    pub(crate) fn subscribe(&mut self, filter: &str, qos: QoS) {
        let token = self
            .client
            .subscribe(&[subscription(filter, qos)])
            .expect("a subscription is taken");
        match self.completed(token) {
            OwnedOutcome::Subscribed { codes, .. } => assert_eq!(codes[0].0, qos as u8),
            other => panic!("{other:?} for a subscription"),
        }
    }

    /// Ends it in order.
    pub(crate) fn end(mut self) {
        self.client.disconnect().expect("it has not stopped");
        assert_eq!(
            self.stopped().because,
            Stop::Policy(StopBecause::Asked),
            "whoever wants an end gets no further attempt"
        );
        assert!(self.client.is_stopped());
        assert!(self.client.next_news(PATIENCE).is_none());
    }
}

/// A client that publishes and watches beside the one under test.
pub(crate) struct Beside(mqtt_tokio::Client, tokio::runtime::Runtime);

crate::obeys!([] Beside, 0);

impl Driver for Beside {
    fn new(config: Config) -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        Self(
            mqtt_tokio::Client::new(config, mqtt_session::storage::Heap::new()),
            runtime,
        )
    }

    fn connect(&mut self, to: SocketAddr, options: &mqtt_session::ConnectOptions<'_>) -> Result<(), Refused> {
        let stream = self.1.block_on(mqtt_tokio::connect_tcp(to));
        self.0.attach(stream.expect("a connection"), options)
    }

    fn cut(&mut self) {
        drop(self.0.detach());
    }

    fn next_event(&mut self, timeout: Duration) -> Option<OwnedEvent> {
        let Self(client, runtime) = self;
        runtime.block_on(async {
            let next = tokio::time::timeout(timeout, client.next()).await;
            next.ok()?.ok().map(|event| OwnedEvent::try_from(event).unwrap())
        })
    }
}

pub(crate) fn beside(broker: &Broker, name: &str) -> Subject<Beside> {
    Subject::connected(broker.address(), &options(Version::V5, name))
}
