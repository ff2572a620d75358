//! `mqtt broker`.

use std::{
    io::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::net::TcpListener;
use tracing::info;

use crate::{
    args::Broker,
    config::{ListenAddress, Settings},
    connection::interrupted,
    failure::Failure,
    logging, open_files,
};

/// Listens, says where, and serves until it is interrupted.
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
    let mut signal = core::pin::pin!(interrupted());
    let mut config = settings.server.clone();
    config.offers = settings
        .listeners
        .iter()
        .map(|listener| listener.offer.clone())
        .collect();
    let mut listeners = Vec::new();
    for listener in &settings.listeners {
        let Some(ListenAddress::Tcp(address)) = &listener.address else {
            return Err(Failure::new("Unix sockets are not served yet"));
        };
        let cannot = |error| Failure::new(format!("cannot listen on {address}: {error}"));
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let bound = listener.local_addr().map_err(cannot)?;
        let mut out = std::io::stdout().lock();
        // Whoever does not want to know may close stdout.
        let _ = writeln!(out, "listening on {bound}").and_then(|()| out.flush());
        listeners.push(listener);
    }
    let events = Arc::new(Mutex::new(logging::Events::default()));
    let log = {
        let events = Arc::clone(&events);
        move |event| events.lock().unwrap_or_else(PoisonError::into_inner).log(event)
    };
    let (stop, serving) = mqtt_tokio::serve(config, listeners, log);
    let mut serving = core::pin::pin!(serving);
    loop {
        tokio::select! {
            ended = &mut serving => return ended.map_err(|error| Failure::new(error.to_string())),
            () = &mut signal => {
                info!("stopping");
                stop.stop();
                return serving.await.map_err(|error| Failure::new(error.to_string()));
            }
            () = tokio::time::sleep(logging::GATHERED) => {
                events.lock().unwrap_or_else(PoisonError::into_inner).flush();
            }
        }
    }
}
