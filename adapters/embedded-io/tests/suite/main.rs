//! The behaviours of all adapters, for both clients, over TCP. Each client is driven by a thread with a queue of commands: there the
//! borrows that such a client is made of stand on one stack.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    reason = "tests, of what has threads and clocks"
)]

mod asynchronous;
mod blocking;

use std::{
    marker::PhantomData,
    net::SocketAddr,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel},
    thread,
    time::Duration,
};

use adapter_suite::{Driver, Obeys};
use mqtt_proto::{
    Properties, Property, QoS, ReasonCode, TopicFilter, TopicName, Version,
    packet::{Disconnect, Subscription, Will},
};
use mqtt_session::{
    AckToken, Client, Config, ConnectOptions, Instant, Publish, Refused, Token,
    client::{Ack, OwnedEvent},
    storage::{ArrivalSlot, Borrowed, Slot},
};

/// What the face tells the thread.
enum Command {
    Connect(SocketAddr, Options),
    Publish(String, QoS, bool, Vec<u8>),
    Subscribe(Vec<(String, mqtt_proto::packet::SubscriptionOptions)>),
    Unsubscribe(Vec<String>),
    Ping,
    Acknowledge(AckToken),
    Disconnect,
    Abort,
    Cut,
}

type Reply = Result<Option<Token>, Refused>;

/// The options that behaviours use, with bytes of their own.
struct Options {
    version: Version,
    clean_start: bool,
    keep_alive: u16,
    client_id: String,
    will: Option<(String, Vec<u8>, QoS, bool)>,
    session_expiry: Option<u32>,
}

impl Options {
    fn new(options: &ConnectOptions<'_>) -> Self {
        let others = options
            .properties
            .iter()
            .filter(|p| !matches!(p, Property::SessionExpiryInterval(_)));
        assert!(
            others.count() == 0 && options.user_name.is_none(),
            "more than this test passes on"
        );
        Self {
            version: options.version,
            clean_start: options.clean_start,
            keep_alive: options.keep_alive,
            client_id: options.client_id.into(),
            will: options.will.map(|will| {
                (
                    will.topic.as_str().into(),
                    will.payload.into(),
                    will.qos,
                    will.retain,
                )
            }),
            session_expiry: options.properties.session_expiry_interval(),
        }
    }

    fn lend<T>(&self, to: impl FnOnce(&ConnectOptions<'_>) -> T) -> T {
        let expiry = self.session_expiry.map(Property::SessionExpiryInterval);
        to(&ConnectOptions {
            version: self.version,
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            client_id: &self.client_id,
            will: self.will.as_ref().map(|(topic, payload, qos, retain)| Will {
                topic: TopicName::new(topic).unwrap(),
                payload,
                qos: *qos,
                retain: *retain,
                properties: Properties::EMPTY,
            }),
            user_name: None,
            password: None,
            properties: Properties::new(expiry.as_slice()),
        })
    }
}

/// The thread's ends.
struct Ends {
    commands: Box<dyn FnMut(Wait) -> Option<Command> + Send>,
    replies: Sender<Reply>,
    events: Sender<OwnedEvent>,
}

/// How to look for a command.
#[derive(Copy, Clone)]
enum Wait {
    Yes,
    No,
}

impl Ends {
    /// Says whether that was the last event of a connection.
    fn tell(&self, event: OwnedEvent) -> bool {
        let last = matches!(event, OwnedEvent::Closed(_));
        // A face that is gone has seen enough.
        let _ = self.events.send(event);
        last
    }

    fn reply(&self, reply: Reply) {
        let _ = self.replies.send(reply);
    }

    fn command(&mut self, wait: Wait) -> Option<Command> {
        (self.commands)(wait)
    }
}

/// The commands of a session and of both clients, which differ in whether they are told the time.
macro_rules! obey {
    ($client:expr, $command:expr $(, $now:expr)?) => {
        match $command {
            Command::Connect(..) => Err(Refused::AlreadyConnected),
            Command::Publish(topic, qos, retain, payload) => {
                let mut message = Publish::new(TopicName::new(&topic).unwrap(), qos);
                message.retain = retain;
                $client.publish($($now,)? &message, &payload[..]).map(Some).map_err(|not_taken| not_taken.why)
            }
            Command::Subscribe(filters) => {
                let filters: Vec<_> = filters
                    .iter()
                    .map(|(filter, options)| Subscription { filter: TopicFilter::new(filter).unwrap(), options: *options })
                    .collect();
                $client.subscribe($($now,)? &filters, Properties::EMPTY).map(Some)
            }
            Command::Unsubscribe(filters) => {
                let filters: Vec<_> = filters.iter().map(|filter| TopicFilter::new(filter).unwrap()).collect();
                $client.unsubscribe($($now,)? &filters, Properties::EMPTY).map(Some)
            }
            Command::Ping => $client.ping($($now)?).map(Some),
            Command::Acknowledge(ack) => {
                $client.acknowledge($($now,)? ack, &Ack::SUCCESS).map(|()| None).map_err(|not_taken| not_taken.why)
            }
            Command::Disconnect => {
                $client.disconnect($($now,)? &Disconnect::new(ReasonCode::NORMAL_DISCONNECTION)).map(|()| None)
            }
            Command::Abort => {
                $client.abort($($now)?);
                Ok(None)
            }
            Command::Cut => Ok(None),
        }
    };
}
pub(crate) use obey;

/// Runs one of the two clients on a connection to `to`, until the connection is over or cut.
trait Runner: 'static {
    fn run(
        session: &mut Client<Borrowed<'_>>,
        buffers: (&mut [u8], &mut [u8]),
        to: SocketAddr,
        options: &ConnectOptions<'_>,
        ends: &mut Ends,
    );
}

