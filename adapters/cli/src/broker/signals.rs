//! What the system tells a broker.

use core::future::pending;
use std::io;

/// A signal that means something.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGINT, SIGTERM: an end in order.
    Stop,
    /// SIGHUP: read files again.
    ReadAgain,
}

/// From when this is made on, these signals end nothing by themselves.
pub(super) struct Signals {
    #[cfg(unix)]
    streams: [(Signal, tokio::signal::unix::Signal); 3],
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            streams: [
                (Signal::Stop, signal(SignalKind::interrupt())?),
                (Signal::Stop, signal(SignalKind::terminate())?),
                (Signal::ReadAgain, signal(SignalKind::hangup())?),
            ],
        })
    }

    #[cfg(not(unix))]
    pub(super) const fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    pub(super) async fn next(&mut self) -> Signal {
        let [(one, int), (two, term), (three, hup)] = &mut self.streams;
        let (signal, there) = tokio::select! {
            there = int.recv() => (*one, there),
            there = term.recv() => (*two, there),
            there = hup.recv() => (*three, there),
        };
        match there {
            Some(()) => signal,
            None => pending().await,
        }
    }

    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Stop,
            Err(_) => pending().await,
        }
    }
}
