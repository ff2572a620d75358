//! The device: the client machine in static memory, and the loop that drives it.

use core::time::Duration;

use mqtt_proto::{
    Properties, Property, QoS, ReasonCode, TopicFilter, TopicName, Version,
    packet::{Connect, Disconnect, Subscription, SubscriptionOptions},
};
use mqtt_session::{
    Body, Client, Config, Event, Instant, Payload, Publish, ReceiveBuffer,
    client::{Outcome, Oversize},
    flow::Cause,
    storage::{ArrivalSlot, Borrowed, Slot},
};

use crate::{
    Failed, IMAGE, LOG, image,
    link::{Pipe, Random},
    log,
    server::Server,
};

/// All memory there is, but for the stack.
struct Memory {
    slots: [Slot; 4],
    arrivals: [ArrivalSlot; 2],
    bytes: [u8; 256],
    rx: [u8; 256],
    tx: [u8; 256],
}

static mut MEMORY: Memory = Memory {
    slots: [const { Slot::EMPTY }; 4],
    arrivals: [const { ArrivalSlot::EMPTY }; 2],
    bytes: [0; 256],
    rx: [0; 256],
    tx: [0; 256],
};

/// What was done.
pub(crate) struct Done {
    pub(crate) received: u32,
    pub(crate) pieces: u32,
    pub(crate) published: u32,
    /// Bytes of the machine, its static memory not counted.
    pub(crate) client: usize,
    pub(crate) rx: usize,
    pub(crate) tx: usize,
}

const CONNECT: Connect<'_> = Connect {
    version: Version::V5,
    clean_start: false,
    keep_alive: 60,
    client_id: "device",
    will: None,
    user_name: None,
    password: None,
    properties: Properties::new(&[Property::SessionExpiryInterval(3600)]),
};

pub(crate) fn run() -> Result<Done, Failed> {
    let memory = &raw mut MEMORY;
    // SAFETY: this function is called once, by `main`, and nothing else names the static.
    let memory = unsafe { &mut *memory };
    let mut config = Config::DEFAULT;
    config.receive_buffer = 256;
    config.oversize = Oversize::Stream;
    let storage = Borrowed::new(&mut memory.slots, &mut memory.arrivals, &mut memory.bytes);
    let mut device = Device {
        client: Client::new(config, storage),
        now: Instant::from_secs(1),
        rx: ReceiveBuffer::new(&mut memory.rx),
        tx: &mut memory.tx,
        unsent: 0..0,
        random: Random::new(7),
        up: Pipe::new(),
        down: Pipe::new(),
        told: Told::default(),
    };
    let mut server = Server::new();
    device.live(&mut server)?;
    if server.published != [1; 3] || !server.ended {
        return Err("the server did not get each message once, and DISCONNECT");
    }
    Ok(Done {
        received: device.told.received,
        pieces: device.told.pieces,
        published: device.told.written + device.told.acknowledged,
        client: size_of_val(&device.client),
        rx: device.rx.capacity(),
        tx: device.tx.len(),
    })
}

struct Device<'a> {
    client: Client<Borrowed<'a>>,
    now: Instant,
    rx: ReceiveBuffer<&'a mut [u8]>,
    tx: &'a mut [u8],
    /// What of `tx` the link has not taken.
    unsent: core::ops::Range<usize>,
    random: Random,
    up: Pipe,
    down: Pipe,
    told: Told,
}

/// What the client has told.
#[derive(Default)]
struct Told {
    connected: u32,
    subscribed: u32,
    /// Bytes of the message that is arriving.
    received: u32,
    pieces: u32,
    complete: u32,
    broken: u32,
    written: u32,
    acknowledged: u32,
    closed: u32,
    /// How the last connection ended.
    cause: Option<Cause>,
}

