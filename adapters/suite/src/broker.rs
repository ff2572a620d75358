//! A broker in a thread.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread::JoinHandle,
};

use mqtt_session::server::ServerConfig;
use mqtt_tokio::ServerStop;

/// The tokio server on a free port of the loopback interface, until it is dropped.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    stop: ServerStop,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    /// With the default configuration.
    pub fn start() -> Self {
        Self::with_config(ServerConfig::default())
    }

    /// With this configuration.
    pub fn with_config(config: ServerConfig) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("an address");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let (stop, run) = {
            let _entered = runtime.enter();
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            mqtt_tokio::serve(config, [listener], |_| ())
        };
        let thread = std::thread::spawn(move || runtime.block_on(run).expect("a server without a store"));
        Self {
            address,
            stop,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.stop_now();
        let end = self.thread.take().map(JoinHandle::join);
        assert!(
            !matches!(end, Some(Err(_))) || std::thread::panicking(),
            "the broker panicked"
        );
    }
}
