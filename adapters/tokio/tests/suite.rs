//! The behaviours of all adapters, on tokio.
#![allow(clippy::unwrap_used, reason = "tests")]

use core::net::SocketAddr;
use core::time::Duration;

use adapter_suite::Driver;
use mqtt_session::{Config, ConnectOptions, Refused, client::OwnedEvent, storage::Heap};
use mqtt_tokio::{Client, connect_tcp};
use tokio::runtime::{Builder, Runtime};

struct Tokio {
    runtime: Runtime,
    client: Client,
}

impl Driver for Tokio {
    fn new(config: Config) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self {
            runtime,
            client: Client::new(config, Heap::new()),
        }
    }

    fn connect(&mut self, to: SocketAddr, options: &ConnectOptions<'_>) -> Result<(), Refused> {
        let stream = self.runtime.block_on(connect_tcp(to)).unwrap();
        self.client.attach(stream, options)
    }

    adapter_suite::obeys!(client);

    fn cut(&mut self) {
        drop(self.client.detach());
    }

    fn next_event(&mut self, timeout: Duration) -> Option<OwnedEvent> {
        let Self { runtime, client } = self;
        runtime.block_on(async {
            tokio::time::timeout(timeout, client.next())
                .await
                .ok()?
                .ok()
                .map(OwnedEvent::from)
        })
    }
}

adapter_suite::behaviours!(Tokio);
