//! CONNECT (3.1): who may come, under which name, to which session.

use alloc::{boxed::Box, format, sync::Arc};

use mqtt_proto::{MAX_REMAINING_LENGTH, ReasonCode, Version, packet::Connect, topic::level_count};

use super::{Broker, Phase, authenticate::Authentication};
use crate::{
    Instant,
    flow::Window,
    server::{
        Accepted, ConnId, Ended, Grant, Pool, Reply, ServerEvent, Terms,
        decision::{is_binary, is_text},
        message::Message,
        pool::is_sys,
        question::Kind,
        route::SessionKey,
        session::{Session, Will},
    },
};

/// Bytes of the largest packet there is, its fixed header included.
const MAX_PACKET: u32 = MAX_REMAINING_LENGTH + 5;

/// Longest client id in 3.1, in characters.
const CLIENT_ID_CHARS_31: usize = 23;

impl Broker {
    /// CONNECT, the first packet of its connection.
    pub(super) fn connect(&mut self, now: Instant, conn: ConnId, connect: &Connect<'_>) -> Option<Kind> {
        // 5/MQTT-3.1.4-2, 5/MQTT-3.1.3-8, 3.1.1/MQTT-3.1.3-9, 3.1/3.1-6
        if let Some(code) = self.refusal(conn, connect) {
            self.end_link(now, conn, Ended::Refused(code), Some(Reply::Refuse(code)));
            return None;
        }
        if !self.offer(conn).asks.connect {
            self.admit(now, conn, connect, Terms::default());
            return None;
        }
        self.set_phase(conn, Phase::Connecting);
        let link = self.link_mut(conn)?;
        link.version = connect.version;
        if let Some(method) = connect.properties.authentication_method() {
            link.inbox.get_or_insert_default().authentication = Some(Authentication::new(method));
        }
        Some(Kind::Connect)
    }

    /// The client may come, on these terms.
    pub(super) fn admit(&mut self, now: Instant, conn: ConnId, connect: &Connect<'_>, mut terms: Terms) {
        let grant = terms
            .grant
            .take()
            .map_or_else(|| self.default_grant(conn), Arc::new);
        let named = terms.client_id.take().filter(|id| !id.is_empty() && is_text(id));
        // 5/MQTT-3.1.3-7: from here on an invented id is as good as one that was sent.
        let assigned = connect.client_id.is_empty().then(|| match named {
            Some(id) => id.into(),
            None => self.invent_client_id(grant.pool),
        });
        let client_id = assigned.clone().unwrap_or_else(|| Arc::from(connect.client_id));
        let name = (grant.pool, client_id.clone());
        // 5/MQTT-3.1.4-3, 3.1.1/MQTT-3.1.4-2, 3.1/3.1-16: the old connection ends first, and with it, perhaps, its session.
        let old = self
            .by_client
            .get(&name)
            .and_then(|key| self.sessions.get(key.0 as usize));
        if let Some(old) = old.and_then(|session| session.conn) {
            let code = ReasonCode::SESSION_TAKEN_OVER;
            self.end_link(now, old, Ended::TakenOver, Some(Reply::Disconnect(code)));
        }
        // 5/MQTT-4.1.0-2, 5/MQTT-3.1.2-8: what is over by now is, even if nobody has called for it yet.
        if let Some(&old) = self.by_client.get(&name) {
            self.pass_time(now, old);
        }
        // 5/MQTT-3.1.4-4, 3.1.1/MQTT-3.1.4-3; 5/MQTT-3.1.2-4, 3.1.1/MQTT-3.1.2-6, 3.1/3.1-17
        if connect.clean_start {
            if let Some(&old) = self.by_client.get(&name) {
                self.end_session(now, old);
            }
        }
        // 5/MQTT-3.1.2-5, 5/MQTT-3.1.2-6, 3.1.1/MQTT-3.1.2-4, 3.1/3.1-18: the session that is kept, or a new one.
        let kept = self.by_client.get(&name).copied();
        let Some(key) = kept.or_else(|| self.new_session(client_id.clone(), &grant)) else {
            // 3.1.1/MQTT-4.8.0-2. 3.x has no code for a quota; "server unavailable" is its way to say "not now".
            let full = if connect.version.has_properties() {
                ReasonCode::QUOTA_EXCEEDED
            } else {
                ReasonCode::SERVER_UNAVAILABLE
            };
            self.end_link(now, conn, Ended::Refused(full), Some(Reply::Refuse(full)));
            return;
        };
        let mut accepted = self.bind(now, conn, key, grant, connect, terms);
        // 5/MQTT-3.2.2-3, 3.1.1/MQTT-3.2.2-2, 3.1.1/MQTT-3.2.2-3
        accepted.session_present = kept.is_some();
        accepted.assigned_client_id = assigned;
        let address = self.link(conn).and_then(|link| link.peer.address());
        self.events.push(ServerEvent::Connected {
            conn,
            address,
            client_id,
            version: connect.version,
            session_present: accepted.session_present,
        });
        self.depend_on_all(conn);
        // 5/MQTT-3.1.4-5, 3.1.1/MQTT-3.1.4-4, 3.1/3.1-24
        self.owe(conn, Reply::Accept(Box::new(accepted)));
    }

