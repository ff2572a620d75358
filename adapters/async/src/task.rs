//! The spawned form: one future owns the client and its transport.

use core::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{collections::VecDeque, io};

use async_channel::Receiver;
use futures_channel::mpsc;
use futures_core::Stream;
use mqtt_session::{client::OwnedEvent, storage::Storage};

use crate::{Client, Events, Handle, Link, Timer, command::Command};

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

impl<L: Link, T: Timer, S: Storage> Client<L, T, S> {
    /// Takes the client apart into what commands it, what tells of it, and the future that drives it, which any runtime
    /// can run. The future ends when the connection has ended. It gives the client back with its session, and what
    /// [`next`](Self::next) said after [`OwnedEvent::Closed`]: attach another transport and do the same again; operations
    /// that the session keeps go on, and their ends are told.
    pub fn into_task(self, config: TaskConfig) -> (Handle, Events, impl Future<Output = (Self, io::Error)>) {
        let (commands, received) = async_channel::bounded(config.commands.max(1));
        // Each sender has a place of its own beside these, and there is one.
        let (events, taken) = mpsc::channel(config.events.saturating_sub(1));
        let mut task = Task {
            client: self,
            commands: Box::pin(received),
            events: Some(events),
            waiting: VecDeque::new(),
            drain: config.drain,
            draining: false,
            ended: None,
        };
        let driven = async move {
            let error = poll_fn(|cx| task.poll(cx)).await;
            task.client.set_reading(true);
            (task.client, error)
        };
        (Handle { commands }, Events(taken), driven)
    }
}

struct Task<L, T, S: Storage> {
    client: Client<L, T, S>,
    commands: Pin<Box<Receiver<Command>>>,
    /// `None`: nobody wants them.
    events: Option<mpsc::Sender<OwnedEvent>>,
    /// Events for which there was no room. Nothing is read then, so these are few: the end of the connection, and ends
    /// of operations that were begun before there was a task.
    waiting: VecDeque<OwnedEvent>,
    drain: Duration,
    /// The last handle was dropped.
    draining: bool,
    /// There is no connection any more.
    ended: Option<io::Error>,
}

impl<L: Link, T: Timer, S: Storage> Task<L, T, S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let more = self.ended.is_none() && self.take_commands(cx);
        for _ in 0..TURNS {
            let room = self.deliver(cx);
            if let Some(error) = self.ended.take_if(|_| room || self.draining) {
                return Poll::Ready(error);
            }
            if self.ended.is_some() {
                return Poll::Pending;
            }
            self.client.set_reading(room);
            match self.client.poll_next(cx) {
                Poll::Ready(Ok(event)) => {
                    let event = OwnedEvent::from(event);
                    self.waiting.extend(self.client.operations.tell(event));
                }
                Poll::Ready(Err(error)) => {
                    self.commands.close();
                    self.ended = Some(error);
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
                    let Client {
                        driver, operations, ..
                    } = &mut self.client;
                    command.apply(driver, operations);
                }
                Poll::Ready(None) => {
                    if !self.draining {
                        self.draining = true;
                        // Without a connection there is nothing to drain, and the task ends by itself.
                        let _ = self.client.shutdown(self.drain);
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
