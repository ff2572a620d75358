//! The port on which a client is awaited, and its links.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use super::world::{Seen, SeenWhat};

/// How long a client may take to take bytes.
pub(super) const SENDING: Duration = Duration::from_secs(5);

/// How many links of a client wait until a trace asks for one. Older ones are closed.
const WAITING: usize = 8;

/// The port of one client.
#[derive(Debug)]
pub(super) struct Port {
    listener: TcpListener,
    number: u16,
    /// Opened by the client, and no line of the trace has asked for it yet.
    waiting: VecDeque<TcpStream>,
    link: Option<(u64, TcpStream)>,
}

impl Port {
    /// Listens on any port of 127.0.0.1 that is free.
    pub(super) fn open() -> Result<Self, String> {
        Self::at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Listens on this port of this address; 0 is any port that is free.
    pub(super) fn at(address: SocketAddr) -> Result<Self, String> {
        let open = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let number = listener.local_addr()?.port();
            Ok((listener, number))
        };
        let failed = |e: io::Error| {
            let (port, host) = (address.port(), address.ip());
            format!("port {port} of {host} cannot be listened on: {e}")
        };
        let (listener, number) = open().map_err(failed)?;
        Ok(Self {
            listener,
            number,
            waiting: VecDeque::new(),
            link: None,
        })
    }

    /// The same port for the next play. Clients that have come meanwhile wait at it.
    pub(super) fn again(&self) -> Result<Self, String> {
        let again = self.listener.try_clone();
        Ok(Self {
            listener: again.map_err(|e| format!("port {} cannot be kept: {e}", self.number))?,
            number: self.number,
            waiting: VecDeque::new(),
            link: None,
        })
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// Whether a client waits for an answer.
    pub(super) fn has_caller(&mut self) -> bool {
        // One that connects without end is looked at again later.
        for _ in 0..WAITING {
            let Ok((stream, _)) = self.listener.accept() else {
                break;
            };
            self.waiting.push_back(stream);
            if self.waiting.len() > WAITING {
                self.waiting.pop_front();
            }
        }
        !self.waiting.is_empty()
    }

    pub(super) fn has_link(&self) -> bool {
        self.link.is_some()
    }

    pub(super) fn is(&self, serial: u64) -> bool {
        self.link.as_ref().is_some_and(|(number, _)| *number == serial)
    }

    /// Takes the link that was opened last: who opens another has given up those before.
    pub(super) fn answer(&mut self, serial: u64, seen: &SyncSender<Seen>) -> io::Result<()> {
        let Some(stream) = self.waiting.pop_back() else {
            return Ok(());
        };
        self.waiting.clear();
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        let reading = stream.try_clone()?;
        let seen = seen.clone();
        std::thread::Builder::new().spawn(move || read_all(reading, serial, &seen))?;
        self.link = Some((serial, stream));
        Ok(())
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some((_, stream)) = &mut self.link else {
            return Err("the client has no link: it is not connected, or has closed".to_owned());
        };
        send(stream, bytes).map_err(|e| format!("cannot be sent: {e}"))
    }

    /// Closes the link both ways.
    pub(super) fn close(&mut self) {
        if let Some((_, stream)) = self.link.take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sends all of it, or fails when the client has not taken it in time, however slowly it does.
fn send(mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let until = Instant::now() + SENDING;
    while !bytes.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_all(mut stream: TcpStream, serial: u64, seen: &SyncSender<Seen>) {
    let mut buffer = [0; 4096];
    loop {
        let what = match stream.read(&mut buffer) {
            Ok(n) if n > 0 => SeenWhat::Bytes(serial, buffer[..n].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(_) | Err(_) => SeenWhat::End(serial),
        };
        let is_over = matches!(what, SeenWhat::End(_));
        let at = Instant::now();
        if seen.send(Seen { at, what }).is_err() || is_over {
            return;
        }
    }
}
