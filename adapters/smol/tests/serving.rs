//! The behaviours of all servers, on smol.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc::Sender;

use adapter_suite::serving::{Ends, Listeners, Setup, TCP, UNIX, tell};
use mqtt_session::server::ServerEvent;
use mqtt_smol::{Listener, Server, ServerError};

fn serve(
    setup: Setup,
    listeners: Listeners,
    started: Sender<Ends>,
    events: Sender<ServerEvent>,
) -> Result<(), ServerError> {
    let mut server = adapter_suite::set_up!(Server, setup);
    server.listen_as(TCP, Listener::try_from(listeners.tcp).unwrap());
    #[cfg(unix)]
    server.listen_as(UNIX, Listener::try_from(listeners.unix).unwrap());
    started.send((server.handle(), server.stopper())).unwrap();
    smol::block_on(server.run(|event| tell(&events, event)))
}

adapter_suite::serving!(serve);
