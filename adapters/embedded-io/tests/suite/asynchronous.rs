//! The asynchronous client on tokio, in a `select` that drops its calls whenever a command comes.

use std::{net::SocketAddr, pin::pin, time::Duration};

use embedded_hal_async::delay::DelayNs;
use embedded_io_adapters::tokio_1::FromTokio;
use mqtt_embedded_io::{Client, Link};

use crate::*;

pub(crate) struct Tokio;

struct Delay;

impl DelayNs for Delay {
    async fn delay_ns(&mut self, ns: u32) {
        tokio::time::sleep(Duration::from_nanos(ns.into())).await;
    }
}

impl Runner for Tokio {
    fn run(
        session: &mut mqtt_session::Client<Borrowed<'_>>,
        (rx, tx): (&mut [u8], &mut [u8]),
        to: SocketAddr,
        options: &ConnectOptions<'_>,
        ends: &mut Ends,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(to).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (reader, writer) = stream.into_split();
            let link = Link::new(rx, tx);
            let carried = pin!(link.carry(FromTokio::new(reader), FromTokio::new(writer)));
            let mut client = Client::connect(session, &link, carried, Delay, now, options).unwrap();
            ends.reply(Ok(None));
            loop {
                // Whatever `next` is at, after half a millisecond it is dropped.
                let wait = Duration::from_micros(500);
                let event = tokio::time::timeout(wait, async {
                    client
                        .next()
                        .await
                        .map(|event| OwnedEvent::try_from(event).unwrap())
                })
                .await;
                if event.is_ok_and(|event| ends.tell(event.unwrap())) {
                    return;
                }
                match ends.command(Wait::No) {
                    None => {}
                    Some(Command::Cut) => {
                        drop(client);
                        ends.reply(Ok(None));
                        return;
                    }
                    Some(command) => ends.reply(obey!(client, command)),
                }
            }
        });
    }
}
