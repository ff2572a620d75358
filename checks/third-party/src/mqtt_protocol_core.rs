//! `mqtt-protocol-core`: a client without IO, for MQTT 3.1.1 and 5.0.
//!
//! The crate has packets and a connection, no calls: its user builds the packet that it sends, and looks at those that it
//! receives. So the wrapper makes of a call the packet that it leads to, and of packets what events say. What the crate
//! leaves to its user, as it documents, the wrapper does: it keeps tokens and the authentication method, fires timers, waits so
//! long for CONNACK and no longer, closes when the crate asks for it, and when the server refuses or says goodbye.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use ::mqtt_protocol_core::mqtt::common::Cursor;
use ::mqtt_protocol_core::mqtt::connection::event::{GenericEvent, TimerKind};
use ::mqtt_protocol_core::mqtt::connection::{Connection, PacketBuildResult, PacketBuilder, role};
use ::mqtt_protocol_core::mqtt::packet::{GenericPacket, GenericPacketTrait, PacketType, v3_1_1, v5_0};
use ::mqtt_protocol_core::mqtt::result_code::{ConnectReturnCode, MqttError};
use mqtt_conformance::fields::{Val, values};
use mqtt_conformance::play::call::Call;
use mqtt_conformance::play::inbox::Happened;
use mqtt_conformance::play::world::Refusal;
use mqtt_conformance::target::client::{ClientTarget, ClientUnderTest};
use mqtt_conformance::target::wanted::Wanted;
use mqtt_conformance::trace::ast::Command;
use mqtt_proto::packet::Packet;
use mqtt_proto::{Properties, ReasonCode, Sender, Version};

/// How long to wait for CONNACK and PINGRESP: the crate has no value of its own for either.
const PATIENCE: Duration = Duration::from_secs(10);

type Event = GenericEvent<u16>;
type Theirs = GenericPacket<u16>;

/// A connection, and what its user keeps beside it.
struct Client {
    version: Version,
    connection: Connection<role::Client>,
    to_write: VecDeque<Vec<u8>>,
    events: VecDeque<Happened>,
    /// By the number of the kind.
    timers: BTreeMap<u8, (TimerKind, Duration)>,
    tokens: u64,
    /// Tokens of what has a packet id.
    under_way: BTreeMap<u16, u64>,
    pings: VecDeque<u64>,
    reauthenticates: Option<u64>,
    /// Of this connection; the crate's value is for one client.
    client_id: Option<Val>,
    method: Option<Val>,
    /// CONNACK has not come; how long to wait for it.
    unanswered: Option<Duration>,
    /// The link is to be closed: who ended it, and why.
    end: Option<Happened>,
    /// What the crate has said is wrong.
    error: Option<MqttError>,
}

/// What traces are run against. The crate does not tell what became of an operation whose session is lost, nor which
/// statement a server has broken.
pub fn target() -> ClientTarget<impl ClientUnderTest> {
    let target = ClientTarget::new("mqtt-protocol-core", Client::new);
    let target = target.not_telling(["Aborted", "Closed.statement"]);
    target.closing_only_where_it_must()
}

impl Client {
    fn new(wanted: &Wanted<'_>) -> Result<Self, String> {
        let version = wanted.version();
        let theirs = match version {
            Version::V31 => return Err("the crate has no MQTT 3.1".to_owned()),
            Version::V311 => ::mqtt_protocol_core::mqtt::Version::V3_1_1,
            Version::V5 => ::mqtt_protocol_core::mqtt::Version::V5_0,
        };
        let mut connection = Connection::new(theirs);
        connection.set_auto_pub_response(true);
        connection.set_auto_ping_response(true);
        connection.set_offline_publish(true);
        let seconds = wanted.number("ping_timeout").unwrap_or(PATIENCE.as_secs());
        connection.set_pingresp_recv_timeout(seconds * 1000);
        Ok(Self {
            version,
            connection,
            to_write: VecDeque::new(),
            events: VecDeque::new(),
            timers: BTreeMap::new(),
            tokens: 0,
            under_way: BTreeMap::new(),
            pings: VecDeque::new(),
            reauthenticates: None,
            client_id: None,
            method: None,
            unanswered: None,
            end: None,
            error: None,
        })
    }

    fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// Sends the packet that a call leads to.
    fn send(&mut self, now: Duration, call: &Call, id: u16) -> Result<(), Refusal> {
        let mut fields = call.fields(self.version, id)?;
        let method = "authentication_method";
        match call.command {
            Command::Connect => self.method = values(&fields.list, method).next().cloned(),
            Command::Authenticate if values(&fields.list, method).next().is_none() => {
                fields
                    .list
                    .extend(self.method.clone().map(|value| (method, value)));
            }
            _ => {}
        }
        // What cannot be written cannot be asked of the crate in this way.
        let bytes = fields.encode(self.version).map_err(Refusal::NotApplicable)?;
        let packet = parse(self.version, &bytes).map_err(|e| refused(&e))?;
        let events = self.connection.send(packet);
        let error = events.iter().find_map(|event| match event {
            Event::NotifyError(error) => Some(*error),
            _ => None,
        });
        match error {
            None => {
                self.take(now, events);
                Ok(())
            }
            Some(error) => Err(refused(&error)),
        }
    }

    /// Does what the crate asks for.
    fn take(&mut self, now: Duration, events: Vec<Event>) {
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => {
                    self.to_write.push_back(packet.to_continuous_buffer());
                }
                Event::NotifyPacketReceived(packet) => self.received(&packet),
                Event::NotifyPacketIdReleased(_) => {}
                Event::RequestTimerReset { kind, duration_ms } => {
                    let at = now + Duration::from_millis(duration_ms);
                    self.timers.insert(number(kind), (kind, at));
                }
                Event::RequestTimerCancel(kind) => {
                    self.timers.remove(&number(kind));
                }
                Event::NotifyError(error) => self.error = Some(error),
                Event::RequestClose => self.ends(Happened::new("Closed").with("by", "client")),
            }
        }
    }

    /// The first to end it has ended it.
    fn ends(&mut self, closed: Happened) {
        self.end.get_or_insert(closed);
    }

    fn received(&mut self, packet: &Theirs) {
        // The crate's own encoder says what is in it.
        let bytes = packet.to_continuous_buffer();
        let Ok(ours) = Packet::decode(self.version, Sender::Server, &bytes) else {
            if packet.packet_type() == PacketType::Disconnect {
                self.ends(Happened::new("Closed").with("by", "server"));
            } else if matches!(packet, Theirs::V3_1_1Connack(ack) if ack.return_code() != ConnectReturnCode::Accepted)
            {
                // Its user sees that it is refused, whatever else is wrong.
                self.ends(Happened::new("Closed").with("by", "client"));
            } else {
                let unreadable = Happened::new("Unreadable").with("bytes", &bytes[..]);
                self.events.push_back(unreadable);
            }
            return;
        };
        match ours {
            Packet::ConnAck(ack) if ack.code.0 == 0 => {
                self.unanswered = None;
                let connected = Happened::new("Connected").with("session_present", ack.session_present);
                self.events.push_back(connected.with_properties(&ack.properties));
            }
            Packet::ConnAck(ack) => {
                let closed = Happened::new("Closed").with("by", "server").with("refused", true);
                self.ends(closed.with("code", ack.code.0).with_properties(&ack.properties));
            }
            Packet::Disconnect(disconnect) => {
                let closed = Happened::new("Closed").with("by", "server");
                let closed = closed.with("code", disconnect.code.0);
                self.ends(closed.with_properties(&disconnect.properties));
            }
            Packet::Publish(publish) => {
                let head = publish.head;
                // By an alias the topic is known to the crate and not in the packet.
                let topic = match packet {
                    Theirs::V5_0Publish(publish) => publish.topic_name(),
                    _ => head.topic.as_str(),
                };
                let mut message = Happened::new("Message")
                    .with("topic", topic)
                    .with("qos", head.qos as u8)
                    .with("dup", head.dup)
                    .with("retain", head.retain)
                    .with("payload", publish.payload)
                    .with_properties(&head.properties);
                if let Some(id) = head.packet_id {
                    message = message.with("id", id.get()).giving(id.get());
                }
                self.events.push_back(message);
            }
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                self.acknowledged(ack.packet_id.get(), ack.code, &ack.properties);
            }
            Packet::PubRec(ack) if ack.code.0 >= 0x80 => {
                self.acknowledged(ack.packet_id.get(), ack.code, &ack.properties);
            }
            Packet::SubAck(ack) => {
                let codes = ack.codes.iter().map(|code| Val::from(code.0)).collect();
                self.completed(ack.packet_id.get(), "subscribed", codes, &ack.properties);
            }
            Packet::UnsubAck(ack) => {
                let codes = ack.codes.iter().map(|code| Val::from(code.0)).collect();
                self.completed(ack.packet_id.get(), "unsubscribed", codes, &ack.properties);
            }
            Packet::PingResp => {
                if let Some(token) = self.pings.pop_front() {
                    let completed = Happened::new("Completed").with("token", token);
                    self.events.push_back(completed.with("outcome", "ponged"));
                }
            }
            Packet::Auth(auth) if auth.code == ReasonCode::SUCCESS => {
                if let Some(token) = self.reauthenticates.take() {
                    let completed = Happened::new("Completed").with("token", token);
                    let completed = completed.with("outcome", "authenticated");
                    self.events.push_back(completed.with_properties(&auth.properties));
                }
            }
            Packet::Auth(auth) => {
                let event = Happened::new("Authenticate").with_properties(&auth.properties);
                self.events.push_back(event);
            }
            _ => {}
        }
    }

    fn acknowledged(&mut self, id: u16, code: ReasonCode, properties: &Properties<'_>) {
        if let Some(token) = self.under_way.remove(&id) {
            let completed = Happened::new("Completed")
                .with("token", token)
                .with("code", code.0)
                .with_properties(properties);
            self.events.push_back(completed.with("outcome", "acknowledged"));
        }
    }

    fn completed(&mut self, id: u16, outcome: &str, codes: Vec<Val>, properties: &Properties<'_>) {
        if let Some(token) = self.under_way.remove(&id) {
            let completed = Happened::new("Completed")
                .with("token", token)
                .with("codes", Val::List(codes))
                .with_properties(properties);
            self.events.push_back(completed.with("outcome", outcome));
        }
    }
}

