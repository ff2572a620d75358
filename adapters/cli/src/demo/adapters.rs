//! A player on each adapter: the four loops.

use core::{future::Future, net::SocketAddr, pin::pin};
use std::{io, sync::Mutex};

use mqtt_proto::{Properties, packet::Subscription};
use mqtt_session::{
    Client as Machine, Config, ConnectOptions, Publish, Refused, Token,
    storage::{Fixed, Heap, Storage},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use super::{
    cast::{Adapter, Part},
    lock,
    player::{Commands, GOODBYE, Player},
};

/// More connections than anything in the demo could make necessary.
const CONNECTIONS: usize = 5;

/// Plays to the end, over as many connections as it takes.
pub(super) fn play(part: &Part, to: SocketAddr, player: &Mutex<Player>) -> Result<(), String> {
    let options = Player::options(part);
    let result = match part.adapter {
        Adapter::Std => on_std(to, &options, player),
        Adapter::Tokio => in_tokio(on_tokio(to, &options, player)),
        Adapter::Smol => smol::block_on(on_smol(to, &options, player)),
        Adapter::EmbeddedIo => in_tokio(on_embedded_io(to, &options, player)),
    };
    let player = lock(player);
    match (&player.trouble, result) {
        (Some(trouble), _) => Err(trouble.clone()),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(())) if player.ended => Ok(()),
        (None, Ok(())) => Err("the connection was lost again and again".into()),
    }
}

fn in_tokio(play: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(play)
}

fn on_std(to: SocketAddr, options: &ConnectOptions<'_>, player: &Mutex<Player>) -> io::Result<()> {
    let mut client = mqtt_std::Client::new(Config::DEFAULT, Heap::new())?;
    for _ in 0..CONNECTIONS {
        client.attach_tcp(to, options).map_err(io::Error::other)?;
        loop {
            lock(player).act(&mut client);
            match client.next()? {
                Some(event) => lock(player).handle(&event),
                None => break,
            }
        }
        if lock(player).is_over() {
            break;
        }
    }
    Ok(())
}

async fn on_tokio(to: SocketAddr, options: &ConnectOptions<'_>, player: &Mutex<Player>) -> io::Result<()> {
    let mut client = mqtt_tokio::Client::new(Config::DEFAULT, Heap::new());
    for _ in 0..CONNECTIONS {
        client
            .attach(mqtt_tokio::connect_tcp(to).await?, options)
            .map_err(io::Error::other)?;
        if play_connection(&mut client, player).await {
            break;
        }
    }
    Ok(())
}

async fn on_smol(to: SocketAddr, options: &ConnectOptions<'_>, player: &Mutex<Player>) -> io::Result<()> {
    let mut client = mqtt_smol::Client::new(Config::DEFAULT, Heap::new());
    for _ in 0..CONNECTIONS {
        client
            .attach(mqtt_smol::connect_tcp(to).await?, options)
            .map_err(io::Error::other)?;
        if play_connection(&mut client, player).await {
            break;
        }
    }
    Ok(())
}

/// `true`: it is over.
async fn play_connection<L, T, S>(client: &mut mqtt_async::Client<L, T, S>, player: &Mutex<Player>) -> bool
where
    L: mqtt_async::Link,
    T: mqtt_async::Timer,
    S: Storage,
{
    loop {
        lock(player).act(client);
        match client.next().await {
            Ok(event) => lock(player).handle(&event),
            // Why the connection ended, which the player knows.
            Err(_) => return lock(player).is_over(),
        }
    }
}

/// As on a device: a session in arrays, and two buffers.
async fn on_embedded_io(
    to: SocketAddr,
    options: &ConnectOptions<'_>,
    player: &Mutex<Player>,
) -> io::Result<()> {
    let (mut rx, mut tx) = ([0; 512], [0; 256]);
    let mut config = Config::DEFAULT;
    config.receive_buffer = 512;
    let mut session = Machine::new(config, Fixed::<8, 1024>::new());
    let clock = mqtt_std::Clock::new();
    for _ in 0..CONNECTIONS {
        let (reader, writer) = mqtt_tokio::connect_tcp(to).await?.into_split();
        let link = mqtt_embedded_io::Link::new(&mut rx, &mut tx);
        let carried = pin!(link.carry(Reader(reader), Writer(writer)));
        let mut client =
            mqtt_embedded_io::Client::connect(&mut session, &link, carried, Delay, || clock.now(), options)
                .map_err(|error| io::Error::other(error.to_string()))?;
        loop {
            lock(player).act(&mut client);
            match client.next().await {
                Ok(event) => lock(player).handle(&event),
                Err(_) => break,
            }
        }
        if lock(player).is_over() {
            break;
        }
    }
    Ok(())
}

/// What a chip's driver would be.
struct Reader(OwnedReadHalf);
struct Writer(OwnedWriteHalf);
struct Delay;

impl embedded_io_async::ErrorType for Reader {
    type Error = io::Error;
}

impl embedded_io_async::Read for Reader {
    async fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room).await
    }
}

impl embedded_io_async::ErrorType for Writer {
    type Error = io::Error;
}

impl embedded_io_async::Write for Writer {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }
}

impl embedded_hal_async::delay::DelayNs for Delay {
    async fn delay_ns(&mut self, nanos: u32) {
        tokio::time::sleep(core::time::Duration::from_nanos(nanos.into())).await;
    }

    async fn delay_us(&mut self, micros: u32) {
        tokio::time::sleep(core::time::Duration::from_micros(micros.into())).await;
    }
}

/// The same three commands for every client.
macro_rules! commands {
    ([$($generics:tt)*] $client:ty) => {
        impl<$($generics)*> Commands for $client {
            fn publish(&mut self, message: &Publish<'_>, payload: &[u8]) -> Result<Token, Refused> {
                self.publish(message, payload).map_err(|not_taken| not_taken.why)
            }

            fn subscribe(&mut self, filters: &[Subscription<'_>]) -> Result<Token, Refused> {
                self.subscribe(filters, Properties::EMPTY)
            }

            fn disconnect(&mut self) -> Result<(), Refused> {
                self.disconnect(&GOODBYE)
            }
        }
    };
}

commands!([S: Storage] mqtt_std::Client<mqtt_std::Tcp, S>);
commands!([L: mqtt_async::Link, T: mqtt_async::Timer, S: Storage] mqtt_async::Client<L, T, S>);
commands!([
    S: Storage, E, D: embedded_hal_async::delay::DelayNs, N: FnMut() -> mqtt_session::Instant
] mqtt_embedded_io::Client<'_, '_, S, E, D, N>);
