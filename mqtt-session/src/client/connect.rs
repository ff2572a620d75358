//! CONNECT, CONNACK and DISCONNECT; sessions that are resumed or lost.

use mqtt_proto::{
    Packet, PacketType, Properties, QoS, ReasonCode, Sender, Version,
    packet::{ConnAck, Disconnect},
    property::{Joined, PropertyPlace},
};

use super::{
    AbortReason, Client, Closed, ClosedBy, ConnectOptions, Connected, Event, OnSessionLost, Session,
    UnknownSession,
    authenticate::method_len,
    counters::more,
    input::Step,
    link::{Available, Connection, Fact, Facts, Feature, Link, Moment, ServerLimits},
    output::Ending,
};
use crate::{
    Instant, Refused, Unsupported,
    flow::{Cause, Outgoing, Resend, Violation, Window, rules},
    storage::{End, Kind, List, Mark, NONE, Stage, Storage, sealed::CONTROL},
};

impl<S: Storage> Client<S> {
    /// Opens a connection on a transport that is ready: CONNECT is the next packet to be sent (`5/MQTT-3.1.0-1`).
    ///
    /// What is unfinished belongs to the client id that it was sent under: with another one it ends as it does when the
    /// server has lost the session (`5/MQTT-3.1.3-2`). An Assigned Client Identifier is the same as one that was asked for.
    ///
    /// In 5.0 the machine adds Receive Maximum and Maximum Packet Size, which are what its memory allows; options that
    /// have one of the two are refused. (Decoded options are taken if they have both and promise no more than there is.)
    ///
    /// With an Authentication Method, [`Event::Authenticate`] may follow before [`Event::Connected`]: see
    /// [`authenticate`](super::authenticate). What the exchange takes counts as waiting for CONNACK.
    ///
    /// A Topic Alias Maximum above 0 is taken on `Heap`: as many topics are kept for the connection then, each as long as
    /// the receive buffer lets it be.
    ///
    /// # Errors
    /// [`Refused::AlreadyConnected`] until [`handle_disconnect`](Self::handle_disconnect) was called for the last
    /// transport and its [`Closed`] was taken; [`Refused::Slots`] if the storage has no slot at all for messages that
    /// arrive; [`Refused::Bytes`] or [`Refused::TooLarge`] if it has no room for the packet, beside the messages that
    /// wait (where [`when_full`](super::Config::when_full) gives none of them away) or ever; [`Refused::Unsupported`] for the options named above; [`Refused::Invalid`] if no CONNECT may look
    /// like this.
    pub fn connect(&mut self, now: Instant, options: &ConnectOptions<'_>) -> Result<(), Refused> {
        self.advance(now);
        // The end of one connection told during the next would be taken for the end of that.
        if self.connection.is_some() || self.output.closed.is_some() {
            return Err(Refused::AlreadyConnected);
        }
        // Receive Maximum cannot say 0.
        if self.storage.arrival_limit() == 0 {
            return Err(Refused::Slots);
        }
        let alias_maximum = options.properties.topic_alias_maximum().unwrap_or(0);
        if alias_maximum > 0 && !S::KEEPS_ALIASES {
            return Err(Refused::Unsupported(Unsupported::TopicAlias));
        }
        let own = OwnProperties::new(self.storage.arrival_limit(), self.largest_packet());
        let mut connect = *options;
        let both;
        if connect.version.has_properties() {
            both = own.before(options.properties)?;
            connect.properties = both.view();
        }
        let packet = Packet::Connect(connect);
        let len = packet.encoded_len_from(connect.version, Sender::Client)?;
        let method = connect.properties.authentication_method();
        let kept = method_len(method);
        self.make_room(kept + len, false)?;
        self.allocate(CONTROL, kept + len, 0)?;
        self.keep_method(method);
        let block = self.storage.bytes_mut(CONTROL);
        let room = block.get_mut(kept..).unwrap_or_default();
        if let Err(error) = packet.encode(connect.version, room) {
            self.storage.release(CONTROL);
            return Err(error.into());
        }
        self.output.control = true;
        self.take_aliases(alias_maximum);
        let expiry = connect.properties.session_expiry_interval().unwrap_or(0);
        let client = fingerprint(connect.client_id);
        let known = self.session.exists && self.session.client == client && !connect.clean_start;
        let kept = match connect.version {
            Version::V31 | Version::V311 => !connect.clean_start,
            Version::V5 => expiry > 0,
        };
        let problem_information = connect.properties.request_problem_information().unwrap_or(1) == 1;
        let response_information = connect.properties.request_response_information() == Some(1);
        let facts = Facts::NONE
            .with(Fact::CleanStart, connect.clean_start)
            .with(Fact::Known, known)
            .with(Fact::Kept, kept)
            .with(Fact::ExpiryAsked, expiry > 0)
            .with(Fact::ProblemInformation, problem_information)
            .with(Fact::ResponseInformation, response_information)
            .with(Fact::Method, method.is_some())
            .with(Fact::Authenticating, method.is_some());
        self.connection = Some(Connection {
            state: Link::Connecting,
            version: connect.version,
            client,
            facts,
            keep_alive: connect.keep_alive,
            window: Window::new(0),
            server: ServerLimits::NONE,
            deadline: self.now + self.config.connect_timeout,
            drain_until: Moment::NONE,
            last_sent: self.now,
            last_received: self.now,
            unanswered: Moment::NONE,
            ping_since: self.now,
        });
        self.note_session_of_link();
        Ok(())
    }

