//! A server and clients in one thread, joined by pipes of any width.

use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::io;

use mqtt_async::Accept;
use mqtt_proto::{Properties, QoS, TopicFilter, TopicName, Version, packet::Subscription};
use mqtt_session::{
    Config, ConnectOptions, Event, Publish, Token,
    client::OwnedEvent,
    server::{Peer, ServerConfig},
    storage::Heap,
};
use mqtt_tokio::{Client, Io, Server, Timer};
use tokio::{
    io::DuplexStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

pub(crate) type Pipe = DuplexStream;

/// A listener that is handed its connections.
pub(crate) struct Incoming(UnboundedReceiver<Pipe>);

impl Accept for Incoming {
    type Link = Io<Pipe>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Link, Peer)>> {
        // Without its other end, nobody connects any more.
        match self.0.poll_recv(cx) {
            Poll::Ready(Some(pipe)) => Poll::Ready(Ok((Io(pipe), Peer::default()))),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Where a server is reached.
#[derive(Clone)]
pub(crate) struct Address(UnboundedSender<Pipe>);

impl Address {
    /// A new connection that holds so many bytes each way.
    pub(crate) fn connect(&self, width: usize) -> Pipe {
        let (here, there) = tokio::io::duplex(width);
        self.0.send(there).unwrap();
        here
    }
}

pub(crate) type PipeServer = mqtt_async::Server<Incoming, Timer>;

pub(crate) fn server() -> (PipeServer, Address) {
    let (address, incoming) = unbounded_channel();
    let mut server: Server<Incoming> = Server::new(ServerConfig::default());
    server.listen(Incoming(incoming));
    (server, Address(address))
}

/// A server that runs beside the test.
pub(crate) fn running_server() -> Address {
    let (mut server, address) = server();
    tokio::spawn(async move { server.run(|_| ()).await });
    address
}

pub(crate) fn options(client_id: &str) -> ConnectOptions<'_> {
    ConnectOptions {
        version: Version::V311,
        clean_start: false,
        keep_alive: 60,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    }
}

pub(crate) fn message(topic: &str, qos: QoS) -> Publish<'_> {
    Publish::new(TopicName::new(topic).unwrap(), qos)
}

pub(crate) fn filter(filter: &str) -> Subscription<'_> {
    adapter_suite::subscription(filter, QoS::ExactlyOnce)
}

pub(crate) fn unfilter(filter: &str) -> TopicFilter<'_> {
    TopicFilter::new(filter).unwrap()
}

pub(crate) async fn connected(pipe: Pipe, client_id: &str) -> Client<Pipe> {
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    client.attach(pipe, &options(client_id)).unwrap();
    assert!(matches!(client.next().await.unwrap(), Event::Connected(_)));
    client
}

pub(crate) async fn completed(client: &mut Client<Pipe>, token: Token) {
    loop {
        match client.next_owned().await.unwrap() {
            OwnedEvent::Completed { token: of, .. } if of == token => return,
            OwnedEvent::Closed(closed) => panic!("{closed:?}"),
            _ => {}
        }
    }
}

/// Counts how often a future is polled.
pub(crate) struct Counted<F> {
    pub(crate) future: Pin<Box<F>>,
    pub(crate) polls: usize,
}

impl<F> Counted<F> {
    pub(crate) fn new(future: F) -> Self {
        Self {
            future: Box::pin(future),
            polls: 0,
        }
    }
}

impl<F: Future> Future for Counted<F> {
    type Output = (F::Output, usize);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls += 1;
        let polls = self.polls;
        self.future.as_mut().poll(cx).map(|output| (output, polls))
    }
}
