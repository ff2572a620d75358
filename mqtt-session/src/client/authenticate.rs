//! Enhanced authentication and re-authentication (5.0, 4.12): more than a name and a password.
//!
//! CONNECT names a method. Before CONNACK, and later as often as the client begins it anew, server and client send AUTH in
//! turn, and the server has the last word: CONNACK, AUTH with 0x00, or the end of the connection. What the bytes in them
//! mean is the method's business and so the caller's; whose turn it is, and that the method stays the same, is checked here.
//!
//! ```
//! use mqtt_proto::{Packet, Properties, Property, ReasonCode, Sender, Version, packet::{Auth, ConnAck}};
//! use mqtt_session::{Client, Config, ConnectOptions, Event, Instant, storage::Fixed};
//!
//! /// What a method of our own answers to a challenge.
//! fn response(challenge: &[u8], secret: u8) -> Vec<u8> {
//!     challenge.iter().map(|byte| byte ^ secret).collect()
//! }
//!
//! /// The part of a client's loop that authenticates it: true when the server has let it in.
//! fn handle(client: &mut Client<Fixed<4, 256>>, now: Instant, mut received: &[u8]) -> bool {
//!     loop {
//!         let handled = client.handle_input(now, received);
//!         received = &received[handled.consumed..];
//!         match handled.event {
//!             Some(Event::Authenticate(challenge)) => {
//!                 let answer = response(challenge.data().unwrap_or_default(), 0x5A);
//!                 let answer = [Property::AuthenticationData(&answer)];
//!                 client.authenticate(now, Properties::new(&answer)).expect("it was asked for");
//!             }
//!             // CONNACK may have the last data, for a client that wants to know who the server is.
//!             Some(Event::Connected(connected)) => {
//!                 return connected.properties.authentication_data() == Some(b"welcome");
//!             }
//!             Some(_) => {}
//!             None => return false,
//!         }
//!     }
//! }
//!
//! let (mut client, now) = (Client::new(Config::DEFAULT, Fixed::<4, 256>::new()), Instant::ZERO);
//! let properties = [Property::AuthenticationMethod("xor")];
//! let options = ConnectOptions {
//!     version: Version::V5,
//!     clean_start: true,
//!     keep_alive: 60,
//!     client_id: "c",
//!     will: None,
//!     user_name: None,
//!     password: None,
//!     properties: Properties::new(&properties),
//! };
//! client.connect(now, &options)?;
//! # let write = |client: &mut Client<Fixed<4, 256>>| {
//! #     let bytes = client.poll_transmit().expect("something to send").head.to_vec();
//! #     client.handle_written(now, bytes.len());
//! #     bytes
//! # };
//! # write(&mut client);
//! # let from_server = |packet: Packet<'_>| {
//! #     let mut bytes = vec![0; 64];
//! #     packet.encode(Version::V5, &mut bytes).unwrap().to_vec()
//! # };
//! # let list = [Property::AuthenticationMethod("xor"), Property::AuthenticationData(&[1, 2, 3])];
//! # let properties = Properties::new(&list);
//! # let challenge = from_server(Packet::Auth(Auth { code: ReasonCode::CONTINUE_AUTHENTICATION, properties }));
//! assert!(!handle(&mut client, now, &challenge));
//! # let answer = write(&mut client);
//! # let Ok(Packet::Auth(auth)) = Packet::decode(Version::V5, Sender::Client, &answer) else { panic!() };
//! # assert_eq!(auth.properties.authentication_method(), Some("xor"));
//! # assert_eq!(auth.properties.authentication_data(), Some(&[0x5B, 0x58, 0x59][..]));
//! # let list = [Property::AuthenticationMethod("xor"), Property::AuthenticationData(b"welcome")];
//! # let properties = Properties::new(&list);
//! # let connack = ConnAck { session_present: false, code: ReasonCode::SUCCESS, properties };
//! # let connack = from_server(Packet::ConnAck(connack));
//! assert!(handle(&mut client, now, &connack));
//! # Ok::<(), mqtt_session::Refused>(())
//! ```

use mqtt_proto::{
    Packet, PacketType, Properties, Property, ReasonCode, Sender, Version, packet::Auth,
    property::PropertyPlace,
};

