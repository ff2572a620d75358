//! The blocking client in a main loop.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use embedded_io::{ErrorType, ReadReady, WriteReady};
use mqtt_embedded_io::blocking::Client;

use crate::*;

pub(crate) struct MainLoop;

impl Runner for MainLoop {
    fn run(
        session: &mut mqtt_session::Client<Borrowed<'_>>,
        (rx, tx): (&mut [u8], &mut [u8]),
        to: SocketAddr,
        options: &ConnectOptions<'_>,
        ends: &mut Ends,
    ) {
        let mut client = Client::connect(session, Stream::new(to), rx, tx, now(), options).unwrap();
        ends.reply(Ok(None));
        loop {
            let event = client
                .poll_once(now())
                .unwrap()
                .map(|event| OwnedEvent::try_from(event).unwrap());
            let idle = event.is_none();
            if event.is_some_and(|event| ends.tell(event)) {
                return;
            }
            match ends.command(Wait::No) {
                None if idle => thread::sleep(Duration::from_micros(200)),
                None => {}
                Some(Command::Cut) => {
                    drop(client);
                    ends.reply(Ok(None));
                    return;
                }
                Some(command) => ends.reply(obey!(client, command)),
            }
        }
    }
}

/// TCP as a device has it: a stream that says whether it is ready.
struct Stream {
    tcp: TcpStream,
    /// One piece that was written and has not left.
    out: Vec<u8>,
}

impl Stream {
    fn new(to: SocketAddr) -> Self {
        let tcp = TcpStream::connect(to).unwrap();
        tcp.set_nonblocking(true).unwrap();
        tcp.set_nodelay(true).unwrap();
        Self { tcp, out: Vec::new() }
    }
}

impl ErrorType for Stream {
    type Error = io::Error;
}

impl ReadReady for Stream {
    fn read_ready(&mut self) -> io::Result<bool> {
        match self.tcp.peek(&mut [0]) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl embedded_io::Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.tcp.read(out)
    }
}

impl WriteReady for Stream {
    fn write_ready(&mut self) -> io::Result<bool> {
        while !self.out.is_empty() {
            match self.tcp.write(&self.out) {
                Ok(n) => drop(self.out.drain(..n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl embedded_io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.extend(bytes);
        self.write_ready()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.write_ready()? {
            thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}