    /// Ends the connection in order: after what is half written and the acknowledgements that are owed, DISCONNECT is
    /// the last packet (`5/MQTT-3.14.4-1`). [`Closed`] with its code follows when it is written, or when the transport
    /// did not take it within [`close_timeout`](super::Config::close_timeout).
    ///
    /// # Errors
    /// [`Refused::NotConnected`] before CONNACK, unless CONNECT named an Authentication Method and is written;
    /// [`Refused::Unsupported`] for a code or properties in 3.x, or a Session
    /// Expiry Interval after 0 in CONNECT; [`Refused::TooLarge`] if the server takes no packet of this size;
    /// [`Refused::Bytes`] if there is no room for the properties now; [`Refused::Invalid`] if no DISCONNECT of a client
    /// may look like this.
    pub fn disconnect(&mut self, now: Instant, last: &Disconnect<'_>) -> Result<(), Refused> {
        self.advance(now);
        let connecting = self.is_authenticating();
        let connection = self
            .connection
            .as_ref()
            .filter(|c| connecting || c.state == Link::Connected);
        let Some(connection) = connection else {
            return Err(Refused::NotConnected);
        };
        let version = connection.version;
        let plain = *last == Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
        if !version.has_properties() && !plain {
            return Err(Refused::Unsupported(Unsupported::Properties));
        }
        let expiry = last.properties.session_expiry_interval();
        // 5/3.14.2.2.2
        if expiry.unwrap_or(0) > 0 && !connection.facts.has(Fact::ExpiryAsked) {
            return Err(Refused::Unsupported(Unsupported::SessionExpiry));
        }
        let packet = Packet::Disconnect(*last);
        let len = packet.encoded_len_from(version, Sender::Client)?;
        if len as u64 > u64::from(connection.server.packet_size) {
            return Err(Refused::TooLarge); // 5/MQTT-3.2.2-15
        }
        // AUTH that has not begun to leave has no purpose any more.
        self.unchoose();
        let writes_auth = self.output.is_writing_auth();
        if last.properties.is_empty() {
            if !writes_auth {
                self.release_control();
            }
        } else if writes_auth {
            return Err(Refused::Bytes);
        } else {
            // Behind it, so that nothing has changed if there is no room.
            let kept = self.kept_control();
            let at = kept + self.control_packet().len();
            self.reserve_control(len)?;
            let block = self.storage.bytes_mut(CONTROL);
            if let Err(error) = packet.encode(version, block.get_mut(at..).unwrap_or_default()) {
                self.storage.truncate_control(at);
                return Err(error.into());
            }
            block.copy_within(at.., kept);
            self.storage.truncate_control(kept + len);
            self.output.control = true;
        }
        self.output.disconnect = Some(last.code);
        if let Some(connection) = &mut self.connection {
            if connecting {
                // There is no session of this connection yet; one of before is as it was.
                connection.facts.set(Fact::Kept, self.session.exists);
                connection.facts.set(Fact::Authenticating, false);
            } else if let Some(expiry) = expiry {
                connection.facts.set(Fact::Kept, expiry > 0);
            }
            connection.deadline = self.now + self.config.close_timeout;
            connection.state = Link::Closing;
        }
        Ok(())
    }

