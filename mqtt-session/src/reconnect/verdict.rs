//! What each reason code means for another attempt.

use mqtt_proto::ReasonCode;

/// Whether an attempt makes sense after a reason code.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_enums, reason = "there is no fourth answer")]
pub enum Verdict {
    /// Yes, after the next delay in the row.
    Retry,
    /// Yes, but not before the longest delay (jitter aside): the server has too much to do, or the same would
    /// happen again.
    RetryLate,
    /// No: it would end the same way until somebody changes something.
    Stop,
}

/// A row of [`VERDICTS`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerdictRow {
    /// The reason code; return codes of 3.x are held as the reason codes of their meaning.
    pub code: ReasonCode,
    /// If CONNACK said so.
    pub refused: Verdict,
    /// If a DISCONNECT said so, from either side, or this client would have.
    pub ended: Verdict,
    /// Why.
    pub why: &'static str,
}

macro_rules! verdicts {
    ($($code:ident $refused:ident $ended:ident $why:literal;)*) => {
        /// The verdicts on all reason codes that end a connection. Any other failure is [`Verdict::RetryLate`].
        /// [`Policy::overrides`](super::Policy::overrides) goes before.
        ///
        /// | reason code | in CONNACK | later | why |
        /// |---|---|---|---|
        $(#[doc = concat!(
            "| [`", stringify!($code), "`](ReasonCode::", stringify!($code), ") | ", stringify!($refused), " | ",
            stringify!($ended), " | ", $why, " |",
        )])*
        pub const VERDICTS: &[VerdictRow] = &[$(VerdictRow {
            code: ReasonCode::$code,
            refused: Verdict::$refused,
            ended: Verdict::$ended,
            why: $why,
        }),*];
    };
}

verdicts! {
    NORMAL_DISCONNECTION Retry Retry "the server ended in order, and may be back";
    UNSPECIFIED_ERROR Retry Retry "nothing is known against it; also no CONNACK in time";
    MALFORMED_PACKET RetryLate RetryLate "one end has a fault, and will show it again";
    PROTOCOL_ERROR RetryLate RetryLate "one end has a fault, and will show it again";
    IMPLEMENTATION_SPECIFIC_ERROR RetryLate RetryLate "the server will not do what was asked";
    UNSUPPORTED_PROTOCOL_VERSION Stop Stop "another version is needed; see `Policy::fall_back`";
    CLIENT_IDENTIFIER_NOT_VALID Stop Stop "another client id is needed";
    BAD_USER_NAME_OR_PASSWORD Stop Stop "other credentials are needed";
    NOT_AUTHORIZED Stop Stop "a permission is needed";
    SERVER_UNAVAILABLE Retry Retry "it will pass";
    SERVER_BUSY RetryLate RetryLate "the server has too much to do already";
    BANNED Stop Stop "an administrator wants it so";
    SERVER_SHUTTING_DOWN Retry Retry "it will be back";
    BAD_AUTHENTICATION_METHOD Stop Stop "another method is needed";
    KEEP_ALIVE_TIMEOUT Retry Retry "the link was dead";
    SESSION_TAKEN_OVER Stop Stop "two clients with one client id would throw each other out for ever";
    TOPIC_FILTER_INVALID Stop RetryLate "the same subscription would end it again";
    TOPIC_NAME_INVALID Stop RetryLate "the will in CONNECT is refused, or the same message would end it again";
    RECEIVE_MAXIMUM_EXCEEDED RetryLate RetryLate "one end counts wrongly, and will again";
    TOPIC_ALIAS_INVALID RetryLate RetryLate "one end counts wrongly, and will again";
    PACKET_TOO_LARGE Stop Stop "the same packet comes again with each connection that resumes the session";
    MESSAGE_RATE_TOO_HIGH RetryLate RetryLate "what waits would be too much again";
    QUOTA_EXCEEDED RetryLate RetryLate "quotas are given back slowly";
    ADMINISTRATIVE_ACTION RetryLate RetryLate "an administrator wanted it ended, not banned";
    PAYLOAD_FORMAT_INVALID Stop RetryLate "the will in CONNECT is refused, or the same message would end it again";
    RETAIN_NOT_SUPPORTED Stop RetryLate "the will in CONNECT is refused; later, the next CONNACK tells and is obeyed";
    QOS_NOT_SUPPORTED Stop RetryLate "the will in CONNECT is refused; later, the next CONNACK tells and is obeyed";
    USE_ANOTHER_SERVER RetryLate RetryLate "for now it is elsewhere; see `Policy::referrals`";
    SERVER_MOVED Stop Stop "it will never be here again; see `Policy::referrals`";
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED Stop RetryLate "the next CONNACK tells and is obeyed";
    CONNECTION_RATE_EXCEEDED RetryLate RetryLate "attempts come too fast";
    MAXIMUM_CONNECT_TIME Retry Retry "the time for one connection was over, not that for the next";
    SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED Stop RetryLate "the next CONNACK tells and is obeyed";
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED Stop RetryLate "the next CONNACK tells and is obeyed";
}

/// The verdict of [`VERDICTS`] on a reason code, in CONNACK (`refused`) or later.
pub fn verdict(code: ReasonCode, refused: bool) -> Verdict {
    let row = VERDICTS.iter().find(|row| row.code == code);
    match row {
        Some(row) if refused => row.refused,
        Some(row) => row.ended,
        None if code.is_failure() => Verdict::RetryLate,
        None => Verdict::Retry,
    }
}
