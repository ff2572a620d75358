//! Passwords and rules as the answers to a server's questions.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use mqtt_proto::{
    QoS, ReasonCode, TopicFilter, Version,
    packet::{Connect, Subscribe},
};
use mqtt_session::{
    Instant,
    server::{
        Asked, Asks, Broker, Decision, Grant, Question, Revoked, SessionInfo, SubscriptionInfo, Terms, Ticket,
    },
};

use crate::{Passwords, Rules, Verifier, Who};

/// Who may come in through one listener, and do what.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Door {
    /// Clients may come without a user name. A name that nothing here can verify is no name.
    pub anonymous: bool,
    /// Users who may come.
    pub passwords: Option<Arc<Passwords>>,
    /// What who comes may do; everything, without rules.
    pub rules: Option<Arc<Rules>>,
    /// What who comes is granted. Its `context` is the gate's.
    pub grant: Grant,
}

impl Door {
    /// Everybody may come, and do everything.
    pub const OPEN: Self = Self {
        anonymous: true,
        passwords: None,
        rules: None,
        grant: Grant::DEFAULT,
    };

    /// What the server has to offer at this listener: the grant of those who are not asked about.
    pub fn grant_at(&self, listener: u16) -> Grant {
        let mut grant = self.grant.clone();
        grant.context = u64::from(listener) << USER_BITS;
        grant
    }

    /// What the server has to ask for this, of those who come through this listener.
    pub fn asks(&self) -> Asks {
        let mut asks = Asks::NOTHING;
        asks.publish = self.rules.is_some();
        asks.subscribe = asks.publish;
        asks.connect = asks.publish || self.passwords.is_some() || !self.anonymous;
        asks
    }
}

/// Answers a server's questions: by listener, from passwords and rules. Clones are the same gate.
///
/// - A client with a user name has to be in the file of passwords, or is refused with 0x86; without one it is refused with 0x87, unless
///   anonymous clients may come. Who has an Authentication Method is refused with 0x8C.
/// - A will that may not be published refuses its CONNECT with 0x87.
/// - What rules refuse is refused with 0x87, filter by filter.
///
/// A password is verified on a [`Verifier`]'s thread, and the answer comes later; all else is answered at once.
#[derive(Clone, Debug)]
pub struct Gate {
    inside: Arc<RwLock<Inside>>,
    verifier: Verifier,
}

#[derive(Debug)]
struct Inside {
    doors: Vec<Door>,
    users: Users,
}

/// What a [review](Gate::review) has done.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reviewed {
    /// Connections that were ended, because their users are in no file any more.
    pub clients: usize,
    /// Subscriptions that were taken away.
    pub subscriptions: usize,
}

impl Gate {
    /// With a door for each listener, by its number; the first serves for listeners that have none. The server's offers have what
    /// [`Door::grant_at`] and [`Door::asks`] say.
    pub fn new(doors: Vec<Door>, verifier: Verifier) -> Self {
        let mut users = Users::default();
        users.add(&doors);
        Self {
            inside: Arc::new(RwLock::new(Inside { doors, users })),
            verifier,
        }
    }

    /// Other doors from now on: what is asked later is decided by them. Who is inside stays inside until a
    /// [review](Self::review).
    pub fn replace(&self, doors: Vec<Door>) {
        let mut inside = self.inside.write().unwrap_or_else(PoisonError::into_inner);
        inside.users.add(&doors);
        inside.doors = doors;
    }

    /// Holds the doors as they are now against who is inside: connections of users who are in no file any more are ended with 0x87,
    /// subscriptions that the rules are against are taken away, and their clients, if they are there, disconnected with 0x98. What was
    /// queued already is delivered.
    pub fn review(&self, broker: &mut Broker, now: Instant) -> Reviewed {
        let inside = self.inside();
        let gone: Vec<_> = broker
            .sessions()
            .filter(|session| !session.is_local() && !inside.knows(session))
            .filter_map(|session| session.conn())
            .collect();
        for &conn in &gone {
            broker.disconnect_client(now, conn, ReasonCode::NOT_AUTHORIZED);
        }
        let subscriptions = broker.review(now, Revoked::Disconnect, |session, subscription| {
            session.is_local() || inside.keeps(session, subscription)
        });
        Reviewed {
            clients: gone.len(),
            subscriptions,
        }
    }

    fn inside(&self) -> RwLockReadGuard<'_, Inside> {
        self.inside.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a question; `None`: `later` is called with it, on another thread. Never waits for that.
    pub fn decide(
        &self,
        question: &Question<'_>,
        later: impl FnOnce(Ticket, Decision) + Send + 'static,
    ) -> Option<Decision> {
        let inside = self.inside();
        let listener = question.peer.listener;
        let context = question.grant.context;
        let who = Who {
            user: inside.users.name(context),
            client_id: question.client_id,
        };
        let rules = inside.door(listener).rules.as_ref();
        match &question.asked {
            Asked::Connect(connect) => self.connect(&inside, question, connect, later),
            Asked::Publish(publish) => Some(allow(
                rules.is_none_or(|rules| rules.may_publish(&who, publish.head.topic)),
            )),
            Asked::Subscribe(subscribe) => Some(match rules {
                None => Decision::Allow,
                Some(rules) => each(rules, &who, question.version, subscribe),
            }),
            Asked::Unsubscribe(_) => Some(Decision::Allow),
            // Methods of authentication are none of ours.
            Asked::Auth { .. } | Asked::Reauthenticate(_) | _ => {
                Some(Decision::Deny(ReasonCode::NOT_AUTHORIZED))
            }
        }
    }