use super::{
    Client, Event, Outcome,
    input::Step,
    link::{Fact, Link},
    output::Loss,
};
use crate::{
    Instant, Refused, Token, Unsupported,
    flow::{Violation, rules},
    storage::{Storage, sealed::CONTROL},
};

/// A step of the server's in an exchange: AUTH with code 0x18.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authenticate<'b> {
    /// Authentication Method, the one that CONNECT named; Authentication Data; Reason String and User Property.
    pub properties: Properties<'b>,
}

impl<'b> Authenticate<'b> {
    /// What the method has to say, if anything.
    pub fn data(&self) -> Option<&'b [u8]> {
        self.properties.authentication_data()
    }
}

/// While a connection has a method, it stands in the block for control, in front of the packet that may be there:
///
/// ```text
/// | token of a re-authentication, 4 | property Authentication Method | CONNECT, AUTH or DISCONNECT |
/// ```
const TOKEN: usize = 4;
/// Identifier and length of the property.
const PROPERTY: usize = 3;
const PLACE: PropertyPlace = PropertyPlace::Packet(PacketType::Auth);

impl<S: Storage> Client<S> {
    /// Answers [`Event::Authenticate`] with AUTH 0x18 (`5/MQTT-4.12.0-3`): before CONNACK, and during a re-authentication.
    /// `properties` are Authentication Data, Reason String and User Property; the method is added (`5/MQTT-4.12.0-5`).
    /// Reason String and User Property are left out if the packet would be too large for the server with them
    /// (`5/MQTT-3.15.2-2`, `5/MQTT-3.15.2-3`).
    ///
    /// Whoever is not content with what the server has said ends the connection:
    /// [`disconnect`](Self::disconnect) is possible before CONNACK too, once CONNECT named a method and is written.
    ///
    /// (Decoded properties, to which nothing can be added, are taken if they have the method of CONNECT.)
    ///
    /// # Errors
    /// [`Refused::NotConnected`] without a connection, open or being made; [`Refused::Unsupported`] if CONNECT named no
    /// method, or another one; [`Refused::OutOfTurn`] if the server has not asked, or was answered;
    /// [`Refused::TooLarge`] if the server or the storage takes no packet of this size; [`Refused::Bytes`] if there is no
    /// room for it now; [`Refused::Invalid`] if no AUTH may look like this.
    pub fn authenticate(&mut self, now: Instant, properties: Properties<'_>) -> Result<(), Refused> {
        self.advance(now);
        self.check_method(&[Link::Connecting, Link::Connected])?;
        if !self.is_fact(Fact::OurTurn) {
            return Err(Refused::OutOfTurn);
        }
        self.send_auth(ReasonCode::CONTINUE_AUTHENTICATION, properties)?;
        self.set_fact(Fact::OurTurn, false);
        Ok(())
    }

    /// Begins to authenticate anew on an open connection, with AUTH 0x19 and the method of CONNECT (`5/MQTT-4.12.1-1`).
    /// Everything else goes on meanwhile. [`Event::Authenticate`] follows for each step of the server's; it ends as
    /// [`Outcome::Authenticated`] or, if the server does not accept it, as aborted with the connection
    /// (`5/MQTT-4.12.1-2`).
    ///
    /// # Errors
    /// As of [`authenticate`](Self::authenticate), but [`Refused::OutOfTurn`] while the last one is under way, and
    /// [`Refused::ShuttingDown`] after [`shutdown`](Self::shutdown).
    pub fn reauthenticate(&mut self, now: Instant, properties: Properties<'_>) -> Result<Token, Refused> {
        self.advance(now);
        self.check_method(&[Link::Connected])?;
        self.check_not_draining()?;
        if self.is_fact(Fact::Authenticating) {
            return Err(Refused::OutOfTurn);
        }
        self.send_auth(ReasonCode::RE_AUTHENTICATE, properties)?;
        self.set_fact(Fact::Authenticating, true);
        self.set_fact(Fact::OurTurn, false);
        let token = self.take_token();
        if let Some(place) = self.storage.bytes_mut(CONTROL).first_chunk_mut::<TOKEN>() {
            *place = token.get().to_be_bytes();
        }
        Ok(token)
    }

