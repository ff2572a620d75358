use core::pin::pin;

use embedded_hal_async::delay::DelayNs;
use embedded_io_async::{Read, Write};
use mqtt_embedded_io::{Client, Link};
use mqtt_proto::{ReasonCode, packet::Disconnect};
use mqtt_session::{
    ConnectOptions, Event, Instant,
    reconnect::{Attempt, Decision, Ended, Reconnect, StopBecause},
    storage::Storage,
};

/// Keeps a session connected until the policy, or the application, wants no more.
pub async fn keep_connected<S: Storage, R: Read, W: Write<Error = R::Error>>(
    session: &mut mqtt_session::Client<S>,
    reconnect: &mut Reconnect,
    (rx, tx): (&mut [u8], &mut [u8]),
    delay: &mut impl DelayNs,
    now: &impl Fn() -> Instant,
    // Opens a transport. This is the moment for a fresh token, too.
    mut open: impl AsyncFnMut(Attempt) -> Option<(R, W)>,
    options: &ConnectOptions<'_>,
    // What the application does about an event; `false`: it wants no more.
    mut on_event: impl FnMut(Event<'_>) -> bool,
) -> StopBecause {
    reconnect.start(now());
    loop {
        while let Some(at) = reconnect.poll_timeout().filter(|&at| at > now()) {
            let wait = at.saturating_duration_since(now());
            delay
                .delay_us(u32::try_from(wait.as_micros()).unwrap_or(u32::MAX))
                .await;
        }
        let Some(attempt) = reconnect.handle_timeout(now()) else {
            // It has stopped, for a reason that it repeats.
            match reconnect.handle_closed(now(), &Ended::UNREACHABLE) {
                Decision::Stop { because } => return because,
                Decision::Next { .. } => continue,
            }
        };
        let Some((reader, writer)) = open(attempt).await else {
            let _ = reconnect.handle_closed(now(), &Ended::UNREACHABLE);
            continue;
        };
        let link = Link::new(&mut *rx, &mut *tx);
        let carried = pin!(link.carry(reader, writer));
        let connect = ConnectOptions {
            version: attempt.version,
            ..*options
        };
        let client = Client::connect(&mut *session, &link, carried, &mut *delay, now, &connect);
        let Ok(mut client) = client else {
            // These options, or these buffers, will not do at the next attempt either.
            reconnect.stop();
            continue;
        };
        // An error comes when all is told.
        while let Ok(event) = client.next().await {
            match &event {
                Event::Connected(_) => reconnect.handle_connected(now()),
                // The decision says why there is another attempt, and when, or why not.
                Event::Closed(closed) => drop(reconnect.handle_closed(now(), &closed.into())),
                _ => {}
            }
            // Between two events there is room for commands: to subscribe, when the server has no session; to publish.
            if !on_event(event) && client.disconnect(&GOODBYE).is_err() {
                reconnect.stop();
                break;
            }
        }
    }
}

const GOODBYE: Disconnect<'_> = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
