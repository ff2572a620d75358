//! `mqtt sub`.

use std::{collections::VecDeque, io};

use mqtt_proto::{ReasonCode, TopicName};
use mqtt_session::{
    Config, Token,
    client::{Ack, Acknowledge, OwnedEvent, OwnedMessage, OwnedOutcome},
    storage::HeapLimits,
};
use tokio::io::{AsyncWriteExt as _, Stdout};

use crate::{
    args::Subscribe,
    connection::{Connection, Stop, explained, stopped},
    failure::{Failure, Named},
};

/// The longest packet that is taken, if `-D CONNECT maximum-packet-size` says nothing else.
const PACKET: u32 = 16 << 20;
/// Messages that are under way at a time.
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
            arrivals: UNDER_WAY,
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
    printed: u64,
    /// SUBSCRIBE, as long as it is not answered.
    subscribing: Option<Token>,
    unsubscribing: Option<Token>,
    /// What happened while a message was printed.
    waiting: VecDeque<Result<OwnedEvent, Failure>>,
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
            printed: 0,
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
                Some(event) => event?,
                None => connection.next().await?,
            };
            let next = match event {
                OwnedEvent::Message(message) => self.take(connection, message).await?,
                OwnedEvent::Completed { token, outcome } => self.answered(token, outcome)?,
                _ => Next::GoOn,
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
                eprintln!("mqtt sub: {what} to '{filter}' refused: {}", Named(*code));
            }
        }
        Ok(())
    }

    /// Prints a message, and acknowledges it then.
    async fn take(
        &mut self,
        connection: &mut Connection<'_>,
        message: OwnedMessage,
    ) -> Result<Next, Failure> {
        let topic = TopicName::new(&message.topic).unwrap_or(TopicName::EMPTY);
        let mut next = Next::GoOn;
        if self.args.shows(topic, message.retain) {
            match self.print(connection, &message).await {
                Ok(()) => {}
                // Whoever read it has had enough; the message stays with the server.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Next::End),
                Err(error) => return Err(Failure::new(format!("cannot write to stdout: {error}"))),
            }
            self.printed += 1;
            if self.args.count.is_some_and(|count| self.printed >= count.get()) {
                next = Next::End;
            }
        }
        if let Some(ack) = message.ack {
            // What is refused is stale: the connection is gone, which the next event says.
            let _ = connection.client.acknowledge(ack, &Ack::SUCCESS);
        }
        Ok(next)
    }

    /// Prints a message. If that takes long, because nobody reads, the connection is kept alive meanwhile, and nothing is
    /// read from it.
    async fn print(&mut self, connection: &mut Connection<'_>, message: &OwnedMessage) -> io::Result<()> {
        let mut line = Vec::with_capacity(message.topic.len() + message.payload.len() + 2);
        if self.args.verbose {
            line.extend_from_slice(message.topic.as_bytes());
            line.push(b' ');
        }
        line.extend_from_slice(&message.payload);
        if self.args.newline {
            line.push(b'\n');
        }
        let Self { out, waiting, .. } = self;
        let mut written = core::pin::pin!(async {
            out.write_all(&line).await?;
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
        result
    }
}