    /// The first byte of CONNECT has left: from now on the server may act on it, whether its answer arrives or not.
    pub(super) fn connect_begun(&mut self) {
        if let Some(connection) = self.connection.as_ref().filter(|c| c.state == Link::Connecting) {
            self.session = self.session.with_connect(connection);
        }
    }

    /// If `disconnect` was called, its packet is written: the connection is over, and the session if the packet said so.
    pub(super) fn disconnect_written(&mut self) {
        if let Some(connection) = self.connection.as_ref().filter(|c| c.state == Link::Closing) {
            // Not before the connection is over: 5/MQTT-4.1.0-1, 3.1.1/MQTT-4.1.0-1, 3.1.1/MQTT-4.1.0-2.
            self.session.exists = connection.facts.has(Fact::Kept);
            self.disconnected();
        }
    }

    /// DISCONNECT is written, or given up.
    pub(super) fn disconnected(&mut self) {
        // 5/MQTT-3.14.4-2, 3.1.1/MQTT-3.14.4-1, 3.1/3.14-1
        let code = self.output.disconnect.unwrap_or(ReasonCode::NORMAL_DISCONNECTION);
        self.close(None);
        self.output.closed = Some(Ending::Disconnected(code));
    }

    pub(super) fn on_connack<'b>(&mut self, connack: ConnAck<'b>) -> Result<Step<'b>, Violation> {
        let Some(connection) = &mut self.connection else {
            return Ok(Step::Nothing);
        };
        let version = connection.version;
        if connection.state != Link::Connecting {
            return Err(rules::SECOND_CONNACK.broken(version));
        }
        if connack.code.is_failure() {
            // 5/MQTT-4.13.2-1: the server closes, and so do we, without a word.
            self.close(None);
            return Ok(Step::Event(Event::Closed(Closed {
                by: ClosedBy::Server,
                refused: true,
                code: Some(connack.code),
                statement: None,
                cause: Cause::RefusedByServer,
                properties: connack.properties,
            })));
        }
        if self.output.control {
            // CONNECT is not written to its end; what follows it may not overtake it (5/MQTT-3.1.0-1).
            return Ok(Step::Unwritten);
        }
        let known = connection.facts.has(Fact::Known);
        let resumable = known && !self.session.outdated;
        // CONNACK of 3.1 does not tell (3.1/3.2-1): both ends go on from what they have.
        let session_present = match version {
            Version::V31 => resumable,
            Version::V311 | Version::V5 => connack.session_present,
        };
        if session_present && connection.facts.has(Fact::CleanStart) {
            return Err(rules::SESSION_PRESENT_AFTER_CLEAN_START.broken(version));
        }
        let tolerated = match self.config.unknown_session {
            UnknownSession::Accept => true,
            UnknownSession::AsVersionSays => !version.has_properties(),
        };
        if session_present && !known && !tolerated {
            // It is still not ours when it is told the next time.
            self.session.exists = false;
            return Err(rules::SESSION_PRESENT_UNEXPECTED.broken(version));
        }
        let properties = connack.properties;
        self.check_method_of_connack(version, properties)?;
        let Some(connection) = &mut self.connection else {
            return Ok(Step::Nothing);
        };
        if properties.response_information().is_some() && !connection.facts.has(Fact::ResponseInformation) {
            return Err(rules::RESPONSE_INFORMATION_UNASKED.broken(version));
        }
        // 5/MQTT-3.2.2-15 forbids to send what is owed; so it must not come to that.
        if properties
            .maximum_packet_size()
            .is_some_and(|size| size < LONGEST_ANSWER)
        {
            return Err(rules::SERVER_TAKES_NO_ANSWER.broken(version));
        }
        connection.window = Window::new(properties.receive_maximum().unwrap_or(u16::MAX));
        // 5/MQTT-3.1.2-21, 5/MQTT-3.2.2-21.
        connection.keep_alive = properties.server_keep_alive().unwrap_or(connection.keep_alive);
        if let Some(expiry) = properties.session_expiry_interval() {
            connection.facts.set(Fact::Kept, expiry > 0);
        }
        connection.server = ServerLimits {
            packet_size: properties.maximum_packet_size().unwrap_or(u32::MAX),
            qos: properties
                .maximum_qos()
                .and_then(QoS::from_u8)
                .unwrap_or(QoS::ExactlyOnce),
            available: Available::of(properties),
            alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
        };
        self.session.exists = connection.facts.has(Fact::Kept);
        self.session.outdated = false;
        connection.state = Link::Connected;
        connection.facts.set(Fact::Authenticating, false);
        connection.facts.set(Fact::OurTurn, false);
        if let Some(assigned) = properties.assigned_client_identifier() {
            self.session.client = fingerprint(assigned);
            self.note_session();
        }
        self.count(|counters| more(&mut counters.connections));
        if session_present && resumable {
            self.resume();
        } else {
            // 5/MQTT-3.2.2-5: the client drops its state too. The same if the server's session is not the one that this
            // state belongs to.
            self.lose_session();
        }
        self.drop_unacceptable();
        Ok(Step::Event(Event::Connected(Connected {
            session_present,
            properties,
        })))
    }

    pub(super) fn on_disconnect<'b>(&mut self, disconnect: Disconnect<'b>) -> Event<'b> {
        self.close(None);
        Event::Closed(Closed {
            by: ClosedBy::Server,
            refused: false,
            code: Some(disconnect.code),
            statement: None,
            cause: Cause::DisconnectedByServer,
            properties: disconnect.properties,
        })
    }

    /// The server has the session, or has not answered for too long: everything unacknowledged is owed
    /// again, in its order (`5/MQTT-4.4.0-1`, `5/MQTT-4.6.0-1`, `3.1.1/MQTT-4.6.0-1`, `3.1/3.1-19`).
    pub(super) fn resume(&mut self) {
        for list in [self.outbox.messages, self.outbox.releases] {
            self.for_each(list, |slot| {
                if let Stage::Flow { owed, .. } = &mut slot.stage {
                    *owed = true;
                }
            });
        }
        self.outbox.next_message = self.outbox.messages.first();
        self.outbox.unprepared = self.outbox.messages.first();
        self.outbox.next_release = self.outbox.releases.first();
        // What the server has taken over is in its window whatever else is sent.
        let mut index = self.outbox.next_release;
        while index != NONE {
            self.charge(index);
            index = self.storage.slot(index).links.next();
        }
    }

    /// The server has no session: what it was sent may have arrived or not, and what it sent is over.
    fn lose_session(&mut self) {
        let mut index = self.outbox.messages.first();
        while index != NONE {
            let slot = self.storage.slot_mut(index);
            let next = slot.links.next();
            if slot.flow().is_some() {
                match self.config.on_session_lost {
                    OnSessionLost::Abort => {
                        self.unlink(index, |outbox| &mut outbox.messages);
                        self.end(index, End::Aborted(AbortReason::SessionLost));
                    }
                    OnSessionLost::SendAgainAsNew => {
                        slot.stage = Stage::Queued;
                        slot.marks.set(Mark::Transmitted, false);
                        self.storage.set_id(index, None);
                        self.watch(index);
                        self.note_slot(index);
                    }
                }
            } else if slot.id.is_some() {
                // Taken ahead, and never sent.
                self.storage.set_id(index, None);
                self.note_slot(index);
            }
            index = next;
        }
        // The server took these over when it sent PUBREC: they cannot be sent as new.
        while !self.outbox.releases.is_empty() {
            let index = self.outbox.releases.first();
            self.unlink(index, |outbox| &mut outbox.releases);
            self.end(index, End::Aborted(AbortReason::SessionLost));
        }
        self.outbox.next_message = self.outbox.messages.first();
        self.outbox.next_release = NONE;
        // Ids that were kept out of use are free again.
        for index in 1..=self.storage.slots() {
            let slot = self.storage.slot(index);
            if slot.kind == Kind::Retired {
                self.storage.set_id(index, None);
                if !matches!(self.storage.slot(index).stage, Stage::Ended(_)) {
                    self.free(index);
                }
            }
        }
        for index in 0..self.storage.arrivals() {
            if self.arrivals.is_used(&self.storage, index) {
                self.free_arrival(index);
            }
        }
        self.note_session_lost();
    }

    /// Ends what this server will not take: too large, QoS too high, retained (5.0). The packet id of a message that
    /// was sent before stays out of use, because the server may remember it.
    fn drop_unacceptable(&mut self) {
        let Some(connection) = self.connected() else {
            return;
        };
        let (version, server) = (connection.version, connection.server);
        let lists: [fn(&mut super::Outbox) -> &mut List; 2] = [|o| &mut o.plain, |o| &mut o.messages];
        for list in lists {
            let mut index = list(&mut self.outbox).first();
            while index != NONE {
                let slot = self.storage.slot(index);
                let (next, flow, qos) = (slot.links.next(), slot.flow(), slot.qos());
                let resend = flow.map(Outgoing::on_resume) != Some(Resend::PubRel);
                let retain = slot.retain();
                let size = self.packet_len(index, version);
                if resend
                    && (size > server.packet_size
                        || qos > server.qos
                        || (retain && !server.available.has(Feature::Retain)))
                {
                    self.pass_by(index);
                    self.unlink(index, list);
                    if flow.is_some() {
                        self.storage.slot_mut(index).kind = Kind::Retired;
                    }
                    self.end(index, End::Aborted(AbortReason::NoLongerAccepted));
                }
                index = next;
            }
        }
    }
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP with a reason code and without properties. A DISCONNECT with a code is shorter.
const LONGEST_ANSWER: u32 = 5;