    fn connect(
        &self,
        inside: &Inside,
        question: &Question<'_>,
        connect: &Connect<'_>,
        later: impl FnOnce(Ticket, Decision) + Send + 'static,
    ) -> Option<Decision> {
        if connect.properties.authentication_method().is_some() {
            return Some(Decision::Deny(ReasonCode::BAD_AUTHENTICATION_METHOD));
        }
        let door = inside.door(question.peer.listener);
        let mut grant = door.grant_at(question.peer.listener);
        let (Some(passwords), Some(user)) = (&door.passwords, connect.user_name) else {
            return Some(if door.anonymous {
                admit(door, connect, None, grant)
            } else {
                Decision::Deny(ReasonCode::NOT_AUTHORIZED)
            });
        };
        let wrong = Decision::Deny(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
        let Some(password) = connect.password else {
            return Some(wrong);
        };
        // Decided now as if the password were right: what CONNECT says is not there later.
        grant.context |= inside.users.number(user);
        let right = admit(door, connect, Some(user), grant);
        let ticket = question.ticket;
        let then = move |is_right| later(ticket, if is_right { right } else { wrong });
        let asked = self.verifier.verify(Arc::clone(passwords), user, password, then);
        match asked {
            Ok(()) => None,
            Err(crate::Busy) => Some(Decision::Deny(ReasonCode::SERVER_BUSY)),
        }
    }
}

impl Inside {
    fn door(&self, listener: u16) -> &Door {
        let door = self.doors.get(usize::from(listener));
        door.or_else(|| self.doors.first()).unwrap_or(&Door::OPEN)
    }

    /// Through which door this client came.
    fn door_of(&self, session: &SessionInfo<'_>) -> &Door {
        self.door(u16::try_from(session.context() >> USER_BITS).unwrap_or(u16::MAX))
    }

    /// Its user is in the file still, or it has none.
    fn knows(&self, session: &SessionInfo<'_>) -> bool {
        let door = self.door_of(session);
        match self.users.name(session.context()) {
            None => door.anonymous,
            Some(user) => door
                .passwords
                .as_ref()
                .is_some_and(|passwords| passwords.contains(user)),
        }
    }

    fn keeps(&self, session: &SessionInfo<'_>, subscription: &SubscriptionInfo<'_>) -> bool {
        let (Some(rules), Ok(filter)) = (
            &self.door_of(session).rules,
            TopicFilter::new(subscription.filter),
        ) else {
            return true;
        };
        let who = Who {
            user: self.users.name(session.context()),
            client_id: session.client_id(),
        };
        // Of a client that is away it is not known which version it spoke.
        rules.may_subscribe(&who, filter, session.version().unwrap_or(Version::V5))
    }
}

fn each(rules: &Rules, who: &Who<'_>, version: Version, subscribe: &Subscribe<'_>) -> Decision {
    let codes = subscribe.filters.into_iter().map(|one| {
        if rules.may_subscribe(who, one.filter, version) {
            granted(one.options.qos)
        } else {
            ReasonCode::NOT_AUTHORIZED
        }
    });
    Decision::Each(codes.collect())
}

const fn allow(may: bool) -> Decision {
    if may {
        Decision::Allow
    } else {
        Decision::Deny(ReasonCode::NOT_AUTHORIZED)
    }
}

/// Lets a client in, but with a will that it may not publish.
fn admit(door: &Door, connect: &Connect<'_>, user: Option<&str>, grant: Grant) -> Decision {
    let who = Who {
        user,
        client_id: connect.client_id,
    };
    if let (Some(rules), Some(will)) = (&door.rules, &connect.will) {
        if !rules.may_publish(&who, will.topic) {
            return Decision::Deny(ReasonCode::NOT_AUTHORIZED);
        }
    }
    let mut terms = Terms::default();
    terms.grant = Some(grant);
    Decision::Accept(Box::new(terms))
}

const fn granted(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::GRANTED_QOS_0,
        QoS::AtLeastOnce => ReasonCode::GRANTED_QOS_1,
        QoS::ExactlyOnce => ReasonCode::GRANTED_QOS_2,
    }
}

/// A grant's context is a number: in front the listener through which the client came, behind it these bits for its user.
const USER_BITS: u32 = 48;

/// Users by number, because a grant holds no more. A user's number comes from the name, so that it is the same in the next
/// process, to which sessions may be handed down.
#[derive(Debug, Default)]
struct Users(BTreeMap<u64, Arc<str>>);

impl Users {
    fn add(&mut self, doors: &[Door]) {
        let all = doors.iter().filter_map(|door| door.passwords.as_ref());
        for user in all.flat_map(|passwords| passwords.users()) {
            let number = self.number(user);
            self.0.entry(number).or_insert_with(|| user.into());
        }
    }

    /// The number of this user; 0 is nobody's. Two that have the same hash have numbers in a row.
    fn number(&self, user: &str) -> u64 {
        let mut number = hash(user);
        loop {
            number = number.max(1);
            match self.0.get(&number) {
                Some(other) if **other != *user => number = (number + 1) & MASK,
                _ => return number,
            }
        }
    }

    fn name(&self, context: u64) -> Option<&str> {
        self.0.get(&(context & MASK)).map(|name| &**name)
    }
}

const MASK: u64 = (1 << USER_BITS) - 1;

/// FNV-1a, folded: nobody chooses names of users to hurt himself.
fn hash(name: &str) -> u64 {
    let whole = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
    });
    (whole ^ (whole >> USER_BITS)) & MASK
}
