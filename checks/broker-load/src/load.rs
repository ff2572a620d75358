//! The clients of one shape on one broker, on one thread; and another one that gives the pace when it is quiet.

use core::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use std::{io, sync::Arc, thread, time::Instant};

use broker_process::{connect, connect_alone, subscribe};
use mio::{Events, Interest, Poll, Token, Waker, net::TcpStream};
use mqtt_proto::QoS;

use crate::{
    peer::{Arrived, Peer, Publisher, Role},
    shape::{Pace, Shape},
};

/// How long nothing may arrive while something is under way.
const PATIENCE: Duration = Duration::from_secs(20);
const PACER: Token = Token(usize::MAX);

pub(crate) struct Load {
    shape: &'static Shape,
    poll: Poll,
    pacer: Arc<Waker>,
    events: Events,
    /// Publishers, then subscribers.
    peers: Vec<Peer>,
    room: Vec<u8>,
    /// What has not come yet of what each publisher has sent: arrivals and acknowledgements.
    owed: Vec<u64>,
    /// Publishers that may send their next batch.
    free: Vec<usize>,
    sending: bool,
    counts: Counts,
}

/// What happened to the messages; acknowledgements are those that publishers got.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Deliveries that there have to be.
    pub(crate) expected: u64,
    pub(crate) delivered: u64,
    pub(crate) disordered: u64,
    /// Arrivals and acknowledgements together that are still missing.
    under_way: u64,
}

impl Counts {
    /// Every message has arrived once and in order, and was acknowledged once.
    pub(crate) const fn are_right(&self) -> bool {
        self.delivered == self.expected && self.disordered == 0 && self.under_way == 0
    }
}

impl Load {
    /// All connected and subscribed.
    pub(crate) fn connect(shape: &'static Shape, address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut load = Self {
            shape,
            pacer: Arc::new(Waker::new(poll.registry(), PACER)?),
            poll,
            events: Events::with_capacity(256),
            peers: Vec::new(),
            room: vec![0; 64 << 10],
            owed: vec![0; shape.publishers],
            free: Vec::new(),
            sending: false,
            counts: Counts::default(),
        };
        let topic = |n: usize| {
            if shape.pairs {
                format!("load/{n}")
            } else {
                String::from("load/all")
            }
        };
        for n in 0..shape.publishers {
            let publisher = Publisher::new(&topic(n), n, shape.qos);
            load.add(address, &format!("publisher-{n}"), Role::Publisher(publisher))?;
        }
        for n in 0..shape.subscribers {
            let expected = vec![0; shape.publishers];
            let peer = load.add(address, &format!("subscriber-{n}"), Role::Subscriber(expected))?;
            peer.queue(&subscribe(&topic(n), shape.qos));
            peer.write()?;
        }
        // Their SUBACKs are back before the first message.
        load.turn_for(Duration::from_millis(200))?;
        Ok(load)
    }

    fn add(&mut self, address: SocketAddr, client_id: &str, role: Role) -> io::Result<&mut Peer> {
        let stream = connect(address, connect_alone(client_id))?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        self.poll.registry().register(
            &mut stream,
            Token(self.peers.len()),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        self.peers.push(Peer::new(stream, role));
        self.peers.last_mut().ok_or_else(|| io::ErrorKind::Other.into())
    }

    /// Publishes for so long, and waits for what is under way then.
    pub(crate) fn run(&mut self, span: Duration) -> io::Result<()> {
        match self.shape.pace {
            Pace::Batches(batch) => {
                self.sending = true;
                for n in 0..self.shape.publishers {
                    self.publish(n, batch)?;
                }
                self.turn_for(span)?;
                self.sending = false;
            }
            Pace::Quiet(rate) => self.quietly(rate, span)?,
        }
        let (mut before, mut since) = (self.counts.under_way, Instant::now());
        while self.counts.under_way > 0 && since.elapsed() < PATIENCE {
            self.turn(Duration::from_millis(50))?;
            if self.counts.under_way != before {
                (before, since) = (self.counts.under_way, Instant::now());
            }
        }
        // What comes twice may come late.
        self.turn(Duration::from_millis(10))
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// One message at a time. A thread wakes this one for each: `Poll` knows nothing shorter than a millisecond.
    fn quietly(&mut self, rate: u64, span: Duration) -> io::Result<()> {
        let begin = Instant::now();
        let done = AtomicBool::new(false);
        let pacer = Arc::clone(&self.pacer);
        thread::scope(|scope| {
            let done = &done;
            scope.spawn(move || {
                let mut at = Duration::ZERO;
                // Without it, the messages come late and all at once, and every one is counted all the same.
                while !done.load(Ordering::Relaxed) && pacer.wake().is_ok() {
                    at += Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX);
                    thread::sleep(at.saturating_sub(begin.elapsed()));
                }
            });
            let mut sent = 0;
            let ran = loop {
                let elapsed = begin.elapsed();
                if elapsed >= span {
                    break Ok(());
                }
                let due = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX) * rate / 1_000_000;
                while sent < due {
                    let n = usize::try_from(sent).unwrap_or(0) % self.shape.publishers;
                    if let Err(error) = self.publish(n, 1) {
                        done.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                    sent += 1;
                }
                if let Err(error) = self.turn(span.saturating_sub(elapsed)) {
                    break Err(error);
                }
            };
            done.store(true, Ordering::Relaxed);
            ran
        })
    }

    fn publish(&mut self, n: usize, count: u64) -> io::Result<()> {
        let (Some(peer), Some(owed)) = (self.peers.get_mut(n), self.owed.get_mut(n)) else {
            return Ok(());
        };
        let fan = self.shape.fan();
        let answers = count * (fan + u64::from(self.shape.qos != QoS::AtMostOnce));
        *owed += answers;
        self.counts.expected += count * fan;
        self.counts.under_way += answers;
        peer.publish(count);
        peer.write()
    }

    fn turn_for(&mut self, span: Duration) -> io::Result<()> {
        let begin = Instant::now();
        while let Some(left) = span.checked_sub(begin.elapsed()) {
            self.turn(left)?;
        }
        Ok(())
    }

    fn turn(&mut self, longest: Duration) -> io::Result<()> {
        self.poll.poll(&mut self.events, Some(longest))?;
        let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for n in ready {
            self.read(n)?;
        }
        for n in core::mem::take(&mut self.free) {
            if let (true, Pace::Batches(batch)) = (self.sending, self.shape.pace) {
                self.publish(n, batch)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, n: usize) -> io::Result<()> {
        let Self {
            peers,
            room,
            counts,
            owed,
            free,
            ..
        } = self;
        let Some(peer) = peers.get_mut(n) else {
            return Ok(());
        };
        peer.read(room, |what| {
            // What comes once too often is a debt that is never paid.
            counts.under_way = counts.under_way.wrapping_sub(1);
            let publisher = match what {
                Arrived::Acknowledgement => n,
                Arrived::Message { publisher, in_order } => {
                    counts.delivered += 1;
                    counts.disordered += u64::from(!in_order);
                    publisher
                }
            };
            if let Some(owed) = owed.get_mut(publisher) {
                *owed = owed.wrapping_sub(1);
                if *owed == 0 {
                    free.push(publisher);
                }
            }
        })?;
        peer.write()
    }
}
