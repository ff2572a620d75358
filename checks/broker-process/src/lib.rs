//! What the checks of a running broker share: its process with its memory and CPU time ([`BrokerProcess`]), raw clients
//! ([`connect`]), and as many open files as the system allows ([`raise_open_files`]).
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "checks measure real processes"
)]

mod usage;

use core::{net::SocketAddr, time::Duration};
use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
};

use mqtt_proto::{
    Frame, Packet, PacketId, Properties, QoS, Sender, TopicFilter, Version, frame_len,
    packet::{Connect, Subscribe, Subscription, SubscriptionOptions, Subscriptions},
};
pub use usage::Usage;

/// A broker in a process of its own, which ends with this value.
#[derive(Debug)]
pub struct BrokerProcess {
    child: Child,
    address: SocketAddr,
}

impl BrokerProcess {
    /// Runs `mqtt broker` on a free port, with more arguments if there are any.
    ///
    /// # Errors
    /// It cannot be run, or does not say where it listens.
    pub fn ours(program: &Path, more: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(["broker", "--listen", "127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line
            .trim()
            .rsplit(' ')
            .next()
            .and_then(|address| address.parse().ok())
            .ok_or_else(|| io::Error::other(format!("`{}` does not say where it listens", line.trim())))?;
        Ok(Self { child, address })
    }

    /// Runs Debian's mosquitto on a free port, to compare with; its configuration is left in `folder`. Its queues have no limit: it
    /// is to lose nothing either.
    ///
    /// # Errors
    /// It cannot be run, or does not listen within five seconds.
    pub fn mosquitto(folder: &Path) -> io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let file = folder.join("mosquitto.conf");
        let port = address.port();
        fs::write(
            &file,
            format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\n\
                 max_queued_messages 0\nset_tcp_nodelay true\n"
            ),
        )?;
        let mut broker = Self {
            child: Command::new("/usr/sbin/mosquitto")
                .arg("-c")
                .arg(file)
                .stderr(Stdio::null())
                .spawn()?,
            address,
        };
        for _ in 0..100 {
            if TcpStream::connect(address).is_ok() {
                return Ok(broker);
            }
            sleep(Duration::from_millis(50));
        }
        broker.child.kill()?;
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes of memory that it has in use (`VmRSS`).
    ///
    /// # Errors
    /// This is no Linux, or the process is gone.
    pub fn resident(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse::<u64>()
                    .ok()
            })
            .map(|kib| kib * 1024)
            .ok_or_else(|| io::Error::other("no VmRSS"))
    }
}

impl BrokerProcess {
    /// CPU time and context switches so far, of all its threads.
    ///
    /// # Errors
    /// This is no Linux, or the process is gone.
    pub fn usage(&self) -> io::Result<Usage> {
        Usage::of(self.child.id())
    }
}

impl Drop for BrokerProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Raises the soft limit of open files of this process, and of those that it starts, to the hard one; gives that.
///
/// # Errors
/// The system does not let it.
pub fn raise_open_files() -> io::Result<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    Ok(limit.current.unwrap_or(u64::MAX))
}

/// Connects, and waits for the CONNACK that accepts.
///
/// # Errors
/// There is no connection, or the client is not accepted.
pub fn connect(address: SocketAddr, connect: Connect<'_>) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let version = connect.version;
    stream.write_all(&encode(version, Packet::Connect(connect)))?;
    let mut first = [0; 256];
    let n = read_packet(&mut stream, &mut first)?;
    let received = first.get(..n).unwrap_or_default();
    match Packet::decode(version, Sender::Server, received) {
        Ok(Packet::ConnAck(connack)) if !connack.code.is_failure() => Ok(stream),
        Ok(other) => Err(io::Error::other(format!("not accepted: {other}"))),
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}

/// Reads one packet and no byte more; gives its length.
///
/// # Errors
/// The stream ends or breaks, or the packet does not fit.
pub fn read_packet(stream: &mut TcpStream, room: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    loop {
        let received = room.get(..have).unwrap_or_default();
        match frame_len(received, u32::MAX) {
            Ok(Frame::Len(len)) if len <= have => return Ok(len),
            Ok(Frame::Len(len)) => {
                let rest = room.get_mut(have..len).ok_or(io::ErrorKind::FileTooLarge)?;
                stream.read_exact(rest)?;
                have = len;
            }
            Ok(_) => {
                let next = room.get_mut(have..=have).ok_or(io::ErrorKind::FileTooLarge)?;
                stream.read_exact(next)?;
                have += 1;
            }
            Err(error) => return Err(io::Error::other(error.to_string())),
        }
    }
}

/// The bytes of a packet.
///
/// # Panics
/// No packet can say this.
pub fn encode(version: Version, packet: Packet<'_>) -> Vec<u8> {
    let len = packet.encoded_len(version).expect("a packet that can be");
    let mut bytes = vec![0; len];
    packet
        .encode(version, &mut bytes)
        .expect("it has the room it asked for");
    bytes
}

/// A client of 3.1.1 whose session ends with its connection, and that says nothing if it has nothing to say.
pub const fn connect_alone(client_id: &str) -> Connect<'_> {
    Connect {
        version: Version::V311,
        clean_start: true,
        keep_alive: 0,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    }
}

/// A SUBSCRIBE of 3.1.1.
///
/// # Panics
/// This is no filter.
pub fn subscribe(filter: &str, qos: QoS) -> Vec<u8> {
    let filters = [Subscription {
        filter: TopicFilter::new(filter).expect("a filter"),
        options: SubscriptionOptions::new(qos),
    }];
    let subscribe = Subscribe {
        packet_id: PacketId::MIN,
        properties: Properties::EMPTY,
        filters: Subscriptions::new(&filters),
    };
    encode(Version::V311, Packet::Subscribe(subscribe))
}
