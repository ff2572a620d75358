//! `[[listener]]`, and `[listener.limits]` beneath it.

use std::path::PathBuf;

use mqtt_session::server::{Offer, Pool};

use super::{
    ListenAddress,
    address::host_and_port,
    key::{Key, keys},
    setting::{Setting, quoted},
};

/// Where clients come in, who may, and what they are offered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listener {
    /// Where.
    pub address: Option<ListenAddress>,
    /// Clients may come without a user name. `None`: if there is no file of passwords.
    pub anonymous: Option<bool>,
    /// Users and hashes of their passwords.
    pub password_file: Option<PathBuf>,
    /// Who may publish and subscribe where; without it everybody may do everything.
    pub access_rules: Option<PathBuf>,
    /// What MQTT has, and limits.
    pub offer: Offer,
}

impl Listener {
    /// One that listens nowhere yet.
    pub(super) const fn nowhere() -> Self {
        Self {
            address: None,
            anonymous: None,
            password_file: None,
            access_rules: None,
            offer: Offer::DEFAULT,
        }
    }

    /// Clients may come without a user name.
    pub fn allows_anonymous(&self) -> bool {
        self.anonymous.unwrap_or_else(|| self.password_file.is_none())
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            address: Some(ListenAddress::Tcp("127.0.0.1:1883".into())),
            ..Self::nowhere()
        }
    }
}

fn set_address(listener: &mut Listener, address: ListenAddress) -> Result<(), String> {
    match listener.address.replace(address) {
        None => Ok(()),
        Some(_) => Err("a listener has one address: `tcp` or `unix`".into()),
    }
}

const TCP: Key<Listener> = Key {
    name: "tcp",
    doc: " Where to listen: \"HOST:PORT\", a name or an address. 0.0.0.0 and [::] are all addresses, port 0 is any that is free.\n",
    set: |listener, value| {
        let address = host_and_port(&String::read(value)?)?;
        set_address(listener, ListenAddress::Tcp(address))
    },
    get: |listener| match &listener.address {
        Some(ListenAddress::Tcp(address)) => Some(quoted(address)),
        _ => None,
    },
    example: "\"127.0.0.1:1883\"",
};

const UNIX: Key<Listener> = Key {
    name: "unix",
    doc: " Or the path of a Unix socket. One that nobody listens on any more is replaced.\n",
    set: |listener, value| {
        let path = PathBuf::read(value)?;
        set_address(listener, ListenAddress::Unix(path))
    },
    get: |listener| match &listener.address {
        Some(ListenAddress::Unix(path)) => path.write(),
        _ => None,
    },
    example: "\"/run/mqtt.sock\"",
};

const ANONYMOUS: Key<Listener> = Key {
    name: "anonymous",
    doc: " Whether clients may come without a user name. If not said: yes without a file of passwords, no with one.\n \
          A name that no file can verify is no name: its client is anonymous.\n",
    set: |listener, value| {
        listener.anonymous = Some(bool::read(value)?);
        Ok(())
    },
    get: |listener| listener.allows_anonymous().write(),
    example: "",
};

pub(super) const KEYS: &[Key<Listener>] = &[TCP, UNIX, ANONYMOUS];

pub(super) const FILES: &[Key<Listener>] = keys! { Listener {
    /// File of users and passwords, made with `mqtt passwd`. Read again on SIGHUP.
    password_file = "\"/etc/mqtt/passwords\"",
    /// File of rules that say who may publish and subscribe where. Without it everybody may do everything. Read again on
    /// SIGHUP.
    access_rules = "\"/etc/mqtt/rules\"",
}};

pub(super) const OFFER: &[Key<Listener>] = keys! { Listener {
    /// Clients of different pools meet in nothing: topics, retained messages, client ids. 0 is the pool of `$SYS`.
    pool: offer.grant.pool,
    /// Whether clients may subscribe to `$SYS/...`, whatever their pool.
    sees_sys: offer.grant.sees_sys,
    /// The highest QoS that clients may publish with.
    maximum_qos: offer.maximum_qos,
    /// Whether retained messages are kept.
    retain_available: offer.retain_available,
    /// Whether filters may have wildcards.
    wildcard_available: offer.wildcard_available,
    /// Whether subscriptions may have identifiers.
    subscription_ids_available: offer.subscription_ids_available,
    /// Whether there are shared subscriptions.
    shared_available: offer.shared_available,
    /// Messages of QoS 1 and 2 that a client may have under way to the broker (Receive Maximum).
    receive_maximum: offer.receive_maximum,
    /// Bytes of one packet from a client (Maximum Packet Size).
    max_packet_size: offer.max_packet_size,
    /// Topic aliases that a client may use (Topic Alias Maximum).
    topic_alias_maximum: offer.topic_alias_maximum,
    /// Topic aliases that the broker uses to one client, which may want fewer.
    topic_aliases_to_client: offer.topic_aliases_to_client,
    /// The longest Keep Alive in seconds; clients of 5.0 are told to shorten theirs (Server Keep Alive).
    keep_alive_max: offer.keep_alive_max = "600",
    /// Seconds that a connection may take to send its CONNECT.
    connect_timeout: offer.connect_timeout,
    /// Response Information for clients that request it.
    response_information: offer.response_information = "\"responses/\"",
}};

pub(super) const LIMITS: &[Key<Listener>] = keys! { Listener {
    /// Messages that wait for one session, those under way not counted.
    queue_messages: offer.grant.limits.queue_messages,
    /// Bytes of the messages that wait for one session.
    queue_bytes: offer.grant.limits.queue_bytes,
    /// Messages of QoS 1 and 2 under way to one client, which may want fewer.
    max_in_flight: offer.grant.limits.max_in_flight,
    /// Subscriptions of one session.
    subscriptions: offer.grant.limits.subscriptions,
    /// The longest that a session is kept without a connection, in seconds. 4294967295 is for ever.
    session_expiry_max: offer.grant.limits.session_expiry_max,
    /// Retained messages of one pool; by default only those of the whole broker are limited.
    retained_messages: offer.grant.limits.retained_messages = "1000",
    /// Bytes of the retained messages of one pool.
    retained_bytes: offer.grant.limits.retained_bytes = "1000000",
    /// How many messages one client may publish: `per_second` in the long run, `burst` at once.
    rate_messages: offer.grant.limits.rate.messages = "{ per_second = 1000, burst = 5000 }",
    /// How many bytes one client may publish, counted in topics, properties and payloads.
    rate_bytes: offer.grant.limits.rate.bytes = "{ per_second = 1000000, burst = 5000000 }",
}};

impl Setting for Box<str> {
    fn read(value: &toml::de::DeValue<'_>) -> Result<Self, String> {
        String::read(value).map(Into::into)
    }

    fn write(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Setting for Pool {
    fn read(value: &toml::de::DeValue<'_>) -> Result<Self, String> {
        u32::read(value).map(Self)
    }

    fn write(&self) -> Option<String> {
        self.0.write()
    }
}