    /// Why this client cannot come, if it cannot.
    fn refusal(&self, conn: ConnId, connect: &Connect<'_>) -> Option<ReasonCode> {
        let id = connect.client_id;
        let id_is_valid = match connect.version {
            // 3.1/3.1-6, 3.1/3.1-7; later any id will do, so 5/MQTT-3.1.3-5, 3.1.1/MQTT-3.1.3-5 hold.
            Version::V31 => (1..=CLIENT_ID_CHARS_31).contains(&id.chars().count()),
            // 3.1.1/MQTT-3.1.3-8
            Version::V311 => !id.is_empty() || connect.clean_start,
            // 5/MQTT-3.1.3-6
            Version::V5 => true,
        };
        if !id_is_valid {
            return Some(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID);
        }
        // 5/MQTT-4.12.0-1: a server that asks nobody knows no method.
        let has_method = connect.properties.authentication_method().is_some();
        if has_method && !self.offer(conn).asks.connect {
            return Some(ReasonCode::BAD_AUTHENTICATION_METHOD);
        }
        let will = connect.will.as_ref()?;
        let not_here = |code| {
            Some(if connect.version.has_properties() {
                code
            } else {
                ReasonCode::NOT_AUTHORIZED
            })
        };
        let offer = self.offer(conn);
        if will.qos > offer.maximum_qos {
            return not_here(ReasonCode::QOS_NOT_SUPPORTED); // 5/MQTT-3.2.2-12
        }
        if will.retain && !offer.retain_available {
            return not_here(ReasonCode::RETAIN_NOT_SUPPORTED); // 5/MQTT-3.2.2-13
        }
        if is_sys(will.topic.as_str()) {
            return Some(ReasonCode::NOT_AUTHORIZED);
        }
        if level_count(will.topic.as_str()) > self.config.limits.topic_levels {
            return not_here(ReasonCode::TOPIC_NAME_INVALID);
        }
        None
    }

    /// An id that no session of the pool has (`5/MQTT-3.1.3-6`, `3.1.1/MQTT-3.1.3-6`), from the seed alone.
    fn invent_client_id(&mut self, pool: Pool) -> Arc<str> {
        loop {
            self.invented = self.invented.wrapping_add(1);
            self.journal.counted();
            let id: Arc<str> = format!("auto-{:016x}", mix(self.config.seed, self.invented)).into();
            if !self.by_client.contains_key(&(pool, id.clone())) {
                return id;
            }
        }
    }

    fn new_session(&mut self, client_id: Arc<str>, grant: &Arc<Grant>) -> Option<SessionKey> {
        if self.sessions.len() >= self.config.limits.sessions {
            return None;
        }
        let key = SessionKey(u32::try_from(self.sessions.vacant_key()).ok()?);
        let owner = self.journal.begin_session(key);
        self.sessions
            .insert(Session::new(client_id.clone(), grant.clone(), owner));
        self.by_client.insert((grant.pool, client_id), key);
        self.realms.add_session(grant.pool);
        Some(key)
    }

