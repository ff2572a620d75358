//! Three clients that do whatever they like, and a server.
//!
//! The first byte chooses the configuration, the rest is a list of operations; see `Op`. In the end everything is written
//! and read, all clients go, and time passes: then the server must hold nothing but retained messages.

mod net;
mod wire;

use core::time::Duration;

use mqtt_proto::{QoS, Version};
use mqtt_session::server::{Asks, Bucket, DropPolicy, Pool, RetainedPolicy, ServerConfig};

use crate::{choices::Choices, drafts, encoded, show, version};
use net::Net;

/// What the low half of a byte makes happen, on the connection of the high half; parameters follow.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// Bytes arrive.
    Raw,
    /// A client connects anew: CONNECT arrives.
    Connect,
    /// A packet that was drawn arrives.
    Draft,
    Publish,
    Subscribe,
    Unsubscribe,
    /// The client answers one of the packets that wait for an answer.
    Answer,
    /// The client sends an acknowledgement that may fit or not.
    Acknowledgement,
    Ping,
    Disconnect,
    Cut,
    /// So many bytes leave.
    Write,
    /// Packets leave, gathered.
    Take,
    /// What is ready is done.
    Settle,
    /// The client answers everything.
    AnswerAll,
    /// Or, where the server asks: somebody decides.
    Wait,
}

const OPS: [Op; 16] = [
    Op::Raw,
    Op::Connect,
    Op::Draft,
    Op::Publish,
    Op::Subscribe,
    Op::Unsubscribe,
    Op::Answer,
    Op::Acknowledgement,
    Op::Ping,
    Op::Disconnect,
    Op::Cut,
    Op::Write,
    Op::Take,
    Op::Settle,
    Op::AnswerAll,
    Op::Wait,
];

/// Operations of one run; what follows is not looked at.
const MOST_OPS: usize = 150;

/// Plays a list of operations.
///
/// # Panics
/// If something does not hold.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut net = Net::new(config(choices.byte()));
    for _ in 0..MOST_OPS {
        if choices.is_empty() {
            break;
        }
        step(&mut net, &mut choices);
        net.check();
    }
    net.finish();
}

fn config(how: u8) -> ServerConfig {
    let mut config = ServerConfig::default();
    config.seed = u64::from(how);
    config.limits.connections = 3;
    config.limits.sessions = 4;
    config.offer_mut(0).max_packet_size = 600;
    config.offer_mut(0).grant.limits.session_expiry_max = 3600;
    config.limits.retained_messages = 3;
    config.limits.retained_bytes = 400;
    config.offer_mut(0).grant.limits.subscriptions = 6;
    config.limits.topic_levels = 8;
    if how & 1 != 0 {
        config.offer_mut(0).grant.limits.queue_messages = 3;
        config.offer_mut(0).grant.limits.queue_bytes = 300;
        config.offer_mut(0).grant.limits.max_in_flight = 2;
        config.offer_mut(0).receive_maximum = 3;
        config.offer_mut(0).keep_alive_max = Some(30);
    }
    if how & 2 != 0 {
        config.offer_mut(0).maximum_qos = QoS::AtLeastOnce;
        config.offer_mut(0).retain_available = false;
    }
    if how & 4 != 0 {
        config.offer_mut(0).shared_available = false;
        config.offer_mut(0).subscription_ids_available = false;
        config.offer_mut(0).wildcard_available = false;
    }
    if how & 64 != 0 {
        config.offer_mut(0).asks = Asks::EVERYTHING;
        config.limits.inbox_bytes = 200;
        // Some are there whose client has gone: what it sent last is not decided yet.
        config.limits.connections = 200;
    }
    if how & 128 != 0 {
        config.limits.subscriptions = 8;
        config.limits.subscription_bytes = 60;
        config.retained_policy = if how & 1 == 0 {
            RetainedPolicy::EvictOldest
        } else {
            RetainedPolicy::EvictSoonestToExpire
        };
        let rate = &mut config.offer_mut(0).grant.limits.rate;
        rate.messages = Some(Bucket {
            per_second: 1,
            burst: 2,
        });
        rate.bytes = Some(Bucket {
            per_second: 50,
            burst: 100,
        });
        config.offer_mut(0).grant.pool = Pool(u32::from(how));
        config.offer_mut(0).grant.limits.retained_messages = 2;
    }
    config.queue_qos_0_while_away = how & 8 != 0;
    config.drop_policy = match how >> 4 & 3 {
        0 | 1 => DropPolicy::Newest,
        2 => DropPolicy::Oldest,
        _ => DropPolicy::Disconnect,
    };
    config
}

fn step(net: &mut Net, choices: &mut Choices<'_>) {
    let byte = choices.byte();
    let at = usize::from(byte >> 4) % net::PLACES;
    let op = OPS[usize::from(byte & 15)];
    show(|| format!("{op:?} on {at}"));
    match op {
        Op::Raw => net.client_sends(at, choices.bytes()),
        Op::Connect => {
            let how = choices.byte();
            net.connect(at, version(how & 3), how, choices.byte());
        }
        Op::Draft => {
            let version = net.version(at).unwrap_or(Version::V5);
            drafts::with_packet(choices, version, |packet| {
                if let Some(bytes) = encoded(packet, version) {
                    net.client_sends(at, &bytes);
                }
            });
        }
        Op::Publish => net.publish(at, choices.byte(), choices.byte(), choices.byte()),
        Op::Subscribe => net.subscribe(at, choices.byte(), choices.byte(), choices.byte()),
        Op::Unsubscribe => net.unsubscribe(at, choices.byte(), choices.byte()),
        Op::Answer => {
            net.answer(at, usize::from(choices.byte()), choices.byte());
        }
        Op::Acknowledgement => net.acknowledge(at, choices.byte(), choices.byte()),
        Op::Ping => net.client_sends(at, &[0xC0, 0]),
        Op::Disconnect => net.disconnect(at, choices.byte()),
        Op::Cut => net.cut(at),
        Op::Write => net.write(at, usize::from(choices.byte())),
        Op::Take => {
            net.take(at, usize::from(choices.byte()) * 4);
        }
        Op::Settle => net.settle(),
        Op::AnswerAll => net.answer_all(),
        Op::Wait => {
            let how = choices.byte();
            if net.asks() && how & 64 != 0 {
                return net.decide(usize::from(how & 7), choices.byte());
            }
            let span = [1, 1_000, 9_999, 20_000, 100_000, 1_000_000, 10_000_000][usize::from(how % 7)];
            net.wait(Duration::from_millis(span), how & 128 != 0);
        }
    }
}
