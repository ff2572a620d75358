//! The client that connects again by itself.

use core::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io;

use mqtt_session::{
    Event,
    client::{Found, OwnedEvent},
    reconnect::Policy,
    storage::{Heap, Storage},
};
use mqtt_std::{Attempt, News, Options, commands, supervised};

use crate::{Client, Link, Timer, client::TURNS};

/// What opens a connection. Every function that is called with the [`Attempt`] and the [`Options`] that CONNECT will
/// say, and gives a future of a byte stream and of these options, is one.
///
/// It is called at each attempt and may change the options: it is the place to fetch a fresh token. It is not called again
/// before what it did has led to an end. The future is given up when
/// [`Config::connect_timeout`](mqtt_session::Config::connect_timeout) is over.
pub trait Connector<L> {
    /// The byte stream.
    type Stream: Into<L>;
    /// The future of it.
    type Opening: Future<Output = io::Result<(Self::Stream, Options)>>;

    /// Opens a connection.
    fn open(&mut self, attempt: Attempt, options: Options) -> Self::Opening;
}

impl<L, F, O, X> Connector<L> for F
where
    F: FnMut(Attempt, Options) -> O,
    O: Future<Output = io::Result<(X, Options)>>,
    X: Into<L>,
{
    type Stream = X;
    type Opening = O;

    fn open(&mut self, attempt: Attempt, options: Options) -> O {
        self(attempt, options)
    }
}

/// An MQTT client that connects by itself, and again when a connection ends, as a [`Policy`] says; and that brings
/// subscriptions back when the server has lost them. It does all that while [`next`](Self::next) is awaited.
///
/// Its [`Connector`] opens the connections. What happens is told as [`News`]: each attempt, each end with its reason and
/// the time of the next attempt, and what became of each subscription.
///
/// Publishes are taken also without a connection, as far as the session's memory goes.
pub struct Reconnecting<C: Connector<L>, L, T, S: Storage = Heap> {
    pub(crate) client: Client<L, T, S>,
    /// What CONNECT says, where the connector does not change it.
    options: Options,
    connector: C,
    opening: Option<Pin<Box<C::Opening>>>,
}

impl<L: Link, T: Timer, S: Storage> Client<L, T, S> {
    /// Lets the client connect by itself from now on: see [`Reconnecting`]. A connection that there may be goes on.
    pub fn reconnecting<C, O, X>(
        mut self,
        policy: Policy,
        options: Options,
        connector: C,
    ) -> Reconnecting<C, L, T, S>
    where
        C: FnMut(Attempt, Options) -> O,
        O: Future<Output = io::Result<(X, Options)>>,
        X: Into<L>,
    {
        self.driver.supervise(policy);
        Reconnecting {
            client: self,
            options,
            connector,
            opening: None,
        }
    }
}

impl<C: Connector<L>, L: Link, T: Timer, S: Storage> Reconnecting<C, L, T, S> {
    /// Waits for the next news, and meanwhile does everything else: connects, reads, writes, keeps alive. `None`: the
    /// client has [stopped](Self::is_stopped), and there is nothing more to tell.
    ///
    /// May be dropped at any time; nothing is lost, and the next call goes on where this one was.
    pub async fn next(&mut self) -> Option<News<Event<'_>>> {
        let news = poll_fn(|cx| self.poll_found(cx)).await?;
        Some(news.map(|found| self.client.driver.view(found)))
    }

    /// [`next`](Self::next) for those who poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<News<Event<'_>>>> {
        let news = ready!(self.poll_found(cx));
        Poll::Ready(news.map(|news| news.map(|found| self.client.driver.view(found))))
    }

    /// [`next`](Self::next) with events that own their bytes.
    pub async fn next_owned(&mut self) -> Option<News<OwnedEvent>> {
        poll_fn(|cx| self.poll_next_owned(cx)).await
    }

    /// [`next_owned`](Self::next_owned) for those who poll.
    pub fn poll_next_owned(&mut self, cx: &mut Context<'_>) -> Poll<Option<News<OwnedEvent>>> {
        let news = ready!(self.poll_found(cx));
        Poll::Ready(news.map(|news| news.map(|found| self.client.driver.own(found))))
    }

    fn poll_found(&mut self, cx: &mut Context<'_>) -> Poll<Option<News<(Found, usize)>>> {
        self.client.catch_up(cx);
        for _ in 0..TURNS {
            if let Some(news) = self.client.driver.next_news() {
                return Poll::Ready(Some(news));
            }
            if let Some(attempt) = self.client.driver.take_attempt() {
                let opening = self.connector.open(attempt, self.options.clone());
                self.opening = Some(Box::pin(opening));
            }
            if self.client.driver.is_stopped() {
                self.opening = None;
                return Poll::Ready(None);
            }
            let opened = self.poll_opening(cx);
            if !(opened || self.client.turn(cx)) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// `true`: something has come of it.
    fn poll_opening(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.client.driver.is_opening() {
            // It took too long, or is not wanted any more.
            self.opening = None;
        }
        let Some(opening) = &mut self.opening else {
            return false;
        };
        let Poll::Ready(opened) = opening.as_mut().poll(cx) else {
            return false;
        };
        self.opening = None;
        match opened {
            Ok((stream, options)) => {
                if self.client.driver.opened(&options) {
                    self.client.set_link(stream.into());
                }
            }
            Err(error) => self.client.driver.not_opened(error),
        }
        true
    }

    /// Ends the connection without a word, as if it had been lost: the next attempt follows as the policy says.
    pub fn detach(&mut self) -> Option<L> {
        self.client.detach()
    }

    /// `false`: reads no more, so that no more messages come, until told `true`.
    pub fn set_reading(&mut self, reading: bool) {
        self.client.set_reading(reading);
    }
}

impl<C: Connector<L>, L, T, S: Storage> Reconnecting<C, L, T, S> {
    commands!(client.driver);
    supervised!(client.driver);

    /// The client, which connects by itself no more. A connection that there may be goes on.
    pub fn into_client(mut self) -> Client<L, T, S> {
        self.client.driver.leave_alone();
        self.client
    }

    /// What CONNECT says at the next attempts, where the connector does not change it.
    pub const fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }
}

impl<C: Connector<L>, L, T, S: Storage> fmt::Debug for Reconnecting<C, L, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnecting")
            .field("client", &self.client)
            .field("opening", &self.opening.is_some())
            .finish_non_exhaustive()
    }
}
