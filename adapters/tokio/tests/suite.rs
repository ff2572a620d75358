//! The behaviours of all adapters, on tokio.
#![allow(clippy::unwrap_used, reason = "tests")]

use core::{net::SocketAddr, pin::Pin, time::Duration};
use std::io;

use adapter_suite::{Driver, Hook, Reconnects};
use mqtt_session::{Config, ConnectOptions, Refused, client::OwnedEvent, reconnect::Policy, storage::Heap};
use mqtt_tokio::{Attempt, Client, News, Options, Reconnecting, connect_tcp};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
};

struct Tokio {
    runtime: Runtime,
    client: Client,
}

adapter_suite::obeys!([] Tokio, client);

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
                .map(|event| OwnedEvent::try_from(event).unwrap())
        })
    }
}

adapter_suite::behaviours!(Tokio);

/// A client that connects by itself.
struct Again {
    runtime: Runtime,
    client: Reconnecting<Connect>,
}

type Opening = Pin<Box<dyn Future<Output = io::Result<(TcpStream, Options)>> + Send>>;
type Connect = Box<dyn FnMut(Attempt, Options) -> Opening + Send>;

adapter_suite::obeys!([] Again, client);

impl Reconnects for Again {
    fn new(config: Config, policy: Policy, options: Options, mut hook: Hook) -> Self {
        let connect: Connect = Box::new(move |attempt, mut options| {
            let to = hook(&attempt, &mut options);
            Box::pin(async move { Ok((connect_tcp(to).await?, options)) })
        });
        let client = Client::new(config, Heap::new()).reconnecting(policy, options, connect);
        Self {
            runtime: Builder::new_current_thread().enable_all().build().unwrap(),
            client: client.with_seed(7),
        }
    }

    adapter_suite::reconnects!(client);

    fn next_news(&mut self, timeout: Duration) -> Option<News<OwnedEvent>> {
        let Self { runtime, client } = self;
        runtime.block_on(async {
            let news = tokio::time::timeout(timeout, client.next()).await;
            news.ok()?
                .map(|news| news.map(|event| OwnedEvent::try_from(event).unwrap()))
        })
    }
}

mod reconnecting {
    adapter_suite::reconnecting!(super::Again);
}
