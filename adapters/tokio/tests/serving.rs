//! The behaviours of all servers, on tokio.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc::Sender;

use adapter_suite::serving::{Ends, Listeners, Setup, TCP, UNIX, tell};
use mqtt_session::server::ServerEvent;
use mqtt_tokio::{Listener, Server, ServerError};

fn serve(
    setup: Setup,
    listeners: Listeners,
    started: Sender<Ends>,
    events: Sender<ServerEvent>,
) -> Result<(), ServerError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut server = adapter_suite::set_up!(Server, setup);
        listeners.tcp.set_nonblocking(true).unwrap();
        let tcp = tokio::net::TcpListener::from_std(listeners.tcp).unwrap();
        server.listen_as(TCP, Listener::from(tcp));
        #[cfg(unix)]
        {
            listeners.unix.set_nonblocking(true).unwrap();
            let unix = tokio::net::UnixListener::from_std(listeners.unix).unwrap();
            server.listen_as(UNIX, Listener::from(unix));
        }
        started.send((server.handle(), server.stopper())).unwrap();
        server.run(|event| tell(&events, event)).await
    })
}

adapter_suite::serving!(serve);