impl Device<'_> {
    fn live(&mut self, server: &mut Server) -> Result<(), Failed> {
        self.connect()?;
        self.publish(QoS::AtMostOnce, Payload::Copy(b"boot"))?;
        self.until(server, |told, _| told.connected == 1 && told.written == 1)?;
        self.subscribe()?;
        self.until(server, |_, server| server.sent() > IMAGE / 2)?;

        // While the image is arriving, and so with answers that come after it. The link is lost before.
        self.publish(QoS::AtLeastOnce, Payload::Copy(b"21.5"))?;
        self.client.handle_disconnect(self.now);
        self.rx.clear();
        self.unsent = 0..0;
        self.up.cut();
        self.down.cut();
        server.cut();
        self.hear()?;
        if (self.told.closed, self.told.broken) != (1, 1) {
            return Err("a lost link is told once, and that the message is broken");
        }
        self.told.received = 0;
        self.told.pieces = 0;
        self.connect()?;
        self.publish(QoS::ExactlyOnce, Payload::External(LOG))?;
        self.until(server, |told, server| {
            told.complete == 1 && told.acknowledged == 2 && server.is_done()
        })?;

        let last = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
        let refused = self.client.disconnect(self.now, &last).is_err();
        self.until(server, |told, server| server.ended && told.closed == 2)?;
        if refused || self.told.cause != Some(Cause::Disconnected) {
            return Err("the end that was asked for");
        }
        if (self.told.connected, self.told.subscribed, self.told.written) != (2, 1, 1) {
            return Err("something was told twice");
        }
        Ok(())
    }

    /// Goes on until that is so.
    fn until(&mut self, server: &mut Server, is_so: impl Fn(&Told, &Server) -> bool) -> Result<(), Failed> {
        for _ in 0..100_000 {
            if is_so(&self.told, server) {
                return Ok(());
            }
            self.now = self.now + Duration::from_millis(1);
            self.hear()?;
            self.write()?;
            server.read(&mut self.random, &mut self.up)?;
            server.write(&mut self.random, &mut self.down)?;
            if self.client.wants_input() {
                let spare = self.rx.spare();
                let n = self.down.read(&mut self.random, spare);
                self.rx.commit(n);
            }
        }
        Err("it goes on for ever")
    }

    fn connect(&mut self) -> Result<(), Failed> {
        let connected = self.client.connect(self.now, &CONNECT);
        connected.map_err(|_| "connect was refused")
    }

    fn subscribe(&mut self) -> Result<(), Failed> {
        let filter = TopicFilter::new("device/image").map_err(|_| "no filter")?;
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        let wanted = [Subscription { filter, options }];
        let begun = self.client.subscribe(self.now, &wanted, Properties::EMPTY);
        begun.map(|_| ()).map_err(|_| "subscribe was refused")
    }

    fn publish(&mut self, qos: QoS, payload: Payload<'_>) -> Result<(), Failed> {
        let topic = TopicName::new("device/out").map_err(|_| "no topic")?;
        let begun = self.client.publish(self.now, &Publish::new(topic, qos), payload);
        begun.map(|_| ()).map_err(|_| "publish was refused")
    }

    /// All events there are.
    fn hear(&mut self) -> Result<(), Failed> {
        loop {
            let handled = self.client.handle_input(self.now, self.rx.filled());
            let (consumed, happened) = (handled.consumed, handled.event.is_some());
            if let Some(event) = handled.event {
                self.told.hear(event)?;
            }
            self.rx.consume(consumed);
            if !happened {
                return Ok(());
            }
        }
    }

    /// Whole packets are gathered in the buffer; what is larger goes through it in pieces.
    fn write(&mut self) -> Result<(), Failed> {
        if self.unsent.is_empty() {
            let mut n = self.client.take_transmit(self.now, self.tx);
            if n == 0 {
                n = self.fill()?;
            }
            self.unsent = 0..n;
        }
        let rest = self.tx.get(self.unsent.clone()).unwrap_or_default();
        self.unsent.start += self.up.write(&mut self.random, rest);
        Ok(())
    }

    fn fill(&mut self) -> Result<usize, Failed> {
        let Some(transmit) = self.client.poll_transmit() else {
            return Ok(0);
        };
        let mut n = 0;
        for (place, byte) in self.tx.iter_mut().zip(transmit.head) {
            *place = *byte;
            n += 1;
        }
        let room = self.tx.get_mut(n..).unwrap_or_default();
        match transmit.body {
            Body::External { offset, len, .. } => {
                for (place, at) in room.iter_mut().zip(offset..offset + len) {
                    *place = log(at);
                    n += 1;
                }
            }
            Body::Bytes(body) => {
                for (place, byte) in room.iter_mut().zip(body) {
                    *place = *byte;
                    n += 1;
                }
            }
            _ => return Err("a third kind of body"),
        }
        self.client.handle_written(self.now, n);
        Ok(n)
    }
}

impl Told {
    fn hear(&mut self, event: Event<'_>) -> Result<(), Failed> {
        match event {
            Event::Connected(connected) => {
                if connected.session_present != (self.connected > 0) {
                    return Err("Session Present");
                }
                self.connected += 1;
            }
            Event::MessageStart(start) => {
                if start.topic.as_str() != "device/image" || start.payload_len != IMAGE || self.received > 0 {
                    return Err("another message");
                }
                if start.dup != (self.connected > 1) {
                    return Err("DUP");
                }
            }
            Event::MessageData { offset, bytes } => {
                if offset != self.received {
                    return Err("a piece at another place");
                }
                for byte in bytes {
                    if *byte != image(self.received) {
                        return Err("other bytes than were sent");
                    }
                    self.received += 1;
                }
                self.pieces += 1;
            }
            Event::MessageEnd(Ok(_)) if self.received == IMAGE => self.complete += 1,
            Event::MessageEnd(Ok(_)) => return Err("an end in the middle"),
            Event::MessageEnd(Err(_)) => self.broken += 1,
            Event::Completed { outcome, .. } => match outcome {
                Outcome::Written => self.written += 1,
                Outcome::Acknowledged { .. } => self.acknowledged += 1,
                Outcome::Subscribed { .. } => self.subscribed += 1,
                _ => return Err("an outcome that nothing has"),
            },
            Event::Closed(closed) => {
                self.closed += 1;
                self.cause = Some(closed.cause);
            }
            _ => return Err("an event that nothing brings"),
        }
        Ok(())
    }
}
