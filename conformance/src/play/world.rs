//! Where a trace is played.

use core::time::Duration;

use super::act::Act;
use super::inbox::Inbox;
use crate::fields::Val;
use crate::play::call::Call;
use crate::profile::Secret;
use crate::trace::ast::Direction;

/// One machine or peer under test with the links to it, and a clock.
///
/// Connections are numbered by the [`Inbox`]. What comes on them, the end included, is told to the inbox from within
/// [`wait`](Self::wait) alone, whole packets at a time where the world can.
pub trait World {
    /// Which way the runner's own packets go; none if it plays no side.
    fn sends(&self) -> Option<Direction>;

    /// Time since the start.
    fn now(&self) -> Duration;

    /// How long expectations may wait.
    fn pace(&self) -> Pace {
        Pace::VIRTUAL
    }

    /// Whether the client under test tells of such events, and in them of this field. Lines with events that it does not tell
    /// are passed over, fields that it does not tell are not compared.
    fn tells(&self, event: &str, field: Option<&str>) -> bool {
        let _ = (event, field);
        true
    }

    /// Why the side under test need not refuse what a trace expects it to refuse, if it need not: the trace is then not
    /// applicable from there on.
    fn need_not_refuse(&self) -> Option<String> {
        None
    }

    /// The password in what the runner sends that stands in no trace: the record does not show it.
    fn secret(&self) -> Option<&Secret> {
        None
    }

    /// Opens a link to the broker under test.
    ///
    /// # Errors
    ///
    /// Why not, in words.
    fn open(&mut self, conn: usize) -> Result<(), String>;

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// Why not, in words.
    fn send(&mut self, conn: usize, bytes: &[u8]) -> Result<(), String>;

    /// Takes the link away; harmless if there is none.
    fn cut(&mut self, conn: usize);

    /// Calls the client under test.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    fn call(&mut self, conn: usize, call: &Call) -> Result<Option<Val>, Refusal>;

    /// Does something to the broker under test. If that stops it, all its links are gone when this is done; what it said before
    /// may be told to the inbox for the record.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    fn act(&mut self, act: &Act, inbox: &mut Inbox<'_>) -> Result<(), Refusal> {
        let _ = inbox;
        Err(Refusal::NotApplicable(format!("`{act}` cannot be done here")))
    }

    /// Lets happen what happens, until something comes or until this time. True if something came.
    ///
    /// # Errors
    ///
    /// The machine under test misbehaves in a way that no line of a trace could show.
    fn wait(&mut self, until: Duration, inbox: &mut Inbox<'_>) -> Result<bool, String>;
}

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The client refused it: the name of the refusal, and the refusal in words.
    ///
    /// The name is that of a variant of [`mqtt_session::Refused`]; empty if the client has nothing like these. Then every
    /// refusal that a trace wants is this, and a trace that wants the call to be taken is not applicable: no standard says what a
    /// client must do for its user.
    Refused(String, String),
    /// It cannot be written like this.
    Invalid(String),
    /// The target has nothing like it.
    NotApplicable(String),
}

/// How long expectations may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pace {
    /// For an expectation without a span.
    pub patience: Duration,
    /// What a span is widened by at both ends.
    pub slack: Duration,
    /// Between the pieces of a packet, and after a link was cut.
    pub pause: Duration,
}

impl Pace {
    /// In memory nothing takes time but what waits for a deadline.
    pub const VIRTUAL: Self = Self {
        patience: Duration::ZERO,
        slack: Duration::ZERO,
        pause: Duration::ZERO,
    };

    /// Over real links.
    #[must_use]
    pub const fn real(patience: Duration, slack: Duration) -> Self {
        Self {
            patience,
            slack,
            pause: Duration::from_millis(10),
        }
    }
}
