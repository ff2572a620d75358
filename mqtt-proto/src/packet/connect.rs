//! CONNECT (3.1).

use core::fmt;

use crate::{
    DecodeError, DecodeErrorKind, EncodeError, PacketType, Properties, QoS, TopicName, Version,
    property::PropertyPlace,
    rules::{Broken, Site},
    wire::{Reader, Sink},
};

const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::Connect);

/// The first packet of a client. `Debug` masks the password.
#[derive(Copy, Clone, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version that client and server speak from here on.
    pub version: Version,
    /// Begin a new session; Clean Session in 3.x, where it also ends the session with the connection.
    pub clean_start: bool,
    /// Seconds within which the client sends something; 0 turns the check off.
    pub keep_alive: u16,
    /// The key of the session; may be empty, except in 3.1, which wants 1 to 23 characters.
    pub client_id: &'a str,
    /// The message to publish should this connection end badly.
    pub will: Option<Will<'a>>,
    /// User name.
    pub user_name: Option<&'a str>,
    /// Password; in 3.x only beside a user name, in 3.1 text.
    pub password: Option<&'a [u8]>,
    /// Connection properties; empty in 3.x.
    pub properties: Properties<'a>,
}

/// A will message (3.1.2.5).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// Where it is published.
    pub topic: TopicName<'a>,
    /// What is published; in 3.1 text.
    pub payload: &'a [u8],
    /// At which QoS.
    pub qos: QoS,
    /// Whether it is kept as the topic's retained message.
    pub retain: bool,
    /// Will properties; empty in 3.x.
    pub properties: Properties<'a>,
}

/// The bits of the connect flags (3.1.2.3).
mod flag {
    pub(super) const RESERVED: u8 = 0x01;
    pub(super) const CLEAN_START: u8 = 0x02;
    pub(super) const WILL: u8 = 0x04;
    pub(super) const WILL_RETAIN: u8 = 0x20;
    pub(super) const PASSWORD: u8 = 0x40;
    pub(super) const USER_NAME: u8 = 0x80;
}

impl<'a> Connect<'a> {
    /// A CONNECT that begins a new session, with 60 seconds of keep-alive, and without will, credentials and properties.
    #[must_use]
    pub const fn new(version: Version, client_id: &'a str) -> Self {
        Self {
            version,
            clean_start: true,
            keep_alive: 60,
            client_id,
            will: None,
            user_name: None,
            password: None,
            properties: Properties::EMPTY,
        }
    }

    /// Reads protocol name and level, and takes the version from them.
    pub(super) fn decode_version(r: &mut Reader<'a>) -> Result<Version, DecodeError> {
        let name_at = r.offset();
        let name = r.binary()?;
        let level_at = r.offset();
        let level = r.u8()?;
        Version::from_protocol(name, level).ok_or_else(|| {
            if Version::ALL.iter().any(|v| v.protocol_name().as_bytes() == name) {
                r.broken(DecodeErrorKind::ProtocolLevel, level_at)
            } else {
                r.broken(DecodeErrorKind::ProtocolName, name_at)
            }
        })
    }

    /// Reads what follows the version.
    pub(super) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let flags_at = r.offset();
        let flags = r.u8()?;
        let has = |bit| flags & bit != 0;
        // Not in 3.1 (3.1/3.1-8).
        if has(flag::RESERVED) {
            r.refuse(DecodeErrorKind::ConnectReservedFlag, flags_at)?;
        }
        let will_qos = QoS::from_u8(flags >> 3 & 0x03);
        let will_retain = has(flag::WILL_RETAIN);
        if !has(flag::WILL) {
            // In 3.1 these bits mean nothing without a will (3.1/3.1-9).
            if will_qos != Some(QoS::AtMostOnce) {
                r.refuse(DecodeErrorKind::WillQoSWithoutWill, flags_at)?;
            }
            if will_retain {
                r.refuse(DecodeErrorKind::WillRetainWithoutWill, flags_at)?;
            }
        }
        // 3.1/3.1-15
        if has(flag::PASSWORD) && !has(flag::USER_NAME) {
            r.refuse(DecodeErrorKind::PasswordWithoutUserName, flags_at)?;
        }
        let clean_start = has(flag::CLEAN_START);
        let keep_alive = r.u16()?;
        let properties_at = r.offset();
        let (properties, seen) = r.properties(PLACE)?;
        seen.check_auth_data(r.site)
            .map_err(|broken| broken.at(properties_at))?;

