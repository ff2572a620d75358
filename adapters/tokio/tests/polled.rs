//! Listeners and connections that share one registration at the runtime.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests wait for real sockets"
)]

use core::{
    future::poll_fn,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
    time::Duration,
};
use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    sync::Arc,
    task::Wake,
};

use mqtt_async::{Accept as _, Link as _};
use mqtt_session::server::ServerConfig;
use mqtt_tokio::{Listener, Poller, Server, Socket};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for an event to come that should not.
const MOMENT: Duration = Duration::from_millis(150);

const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a";
const CONNACK: &[u8] = b"\x20\x02\x00\x00";

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap()
}

async fn bind(poller: &Poller) -> (Listener, core::net::SocketAddr) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (poller.listen(listener), address)
}

async fn accept(listener: &mut Listener) -> Socket {
    within(poll_fn(|cx| listener.poll_accept(cx))).await.unwrap().0
}

async fn pair() -> (Socket, TcpStream) {
    let (mut listener, address) = bind(&Poller::new()).await;
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    (accept(&mut listener).await, client)
}

async fn read(socket: &mut Socket, room: &mut [u8]) -> std::io::Result<usize> {
    within(poll_fn(|cx| socket.poll_read(cx, room))).await
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    async fn next(&self, since: usize) {
        within(async {
            while self.count() == since {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_end_that_came_with_the_last_bytes_is_read_behind_them() {
    let (mut listener, address) = bind(&Poller::new()).await;
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"last").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    sleep(MOMENT).await;
    // Everything is there before the socket is registered: one event tells of bytes and end.
    let mut socket = accept(&mut listener).await;
    let mut room = [0; 64];
    assert_eq!(read(&mut socket, &mut room).await.unwrap(), 4);
    assert_eq!(read(&mut socket, &mut room).await.unwrap(), 0);
    // And the other direction is still open.
    within(poll_fn(|cx| socket.poll_write(cx, b"word")))
        .await
        .unwrap();
    assert!(within(poll_fn(|cx| socket.poll_close(cx))).await.is_ok());
    let mut word = Vec::new();
    client.read_to_end(&mut word).unwrap();
    assert_eq!(word, b"word");
}

#[tokio::test]
async fn bytes_in_pieces_of_any_size_arrive_whole_and_in_order() {
    let (mut socket, mut client) = pair().await;
    let sent: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let all = sent.clone();
    let writer = std::thread::spawn(move || {
        let mut rest = &all[..];
        for len in (1..).step_by(97) {
            let (now, later) = rest.split_at(len.min(rest.len()));
            client.write_all(now).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
    });
    let mut received = Vec::new();
    for room in [1, 7, 512, 4_096].into_iter().cycle() {
        let mut room = vec![0; room];
        let n = read(&mut socket, &mut room).await.unwrap();
        received.extend_from_slice(&room[..n]);
        if n == 0 {
            break;
        }
    }
    writer.join().unwrap();
    assert!(received == sent);
}

#[tokio::test]
async fn a_reset_wakes_the_reader() {
    let (mut socket, client) = pair().await;
    within(poll_fn(|cx| socket.poll_write(cx, b"unread")))
        .await
        .unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Arc::clone(&woken).into();
    let cx = &mut Context::from_waker(&waker);
    let mut room = [0; 64];
    assert!(socket.poll_read(cx, &mut room).is_pending());
    let since = woken.count();
    sleep(MOMENT).await;
    // A socket that is closed with something unread in it resets the connection.
    drop(client);
    woken.next(since).await;
    let Poll::Ready(Err(error)) = socket.poll_read(cx, &mut room) else {
        panic!("it was reset");
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_writer_that_is_stalled_sleeps_until_there_is_room() {
    let (mut socket, mut client) = pair().await;
    let (reader, writer) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    let (read_waker, write_waker) = (Arc::clone(&reader).into(), Arc::clone(&writer).into());
    let reading = &mut Context::from_waker(&read_waker);
    let writing = &mut Context::from_waker(&write_waker);
    let bytes = vec![b'x'; 64 << 10];
    let mut room = [0; 64];
    let mut sent = 0;
    // What the system has room for grows while it is being filled.
    loop {
        while let Poll::Ready(n) = socket.poll_write(writing, &bytes) {
            sent += n.unwrap();
        }
        let since = writer.count();
        sleep(MOMENT).await;
        if writer.count() == since {
            break;
        }
    }
    assert!(sent > 0);
    let since = writer.count();
    // Reading goes on meanwhile, and wakes nobody but the reader.
    assert!(socket.poll_read(reading, &mut room).is_pending());
    let heard = reader.count();
    client.write_all(b"ping").unwrap();
    reader.next(heard).await;
    assert!(matches!(socket.poll_read(reading, &mut room), Poll::Ready(Ok(4))));
    assert!(socket.poll_write(writing, &bytes).is_pending());
    sleep(MOMENT).await;
    assert_eq!(writer.count(), since, "it does not spin");
    let taken = std::thread::spawn(move || {
        let mut taken = 0;
        let mut room = vec![0; 1 << 20];
        while taken < sent {
            taken += client.read(&mut room).unwrap();
        }
        client
    });
    writer.next(since).await;
    assert!(socket.poll_write(writing, &bytes).is_ready());
    within(tokio::task::spawn_blocking(|| taken.join().unwrap()))
        .await
        .unwrap();
}

#[tokio::test]
async fn listeners_of_both_kinds_share_a_poller() {
    let poller = Poller::new();
    let (mut tcp, address) = bind(&poller).await;
    let folder = std::env::temp_dir().join(format!("mqtt-polled-{}", std::process::id()));
    let mut unix = poller.listen(mqtt_tokio::listen_unix(&folder).unwrap());
    let mut clients = (
        TcpStream::connect(address).unwrap(),
        UnixStream::connect(&folder).unwrap(),
    );
    std::fs::remove_file(&folder).unwrap();
    let mut sockets = [accept(&mut tcp).await, accept(&mut unix).await];
    // Their connections go on without them.
    drop((tcp, unix, poller));
    clients.0.write_all(b"tcp").unwrap();
    clients.1.write_all(b"unix").unwrap();
    let mut room = [0; 64];
    for (socket, len) in sockets.iter_mut().zip([3, 4]) {
        assert_eq!(read(socket, &mut room).await.unwrap(), len);
    }
}

#[test]
fn a_socket_whose_runtime_has_ended_says_so() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let (mut socket, _client) = first.block_on(pair());
    let mut room = [0; 64];
    let woken = Arc::new(Woken::default());
    let waker = Arc::clone(&woken).into();
    assert!(
        socket
            .poll_read(&mut Context::from_waker(&waker), &mut room)
            .is_pending()
    );
    drop(first);
    assert_eq!(woken.count(), 1);
    assert!(runtime().block_on(read(&mut socket, &mut room)).is_err());
}

#[tokio::test]
async fn a_server_that_is_dropped_while_it_runs_goes_on_when_it_runs_again() {
    let (listener, address) = bind(&Poller::new()).await;
    let mut server: Server = Server::new(ServerConfig::default());
    server.listen(listener);
    let client = std::thread::spawn(move || {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut room = [0; 4];
        client.write_all(CONNECT).unwrap();
        client.read_exact(&mut room).unwrap();
        assert_eq!(room, CONNACK);
        for _ in 0..50 {
            client.write_all(b"\xc0\x00").unwrap();
            client.read_exact(&mut room[..2]).unwrap();
            assert_eq!(room[..2], *b"\xd0\x00");
        }
    });
    while !client.is_finished() {
        // Never for as long as a ping takes, so that it is dropped at every point.
        let _ = timeout(Duration::from_millis(1), server.run(|_| ())).await;
    }
    client.join().unwrap();
}
