//! The spawned form: one future owns the client and its transport.

use core::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use std::{collections::VecDeque, io};

use async_channel::Receiver;
use futures_channel::mpsc;
use futures_core::Stream;
use mqtt_session::{client::OwnedEvent, storage::Storage};
use mqtt_std::{News, driver::Driver};

use crate::{
    Client, Connector, Events, Handle, Link, Reconnecting, Timer, command::Command, operation::Operations,
};

/// Commands and events in a row, before other tasks get their turn.
const TURNS: usize = 64;

/// How much may wait, and how long.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskConfig {
    /// Commands that wait for the task. Default 64; at least 1.
    pub commands: usize,
    /// Events that wait to be taken. Default 64; at least 1.
    pub events: usize,
    /// When the last handle is dropped: how long operations may take to end, before the connection is ended without
    /// them. Default 10 s.
    pub drain: Duration,
}

impl TaskConfig {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        commands: 64,
        events: 64,
        drain: Duration::from_secs(10),
    };
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A client that a task drives.
pub(crate) trait Driven {
    type Storage: Storage;
    /// What it tells.
    type Told;
    /// Why it tells no more.
    type End;

    fn parts(&mut self) -> (&mut Driver<Self::Storage>, &mut Operations);

    /// The next thing to tell; `None` if it was told to whoever waits for an operation.
    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Self::Told>, Self::End>>;
}

impl<L: Link, T: Timer, S: Storage> Driven for Client<L, T, S> {
    type Storage = S;
    type Told = OwnedEvent;
    type End = io::Error;

    fn parts(&mut self) -> (&mut Driver<S>, &mut Operations) {
        (&mut self.driver, &mut self.operations)
    }

    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<OwnedEvent>>> {
        let event = ready!(self.poll_next_owned(cx))?;
        Poll::Ready(Ok(self.operations.tell(event)))
    }
}

impl<C: Connector<L>, L: Link, T: Timer, S: Storage> Driven for Reconnecting<C, L, T, S> {
    type Storage = S;
    type Told = News<OwnedEvent>;
    type End = ();

    fn parts(&mut self) -> (&mut Driver<S>, &mut Operations) {
        self.client.parts()
    }

    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<News<OwnedEvent>>, ()>> {
        let Some(news) = ready!(self.poll_next_owned(cx)) else {
            return Poll::Ready(Err(()));
        };
        Poll::Ready(Ok(match news {
            News::Event(event) => self.client.operations.tell(event).map(News::Event),
            other @ (News::Connecting(_)
            | News::Waiting(_)
            | News::Stopped(_)
            | News::Subscriptions(_)
            | _) => Some(other),
        }))
    }
}

impl<L: Link, T: Timer, S: Storage> Client<L, T, S> {
    /// Takes the client apart into what commands it, what tells of it, and the future that drives it, which any runtime
    /// can run. The future ends when the connection has ended. It gives the client back with its session, and what
    /// [`next`](Self::next) said after [`OwnedEvent::Closed`]: attach another transport and do the same again; operations
    /// that the session keeps go on, and their ends are told.
    pub fn into_task(self, config: TaskConfig) -> (Handle, Events, impl Future<Output = (Self, io::Error)>) {
        spawnable(self, config)
    }
}

impl<C: Connector<L>, L: Link, T: Timer, S: Storage> Reconnecting<C, L, T, S> {
    /// Takes the client apart into what commands it, what tells of it, and the future that drives it, which any runtime
    /// can run. The future ends when the client has stopped, as [`News::Stopped`] tells, and gives it back.
    ///
    /// Publishes are taken also without a connection, as far as the session's memory goes; requests are refused then.
    /// When the last handle is dropped, the client ends when nothing is under way, over as many connections as that
    /// takes, at the latest after [`TaskConfig::drain`].
    pub fn into_task(
        self,
        config: TaskConfig,
    ) -> (Handle, Events<News<OwnedEvent>>, impl Future<Output = Self>) {
        let (handle, events, driven) = spawnable(self, config);
        (handle, events, async move { driven.await.0 })
    }
}

fn spawnable<D: Driven>(
    client: D,
    config: TaskConfig,
) -> (Handle, Events<D::Told>, impl Future<Output = (D, D::End)>) {
    let (commands, received) = async_channel::bounded(config.commands.max(1));
    // Each sender has a place of its own beside these, and there is one.
    let (events, taken) = mpsc::channel(config.events.saturating_sub(1));
    let mut task = Task {
        client,
        commands: Box::pin(received),
        events: Some(events),
        waiting: VecDeque::new(),
        drain: config.drain,
        draining: false,
        ended: None,
    };
    let driven = async move {
        let end = poll_fn(|cx| task.poll(cx)).await;
        task.client.parts().0.set_reading(true);
        (task.client, end)
    };
    (Handle { commands }, Events(taken), driven)
}

struct Task<D: Driven> {
    client: D,
    commands: Pin<Box<Receiver<Command>>>,
    /// `None`: nobody wants them.
    events: Option<mpsc::Sender<D::Told>>,
    /// Events for which there was no room. Nothing is read then, so these are few: the end of the connection, and ends
    /// of operations that were begun before there was a task.
    waiting: VecDeque<D::Told>,
    drain: Duration,
    /// The last handle was dropped.
    draining: bool,
    /// Nothing more will be told.
    ended: Option<D::End>,
}

impl<D: Driven> Task<D> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<D::End> {
        let more = self.ended.is_none() && self.take_commands(cx);
        for _ in 0..TURNS {
            let room = self.deliver(cx);
            if let Some(end) = self.ended.take_if(|_| room || self.draining) {
                return Poll::Ready(end);
            }
            if self.ended.is_some() {
                return Poll::Pending;
            }
            self.client.parts().0.set_reading(room);
            match self.client.poll_told(cx) {
                Poll::Ready(Ok(told)) => self.waiting.extend(told),
                Poll::Ready(Err(end)) => {
                    self.commands.close();
                    self.ended = Some(end);
                }
                Poll::Pending => {
                    if more {
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// `true`: there may be more.
    fn take_commands(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..TURNS {
            match self.commands.as_mut().poll_next(cx) {
                Poll::Ready(Some(command)) => {
                    let (driver, operations) = self.client.parts();
                    command.apply(driver, operations);
                }
                Poll::Ready(None) => {
                    if !self.draining {
                        self.draining = true;
                        // Without a connection there is nothing to drain, and the task ends by itself.
                        let _ = self.client.parts().0.shutdown(self.drain);
                    }
                    return false;
                }
                Poll::Pending => return false,
            }
        }
        true
    }

    /// Passes on events that wait. `true`: there is room for another.
    fn deliver(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(events) = &mut self.events {
            match events.poll_ready(cx) {
                Poll::Ready(Ok(())) => match self.waiting.pop_front() {
                    Some(event) => drop(events.start_send(event)),
                    None => return true,
                },
                Poll::Ready(Err(_)) => self.events = None,
                Poll::Pending => return false,
            }
        }
        self.waiting.clear();
        true
    }
}
