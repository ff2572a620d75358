//! `mqtt broker`.
//!
//! | file | what it is |
//! |---|---|
//! | `listeners` | sockets to listen on, and what they leave behind |
//! | `doors` | who may come in where |
//! | `signals` | what the system tells |

mod doors;
mod listeners;
mod signals;

use std::{
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use mqtt_access::{Door, Gate, Reviewed, Verifier};
use mqtt_session::server::{Question, ServerConfig};
use mqtt_store::Database;
use mqtt_tokio::{EventLog, ServerHandle, Verdict};
use tracing::{info, warn};

use crate::{
    args::Broker,
    config::{Listener, Settings},
    failure::Failure,
    logging, open_files,
};
use signals::{Signal, Signals};

/// Listens, says where, and serves until it is told to stop.
pub(crate) fn run(args: &Broker) -> Result<(), Failure> {
    let settings = Settings::of(args)?;
    if args.print_config {
        return print(&settings);
    }
    // When the runtime is gone, what was logged is written.
    let _log = logging::start(settings.log)?;
    open_files::raise();
    crate::block_on(serve(settings))
}

fn print(settings: &Settings) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(settings.print().as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::new(format!("cannot print: {error}")))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    // From here on a signal is an orderly end.
    let mut signals =
        Signals::new().map_err(|error| Failure::new(format!("cannot take signals: {error}")))?;
    let doors = doors::read(&settings.listeners).map_err(|error| Failure::new(error.to_string()))?;
    let verifier = Verifier::new(settings.password_threads, settings.password_queue)
        .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
    let mut server = open(&settings, config(&settings, &doors))?;
    let gate = Gate::new(doors, verifier);
    let handle = server.handle();
    server.set_policy(policy(gate.clone(), handle.clone()));
    let poller = mqtt_tokio::Poller::new();
    let mut files = Vec::new();
    for (number, listener) in (0..).zip(&settings.listeners) {
        let Some(address) = &listener.address else {
            continue;
        };
        let bound = listeners::bind(&poller, address).await?;
        say(&bound.address);
        if bound.is_public && listener.allows_anonymous() && listener.access_rules.is_none() {
            warn!(
                address = bound.address,
                "whoever reaches this address may do everything"
            );
        }
        server.listen_as(number, bound.listener);
        files.extend(bound.file);
    }
    if settings.data.is_some() {
        // Rules may have changed while nobody was there.
        review(&gate, &handle);
    }
    let stop = server.stopper();
    let events = Arc::new(Mutex::new(EventLog::default()));
    let log = {
        let events = Arc::clone(&events);
        move |event| events.lock().unwrap_or_else(PoisonError::into_inner).log(event)
    };
    // A turn is bounded by itself; tokio's budget would cut it in pieces.
    let mut serving = core::pin::pin!(tokio::task::unconstrained(server.run(log)));
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = &mut serving => return ended.map_err(|error| Failure::new(error.to_string())),
            signal = signals.next() => match signal {
                Signal::Stop if stopping => {
                    warn!("stopping at once");
                    stop.stop_now();
                }
                Signal::Stop => {
                    info!("stopping");
                    stopping = true;
                    stop.stop();
                }
                Signal::ReadAgain => {
                    // Disks may be slow: clients do not wait for them.
                    let (listeners, gate, handle) = (settings.listeners.clone(), gate.clone(), handle.clone());
                    drop(tokio::task::spawn_blocking(move || read_again(&listeners, &gate, &handle)));
                }
            },
            () = tokio::time::sleep(logging::GATHERED) => {
                events.lock().unwrap_or_else(PoisonError::into_inner).flush();
            }
        }
    }
}

/// A server that goes on where its data say, if there are any.
fn open(settings: &Settings, config: ServerConfig) -> Result<mqtt_tokio::Server, Failure> {
    let Some(data) = &settings.data else {
        return Ok(mqtt_tokio::Server::new(config));
    };
    let store = Database::open(data).map_err(|error| Failure::new(error.to_string()))?;
    mqtt_tokio::Server::with_store(config, store)
        .map_err(|error| Failure::new(format!("{}: {error}", data.display())))
}

/// What the server is told: listeners by their numbers.
fn config(settings: &Settings, doors: &[Door]) -> ServerConfig {
    let mut config = settings.server.clone();
    config.seed = seed();
    config.offers = settings
        .listeners
        .iter()
        .zip((0..).zip(doors))
        .map(|(listener, (number, door))| {
            let mut offer = listener.offer.clone();
            offer.asks = door.asks();
            offer.grant = door.grant_at(number);
            offer
        })
        .collect();
    config
}

/// Another one each time: ids that are invented cannot be guessed by what was invented before.
fn seed() -> u64 {
    use core::hash::BuildHasher as _;
    #[allow(clippy::disallowed_types, reason = "random is what it is to be")]
    std::collections::hash_map::RandomState::new().hash_one(std::process::id())
}

fn say(address: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever does not want to know may close stdout.
    let _ = writeln!(out, "listening on {address}").and_then(|()| out.flush());
}

/// Asks the gate; what is verified on another thread comes back through the handle.
fn policy(gate: Gate, handle: ServerHandle) -> impl FnMut(&Question<'_>) -> Verdict {
    move |question| {
        let handle = handle.clone();
        let later = move |ticket, decision| {
            // A server that has stopped needs no decisions.
            let _ = handle.with_blocking(move |server, now| server.handle_decision(now, ticket, decision));
        };
        gate.decide(question, later).map_or(Verdict::Later, Verdict::Now)
    }
}

fn read_again(listeners: &[Listener], gate: &Gate, handle: &ServerHandle) {
    match doors::read(listeners) {
        Ok(doors) => gate.replace(doors),
        Err(error) => return warn!(%error, "passwords and access rules stay as they were"),
    }
    info!("passwords and access rules read again");
    review(gate, handle);
}

/// Holds who is inside against what is in force, when the server's next turn comes.
fn review(gate: &Gate, handle: &ServerHandle) {
    let gate = gate.clone();
    let done = handle.try_with(move |server, now| {
        let Reviewed {
            clients,
            subscriptions,
            ..
        } = gate.review(server.broker_mut(), now);
        if clients > 0 || subscriptions > 0 {
            info!(clients, subscriptions, "taken away by passwords and access rules");
        }
    });
    if let Err(error) = done {
        warn!(%error, "who is inside was not held against passwords and access rules");
    }
}