        let at = r.offset();
        if r.is_empty() {
            return Err(r.broken(DecodeErrorKind::ClientIdMissing, at));
        }
        let client_id = r.text()?;
        check_client_id(client_id, clean_start, r.site).map_err(|broken| broken.at(at))?;
        let will = if has(flag::WILL) {
            // 3.1/3.1-10
            let qos = will_qos.ok_or_else(|| r.broken(DecodeErrorKind::WillQoS, flags_at))?;
            Some(Will::decode(r, qos, will_retain)?)
        } else {
            None
        };
        let user_name = if has(flag::USER_NAME) && there(r, DecodeErrorKind::UserNameMissing)? {
            Some(r.text()?)
        } else {
            None
        };
        let password = if has(flag::PASSWORD) && there(r, DecodeErrorKind::PasswordMissing)? {
            let at = r.offset();
            let password = r.binary()?;
            check_text_of_31(password, r.site).map_err(|broken| broken.at(at))?;
            Some(password)
        } else {
            None
        };
        if !r.is_empty() {
            let kind = if !has(flag::USER_NAME) {
                DecodeErrorKind::UserNameUnflagged
            } else if !has(flag::PASSWORD) {
                DecodeErrorKind::PasswordUnflagged
            } else {
                DecodeErrorKind::LengthLong
            };
            return Err(r.broken(kind, r.offset()));
        }
        let version = r.site.version;
        Ok(Self {
            version,
            clean_start,
            keep_alive,
            client_id,
            will,
            user_name,
            password,
            properties,
        })
    }

    pub(super) fn check(&self, site: Site) -> Result<(), EncodeError> {
        self.properties.check(PLACE, site)?.check_auth_data(site)?;
        site.check_text(self.client_id)?;
        check_client_id(self.client_id, self.clean_start, site)?;
        if let Some(will) = &self.will {
            will.check(site)?;
        }
        if let Some(user_name) = self.user_name {
            site.check_text(user_name)?;
        }
        if let Some(password) = self.password {
            if self.user_name.is_none() {
                site.refuse(DecodeErrorKind::PasswordWithoutUserName)?;
            }
            site.check_binary(password)?;
            check_text_of_31(password, site)?;
        }
        Ok(())
    }

    pub(super) fn write(&self, site: Site, sink: &mut impl Sink) {
        // 3.1/3.1-2
        sink.text(self.version.protocol_name());
        sink.u8(self.version.level());
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        // 3.1.1/MQTT-3.1.2-11: without a will none of its bits is set, and no field of it follows.
        let will = self.will.as_ref();
        sink.u8(bit(self.clean_start, flag::CLEAN_START)
            | bit(will.is_some(), flag::WILL)
            | will.map_or(0, |will| u8::from(will.qos) << 3)
            | bit(will.is_some_and(|will| will.retain), flag::WILL_RETAIN)
            | bit(self.password.is_some(), flag::PASSWORD)
            | bit(self.user_name.is_some(), flag::USER_NAME));
        sink.u16(self.keep_alive);
        self.properties.write(site, sink);
        // 5/MQTT-3.1.3-1, 3.1.1/MQTT-3.1.3-1, 3.1/3.1-26
        sink.text(self.client_id);
        if let Some(will) = will {
            will.properties.write(site, sink);
            sink.text(will.topic.as_str());
            sink.binary(will.payload);
        }
        if let Some(user_name) = self.user_name {
            sink.text(user_name);
        }
        if let Some(password) = self.password {
            sink.binary(password);
        }
    }
}

impl<'a> Will<'a> {
    fn decode(r: &mut Reader<'a>, qos: QoS, retain: bool) -> Result<Self, DecodeError> {
        // 3.1/3.1-27
        there(r, DecodeErrorKind::WillMissing)?;
        let (properties, _) = r.properties(PropertyPlace::Will)?;
        there(r, DecodeErrorKind::WillMissing)?;
        let at = r.offset();
        let topic = r.topic_name()?;
        if topic.is_empty() {
            return Err(r.broken(DecodeErrorKind::TopicEmpty, at));
        }
        there(r, DecodeErrorKind::WillMissing)?;
        let at = r.offset();
        let payload = r.binary()?;
        check_text_of_31(payload, r.site).map_err(|broken| broken.at(at))?;
        Ok(Self {
            topic,
            payload,
            qos,
            retain,
            properties,
        })
    }

    fn check(&self, site: Site) -> Result<(), EncodeError> {
        self.properties.check(PropertyPlace::Will, site)?;
        if self.topic.is_empty() {
            return Err(site.broken(DecodeErrorKind::TopicEmpty).into());
        }
        site.check_binary(self.payload)?;
        Ok(check_text_of_31(self.payload, site)?)
    }
}

/// Whether a flagged field is there; where it has to be, it is an error if it is not. In 3.1 user name and password need not
/// (3.1/3.1-14).
fn there(r: &Reader<'_>, missing: DecodeErrorKind) -> Result<bool, DecodeError> {
    if r.is_empty() {
        r.refuse(missing, r.offset())?;
    }
    Ok(!r.is_empty())
}

/// Which client identifiers a version has no use for; the answer to all of them is CONNACK 0x02.
fn check_client_id(client_id: &str, clean_start: bool, site: Site) -> Result<(), Broken> {
    // 3.1/3.1-5, 3.1.1/MQTT-3.1.3-7
    if client_id.is_empty() {
        site.refuse(DecodeErrorKind::ClientIdEmpty)?;
        if !clean_start {
            site.refuse(DecodeErrorKind::ClientIdEmptyPersistent)?;
        }
    }
    if client_id.chars().nth(23).is_some() {
        site.refuse(DecodeErrorKind::ClientIdTooLong)?;
    }
    Ok(())
}

/// Will payload and password are texts in 3.1 and bytes since.
fn check_text_of_31(bytes: &[u8], site: Site) -> Result<(), Broken> {
    if site.has(DecodeErrorKind::NotText) && core::str::from_utf8(bytes).is_err() {
        return Err(site.broken(DecodeErrorKind::NotText));
    }
    Ok(())
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("will", &self.will)
            .field("user_name", &self.user_name)
            .field("password", &self.password.map(|_| "***"))
            .field("properties", &self.properties)
            .finish()
    }
}
