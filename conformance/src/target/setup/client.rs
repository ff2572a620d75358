//! Our client as a trace wants it.

use core::time::Duration;

use mqtt_session::client::{Acknowledge, Config, Offline, OnSessionLost, Oversize, UnknownSession, WhenFull};
use mqtt_session::storage::HeapLimits;

use super::Setting;
use crate::trace::Trace;

/// What a client is made with.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::target) struct NewClient {
    pub(in crate::target) config: Config,
    pub(in crate::target) limits: HeapLimits,
}

/// Our client as the trace wants it.
pub(in crate::target) fn client(trace: &Trace) -> Result<NewClient, String> {
    let mut new = NewClient::default();
    for field in &trace.head.config {
        let taken = Setting::of(field).and_then(|setting| set_client(&mut new, &field.name, &setting));
        if taken.is_none() {
            return Err(format!("its setting {field} is none that this target has"));
        }
    }
    Ok(new)
}

/// The names are those of the properties of CONNECT, where there is one.
fn set_client(new: &mut NewClient, name: &str, setting: &Setting<'_>) -> Option<()> {
    let NewClient { config, limits } = new;
    match *setting {
        Setting::Number(n) => match name {
            "receive_maximum" => limits.arrivals = u16::try_from(n).ok()?,
            "maximum_packet_size" => config.receive_buffer = u32::try_from(n).ok()?,
            "slots" => limits.slots = u16::try_from(n).ok()?,
            "bytes" => limits.bytes = usize::try_from(n).ok()?,
            "connect_timeout" => config.connect_timeout = Duration::from_secs(n),
            "ping_timeout" => config.ping_timeout = Duration::from_secs(n),
            "resend_after" => config.resend_after = Some(Duration::from_secs(n)),
            "close_timeout" => config.close_timeout = Duration::from_secs(n),
            "max_age" => config.max_age = Some(Duration::from_secs(n)),
            _ => return None,
        },
        Setting::Word(word) => match (name, word) {
            ("acknowledge", "automatic") => config.acknowledge = Acknowledge::Automatic,
            ("acknowledge", "manual") => config.acknowledge = Acknowledge::Manual,
            ("offline", "accept") => config.offline = Offline::Accept,
            ("offline", "refuse") => config.offline = Offline::Refuse,
            ("oversize", "refuse") => config.oversize = Oversize::Refuse,
            ("oversize", "stream") => config.oversize = Oversize::Stream,
            ("on_session_lost", "abort") => config.on_session_lost = OnSessionLost::Abort,
            ("on_session_lost", "send_again") => config.on_session_lost = OnSessionLost::SendAgainAsNew,
            ("unknown_session", "as_version_says") => config.unknown_session = UnknownSession::AsVersionSays,
            ("unknown_session", "accept") => config.unknown_session = UnknownSession::Accept,
            ("when_full", "refuse") => config.when_full = WhenFull::Refuse,
            ("when_full", "drop_oldest") => config.when_full = WhenFull::DropOldest,
            ("when_full", "drop_qos_0") => config.when_full = WhenFull::DropQoS0,
            ("when_full", "keep_nothing") => config.when_full = WhenFull::KeepNothing,
            _ => return None,
        },
        Setting::Text(_) => return None,
    }
    Some(())
}
