//! The server's loop by hand: a whole broker on plain sockets, without a runtime.
//!
//! `cargo run -p mqtt-session --features server --example server_loop -- 127.0.0.1:1883`
//!
//! For brevity it looks at every socket each millisecond; a real loop waits for readiness, and looks only at what is ready.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the shell, not the core"
)]

use core::time::Duration;
use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
};

use mqtt_session::{
    Instant,
    server::{
        ConnId, Peer, ServerConfig,
        driver::{Driver, Flushed, Written},
    },
};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1883".into());
    let listener = TcpListener::bind(&address)?;
    listener.set_nonblocking(true)?;
    println!("listening on {}", listener.local_addr()?);
    let start = std::time::Instant::now();
    let now = || Instant::ZERO + start.elapsed();
    let mut driver = Driver::new(ServerConfig::default());
    let mut sockets: BTreeMap<ConnId, TcpStream> = BTreeMap::new();
    let mut scratch = vec![0; 64 * 1024];
    loop {
        while let Ok((socket, from)) = listener.accept() {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            if let Ok(id) = driver.open(now(), Peer::at(from)) {
                sockets.insert(id, socket);
            }
        }
        let mut dead = Vec::new();
        for (&id, socket) in &mut sockets {
            driver.unblock(id);
            while driver.wants_input(id) {
                match socket.read(&mut scratch) {
                    Ok(n) if n > 0 => driver.received(now(), id, &scratch[..n]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Ok(_) | Err(_) => {
                        dead.push(id);
                        break;
                    }
                };
            }
        }
        driver.handle_timeout(now());
        while let Some(id) = driver.take_dirty() {
            let Some(mut socket) = sockets.get(&id) else {
                continue;
            };
            let flushed = driver.flush(now(), id, |bytes| match socket.write(bytes) {
                Ok(n) => Written::Bytes(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Written::WouldBlock,
                Err(_) => Written::Dead,
            });
            if flushed == Flushed::Dead {
                dead.push(id);
            }
        }
        for id in dead {
            driver.close(now(), id);
            sockets.remove(&id);
        }
        while let Some(event) = driver.poll_event() {
            println!("{event:?}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