    /// Binds the connection to its session, and says what CONNACK is to say.
    fn bind(
        &mut self,
        now: Instant,
        conn: ConnId,
        key: SessionKey,
        grant: Arc<Grant>,
        connect: &Connect<'_>,
        terms: Terms,
    ) -> Accepted {
        let offer = self
            .config
            .offer(self.link(conn).map_or(0, |link| link.peer.listener()));
        let limits = &grant.limits;
        let version = connect.version;
        let properties = connect.properties;
        let asked_expiry = match version {
            Version::V5 => properties.session_expiry_interval().unwrap_or(0),
            // 3.x has but two lives of a session: that of its connection, and for ever.
            Version::V31 | Version::V311 => {
                if connect.clean_start {
                    0
                } else {
                    u32::MAX
                }
            }
        };
        // 5/MQTT-3.1.2-23
        let expiry = asked_expiry.min(limits.session_expiry_max);
        let server_keep_alive = terms.server_keep_alive.or_else(|| {
            offer
                .keep_alive_max
                .filter(|&max| connect.keep_alive == 0 || connect.keep_alive > max)
        });
        let auth_method = properties.authentication_method();
        if let Some(link) = self.links.get_mut(conn.index()) {
            let peer_max = properties.receive_maximum().unwrap_or(u16::MAX);
            // 3.x knows no Receive Maximum, so its clients cannot break it.
            let own_max = if version.has_properties() {
                offer.receive_maximum
            } else {
                u16::MAX
            };
            link.version = version;
            link.session = Some(key);
            link.outgoing = Window::new(peer_max.min(limits.max_in_flight.max(1)));
            link.incoming = Window::new(own_max);
            link.max_packet = properties
                .maximum_packet_size()
                .unwrap_or(u32::MAX)
                .min(MAX_PACKET);
        }
        let accepted = Accepted {
            session_present: false,
            session_expiry: (expiry != asked_expiry).then_some(expiry),
            assigned_client_id: None,
            server_keep_alive,
            receive_maximum: offer.receive_maximum,
            max_packet_size: offer.max_packet_size,
            topic_alias_maximum: offer.topic_alias_maximum,
            maximum_qos: offer.maximum_qos,
            retain_available: offer.retain_available,
            wildcard_available: offer.wildcard_available,
            subscription_ids_available: offer.subscription_ids_available,
            shared_available: offer.shared_available,
            // 5/MQTT-3.1.2-28
            response_information: (properties.request_response_information() == Some(1))
                .then(|| {
                    terms
                        .response_information
                        .or_else(|| offer.response_information.clone())
                })
                .flatten()
                .filter(|text| is_text(text)),
            auth_method: auth_method.map(Into::into),
            auth_data: terms
                .auth_data
                .filter(|data| auth_method.is_some() && is_binary(data)),
            remarks: terms.remarks,
        };
        self.set_phase(conn, Phase::Open);
        self.totals.connects += 1;
        self.count_attach(grant.pool);
        if let Some(session) = self.sessions.get_mut(key.0 as usize) {
            session.unbind();
            session.conn = Some(conn);
            session.grant = grant;
            session.expiry = expiry;
            session.expires_at = None;
            // 5/MQTT-3.1.3-9: the will of the connection before is forgotten, if it was still to be published.
            session.take_will();
            // 5/MQTT-3.1.2-7; without a will there is none from now on (3.1.1/MQTT-3.1.2-12).
            session.rare().will = connect.will.as_ref().map(|will| Will {
                delay: will.properties.will_delay_interval().unwrap_or(0),
                expiry: will.properties.message_expiry_interval(),
                message: Message::will(now, will),
            });
            session.tidy();
            self.deadlines.set(key, &mut session.armed, None);
        }
        self.note(key);
        accepted
    }
}

/// SplitMix64: spreads a counter over all numbers, without repeating one.
const fn mix(seed: u64, counter: u64) -> u64 {
    let mut z = seed.wrapping_add(counter.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
