//! Why a connection gives nothing more.

use core::fmt;

use mqtt_session::Refused;

/// Why there is no next event, or no connection. `E` is the error of the transport.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<E> {
    /// The connection has ended in order, or the peer has ended the stream; [`Closed`](mqtt_session::Event::Closed) has
    /// said more.
    Closed,
    /// Reading failed. Comes after [`Closed`](mqtt_session::Event::Closed), as does `Write`.
    Read(E),
    /// Writing failed.
    Write(E),
    /// The transport took zero bytes.
    WriteZero,
    /// There was no byte to be had of a payload that the caller keeps.
    NoPayload,
    /// The session does not take the options, or has another connection.
    Refused(Refused),
    /// The session has events of its last connection to tell: take them with
    /// [`handle_timeout`](mqtt_session::Client::handle_timeout) first.
    EventsWaiting,
    /// The receive buffer is smaller than [`Config::receive_buffer`](mqtt_session::Config::receive_buffer) says, or
    /// either buffer has fewer than eight bytes.
    BufferTooSmall,
    /// The link was used before: each connection needs one of its own.
    LinkUsed,
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection is closed"),
            Self::Read(error) => write!(f, "reading failed: {error}"),
            Self::Write(error) => write!(f, "writing failed: {error}"),
            Self::WriteZero => f.write_str("the transport takes no bytes"),
            Self::NoPayload => f.write_str("the bytes of an external payload are not there"),
            Self::Refused(refused) => write!(f, "refused: {refused}"),
            Self::EventsWaiting => f.write_str("events of the last connection are waiting"),
            Self::BufferTooSmall => f.write_str("a buffer is too small"),
            Self::LinkUsed => f.write_str("the link was used before"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for Error<E> {}

impl<E> From<Refused> for Error<E> {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}
