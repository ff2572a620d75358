//! Payloads that the machine never holds.

use mqtt_proto::QoS;
use mqtt_session::{Config, Event, Payload, storage::Heap};
use mqtt_tokio::Client;

use crate::pipes;

#[tokio::test]
async fn an_external_payload_is_read_from_its_source_again_after_a_cut_and_without_one_ends_the_connection() {
    const LEN: u32 = 100_000;
    let address = pipes::running_server();
    let mut config = Config::DEFAULT;
    config.receive_buffer = LEN + 64;
    let mut watcher = Client::new(config, Heap::new());
    watcher
        .attach(address.connect(4096), &pipes::options("watcher"))
        .unwrap();
    assert!(matches!(watcher.next().await.unwrap(), Event::Connected(_)));
    let token = watcher
        .subscribe(&[pipes::filter("flash")], mqtt_proto::Properties::EMPTY)
        .unwrap();
    pipes::completed(&mut watcher, token).await;

    // The first link takes CONNECT and a part of the message, and answers nothing but CONNACK.
    let (here, mut there) = tokio::io::duplex(4096);
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    client.set_payload_source(|_, offset, room| {
        for (at, place) in (offset..).zip(room.iter_mut()) {
            *place = (at % 251) as u8;
        }
        Ok(room.len())
    });
    client.attach(here, &pipes::options("device")).unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut there, &[0x20, 2, 0, 0])
        .await
        .unwrap();
    assert!(matches!(client.next().await.unwrap(), Event::Connected(_)));
    let flash = pipes::message("flash", QoS::ExactlyOnce);
    let token = client.publish(&flash, Payload::External(LEN)).unwrap();
    let cut = async {
        let mut room = [0; 20_000];
        tokio::io::AsyncReadExt::read_exact(&mut there, &mut room)
            .await
            .unwrap();
        drop(there);
    };
    let (event, ()) = tokio::join!(client.next(), cut);
    assert!(matches!(event.unwrap(), Event::Closed(_)));
    let mut options = pipes::options("device");
    client.attach(address.connect(4096), &options).unwrap();
    // The broker knows of no session: the message ends, which is told, and is published anew.
    let mut lost = false;
    while !lost {
        lost = matches!(client.next().await.unwrap(), Event::Aborted { token: of, .. } if of == token);
    }
    let token = client.publish(&flash, Payload::External(LEN)).unwrap();
    let (message, ()) = tokio::join!(watcher.next(), pipes::completed(&mut client, token));
    match message.unwrap() {
        Event::Message(message) => {
            let right = |(at, byte): (usize, &u8)| *byte == (at % 251) as u8;
            assert!(message.payload.len() == LEN as usize && message.payload.iter().enumerate().all(right));
        }
        other => panic!("{other:?}"),
    }

    options.client_id = "nothing to give";
    let mut client = Client::new(Config::DEFAULT, Heap::new());
    client.attach(address.connect(4096), &options).unwrap();
    client.publish(&flash, Payload::External(1)).unwrap();
    loop {
        match client.next().await {
            Ok(Event::Connected(_) | Event::Closed(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break assert_eq!(error.kind(), std::io::ErrorKind::Unsupported),
        }
    }
}
