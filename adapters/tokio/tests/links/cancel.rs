//! Whatever is dropped while it is awaited, nothing is lost.

use core::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use mqtt_proto::{Properties, QoS};
use mqtt_session::client::OwnedEvent;
use mqtt_tokio::Client;

use crate::pipes::{self, Pipe};

/// Polls `next` at most so often, and drops it then.
async fn next_within(client: &mut Client<Pipe>, polls: usize) -> Option<OwnedEvent> {
    let mut left = polls;
    let mut next = pin!(client.next());
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        next.as_mut()
            .poll(cx)
            .map(|event| Some(OwnedEvent::try_from(event.unwrap()).unwrap()))
    })
    .await
}

/// Sends itself a message of each QoS over a link that carries few bytes at a time, and gives what it was told.
async fn talk(width: usize, polls: usize) -> (Vec<OwnedEvent>, usize) {
    let address = pipes::running_server();
    let mut client = pipes::connected(address.connect(width), "self").await;
    let mut events = Vec::new();
    let mut dropped = 0;
    client
        .subscribe(&[pipes::filter("self")], Properties::EMPTY)
        .unwrap();
    // One end and one message at a time, so that their order is the same each time.
    let steps = [1, 2, 2, 2, 1];
    for (step, count) in steps.into_iter().enumerate() {
        match step {
            0 => {}
            4 => drop(
                client
                    .unsubscribe(&[pipes::unfilter("self")], Properties::EMPTY)
                    .unwrap(),
            ),
            step => {
                let message = pipes::message("self", QoS::ALL[step - 1]);
                client.publish(&message, &[step as u8; 40][..]).unwrap();
            }
        }
        for _ in 0..count {
            loop {
                match next_within(&mut client, polls).await {
                    Some(event) => break events.push(event),
                    None => dropped += 1,
                }
                // The server's turn, and nothing for this task to wait for.
                tokio::task::yield_now().await;
            }
        }
    }
    (events, dropped)
}

#[tokio::test]
async fn dropping_next_at_any_await_point_loses_nothing() {
    for width in [1, 3, 64] {
        let (undisturbed, dropped) = talk(width, usize::MAX).await;
        assert_eq!((undisturbed.len(), dropped), (8, 0));
        let mut limit = 1;
        loop {
            let (events, dropped) = talk(width, limit).await;
            assert_eq!(events, undisturbed, "{limit} polls, {width} bytes at a time");
            if dropped == 0 {
                break;
            }
            limit += 1;
        }
        assert!(
            limit > 1,
            "some future has to be dropped for this to say something"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_dropped_and_run_again_goes_on_where_it_was() {
    let (mut server, address) = pipes::server();
    let client = tokio::spawn(async move {
        let mut client = pipes::connected(address.connect(5), "self").await;
        for qos in QoS::ALL {
            let token = client.publish(&pipes::message("a", qos), &[1; 100][..]).unwrap();
            pipes::completed(&mut client, token).await;
        }
    });
    while !client.is_finished() {
        {
            let mut ignore = |_| ();
            let mut run = pin!(server.run(&mut ignore));
            poll_fn(|cx| Poll::Ready(run.as_mut().poll(cx).is_ready())).await;
        }
        tokio::task::yield_now().await;
    }
    client.await.unwrap();
}