    /// Writes the method of CONNECT to the front of the block for control, which has room for it.
    pub(super) fn keep_method(&mut self, method: Option<&str>) {
        let Some(method) = method else { return };
        let id = mqtt_proto::PropertyId::AuthenticationMethod as u8;
        // A longer one fits no CONNECT.
        let [high, low] = (method.len() as u16).to_be_bytes();
        let property = [id, high, low].into_iter().chain(method.bytes());
        let places = self.storage.bytes_mut(CONTROL).iter_mut().skip(TOKEN);
        for (place, byte) in places.zip(property) {
            *place = byte;
        }
    }

    /// How many bytes of the block for control are no packet.
    pub(super) fn kept_control(&self) -> usize {
        let block = self.storage.bytes(CONTROL);
        match block.get(TOKEN + 1..) {
            Some([high, low, ..]) if self.is_fact(Fact::Method) => {
                TOKEN + PROPERTY + usize::from(u16::from_be_bytes([*high, *low]))
            }
            _ => 0,
        }
    }

    /// The packet in the block for control.
    pub(super) fn control_packet(&self) -> &[u8] {
        let kept = self.kept_control();
        self.storage.bytes(CONTROL).get(kept..).unwrap_or_default()
    }

    /// The packet in the block for control is done with.
    pub(super) fn release_control(&mut self) {
        self.output.control = false;
        let kept = self.kept_control();
        self.storage.truncate_control(kept);
    }

    /// Puts a packet of this length into the block for control, for whoever fills it.
    pub(super) fn reserve_control(&mut self, len: usize) -> Result<(), Refused> {
        loop {
            match self.storage.extend_control(len) {
                Err(Refused::Bytes) if self.drop_binding() => {}
                other => return other,
            }
        }
    }

    /// The connection is gone, and with it the method; but for a token that is still to be told.
    pub(super) fn forget_control(&mut self) {
        if !self.output.lost.has(Loss::Auth) {
            self.storage.release(CONTROL);
        }
    }

    /// The method of CONNECT, and its property encoded.
    fn method(&self) -> (Option<&str>, Properties<'_>) {
        let kept = self.storage.bytes(CONTROL).get(..self.kept_control());
        method_in(kept.unwrap_or_default())
    }

    fn check_method(&self, links: &[Link]) -> Result<(), Refused> {
        if !links.contains(&self.link()) {
            return Err(Refused::NotConnected);
        }
        if self.method().0.is_none() {
            return Err(Refused::Unsupported(Unsupported::EnhancedAuthentication));
        }
        Ok(())
    }

    /// Makes AUTH the next packet but for what is half written, acknowledgements and PINGREQ.
    fn send_auth(&mut self, code: ReasonCode, properties: Properties<'_>) -> Result<(), Refused> {
        let limit = self
            .connection
            .as_ref()
            .map_or(u32::MAX, |c| c.server.packet_size);
        let data = properties.authentication_data().map(Property::AuthenticationData);
        let least = data.as_slice();
        let mut given = properties.list();
        let (method, encoded) = self.method();
        if given.is_none() && properties.authentication_method() != method {
            return Err(Refused::Unsupported(Unsupported::EnhancedAuthentication));
        }
        let len_with = |list: Option<_>| {
            let joined = encoded.with(list.unwrap_or_default());
            let properties = if list.is_some() { joined.view() } else { properties };
            Packet::Auth(Auth { code, properties }).encoded_len_from(Version::V5, Sender::Client)
        };
        let mut len = len_with(given)?;
        if len as u64 > u64::from(limit) {
            // 5/MQTT-3.15.2-2, 5/MQTT-3.15.2-3
            given = Some(least);
            len = len_with(given)?;
        }
        if len as u64 > u64::from(limit) {
            return Err(Refused::TooLarge); // 5/MQTT-3.2.2-15
        }
        self.make_room(len, false)?;
        self.reserve_control(len)?;
        let kept = self.kept_control();
        let block = self.storage.bytes_mut(CONTROL);
        let (kept, room) = block.split_at_mut(kept.min(block.len()));
        let joined = method_in(kept).1.with(given.unwrap_or_default());
        let properties = if given.is_some() {
            joined.view()
        } else {
            properties
        };
        if let Err(error) = Packet::Auth(Auth { code, properties }).encode(Version::V5, room) {
            self.release_control();
            return Err(error.into());
        }
        self.output.control = true;
        Ok(())
    }

