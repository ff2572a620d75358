//! The behaviours of all adapters, on smol and on async-std.
#![allow(clippy::unwrap_used, reason = "tests")]

use core::{future::Future, net::SocketAddr, time::Duration};

use adapter_suite::Driver;
use mqtt_session::{Config, ConnectOptions, Refused, client::OwnedEvent, storage::Heap};
use mqtt_smol::Client;
use smol::future::FutureExt;

/// A runtime: its TCP streams, and how it waits for a future.
trait Runtime: 'static {
    type Stream: futures_io::AsyncRead + futures_io::AsyncWrite + Unpin;
    fn connect(to: SocketAddr) -> impl Future<Output = Self::Stream>;
    fn block_on<T>(future: impl Future<Output = T>) -> T;
}

struct Smol;

impl Runtime for Smol {
    type Stream = smol::net::TcpStream;

    async fn connect(to: SocketAddr) -> Self::Stream {
        mqtt_smol::connect_tcp(to).await.unwrap()
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }
}

struct AsyncStd;

impl Runtime for AsyncStd {
    type Stream = async_std::net::TcpStream;

    async fn connect(to: SocketAddr) -> Self::Stream {
        let stream = async_std::net::TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }
}

struct On<R: Runtime>(Client<R::Stream>);

impl<R: Runtime> Driver for On<R> {
    fn new(config: Config) -> Self {
        Self(Client::new(config, Heap::new()))
    }

    fn connect(&mut self, to: SocketAddr, options: &ConnectOptions<'_>) -> Result<(), Refused> {
        self.0.attach(R::block_on(R::connect(to)), options)
    }

    adapter_suite::obeys!(0);

    fn cut(&mut self) {
        drop(self.0.detach());
    }

    fn next_event(&mut self, timeout: Duration) -> Option<OwnedEvent> {
        R::block_on(async {
            let late = async {
                async_io::Timer::after(timeout).await;
                None
            };
            async { self.0.next().await.ok().map(OwnedEvent::from) }
                .or(late)
                .await
        })
    }
}

mod on_smol {
    adapter_suite::behaviours!(super::On<super::Smol>);
}

mod on_async_std {
    adapter_suite::behaviours!(super::On<super::AsyncStd>);
}
