//! A policy: who may come, and what may be published, decided at once or later.
//!
//! `cargo run -p mqtt-session --features server --example policy`

use mqtt_proto::ReasonCode;
use mqtt_session::{
    Instant,
    server::{Asked, Asks, Decision, Peer, Question, Server, ServerConfig, Ticket},
};

/// `None`: somebody else is asked, and decides later.
fn decide(question: &Question<'_>) -> Option<Decision> {
    Some(match question.asked {
        Asked::Connect(connect) if connect.password == Some(b"secret") => Decision::Allow,
        // The directory of users is elsewhere.
        Asked::Connect(connect) if connect.user_name.is_some() => return None,
        Asked::Connect(_) => Decision::Deny(ReasonCode::BAD_USER_NAME_OR_PASSWORD),
        // Whoever is called `a` writes below `a/`.
        Asked::Publish(publish) => match publish.head.topic.as_str().split_once('/') {
            Some((owner, _)) if owner == question.client_id => Decision::Allow,
            Some(_) | None => Decision::Deny(ReasonCode::NOT_AUTHORIZED),
        },
        Asked::Subscribe(_) | Asked::Unsubscribe(_) | Asked::Auth { .. } | Asked::Reauthenticate(_) | _ => {
            Decision::Allow
        }
    })
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let mut config = ServerConfig::default();
    config.offer_mut(0).asks = Asks::EVERYTHING;
    let (mut server, now) = (Server::new(config), Instant::from_secs(1));
    let conn = server.open(now, Peer::default())?;
    // CONNECT of 3.1.1: client "a", user "u", password "wrong"; then PUBLISH of "hi" to "a/t", and to "b/t".
    server.handle_input(
        now,
        conn,
        b"\x10\x17\0\x04MQTT\x04\xc2\0\0\0\x01a\0\x01u\0\x05wrong",
    );
    server.handle_input(now, conn, b"\x30\x07\0\x03a/thi\x30\x07\0\x03b/thi");

    let mut elsewhere: Vec<Ticket> = Vec::new();
    loop {
        while let Some(ticket) = server.poll_question() {
            let Some(question) = server.question(ticket) else {
                continue;
            };
            println!("{} asks: {:?}", question.client_id, question.asked);
            match decide(&question) {
                Some(decision) => server.handle_decision(now, ticket, decision),
                None => elsewhere.push(ticket),
            }
        }
        // The directory has answered. What the client sent meanwhile has waited.
        let Some(ticket) = elsewhere.pop() else { break };
        server.handle_decision(now, ticket, Decision::Allow);
    }
    println!("{:?}", server.broker().question_counts());
    while let Some(event) = server.poll_event() {
        println!("{event:?}");
    }
    Ok(())
}
