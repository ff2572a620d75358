//! Enhanced authentication through a handle, and what a handle can ask of its client.

use mqtt_proto::{
    Packet, Properties, Property, QoS, ReasonCode, Sender, Version,
    packet::{Auth, ConnAck, Connect},
};
use mqtt_session::{
    Config, Refused,
    client::{OwnedEvent, OwnedOutcome},
    storage::Heap,
};
use mqtt_tokio::{Client, HandleError, TaskConfig, spawn};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::pipes;

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len(Version::V5).unwrap()];
    packet.encode(Version::V5, &mut bytes).unwrap();
    bytes
}

/// A step of the server's.
fn auth(code: ReasonCode, data: &[u8]) -> Vec<u8> {
    let properties = [
        Property::AuthenticationMethod("echo"),
        Property::AuthenticationData(data),
    ];
    encode(&Packet::Auth(Auth {
        code,
        properties: Properties::new(&properties),
    }))
}

/// The next packet of the client's, which is an AUTH: its code, method and data.
async fn heard(server: &mut DuplexStream) -> (ReasonCode, String, Vec<u8>) {
    let mut bytes = vec![0; 2];
    server.read_exact(&mut bytes).await.unwrap();
    let at = bytes.len();
    bytes.resize(at + usize::from(bytes[1]), 0);
    server.read_exact(&mut bytes[at..]).await.unwrap();
    match Packet::decode(Version::V5, Sender::Client, &bytes).unwrap() {
        Packet::Auth(auth) => (
            auth.code,
            auth.properties.authentication_method().unwrap().into(),
            auth.properties.authentication_data().unwrap_or_default().into(),
        ),
        other => panic!("{other} instead of AUTH"),
    }
}

#[tokio::test]
async fn a_handle_answers_each_step_of_an_authentication_and_begins_another() {
    let (here, mut server) = tokio::io::duplex(4096);
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    let method = [Property::AuthenticationMethod("echo")];
    let options = Connect {
        properties: Properties::new(&method),
        ..Connect::new(Version::V5, "who")
    };
    client.attach(here, &options).unwrap();
    let (handle, mut events, _task) = spawn(client, TaskConfig::DEFAULT);
    let early = handle.authenticate(Properties::EMPTY).await;
    assert_eq!(early, Err(HandleError::Refused(Refused::OutOfTurn)));

    let mut connect = [0; 64];
    assert!(server.read(&mut connect).await.unwrap() > 0);
    server
        .write_all(&auth(ReasonCode::CONTINUE_AUTHENTICATION, b"1"))
        .await
        .unwrap();
    async fn answer(events: &mut mqtt_tokio::Events, handle: &mqtt_tokio::Handle) {
        match events.next().await {
            Some(OwnedEvent::Authenticate(step)) => {
                let data = step.properties.view().authentication_data().unwrap().to_vec();
                let properties = [
                    Property::AuthenticationData(&data),
                    Property::UserProperty("a", "b"),
                ];
                handle.authenticate(Properties::new(&properties)).await.unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    answer(&mut events, &handle).await;
    let echoed = (ReasonCode::CONTINUE_AUTHENTICATION, "echo".into(), b"1".to_vec());
    assert_eq!(heard(&mut server).await, echoed);
    let connack = ConnAck {
        session_present: false,
        code: ReasonCode::SUCCESS,
        properties: Properties::new(&method),
    };
    server
        .write_all(&encode(&Packet::ConnAck(connack)))
        .await
        .unwrap();
    assert!(matches!(events.next().await, Some(OwnedEvent::Connected(_))));

    let operation = handle.reauthenticate(Properties::EMPTY).await.unwrap();
    let begun = (ReasonCode::RE_AUTHENTICATE, "echo".into(), Vec::new());
    assert_eq!(heard(&mut server).await, begun);
    server
        .write_all(&auth(ReasonCode::CONTINUE_AUTHENTICATION, b"2"))
        .await
        .unwrap();
    answer(&mut events, &handle).await;
    assert_eq!(heard(&mut server).await.2, b"2");
    server.write_all(&auth(ReasonCode::SUCCESS, b"")).await.unwrap();
    assert!(matches!(operation.await, Ok(OwnedOutcome::Authenticated { .. })));

    // What a handle can ask.
    let message = pipes::message("a", QoS::AtLeastOnce);
    let operation = handle.publish(&message, "waits").await.unwrap();
    assert!(server.read(&mut connect).await.unwrap() > 0);
    let outbox = handle.outbox().await.unwrap();
    assert_eq!((outbox.queued, outbox.in_flight), (0, 1));
    server.write_all(&[0x40, 2, 0, 1]).await.unwrap();
    operation.await.unwrap();
    let counters = handle.counters().await.unwrap().unwrap();
    assert_eq!(counters.packets_out(mqtt_proto::PacketType::Auth), 3);
    assert_eq!(counters.packets_in(mqtt_proto::PacketType::PubAck), 1);
}