impl ClientUnderTest for Client {
    fn call(&mut self, now: Duration, call: &Call) -> Result<Option<Val>, Refusal> {
        let argument = |name: &str| call.fields.iter().find(|(other, _)| other == name);
        let value = |name: &str| argument(name).map(|(_, value)| value.clone());
        match call.command {
            Command::Connect => {
                let client_id = value("client_id");
                if self.client_id.is_some() && self.client_id != client_id {
                    return Err(Refusal::NotApplicable(
                        "a connection is for one client id".to_owned(),
                    ));
                }
                self.client_id = client_id;
                (self.end, self.error) = (None, None);
                self.send(now, call, 0)?;
                self.unanswered = Some(now + PATIENCE);
                Ok(None)
            }
            Command::Publish if argument("topic_alias").is_some() => Err(Refusal::NotApplicable(
                "whether the topic stands beside its alias is for the crate's user to say".to_owned(),
            )),
            Command::Publish if value("qos").is_none_or(|qos| qos == Val::Int(0)) => {
                self.send(now, call, 0)?;
                let token = self.token();
                let completed = Happened::new("Completed").with("token", token);
                self.events.push_back(completed.with("outcome", "written"));
                Ok(Some(Val::from(token)))
            }
            Command::Publish | Command::Subscribe | Command::Unsubscribe => {
                let id = self.connection.acquire_packet_id().map_err(|e| refused(&e))?;
                self.send(now, call, id)?;
                let token = self.token();
                self.under_way.insert(id, token);
                Ok(Some(Val::from(token)))
            }
            Command::Ping => {
                self.send(now, call, 0)?;
                let token = self.token();
                self.pings.push_back(token);
                Ok(Some(Val::from(token)))
            }
            Command::Authenticate => {
                self.send(now, call, 0)?;
                if value("code") != Some(Val::Int(0x19)) {
                    return Ok(None);
                }
                let token = self.token();
                self.reauthenticates = Some(token);
                Ok(Some(Val::from(token)))
            }
            Command::Disconnect => {
                self.send(now, call, 0)?;
                Ok(None)
            }
            // Automatic responses are on.
            Command::Ack => Err(Refusal::NotApplicable("it acknowledges by itself".to_owned())),
        }
    }

