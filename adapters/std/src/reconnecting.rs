//! The client that connects again by itself.

use core::{fmt, time::Duration};
use std::io;

use mqtt_session::{
    Event, Instant,
    client::Found,
    reconnect::Policy,
    storage::{Heap, Storage},
};

use crate::{Attempt, Client, News, Notifier, Options, Tcp, Transport, client::Turn, commands};

/// An MQTT client that connects by itself, and again when a connection ends, as a [`Policy`] says; and that brings
/// subscriptions back when the server has lost them. It reads, writes, waits and connects whenever
/// [`next`](Self::next) is called, and only then.
///
/// The *connector* is called at each attempt, with the [`Attempt`] and the [`Options`] that CONNECT will say. It opens a
/// connection, and may change the options: it is the place to fetch a fresh token. It is not called again before what it
/// did has led to an end, and that was told as [`News::Waiting`], with when the next attempt is, and why.
///
/// ```no_run
/// use mqtt_session::{Config, Event, reconnect::Policy, storage::Heap};
/// use mqtt_std::{Attempt, Client, News, Options};
/// # fn fresh_token() -> std::io::Result<Vec<u8>> { Ok(Vec::new()) }
///
/// let mut client = Client::new(Config::DEFAULT, Heap::new())?.reconnecting(
///     Policy::DEFAULT,
///     Options::new("thermostat"),
///     |_attempt: &Attempt, options: &mut Options| {
///         options.password = Some(fresh_token()?);
///         std::net::TcpStream::connect("broker.example:1883")
///     },
/// );
/// while let Some(news) = client.next()? {
///     match news {
///         News::Event(Event::Message(message)) => println!("{}", message.topic.as_str()),
///         News::Waiting(waiting) => println!("{}; again in {:?}", waiting.because, waiting.wait),
///         News::Stopped(stopped) => println!("no more: {}", stopped.because),
///         other => println!("{other:?}"),
///     }
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Reconnecting<F, T: Transport = Tcp, S: Storage = Heap> {
    client: Client<T, S>,
    /// What CONNECT says, where the connector does not change it.
    options: Options,
    connector: F,
}

impl<T: Transport, S: Storage> Client<T, S> {
    /// Lets the client connect by itself from now on: see [`Reconnecting`]. A connection that there may be goes on.
    pub fn reconnecting<F>(self, policy: Policy, options: Options, connector: F) -> Reconnecting<F, T, S>
    where
        F: FnMut(&Attempt, &mut Options) -> io::Result<T::Stream>,
    {
        let mut client = self;
        client.driver.supervise(policy);
        Reconnecting {
            client,
            options,
            connector,
        }
    }
}

impl<F, S: Storage> Reconnecting<F, Tcp, S> {
    /// For other threads: interrupts [`next`](Self::next), also while it waits for the time of an attempt.
    pub fn notifier(&self) -> Notifier {
        self.client.notifier()
    }
}

impl<F, T: Transport, S: Storage> Reconnecting<F, T, S>
where
    F: FnMut(&Attempt, &mut Options) -> io::Result<T::Stream>,
{
    /// Waits for the next news. `None`: a [`Notifier`] was used, or the client has [stopped](Self::is_stopped) and there
    /// is nothing more to tell.
    ///
    /// # Errors
    /// Waiting is not possible.
    #[allow(clippy::should_implement_trait, reason = "the event borrows from the client")]
    pub fn next(&mut self) -> io::Result<Option<News<Event<'_>>>> {
        self.drive(None)
    }

    /// The same, but `None` also when nothing happened for so long. The connector takes the time it takes.
    ///
    /// # Errors
    /// As of [`next`](Self::next).
    pub fn next_timeout(&mut self, timeout: Duration) -> io::Result<Option<News<Event<'_>>>> {
        let until = self.client.driver.clock().now() + timeout;
        self.drive(Some(until))
    }

    fn drive(&mut self, until: Option<Instant>) -> io::Result<Option<News<Event<'_>>>> {
        let news = self.find(until)?;
        Ok(news.map(|news| news.map(|found| self.client.driver.view(found))))
    }

    fn find(&mut self, until: Option<Instant>) -> io::Result<Option<News<(Found, usize)>>> {
        loop {
            if let Some(news) = self.client.driver.next_news() {
                return Ok(Some(news));
            }
            if let Some(attempt) = self.client.driver.take_attempt() {
                self.open(&attempt);
                continue;
            }
            if self.client.driver.is_stopped() {
                return Ok(None);
            }
            if let Turn::Return = self.client.turn(until)? {
                return Ok(None);
            }
        }
    }

    fn open(&mut self, attempt: &Attempt) {
        let mut options = self.options.clone();
        let Client { driver, transport } = &mut self.client;
        let opened = (self.connector)(attempt, &mut options).and_then(|stream| transport.open(stream));
        match opened {
            Ok(()) => {
                if !driver.opened(&options) {
                    transport.close();
                }
            }
            Err(error) => driver.not_opened(error),
        }
    }
}

impl<F, T: Transport, S: Storage> Reconnecting<F, T, S> {
    commands!(client.driver);
    crate::supervised!(client.driver);

    /// The client, which connects by itself no more. A connection that there may be goes on.
    pub fn into_client(mut self) -> Client<T, S> {
        self.client.driver.leave_alone();
        self.client
    }

    /// What CONNECT says at the next attempts, where the connector does not change it.
    pub const fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// The transport.
    pub const fn transport(&self) -> &T {
        &self.client.transport
    }

    /// Ends the connection without a word, as if it had been lost: the next attempt follows as the policy says.
    pub fn detach(&mut self) {
        self.client.detach();
    }
}

impl<F, T: Transport + fmt::Debug, S: Storage> fmt::Debug for Reconnecting<F, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnecting")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
