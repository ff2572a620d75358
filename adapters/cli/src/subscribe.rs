//! `mqtt sub`.

use std::{collections::VecDeque, io};

use mqtt_proto::{ReasonCode, TopicName};
use mqtt_session::{
    AckToken, Config, Token,
    client::{Ack, Acknowledge, OwnedEvent, OwnedMessage, OwnedOutcome},
    storage::HeapLimits,
};
use tokio::io::{AsyncWriteExt as _, Stdout};

use crate::{
    args::Subscribe,
    connection::{Connection, Stop, explained, stopped},
    failure::Failure,
};

/// The longest packet that is taken, if `-D CONNECT maximum-packet-size` says nothing else.
const PACKET: u32 = 16 << 20;
/// With so many bytes, what there is to print is printed.
const BATCH: usize = 16 << 10;
/// Messages that are under way at a time, where the server can be told so.
const UNDER_WAY: u16 = 1000;

/// Subscribes, and prints what comes.
pub(crate) fn run(args: &Subscribe) -> Result<(), Failure> {
    crate::block_on(async {
        let mut config = Config::DEFAULT;
        config.receive_buffer = PACKET;
        // After a message was printed, and not before.
        config.acknowledge = Acknowledge::Manual;
        let limits = HeapLimits {
            slots: 16,
            // Before 5.0 a server may use all packet ids at once.
            arrivals: if args.connect.version.has_properties() {
                UNDER_WAY
            } else {
                HeapLimits::DEFAULT.arrivals
            },
            ..HeapLimits::DEFAULT
        };
        let mut connection = Connection::new(&args.connect, config, limits);
        let mut printer = Printer::new(args);
        let result = tokio::select! {
            result = printer.print_all(&mut connection) => result,
            stop = stopped(&args.connect) => match stop {
                Stop::TimedOut => Err(Failure::timed_out()),
                Stop::Interrupted => Ok(()),
            },
        };
        let ended = connection.end().await;
        result.and(ended)
    })
}

struct Printer<'a> {
    args: &'a Subscribe,
    out: Stdout,
    /// Messages that were taken to be printed.
    taken: u64,
    batch: Batch,
    /// SUBSCRIBE, as long as it is not answered.
    subscribing: Option<Token>,
    unsubscribing: Option<Token>,
    /// What happened while messages were printed.
    waiting: VecDeque<Result<OwnedEvent, Failure>>,
}

/// Messages that are printed with one write.
#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    /// Those of QoS 1 and 2, of messages that are not shown as well.
    acks: Vec<AckToken>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.acks.is_empty()
    }
}

/// Whether there is anything left to do.
#[derive(PartialEq)]
enum Next {
    GoOn,
    End,
}

impl<'a> Printer<'a> {
    fn new(args: &'a Subscribe) -> Self {
        Self {
            args,
            out: tokio::io::stdout(),
            taken: 0,
            batch: Batch::default(),
            subscribing: None,
            unsubscribing: None,
            waiting: VecDeque::new(),
        }
    }

    async fn print_all(&mut self, connection: &mut Connection<'_>) -> Result<(), Failure> {
        connection.open().await?;
        self.ask(connection)?;
        loop {
            let event = match self.waiting.pop_front() {
                Some(event) => event,
                None if self.batch.is_empty() => connection.next().await,
                // What is there already is printed with it; nothing that came waits for what did not.
                None => match at_hand(connection).await {
                    Some(event) => event,
                    None => {
                        if self.print(connection).await? == Next::End {
                            return Ok(());
                        }
                        continue;
                    }
                },
            };
            let next = match event {
                Ok(OwnedEvent::Message(message)) => self.take(connection, message).await?,
                Ok(OwnedEvent::Completed { token, outcome }) => self.answered(token, outcome)?,
                Ok(_) => Next::GoOn,
                Err(failure) => {
                    self.print(connection).await?;
                    return Err(failure);
                }
            };
            if next == Next::End {
                return Ok(());
            }
        }
    }

    fn ask(&mut self, connection: &mut Connection<'_>) -> Result<(), Failure> {
        let refused = |why: mqtt_session::Refused| Failure::new(why.to_string());
        self.subscribing = self
            .args
            .with_subscriptions(|filters, properties| {
                connection.client.subscribe(filters, properties).map_err(refused)
            })
            .transpose()?;
        self.unsubscribing = self
            .args
            .with_unsubscriptions(|filters, properties| {
                connection
                    .client
                    .unsubscribe(filters, properties)
                    .map_err(refused)
            })
            .transpose()?;
        Ok(())
    }

