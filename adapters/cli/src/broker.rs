//! `mqtt broker`.

use std::io::Write as _;

use mqtt_session::server::ServerConfig;
use tokio::net::TcpListener;

use crate::{args::Broker, connection::interrupted, failure::Failure};

/// Listens, says where, and serves until it is interrupted.
pub(crate) fn run(args: &Broker) -> Result<(), Failure> {
    crate::block_on(async {
        // From here on a signal is an orderly end.
        let mut signal = core::pin::pin!(interrupted());
        let mut listeners = Vec::new();
        for address in &args.listen {
            let cannot = |error| Failure::new(format!("cannot listen on {address}: {error}"));
            let listener = TcpListener::bind(address).await.map_err(cannot)?;
            let bound = listener.local_addr().map_err(cannot)?;
            let mut out = std::io::stdout().lock();
            // Whoever does not want to know may close stdout.
            let _ = writeln!(out, "listening on {bound}").and_then(|()| out.flush());
            listeners.push(listener);
        }
        let (stop, serving) = mqtt_tokio::serve(ServerConfig::default(), listeners, drop);
        let mut serving = core::pin::pin!(serving);
        tokio::select! {
            () = &mut serving => {}
            () = &mut signal => {
                stop.stop();
                serving.await;
            }
        }
        Ok(())
    })
}