    fn handle_input(&mut self, now: Duration, bytes: &[u8]) {
        let mut cursor = Cursor::new(bytes);
        while self.end.is_none() && cursor.position() < bytes.len() as u64 {
            let events = self.connection.recv(&mut cursor);
            self.take(now, events);
        }
    }

    fn handle_disconnect(&mut self, now: Duration) {
        let events = self.connection.notify_closed();
        self.take(now, events);
        self.to_write.clear();
        self.unanswered = None;
        self.pings.clear();
        self.reauthenticates = None;
        let closed = self.end.take();
        let mut closed = closed.unwrap_or_else(|| Happened::new("Closed").with("by", "transport"));
        if let Some(error) = self
            .error
            .take()
            .and_then(|error| u8::try_from(error as u16).ok())
        {
            closed = closed.with("code", error);
        }
        self.events.push_back(closed);
    }

    fn poll_event(&mut self, _: Duration) -> Option<Happened> {
        self.events.pop_front()
    }

    fn poll_transmit(&mut self, _: Duration) -> Option<Vec<u8>> {
        self.to_write.pop_front()
    }

    fn wants_close(&self) -> bool {
        self.end.is_some()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let timers = self.timers.values().map(|(_, at)| *at);
        timers.chain(self.unanswered).min()
    }

    fn handle_timeout(&mut self, now: Duration) {
        if self.unanswered.is_some_and(|at| at <= now) {
            self.unanswered = None;
            self.ends(Happened::new("Closed").with("by", "client"));
        }
        let due = self.timers.values().filter(|(_, at)| *at <= now);
        let due: Vec<TimerKind> = due.map(|(kind, _)| *kind).collect();
        for kind in due {
            self.timers.remove(&number(kind));
            let events = self.connection.notify_timer_fired(kind);
            self.take(now, events);
        }
    }
}

fn number(kind: TimerKind) -> u8 {
    match kind {
        TimerKind::PingreqSend => 0,
        TimerKind::PingreqRecv => 1,
        TimerKind::PingrespRecv => 2,
    }
}

fn refused(error: &MqttError) -> Refusal {
    Refusal::Refused(String::new(), error.to_string())
}

/// The packets that a client's user builds, of bytes.
fn parse(version: Version, bytes: &[u8]) -> Result<Theirs, MqttError> {
    let PacketBuildResult::Complete(raw) = PacketBuilder::new().feed(&mut Cursor::new(bytes)) else {
        return Err(MqttError::MalformedPacket);
    };
    macro_rules! parsed {
        ($packet:ty) => {
            raw.parse_exact(<$packet>::parse).map(Into::into)
        };
    }
    let is_5 = version == Version::V5;
    match (raw.packet_type(), is_5) {
        (1, false) => parsed!(v3_1_1::Connect),
        (1, true) => parsed!(v5_0::Connect),
        (3, false) => {
            v3_1_1::Publish::parse(raw.flags(), raw.data_as_slice().into()).map(|(packet, _)| packet.into())
        }
        (3, true) => {
            v5_0::Publish::parse(raw.flags(), raw.data_as_slice().into()).map(|(packet, _)| packet.into())
        }
        (8, false) => parsed!(v3_1_1::Subscribe),
        (8, true) => parsed!(v5_0::Subscribe),
        (10, false) => parsed!(v3_1_1::Unsubscribe),
        (10, true) => parsed!(v5_0::Unsubscribe),
        (12, false) => parsed!(v3_1_1::Pingreq),
        (12, true) => parsed!(v5_0::Pingreq),
        (14, false) => parsed!(v3_1_1::Disconnect),
        (14, true) => parsed!(v5_0::Disconnect),
        (15, true) => parsed!(v5_0::Auth),
        _ => Err(MqttError::MalformedPacket),
    }
}
