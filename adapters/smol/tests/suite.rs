//! The behaviours of all adapters, on smol and on async-std.
#![allow(clippy::unwrap_used, reason = "tests")]

use core::{future::Future, net::SocketAddr, pin::Pin, time::Duration};
use std::io;

use adapter_suite::{Driver, Hook, Reconnects};
use mqtt_session::{Config, ConnectOptions, Refused, client::OwnedEvent, reconnect::Policy, storage::Heap};
use mqtt_smol::{Attempt, Client, News, Options, Reconnecting};
use smol::future::FutureExt;

/// A runtime: its TCP streams, and how it waits for a future.
trait Runtime: 'static {
    type Stream: futures_io::AsyncRead + futures_io::AsyncWrite + Unpin;
    fn try_connect(to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;
    fn block_on<T>(future: impl Future<Output = T>) -> T;
}

struct Smol;

impl Runtime for Smol {
    type Stream = smol::net::TcpStream;

    async fn try_connect(to: SocketAddr) -> io::Result<Self::Stream> {
        mqtt_smol::connect_tcp(to).await
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }
}

struct AsyncStd;

impl Runtime for AsyncStd {
    type Stream = async_std::net::TcpStream;

    async fn try_connect(to: SocketAddr) -> io::Result<Self::Stream> {
        let stream = async_std::net::TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }
}

struct On<R: Runtime>(Client<R::Stream>);

adapter_suite::obeys!([R: Runtime] On<R>, 0);

impl<R: Runtime> Driver for On<R> {
    fn new(config: Config) -> Self {
        Self(Client::new(config, Heap::new()))
    }

    fn connect(&mut self, to: SocketAddr, options: &ConnectOptions<'_>) -> Result<(), Refused> {
        self.0.attach(R::block_on(R::try_connect(to)).unwrap(), options)
    }

    fn cut(&mut self) {
        drop(self.0.detach());
    }

    fn next_event(&mut self, timeout: Duration) -> Option<OwnedEvent> {
        R::block_on(async {
            let late = async {
                async_io::Timer::after(timeout).await;
                None
            };
            async { self.0.next_owned().await.ok() }.or(late).await
        })
    }
}

mod on_smol {
    adapter_suite::behaviours!(super::On<super::Smol>);
}

mod on_async_std {
    adapter_suite::behaviours!(super::On<super::AsyncStd>);
}

/// A client that connects by itself.
struct Again<R: Runtime>(Reconnecting<Connect<R>, R::Stream>);

type Opening<R> = Pin<Box<dyn Future<Output = io::Result<(<R as Runtime>::Stream, Options)>>>>;
type Connect<R> = Box<dyn FnMut(Attempt, Options) -> Opening<R>>;

adapter_suite::obeys!([R: Runtime] Again<R>, 0);

impl<R: Runtime> Reconnects for Again<R> {
    fn new(config: Config, policy: Policy, options: Options, mut hook: Hook) -> Self {
        let connect: Connect<R> = Box::new(move |attempt, mut options| {
            let to = hook(&attempt, &mut options);
            Box::pin(async move { Ok((R::try_connect(to).await?, options)) })
        });
        let client = Client::new(config, Heap::new()).reconnecting(policy, options, connect);
        Self(client.with_seed(7))
    }

    adapter_suite::reconnects!(0);

    fn next_news(&mut self, timeout: Duration) -> Option<News<OwnedEvent>> {
        R::block_on(async {
            let late = async {
                async_io::Timer::after(timeout).await;
                None
            };
            async {
                self.0
                    .next()
                    .await
                    .map(|news| news.map(|event| OwnedEvent::try_from(event).unwrap()))
            }
            .or(late)
            .await
        })
    }
}

mod reconnecting_on_smol {
    adapter_suite::reconnecting!(super::Again<super::Smol>);
}

mod reconnecting_on_async_std {
    adapter_suite::reconnecting!(super::Again<super::AsyncStd>);
}