fn now() -> Instant {
    static CLOCK: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    Instant::ZERO + CLOCK.get_or_init(std::time::Instant::now).elapsed()
}

/// A session in memory that is lent to it, and its connections.
fn live<R: Runner>(config: Config, mut ends: Ends) {
    let (mut slots, mut arrivals) = (vec![Slot::EMPTY; 1_500], vec![ArrivalSlot::EMPTY; 64]);
    let mut bytes = vec![0; 3 << 20];
    let mut session = Client::new(config, Borrowed::new(&mut slots, &mut arrivals, &mut bytes));
    let (mut rx, mut tx) = (vec![0; config.receive_buffer as usize], vec![0; 512]);
    while let Some(command) = ends.command(Wait::Yes) {
        match command {
            Command::Connect(to, options) => {
                options.lend(|options| R::run(&mut session, (&mut rx, &mut tx), to, options, &mut ends));
                while let Some(event) = session.handle_timeout(now()).event {
                    ends.tell(session.own(event));
                }
            }
            command => ends.reply(obey!(session, command, now())),
        }
    }
}

/// The blocking face of the thread.
struct Face<R> {
    commands: Sender<Command>,
    replies: Receiver<Reply>,
    events: Receiver<OwnedEvent>,
    runner: PhantomData<R>,
}

impl<R> Face<R> {
    fn ask(&self, command: Command) -> Reply {
        self.commands.send(command).expect("the thread lives");
        self.replies.recv().expect("the thread lives")
    }

    fn ask_for_token(&self, command: Command) -> Result<Token, Refused> {
        self.ask(command).map(|token| token.expect("a token"))
    }
}

impl<R: Runner> Obeys for Face<R> {
    fn publish(&mut self, message: &Publish<'_>, payload: &[u8]) -> Result<Token, Refused> {
        assert!(message.properties.is_empty(), "more than this test passes on");
        let topic = message.topic.as_str().into();
        self.ask_for_token(Command::Publish(
            topic,
            message.qos,
            message.retain,
            payload.into(),
        ))
    }

    fn subscribe(&mut self, filters: &[Subscription<'_>]) -> Result<Token, Refused> {
        let filters = filters
            .iter()
            .map(|one| (one.filter.as_str().into(), one.options))
            .collect();
        self.ask_for_token(Command::Subscribe(filters))
    }

    fn unsubscribe(&mut self, filters: &[TopicFilter<'_>]) -> Result<Token, Refused> {
        let filters = filters.iter().map(|filter| filter.as_str().into()).collect();
        self.ask_for_token(Command::Unsubscribe(filters))
    }

    fn ping(&mut self) -> Result<Token, Refused> {
        self.ask_for_token(Command::Ping)
    }

    fn acknowledge(&mut self, ack: AckToken) -> Result<(), Refused> {
        self.ask(Command::Acknowledge(ack)).map(|_| ())
    }

    fn disconnect(&mut self) -> Result<(), Refused> {
        self.ask(Command::Disconnect).map(|_| ())
    }

    fn abort(&mut self) {
        let _ = self.ask(Command::Abort);
    }
}

impl<R: Runner> Driver for Face<R> {
    fn new(config: Config) -> Self {
        let (commands, to_obey) = channel();
        let (replies, to_hear) = channel();
        let (events, to_see) = channel();
        let next = move |wait| match wait {
            Wait::Yes => to_obey.recv().ok(),
            Wait::No => match to_obey.try_recv() {
                Err(TryRecvError::Disconnected) => Some(Command::Cut),
                command => command.ok(),
            },
        };
        let ends = Ends {
            commands: Box::new(next),
            replies,
            events,
        };
        thread::spawn(move || live::<R>(config, ends));
        Self {
            commands,
            replies: to_hear,
            events: to_see,
            runner: PhantomData,
        }
    }

    fn connect(&mut self, to: SocketAddr, options: &ConnectOptions<'_>) -> Result<(), Refused> {
        self.ask(Command::Connect(to, Options::new(options))).map(|_| ())
    }

    fn cut(&mut self) {
        let _ = self.ask(Command::Cut);
    }

    fn next_event(&mut self, timeout: Duration) -> Option<OwnedEvent> {
        match self.events.recv_timeout(timeout) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the thread has ended"),
        }
    }
}

mod over_embedded_io_async {
    adapter_suite::behaviours!(super::Face<super::asynchronous::Tokio>);
}

mod over_embedded_io {
    adapter_suite::behaviours!(super::Face<super::blocking::MainLoop>);
}
