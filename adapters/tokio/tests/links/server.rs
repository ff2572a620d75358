//! The server's loop.

use core::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};
use std::{io, sync::Arc};

use mqtt_async::{Accept, Link};
use mqtt_proto::{Properties, QoS};
use mqtt_session::{
    Config, Event,
    server::{Peer, ServerConfig, ServerEvent},
    storage::Heap,
};
use mqtt_tokio::{Client, Io, connect_tcp, serve, spawn};
use tokio::net::TcpListener;

use crate::pipes::{self, Counted};

#[tokio::test]
async fn many_connections_in_one_future() {
    const CLIENTS: usize = 300;
    let address = pipes::running_server();
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        let mut client = pipes::connected(address.connect(512), &format!("client{n}")).await;
        let token = client
            .subscribe(&[pipes::filter("all")], Properties::EMPTY)
            .unwrap();
        pipes::completed(&mut client, token).await;
        clients.push(client);
    }
    clients[0]
        .publish(&pipes::message("all", QoS::AtMostOnce), &b"hello"[..])
        .unwrap();
    for client in &mut clients {
        loop {
            match client.next().await.unwrap() {
                Event::Message(message) => break assert_eq!(message.payload, b"hello"),
                Event::Completed { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn an_idle_server_is_not_polled() {
    let (mut server, address) = pipes::server();
    let stop = server.stopper();
    let serve = Counted::new(async move { server.run(|_| ()).await.unwrap() });
    let clients = async {
        let mut clients = Vec::new();
        for n in 0..10 {
            clients.push(pipes::connected(address.connect(512), &format!("client{n}")).await);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.stop();
    };
    let (((), polls), ()) = tokio::join!(serve, clients);
    assert!(polls < 60, "{polls} polls for ten connections that do nothing");
}

#[tokio::test]
async fn a_server_that_is_stopped_closes_its_connections_and_tells_what_happened() {
    let (mut server, address) = pipes::server();
    let stop = server.stopper();
    let mut told = Vec::new();
    let serve = server.run(|event| told.push(event));
    let clients = async {
        let client = pipes::connected(address.connect(512), "one").await;
        let (_handle, mut events, _) = spawn(client, mqtt_tokio::TaskConfig::DEFAULT);
        stop.stop();
        assert!(matches!(
            events.next().await,
            Some(mqtt_session::client::OwnedEvent::Closed(_))
        ));
    };
    let (served, ()) = tokio::join!(serve, clients);
    served.unwrap();
    assert!(
        matches!(
            &told[..],
            [ServerEvent::Connected { .. }, ServerEvent::Disconnected { .. }]
        ),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_and_its_clients_run_on_a_runtime_with_threads_and_on_several_listeners() {
    let listeners = [
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    ];
    let addresses = [
        listeners[0].local_addr().unwrap(),
        listeners[1].local_addr().unwrap(),
    ];
    let (stop, run) = serve(ServerConfig::default(), listeners, |_| ());
    let server = tokio::spawn(run);
    let mut clients = Vec::new();
    for (n, address) in addresses.into_iter().enumerate() {
        clients.push(tokio::spawn(async move {
            let name = format!("client{n}");
            let mut client = Client::new(Config::DEFAULT, Heap::new());
            client
                .attach(connect_tcp(address).await.unwrap(), &pipes::options(&name))
                .unwrap();
            let (handle, mut events, task) = spawn(client, mqtt_tokio::TaskConfig::DEFAULT);
            events.next().await.unwrap();
            handle
                .subscribe(&[pipes::filter(&name)], Properties::EMPTY)
                .await
                .unwrap()
                .await
                .unwrap();
            for _ in 0..100 {
                let message = pipes::message(&name, QoS::ExactlyOnce);
                handle.publish(&message, "hello").await.unwrap().await.unwrap();
                events.next().await.unwrap();
            }
            drop(handle);
            task.await.unwrap();
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    stop.stop();
    server.await.unwrap().unwrap();
}

/// A pipe that counts the writes it takes, as a listener that gives itself.
struct Counting {
    pipe: Io<pipes::Pipe>,
    writes: Arc<AtomicUsize>,
}

impl Link for Counting {
    fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        self.pipe.poll_read(cx, room)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.pipe.poll_write(cx, bytes);
        self.writes.fetch_add(usize::from(written.is_ready()), Relaxed);
        written
    }
}

struct Once(Vec<Counting>);

impl Accept for Once {
    type Link = Counting;

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<(Counting, Peer)>> {
        match self.0.pop() {
            Some(link) => Poll::Ready(Ok((link, Peer::default()))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test]
async fn what_a_turn_gathers_for_a_connection_leaves_in_one_write() {
    const COUNT: usize = 1_000;
    let writes = Arc::new(AtomicUsize::new(0));
    let [sender, receiver] = [0; 2].map(|_| tokio::io::duplex(64 << 10));
    let link = |pipe| Counting {
        pipe: Io(pipe),
        writes: Arc::clone(&writes),
    };
    let mut server: mqtt_tokio::Server<Once> = mqtt_tokio::Server::new(ServerConfig::default());
    server.listen(Once(vec![link(sender.1), link(receiver.1)]));
    tokio::spawn(async move { server.run(|_| ()).await });

    let mut receiver = pipes::connected(receiver.0, "receiver").await;
    let token = receiver
        .subscribe(&[pipes::filter("a")], Properties::EMPTY)
        .unwrap();
    pipes::completed(&mut receiver, token).await;
    let mut sender = pipes::connected(sender.0, "sender").await;
    let before = writes.load(Relaxed);
    let mut last = None;
    for _ in 0..COUNT {
        last = sender
            .publish(&pipes::message("a", QoS::AtLeastOnce), &[1; 16][..])
            .ok();
    }
    // All PUBACKs, and all copies with the receiver's own PUBACKs.
    pipes::completed(&mut sender, last.unwrap()).await;
    for _ in 0..COUNT {
        assert!(matches!(receiver.next().await.unwrap(), Event::Message(_)));
    }
    let writes = writes.load(Relaxed) - before;
    assert!(
        writes < COUNT / 20,
        "{writes} writes for {COUNT} messages and as many answers"
    );
}