    fn answered(&mut self, token: Token, outcome: OwnedOutcome) -> Result<Next, Failure> {
        match outcome {
            OwnedOutcome::Subscribed { codes, properties } => {
                self.subscribing.take_if(|asked| *asked == token);
                let more = explained(properties.view());
                self.check("subscription", &self.args.filters, &codes, &more)?;
            }
            OwnedOutcome::Unsubscribed { codes, properties } => {
                self.unsubscribing.take_if(|asked| *asked == token);
                let more = explained(properties.view());
                self.check("end of subscription", &self.args.unsubscribe, &codes, &more)?;
            }
            _ => {}
        }
        let all = self.subscribing.is_none() && self.unsubscribing.is_none();
        Ok(if all && self.args.exit_when_subscribed {
            Next::End
        } else {
            Next::GoOn
        })
    }

    /// It is a failure if nothing was granted; if something was not, that is said, and the rest goes on.
    fn check(&self, what: &str, filters: &[String], codes: &[ReasonCode], more: &str) -> Result<(), Failure> {
        let refused: Vec<_> = filters
            .iter()
            .zip(codes)
            .filter(|(_, code)| code.is_failure())
            .collect();
        let (Some((filter, code)), all) = (refused.first(), refused.len() == filters.len()) else {
            return Ok(());
        };
        if all || self.args.exit_when_subscribed {
            let failure = Failure::refused(
                format!("{what} to '{filter}' refused"),
                **code,
                self.args.connect.version,
            );
            return Err(failure.and(more));
        }
        if !self.args.connect.quiet {
            for (filter, code) in refused {
                eprintln!("mqtt sub: {what} to '{filter}' refused: {code:#}");
            }
        }
        Ok(())
    }

    /// Puts a message with those to be printed.
    async fn take(
        &mut self,
        connection: &mut Connection<'_>,
        message: OwnedMessage,
    ) -> Result<Next, Failure> {
        let args = self.args;
        let topic = TopicName::new(&message.topic).unwrap_or(TopicName::EMPTY);
        if args.shows(topic, message.retain) {
            if args.verbose {
                self.batch.text.extend_from_slice(message.topic.as_bytes());
                self.batch.text.push(b' ');
            }
            self.batch.text.extend_from_slice(&message.payload);
            if args.newline {
                self.batch.text.push(b'\n');
            }
            self.taken += 1;
        }
        self.batch.acks.extend(message.ack);
        if args.count.is_some_and(|count| self.taken >= count.get()) {
            self.print(connection).await?;
            return Ok(Next::End);
        }
        if self.batch.text.len() >= BATCH {
            return self.print(connection).await;
        }
        Ok(Next::GoOn)
    }

    /// Prints what was taken, and acknowledges it then. It is the end if nobody reads any more.
    ///
    /// If it takes long, because somebody reads slowly, the connection is kept alive meanwhile, and nothing is read from
    /// it.
    async fn print(&mut self, connection: &mut Connection<'_>) -> Result<Next, Failure> {
        let Self { out, waiting, .. } = self;
        let batch = core::mem::take(&mut self.batch);
        let mut written = core::pin::pin!(async {
            out.write_all(&batch.text).await?;
            out.flush().await
        });
        let mut lost = false;
        connection.client.set_reading(false);
        let result = loop {
            tokio::select! {
                biased;
                result = &mut written => break result,
                event = connection.next(), if !lost => {
                    lost = event.is_err();
                    waiting.push_back(event);
                }
            }
        };
        connection.client.set_reading(true);
        match result {
            Ok(()) => {}
            // Whoever read it has had enough; the messages stay with the server.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Next::End),
            Err(error) => return Err(Failure::new(format!("cannot write to stdout: {error}"))),
        }
        for ack in batch.acks {
            // What is refused is stale: the connection is gone, which the next event says.
            let _ = connection.client.acknowledge(ack, &Ack::SUCCESS);
        }
        Ok(Next::GoOn)
    }
}

/// The next event, if there is one without waiting.
async fn at_hand(connection: &mut Connection<'_>) -> Option<Result<OwnedEvent, Failure>> {
    tokio::select! {
        biased;
        event = connection.next() => Some(event),
        () = core::future::ready(()) => None,
    }
}