/// Tells client ids apart without keeping them: FNV-1a.
fn fingerprint(client_id: &str) -> u32 {
    client_id.bytes().fold(0x811C_9DC5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

impl Session {
    /// What is known once this connection's CONNECT has begun to leave.
    pub(super) const fn with_connect(self, connection: &Connection) -> Self {
        Self {
            exists: (self.exists && self.client == connection.client) || connection.facts.has(Fact::Kept),
            // What is kept here is of no session that this CONNECT asks for: 5/MQTT-3.1.2-4, 3.1.1/MQTT-3.1.2-6, and for
            // another client id 5/MQTT-3.1.3-2, 3.1.1/MQTT-3.1.3-2.
            outdated: self.outdated || !connection.facts.has(Fact::Known),
            client: connection.client,
        }
    }
}

/// The two properties that the machine decides, encoded: they go before the caller's.
struct OwnProperties {
    receive_maximum: u16,
    /// `None`: whatever the protocol can say.
    packet_size: Option<u32>,
    bytes: [u8; 8],
}

impl OwnProperties {
    fn new(receive_maximum: u16, packet_size: Option<u32>) -> Self {
        let packet_size = packet_size.map(|size| size.max(1));
        let [a, b] = receive_maximum.to_be_bytes();
        let [c, d, e, f] = packet_size.unwrap_or(u32::MAX).to_be_bytes();
        Self {
            receive_maximum,
            packet_size,
            bytes: [0x21, a, b, 0x27, c, d, e, f],
        }
    }

    fn before<'x>(&'x self, caller: Properties<'x>) -> Result<Joined<'x>, Refused> {
        let place = PropertyPlace::Packet(PacketType::Connect);
        let len = if self.packet_size.is_some() { 8 } else { 3 };
        let own = Properties::from_wire(place, self.bytes.get(..len).unwrap_or_default());
        if let (Some(list), Ok(own)) = (caller.list(), own) {
            return Ok(own.with(list));
        }
        // Nothing can be added to decoded properties, as of another CONNECT: they must promise no more than there is.
        let received = caller
            .receive_maximum()
            .is_some_and(|n| n <= self.receive_maximum);
        let sized = self
            .packet_size
            .is_none_or(|size| caller.maximum_packet_size().is_some_and(|n| n <= size));
        if received && sized {
            Ok(caller.with(&[]))
        } else {
            Err(Refused::Unsupported(Unsupported::Properties))
        }
    }
}
