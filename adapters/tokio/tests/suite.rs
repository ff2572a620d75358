//! The behaviours of all adapters, on tokio.
#![allow(clippy::unwrap_used, reason = "tests")]

use core::net::SocketAddr;
use core::time::Duration;

use adapter_suite::Driver;
use mqtt_proto::{
    Properties, ReasonCode, TopicFilter,
    packet::{Disconnect, Subscription},
};
use mqtt_session::{
    AckToken, Config, ConnectOptions, Publish, Refused, Token,
    client::{Ack, OwnedEvent},
    storage::Heap,
};
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

    fn publish(&mut self, message: &Publish<'_>, payload: &[u8]) -> Result<Token, Refused> {
        self.client
            .publish(message, payload)
            .map_err(|not_taken| not_taken.why)
    }

    fn subscribe(&mut self, filters: &[Subscription<'_>]) -> Result<Token, Refused> {
        self.client.subscribe(filters, Properties::EMPTY)
    }

    fn unsubscribe(&mut self, filters: &[TopicFilter<'_>]) -> Result<Token, Refused> {
        self.client.unsubscribe(filters, Properties::EMPTY)
    }

    fn ping(&mut self) -> Result<Token, Refused> {
        self.client.ping()
    }

    fn acknowledge(&mut self, ack: AckToken) -> Result<(), Refused> {
        self.client
            .acknowledge(ack, &Ack::SUCCESS)
            .map_err(|not_taken| not_taken.why)
    }

    fn disconnect(&mut self) -> Result<(), Refused> {
        self.client
            .disconnect(&Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
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
                .map(OwnedEvent::from)
        })
    }
}

adapter_suite::behaviours!(Tokio);
