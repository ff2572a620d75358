//! A client between an application and a server that do whatever they like.
//!
//! The first two bytes choose memory and configuration, the rest is a list of operations; see `Op`. In the end the link is
//! lost, a server without the session takes over and answers everything: then every operation must have ended
//! exactly once, and all memory must be free again. If there is a journal, a client made from it is at the end of each link
//! what the client is.

mod journal;
mod server;
mod tally;
mod world;

use core::time::Duration;

use mqtt_proto::{QoS, ReasonCode, Version};
use mqtt_session::{
    Config,
    client::{Acknowledge, Offline, OnSessionLost, Oversize, UnknownSession, WhenFull},
    storage::{Fixed, Heap, HeapLimits, Storage},
};

use crate::{choices::Choices, drafts, encoded, show, version};
use world::World;

/// What one byte makes happen; its parameters follow.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// The application connects; then the server accepts, unless the parameter says otherwise.
    Connect,
    /// The server answers one of the packets that wait for an answer.
    Answer,
    /// The server answers everything in order.
    AnswerAll,
    /// The server sends a message.
    Message,
    /// The server sends an acknowledgement that may fit or not.
    Acknowledgement,
    /// The server sends a packet that was drawn.
    Draft,
    /// The server sends bytes.
    Raw,
    Publish,
    Subscribe,
    Unsubscribe,
    Ping,
    Acknowledge,
    /// So many bytes leave.
    Write,
    /// Everything leaves.
    WriteAll,
    /// Whole packets leave, gathered.
    Take,
    Cut,
    Wait,
    /// Or an end without DISCONNECT.
    Disconnect,
    Pause,
}

const OPS: [Op; 19] = [
    Op::Connect,
    Op::Answer,
    Op::AnswerAll,
    Op::Message,
    Op::Acknowledgement,
    Op::Draft,
    Op::Raw,
    Op::Publish,
    Op::Subscribe,
    Op::Unsubscribe,
    Op::Ping,
    Op::Acknowledge,
    Op::Write,
    Op::WriteAll,
    Op::Take,
    Op::Cut,
    Op::Wait,
    Op::Disconnect,
    Op::Pause,
];

/// Operations of one run; what follows is not looked at.
const MOST_OPS: usize = 200;

/// Plays a list of operations.
///
/// # Panics
/// If something does not hold.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (memory, flags) = (choices.byte(), choices.byte());
    let mut config = Config::DEFAULT;
    config.receive_buffer = if memory & 4 == 0 { 4096 } else { 64 };
    if flags & 1 != 0 {
        config.acknowledge = Acknowledge::Manual;
    }
    if flags & 2 != 0 {
        config.offline = Offline::Refuse;
    }
    if flags & 4 != 0 {
        config.on_session_lost = OnSessionLost::SendAgainAsNew;
    }
    if flags & 8 != 0 {
        config.unknown_session = UnknownSession::Accept;
    }
    if flags & 16 != 0 {
        config.oversize = Oversize::Stream;
    }
    config.when_full = match flags >> 5 & 3 {
        0 => WhenFull::Refuse,
        1 => WhenFull::DropOldest,
        2 => WhenFull::DropQoS0,
        _ => WhenFull::KeepNothing,
    };
    if flags & 128 != 0 {
        config.max_age = Some(Duration::from_secs(40));
        config.resend_after = Some(Duration::from_secs(7));
    }
    config.journal = memory & 8 != 0;
    match memory & 3 {
        0 => play(World::new(config, Fixed::<4, 256>::new()), choices),
        1 => play(World::new(config, Heap::new()), choices),
        _ => {
            let limits = HeapLimits {
                slots: 4,
                arrivals: 4,
                bytes: 256,
            };
            play(World::new(config, Heap::with_limits(limits)), choices);
        }
    }
}

fn play<S: Storage>(mut world: World<S>, mut choices: Choices<'_>) {
    for _ in 0..MOST_OPS {
        if choices.is_empty() {
            break;
        }
        step(&mut world, &mut choices);
        world.check_time();
    }
    world.finish();
}

fn step<S: Storage>(world: &mut World<S>, choices: &mut Choices<'_>) {
    let op = choices.one(&OPS);
    show(|| format!("{op:?}"));
    match op {
        Op::Connect => {
            let how = choices.byte();
            world.connect(
                version(how),
                how & 4 != 0,
                [0, 60, 1000, u32::MAX][usize::from(how >> 3 & 3)],
                how >> 6 == 1,
            );
            if how >> 7 == 0 {
                world.write_all();
                world.answer(0, choices.byte());
                world.read();
            }
        }
        Op::Answer => {
            let (which, how) = (choices.byte(), choices.byte());
            world.answer(usize::from(which), how);
            world.read();
        }
        Op::AnswerAll => world.answer_all(),
        Op::Message => {
            let (how, id) = (choices.byte(), choices.byte());
            let qos = QoS::from_u8(how & 3).unwrap_or(QoS::ExactlyOnce);
            let payload = choices.bytes().repeat(if how & 16 == 0 { 1 } else { 30 });
            world.server_publishes(qos, how & 4 != 0, id, &payload);
            if how & 8 == 0 {
                world.read();
            }
        }
        Op::Acknowledgement => {
            let (how, id) = (choices.byte(), choices.byte());
            world.server_acknowledges(how & 3, how >> 2, id);
            world.read();
        }
        Op::Draft => {
            let version = world.version();
            drafts::with_packet(choices, version, |packet| {
                if let Some(bytes) = encoded(packet, version) {
                    world.server_sends(&bytes);
                }
            });
            world.read();
        }
        Op::Raw => {
            world.server_sends(choices.bytes());
            world.read();
        }
        Op::Publish => {
            let how = choices.byte();
            let qos = QoS::from_u8(how & 3).unwrap_or(QoS::ExactlyOnce);
            world.publish(qos, how & 4 != 0, how & 24, how >> 5, choices.byte());
        }
        Op::Subscribe => world.subscribe(choices.byte()),
        Op::Unsubscribe => world.unsubscribe(choices.byte()),
        Op::Ping => world.ping(),
        Op::Acknowledge => {
            let (which, how) = (choices.byte(), choices.byte());
            let code = [0, 0, 0, 0x10, 0x80, 0x87, 0x97, 0x05][usize::from(how & 7)];
            world.acknowledge(usize::from(which), ReasonCode(code), how & 8 != 0);
        }
        Op::Write => {
            world.write(usize::from(choices.byte()));
        }
        Op::WriteAll => {
            world.write_all();
            world.read();
        }
        Op::Take => world.take(usize::from(choices.byte())),
        Op::Cut => world.cut(),
        Op::Wait => {
            let how = choices.byte();
            let span = [1, 500, 5_000, 19_999, 30_001, 100_000, 86_400_000][usize::from(how % 7)];
            world.wait(Duration::from_millis(span), how & 128 != 0);
        }
        Op::Disconnect => match choices.byte() {
            how if how & 64 == 0 => world.disconnect(how),
            _ => world.abort(),
        },
        Op::Pause => world.pause(choices.byte() & 1 != 0),
    }
}

/// The version of the server without the session.
const LAST: Version = Version::V5;
