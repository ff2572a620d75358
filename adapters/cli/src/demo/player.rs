//! What a client does, whatever its adapter: a machine on top of the machine.
//!
//! It subscribes to everything, says that it is ready, and waits until all are. Then come three rounds, one for
//! each QoS: it publishes its messages, and waits until they are acknowledged and everybody's have come. So the rounds
//! follow each other without anything but MQTT between the clients.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_proto::{
    Properties, Property, QoS, TopicFilter, TopicName, Version,
    packet::{Connect, Disconnect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    ConnectOptions, Event, Publish, Refused, Token,
    client::{ClosedBy, Message, Outcome},
};

use super::cast::{CAST, MESSAGES, Part};

const FILTER: &str = "demo/#";
const SESSION: &[Property<'static>] = &[Property::SessionExpiryInterval(60)];

/// What every adapter's client can be told.
pub(super) trait Commands {
    fn publish(&mut self, message: &Publish<'_>, payload: &[u8]) -> Result<Token, Refused>;
    fn subscribe(&mut self, filters: &[Subscription<'_>]) -> Result<Token, Refused>;
    fn disconnect(&mut self) -> Result<(), Refused>;
}

/// One client's game, and the counts of it.
#[derive(Debug)]
pub(super) struct Player {
    index: usize,
    stage: Stage,
    /// Whether a connection accepts commands now.
    connected: bool,
    /// Messages of this round that the client has taken.
    taken: u32,
    under_way: BTreeMap<Token, Option<QoS>>,
    ready: BTreeSet<usize>,
    /// By sender, QoS and number: how often it was received.
    received: BTreeMap<(usize, QoS, u32), u32>,
    /// By QoS: messages that came before an earlier one of the same sender.
    disordered: [u32; 3],
    /// By QoS: messages that came to their end, as they should.
    sent: [u32; 3],
    /// Connections that found the session.
    pub(super) resumed: u32,
    /// The last connection ended in order.
    pub(super) ended: bool,
    /// What should not have happened.
    pub(super) trouble: Option<String>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    Subscribing,
    Gathering,
    Round(QoS),
    Leaving,
}

impl Player {
    pub(super) const fn new(index: usize) -> Self {
        Self {
            index,
            stage: Stage::Begin,
            connected: false,
            taken: 0,
            under_way: BTreeMap::new(),
            ready: BTreeSet::new(),
            received: BTreeMap::new(),
            disordered: [0; 3],
            sent: [0; 3],
            resumed: 0,
            ended: false,
            trouble: None,
        }
    }

    /// How this part connects: always to a session that is kept.
    pub(super) const fn options(part: &Part) -> ConnectOptions<'static> {
        Connect {
            version: part.version,
            clean_start: false,
            keep_alive: 5,
            client_id: part.client_id,
            will: None,
            user_name: None,
            password: None,
            properties: match part.version {
                Version::V5 => Properties::new(SESSION),
                Version::V31 | Version::V311 => Properties::EMPTY,
            },
        }
    }

    /// There is nothing more to play, for better or worse.
    pub(super) const fn is_over(&self) -> bool {
        self.ended || self.trouble.is_some()
    }

    /// Messages of that QoS that came to their end.
    pub(super) const fn sent(&self, qos: QoS) -> u32 {
        self.sent[qos as usize]
    }

    /// Different messages of that QoS that were received.
    pub(super) fn received(&self, qos: QoS) -> u32 {
        self.of(qos).map(|_| 1).sum()
    }

    /// Messages of that QoS that were received again.
    pub(super) fn received_twice(&self, qos: QoS) -> u32 {
        self.of(qos).map(|times| times - 1).sum()
    }

    /// Messages of that QoS that came before an earlier one of the same sender.
    pub(super) const fn disordered(&self, qos: QoS) -> u32 {
        self.disordered[qos as usize]
    }

    fn of(&self, qos: QoS) -> impl Iterator<Item = u32> {
        self.received
            .iter()
            .filter(move |((_, at, _), _)| *at == qos)
            .map(|(_, times)| *times)
    }

    /// Does what can be done now.
    pub(super) fn act(&mut self, client: &mut impl Commands) {
        if !self.connected || self.is_over() {
            return;
        }
        loop {
            let result = match self.stage {
                Stage::Begin => self.subscribe(client),
                Stage::Round(qos) if self.taken < MESSAGES => self.publish(client, qos),
                Stage::Subscribing | Stage::Gathering | Stage::Round(_) | Stage::Leaving => {
                    if !self.advance(client) {
                        return;
                    }
                    Ok(())
                }
            };
            match result {
                Ok(()) => {}
                // After the next event there may be room.
                Err(why) if why.is_temporary() => return,
                Err(why) => {
                    self.trouble = Some(format!("refused: {why}"));
                    return;
                }
            }
        }
    }

    fn subscribe(&mut self, client: &mut impl Commands) -> Result<(), Refused> {
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        let token = client.subscribe(&[Subscription {
            filter: TopicFilter::new(FILTER)?,
            options,
        }])?;
        self.under_way.insert(token, None);
        self.stage = Stage::Subscribing;
        Ok(())
    }

    fn publish(&mut self, client: &mut impl Commands, qos: QoS) -> Result<(), Refused> {
        let topic = format!("demo/{}/{}", self.index, qos as u8);
        let message = Publish::new(TopicName::new(&topic)?, qos);
        let token = client.publish(&message, self.taken.to_string().as_bytes())?;
        self.under_way.insert(token, Some(qos));
        self.taken += 1;
        Ok(())
    }

    /// Goes on to the next stage, if this one is over.
    fn advance(&mut self, client: &mut impl Commands) -> bool {
        if !self.under_way.is_empty() {
            return false;
        }
        let next = match self.stage {
            Stage::Subscribing => {
                // Retained, so that whoever comes later learns it as well.
                let topic = format!("demo/{}/ready", self.index);
                let ready = TopicName::new(&topic).map_err(Refused::from).and_then(|topic| {
                    let mut message = Publish::new(topic, QoS::AtLeastOnce);
                    message.retain = true;
                    client.publish(&message, b"ready")
                });
                match ready {
                    Ok(token) => drop(self.under_way.insert(token, None)),
                    Err(why) => {
                        self.trouble = Some(format!("refused: {why}"));
                        return false;
                    }
                }
                Stage::Gathering
            }
            Stage::Gathering if self.ready.len() == CAST.len() => Stage::Round(QoS::AtMostOnce),
            Stage::Round(qos) if self.received(qos) == MESSAGES * CAST.len() as u32 => match qos {
                QoS::AtMostOnce => Stage::Round(QoS::AtLeastOnce),
                QoS::AtLeastOnce => Stage::Round(QoS::ExactlyOnce),
                QoS::ExactlyOnce => {
                    if let Err(why) = client.disconnect() {
                        self.trouble = Some(format!("refused: {why}"));
                        return false;
                    }
                    Stage::Leaving
                }
            },
            Stage::Begin | Stage::Gathering | Stage::Round(_) | Stage::Leaving => return false,
        };
        self.stage = next;
        self.taken = 0;
        true
    }

    /// Takes note of what happened.
    pub(super) fn handle(&mut self, event: &Event<'_>) {
        match event {
            Event::Connected(connected) => {
                self.connected = true;
                self.resumed += u32::from(connected.session_present);
            }
            Event::Message(message) => self.receive(message),
            Event::Completed { token, outcome } => self.complete(*token, outcome),
            Event::Aborted { why, .. } => self.trouble = Some(format!("an operation was aborted: {why:?}")),
            Event::Closed(closed) => {
                self.connected = false;
                match closed.by {
                    ClosedBy::Client if self.stage == Stage::Leaving => self.ended = true,
                    // That is what the demo is about.
                    ClosedBy::Transport => {}
                    _ => self.trouble = Some(format!("closed: {}", closed.cause)),
                }
            }
            other => self.trouble = Some(format!("not expected: {other:?}")),
        }
    }

    fn complete(&mut self, token: Token, outcome: &Outcome<'_>) {
        let refused = match outcome {
            Outcome::Acknowledged { code, .. } => Some(*code).filter(|code| code.is_failure()),
            Outcome::Subscribed { codes, .. } => codes.iter().find(|code| code.is_failure()),
            _ => None,
        };
        match (self.under_way.remove(&token), refused) {
            (Some(Some(qos)), None) => self.sent[qos as usize] += 1,
            (Some(None), None) => {}
            (Some(_), Some(code)) => self.trouble = Some(format!("the broker refused: {code}")),
            (None, _) => self.trouble = Some(format!("an operation ended twice: {token:?}")),
        }
    }

    fn receive(&mut self, message: &Message<'_>) {
        let topic = message.topic.as_str();
        let mut levels = message.topic.levels().skip(1);
        let sender = levels
            .next()
            .and_then(|index| index.parse().ok())
            .filter(|&index: &usize| index < CAST.len());
        let (Some(sender), Some(what)) = (sender, levels.next()) else {
            self.trouble = Some(format!("a message that nobody sent: {topic}"));
            return;
        };
        if what == "ready" {
            self.ready.insert(sender);
            return;
        }
        let qos = what.parse().ok().and_then(QoS::from_u8);
        let number = core::str::from_utf8(message.payload)
            .ok()
            .and_then(|text| text.parse().ok());
        match (qos, number) {
            (Some(qos), Some(number)) if qos == message.qos && number < MESSAGES => {
                let times = self.received.entry((sender, qos, number)).or_default();
                *times += 1;
                let later = (sender, qos, number + 1)..=(sender, qos, u32::MAX);
                if *times == 1 && self.received.range(later).next().is_some() {
                    self.disordered[qos as usize] += 1;
                }
            }
            _ => {
                self.trouble = Some(format!(
                    "a message that nobody sent: {topic} at QoS {}",
                    message.qos as u8
                ))
            }
        }
    }
}

/// DISCONNECT in order, for [`Commands::disconnect`].
pub(super) const GOODBYE: Disconnect<'static> = Disconnect::new(mqtt_proto::ReasonCode::NORMAL_DISCONNECTION);

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that takes everything.
    #[derive(Default)]
    struct Taker {
        client: Option<mqtt_session::Client<mqtt_session::storage::Heap>>,
        published: Vec<String>,
        left: bool,
    }

    impl Taker {
        fn token(&mut self, message: &Publish<'_>) -> Token {
            // Tokens are made by clients alone.
            let client = self.client.get_or_insert_with(|| {
                mqtt_session::Client::new(mqtt_session::Config::DEFAULT, mqtt_session::storage::Heap::new())
            });
            client.publish(mqtt_session::Instant::ZERO, message, b"").unwrap()
        }
    }

    impl Commands for Taker {
        fn publish(&mut self, message: &Publish<'_>, payload: &[u8]) -> Result<Token, Refused> {
            self.published.push(format!(
                "{} {}",
                message.topic.as_str(),
                String::from_utf8_lossy(payload)
            ));
            Ok(self.token(message))
        }
        fn subscribe(&mut self, _: &[Subscription<'_>]) -> Result<Token, Refused> {
            Ok(self.token(&Publish::new(TopicName::new("x").unwrap(), QoS::AtMostOnce)))
        }
        fn disconnect(&mut self) -> Result<(), Refused> {
            self.left = true;
            Ok(())
        }
    }

    /// Lets everything that is under way end well.
    fn end_all(player: &mut Player) {
        while let Some(token) = player.under_way.keys().next().copied() {
            player.complete(token, &Outcome::Written);
        }
    }

    #[test]
    fn a_round_ends_when_all_is_acknowledged_and_all_has_come() {
        let (mut player, mut client) = (Player::new(1), Taker::default());
        player.act(&mut client);
        assert_eq!(player.stage, Stage::Begin, "not connected yet");
        player.connected = true;
        player.act(&mut client);
        end_all(&mut player);
        player.act(&mut client);
        assert_eq!(client.published, ["demo/1/ready ready"]);
        end_all(&mut player);
        player.ready.extend(0..CAST.len());
        for qos in QoS::ALL {
            player.act(&mut client);
            assert_eq!((player.stage, player.taken), (Stage::Round(qos), MESSAGES));
            for sender in 0..CAST.len() {
                for number in 0..MESSAGES {
                    player.received.insert((sender, qos, number), 1);
                }
            }
            player.act(&mut client);
            assert_eq!(
                player.stage,
                Stage::Round(qos),
                "its own messages are not acknowledged"
            );
            end_all(&mut player);
            assert_eq!((player.sent(qos), player.received_twice(qos)), (MESSAGES, 0));
        }
        player.act(&mut client);
        assert!(client.left && player.trouble.is_none());
    }

    #[test]
    fn repeats_and_disorder_are_counted() {
        let mut player = Player::new(0);
        for number in [0, 2, 1, 2] {
            *player.received.entry((3, QoS::AtLeastOnce, number)).or_default() += 1;
        }
        assert_eq!(
            (
                player.received(QoS::AtLeastOnce),
                player.received_twice(QoS::AtLeastOnce)
            ),
            (3, 1)
        );
    }
}
