//! `mqtt demo`: a broker and four clients, one on each adapter, of all versions, in one process, over loopback.
//!
//! Each client sends messages at QoS 0, 1 and 2, and receives everybody's. Each reaches the broker through a
//! [`wire`] that watches the packets, and two of these are cut in the middle of a QoS 2 exchange. Everything in the table
//! is counted: by the clients what they were told, by the wires what passed.
//!
//! | file | what it is |
//! |---|---|
//! | `cast` | who takes part |
//! | `player` | what a client does, whatever its adapter |
//! | `adapters` | a player on each adapter |
//! | `wire` | the link that watches and cuts |
//! | `table` | what happened, and whether it is right |

mod adapters;
mod cast;
mod player;
mod table;
mod wire;

use core::{net::SocketAddr, time::Duration};
use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use mqtt_session::server::ServerConfig;

use crate::failure::Failure;
use cast::CAST;
use player::Player;
use table::Row;
use wire::Wire;

/// It takes a fraction of a second; whoever is not done then never will be.
const DEADLINE: Duration = Duration::from_secs(9);

/// Plays it, prints the table, and fails if anything in it is not as it should be.
#[allow(
    clippy::disallowed_types,
    reason = "how long it took is part of what is shown"
)]
pub(crate) fn run() -> Result<(), Failure> {
    let clock = mqtt_std::Clock::new();
    let start = clock.now();
    let elapsed = || clock.now().saturating_duration_since(start);
    let broker = Broker::start()?;
    let mut stage = Vec::new();
    let (done, ends) = mpsc::channel();
    for (index, part) in CAST.iter().enumerate() {
        let wire = Wire::start(broker.address, part).map_err(|error| cannot("make a link", &error))?;
        let player = Arc::new(Mutex::new(Player::new(index)));
        spawn(part.client_id, {
            let (player, address, done) = (Arc::clone(&player), wire.address, done.clone());
            move || drop(done.send((index, adapters::play(part, address, &player))))
        })?;
        stage.push((wire, player));
    }
    let mut failures = Vec::new();
    let mut playing: Vec<usize> = (0..CAST.len()).collect();
    while !playing.is_empty() {
        match ends.recv_timeout(DEADLINE.saturating_sub(elapsed())) {
            Ok((index, result)) => {
                playing.retain(|&other| other != index);
                if let Err(why) = result {
                    failures.push(format!("{}: {why}", CAST[index].client_id));
                }
            }
            Err(_) => {
                failures.extend(
                    playing
                        .drain(..)
                        .map(|index| format!("{}: not done in time", CAST[index].client_id)),
                );
            }
        }
    }
    let took = elapsed();
    broker.stop();
    let rows: Vec<Row> = stage
        .iter()
        .zip(CAST)
        .flat_map(|((wire, player), part)| table::rows(part, &lock(player), &wire.seen()))
        .collect();
    let mut out = io::stdout().lock();
    // Whoever does not want the table may close stdout; the status says it all.
    let _ = table::print(&mut out, &rows, took).and_then(|()| out.flush());
    failures.extend(table::complaints(&rows));
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(failures.join("; ")))
    }
}

/// The tokio server, on a thread of its own.
struct Broker {
    address: SocketAddr,
    stop: mqtt_tokio::ServerStop,
    thread: thread::JoinHandle<()>,
}

impl Broker {
    fn start() -> Result<Self, Failure> {
        let (told, started) = mpsc::channel();
        let thread = spawn("broker", move || {
            let _ = crate::block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
                match listener.and_then(|listener| Ok((listener.local_addr()?, listener))) {
                    Ok((address, listener)) => {
                        let (stop, serving) = mqtt_tokio::serve(ServerConfig::default(), [listener], drop);
                        let _ = told.send(Ok((address, stop)));
                        // It has no store that could fail.
                        let _ = serving.await;
                    }
                    Err(error) => drop(told.send(Err(cannot("listen on loopback", &error)))),
                }
                Ok(())
            });
        })?;
        let (address, stop) = started
            .recv()
            .map_err(|_| Failure::new("the broker did not start"))??;
        Ok(Self {
            address,
            stop,
            thread,
        })
    }

    fn stop(self) {
        self.stop.stop();
        let _ = self.thread.join();
    }
}

fn cannot(what: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {what}: {error}"))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, Failure> {
    let thread = thread::Builder::new().name(name.into());
    thread
        .spawn(work)
        .map_err(|error| cannot("start a thread", &error))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counts stay counts, whoever panicked.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
