//! What was begun through a handle, and how its end is told.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use std::collections::BTreeMap;

use futures_channel::oneshot;
use mqtt_session::{
    Refused, Token,
    client::{AbortReason, OwnedEvent, OwnedOutcome},
};

/// An operation under way; as a future, its end. It goes on if this is dropped.
///
/// Whoever waits for it in the task that also takes the [`Events`](crate::Events) has to take these meanwhile: the answer
/// may stand behind messages for which there is no room.
#[derive(Debug)]
#[must_use = "dropped, nothing tells how the operation ends"]
pub struct Operation(pub(crate) oneshot::Receiver<End>);

pub(crate) type End = Result<OwnedOutcome, OperationError>;

/// Why an operation has no outcome.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperationError {
    /// It was not begun.
    Refused(Refused),
    /// It was begun, and ended without an answer.
    Aborted(AbortReason),
    /// The task that drove it has ended. If that gave its client back, a message of QoS 1 or 2 may still be sent by it.
    Stopped,
}

impl Future for Operation {
    type Output = Result<OwnedOutcome, OperationError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|end| end.unwrap_or(Err(OperationError::Stopped)))
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => why.fmt(f),
            Self::Aborted(why) => write!(f, "aborted: {why:?}"),
            Self::Stopped => f.write_str("the client's task has ended"),
        }
    }
}

impl core::error::Error for OperationError {}

/// Who waits for the end of which operation.
#[derive(Debug, Default)]
pub(crate) struct Operations(BTreeMap<Token, oneshot::Sender<End>>);

impl Operations {
    /// The operation was begun or refused.
    pub(crate) fn begin(&mut self, begun: Result<Token, Refused>, reply: oneshot::Sender<End>) {
        match begun {
            Ok(token) => {
                self.0.insert(token, reply);
            }
            Err(why) => drop(reply.send(Err(OperationError::Refused(why)))),
        }
    }

    /// Tells whoever waits; gives the event back if it is for nobody here.
    pub(crate) fn tell(&mut self, event: OwnedEvent) -> Option<OwnedEvent> {
        let (OwnedEvent::Completed { token, .. } | OwnedEvent::Aborted { token, .. }) = &event else {
            return Some(event);
        };
        let Some(reply) = self.0.remove(token) else {
            return Some(event);
        };
        // Whoever dropped the operation does not want to know.
        let _ = match event {
            OwnedEvent::Completed { outcome, .. } => reply.send(Ok(outcome)),
            OwnedEvent::Aborted { why, .. } => reply.send(Err(OperationError::Aborted(why))),
            OwnedEvent::Connected(_) | OwnedEvent::Message(_) | OwnedEvent::Closed(_) | _ => Ok(()),
        };
        None
    }
}
