//! Who may do what.

use mqtt_session::server::{Decision, Question};

/// Decides what clients ask, where the configuration says that it is to be asked ([`Asks`](mqtt_session::server::Asks)).
///
/// It is called within a turn of the server: while it thinks, no connection is served. What takes longer, because a password is hashed
/// or somebody else is asked, is answered with [`Verdict::Later`], and by whoever knows the answer with
/// [`ServerHandle::decide`](crate::ServerHandle::decide).
///
/// A closure is one, too:
///
/// ```
/// use mqtt_async::{Policy, Verdict};
/// use mqtt_session::server::{Asked, Decision, Question};
/// use mqtt_proto::ReasonCode;
///
/// fn is_policy(_: impl Policy) {}
///
/// is_policy(|question: &Question<'_>| match &question.asked {
///     Asked::Publish(publish) if publish.head.topic.as_str() == question.client_id => Decision::Allow.into(),
///     _ => Verdict::Now(Decision::Deny(ReasonCode::NOT_AUTHORIZED)),
/// });
/// ```
pub trait Policy {
    /// The answer to this question.
    fn decide(&mut self, question: &Question<'_>) -> Verdict;
}

/// What a [`Policy`] says.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "there is no third time")]
pub enum Verdict {
    /// This.
    Now(Decision),
    /// A handle will say, with the [ticket](mqtt_session::server::Question::ticket) of the question. The client waits, but
    /// no longer than [`Limits::decision_timeout`](mqtt_session::server::Limits::decision_timeout).
    Later,
}

impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Self {
        Self::Now(decision)
    }
}

/// Everybody may do everything: what a server does that was given no policy.
#[derive(Copy, Clone, Debug, Default)]
#[non_exhaustive]
pub struct AllowAll;

impl Policy for AllowAll {
    fn decide(&mut self, _: &Question<'_>) -> Verdict {
        Verdict::Now(Decision::Allow)
    }
}

impl<F: FnMut(&Question<'_>) -> Verdict> Policy for F {
    fn decide(&mut self, question: &Question<'_>) -> Verdict {
        self(question)
    }
}