    /// CONNACK accepts the connection: has it the method of CONNECT?
    pub(super) fn check_method_of_connack(
        &self,
        version: Version,
        properties: Properties<'_>,
    ) -> Result<(), Violation> {
        match (self.method().0, properties.authentication_method()) {
            (None, Some(_)) => Err(rules::UNEXPECTED_AUTH.broken(version)),
            (method, named) if method != named => Err(rules::WRONG_AUTH_METHOD.broken(version)),
            _ => Ok(()),
        }
    }

    pub(super) fn on_auth<'b>(&mut self, version: Version, auth: Auth<'b>) -> Result<Step<'b>, Violation> {
        let properties = auth.properties;
        match self.method().0 {
            None => return Err(rules::UNEXPECTED_AUTH.broken(version)),
            method if method != properties.authentication_method() => {
                return Err(rules::WRONG_AUTH_METHOD.broken(version));
            }
            Some(_) => {}
        }
        let problem = properties.reason_string().is_some() || properties.user_properties().next().is_some();
        if problem && !self.is_fact(Fact::ProblemInformation) {
            return Err(rules::PROBLEM_INFORMATION_UNASKED.broken(version));
        }
        if self.output.control {
            // CONNECT, or our step, is not written to its end: this cannot be its answer yet.
            return Ok(Step::Unwritten);
        }
        if !self.is_fact(Fact::Authenticating) || self.is_fact(Fact::OurTurn) {
            return Err(rules::AUTH_OUT_OF_TURN.broken(version));
        }
        if auth.code == ReasonCode::CONTINUE_AUTHENTICATION {
            self.set_fact(Fact::OurTurn, true);
            return Ok(Step::Event(Event::Authenticate(Authenticate { properties })));
        }
        if self.link() == Link::Connecting {
            // Who lets a client in says so with CONNACK.
            return Err(rules::AUTH_INSTEAD_OF_CONNACK.broken(version));
        }
        self.set_fact(Fact::Authenticating, false);
        Ok(Step::Event(Event::Completed {
            token: self.auth_token(),
            outcome: Outcome::Authenticated { properties },
        }))
    }

    /// CONNECT is written, and the authentication that it began has not ended.
    pub(super) fn is_authenticating(&self) -> bool {
        let connect = self.output.control && !self.has_auth();
        self.link() == Link::Connecting && self.is_fact(Fact::Authenticating) && !connect
    }

    /// AUTH waits in the block for control.
    pub(super) fn has_auth(&self) -> bool {
        let first = self.control_packet().first();
        self.output.control && first.is_some_and(|first| first >> 4 == PacketType::Auth as u8)
    }

    /// A re-authentication is under way.
    pub(super) fn reauthenticates(&self) -> bool {
        self.is_fact(Fact::Authenticating) && self.link() != Link::Connecting
    }

    /// The connection ends: a re-authentication ends with it.
    pub(super) fn end_authentication(&mut self) {
        if self.reauthenticates() {
            self.output.lost.set(Loss::Auth, true);
        }
        self.set_fact(Fact::Authenticating, false);
        self.set_fact(Fact::OurTurn, false);
    }

    /// The re-authentication that ended with its connection.
    pub(super) fn take_aborted_auth(&mut self) -> Option<Token> {
        self.output.lost.take(Loss::Auth).then(|| {
            let token = self.auth_token();
            if self.connection.is_none() {
                self.storage.release(CONTROL);
            }
            token
        })
    }

    fn auth_token(&self) -> Token {
        let token = self.storage.bytes(CONTROL).first_chunk().copied();
        token
            .and_then(|token| Token::from_raw(u32::from_be_bytes(token)))
            .unwrap_or(Token::FIRST)
    }

    pub(super) fn is_fact(&self, fact: Fact) -> bool {
        self.connection.as_ref().is_some_and(|c| c.facts.has(fact))
    }

    fn set_fact(&mut self, fact: Fact, is: bool) {
        if let Some(connection) = &mut self.connection {
            connection.facts.set(fact, is);
        }
    }
}

/// The bytes that are needed to remember a method.
pub(super) fn method_len(method: Option<&str>) -> usize {
    method.map_or(0, |method| TOKEN + PROPERTY + method.len())
}

fn method_in(block: &[u8]) -> (Option<&str>, Properties<'_>) {
    let property = block.get(TOKEN..).unwrap_or_default();
    let property = Properties::from_wire(PLACE, property).unwrap_or(Properties::EMPTY);
    (property.authentication_method(), property)
}
