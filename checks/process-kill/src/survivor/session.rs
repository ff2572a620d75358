//! The loop by hand: machine, journal and socket.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use mqtt_proto::{Properties, Property, Version};
use mqtt_session::{
    Body, Client, Config, ConnectOptions, Instant, ReceiveBuffer,
    client::{Acknowledge, OwnedEvent},
    storage::Heap,
};
use mqtt_std::{Clock, FileJournal, driver::persist};
use process_kill::{JOURNAL, Random};

use crate::{Life, Result};

/// Between two looks at a socket that has brought nothing.
const NAP: Duration = Duration::from_micros(100);

pub(crate) struct Session {
    pub(crate) machine: Client<Heap>,
    journal: FileJournal,
    clock: Clock,
    link: Option<TcpStream>,
    rx: ReceiveBuffer<Box<[u8]>>,
}

impl Session {
    pub(crate) fn open(life: &Life, acknowledge: Acknowledge) -> Result<Self> {
        let mut config = Config::DEFAULT;
        config.acknowledge = acknowledge;
        let clock = Clock::new();
        let (journal, machine) = FileJournal::open(life.directory.join(JOURNAL), config, Heap::new())?;
        Ok(Self {
            machine,
            journal,
            clock,
            link: None,
            rx: ReceiveBuffer::new(vec![0; config.receive_buffer as usize].into()),
        })
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn connect(&mut self, life: &Life) -> Result<()> {
        const KEPT: &[Property<'_>] = &[Property::SessionExpiryInterval(u32::MAX)];
        let link = TcpStream::connect(life.server)?;
        link.set_nodelay(true)?;
        let mut options = ConnectOptions::new(life.version, "survivor");
        options.clean_start = false;
        options.keep_alive = 60;
        // So that the wire tells whose connection it is.
        let round = life.round.to_string();
        options.user_name = Some(&round);
        if life.version == Version::V5 {
            options.properties = Properties::new(KEPT);
        }
        self.machine.connect(self.clock.now(), &options)?;
        self.link = Some(link);
        Ok(())
    }

    /// Everything that was accepted and taken is safe after this.
    pub(crate) fn persist(&mut self) -> io::Result<()> {
        let now = self.now();
        persist(&mut self.journal, &mut self.machine, now)
    }

    /// Writes what can be, reads what has come within a moment, and tells of it. The journal is written in some turns only,
    /// as programs do that save on syncs: in the others the machine has to keep back what is not recorded.
    pub(crate) fn turn(&mut self, random: &mut Random) -> Result<Vec<OwnedEvent>> {
        let mut events = Vec::new();
        if random.below(2) == 0 {
            self.persist()?;
        }
        if let Some(link) = &mut self.link {
            while let Some(transmit) = self.machine.poll_transmit() {
                link.write_all(transmit.head)?;
                if let Body::Bytes(bytes) = transmit.body {
                    link.write_all(bytes)?;
                }
                let len = transmit.len();
                self.machine.handle_written(self.clock.now(), len);
            }
            if self.machine.wants_input() {
                link.set_nonblocking(true)?;
                let read = link.read(self.rx.spare());
                link.set_nonblocking(false)?;
                match read {
                    Ok(0) => {
                        self.machine.handle_disconnect(self.clock.now());
                        self.link = None;
                    }
                    Ok(n) => self.rx.commit(n),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(NAP),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        loop {
            let handled = self.machine.handle_input(self.clock.now(), self.rx.filled());
            let event = handled.event.map(OwnedEvent::try_from).transpose();
            self.rx.consume(handled.consumed);
            match event? {
                Some(event) => events.push(event),
                None => return Ok(events),
            }
        }
    }
}
