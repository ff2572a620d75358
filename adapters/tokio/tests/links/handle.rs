//! The spawned form.

use core::time::Duration;

use mqtt_proto::{Properties, QoS, ReasonCode};
use mqtt_session::{
    Refused,
    client::{ClosedBy, OwnedEvent, OwnedOutcome},
};
use mqtt_tokio::{HandleError, OperationError, TaskConfig, spawn};
use tokio::time::timeout;

use crate::pipes;

const PATIENCE: Duration = Duration::from_secs(30);
const QOS_1: QoS = QoS::AtLeastOnce;

const fn narrow() -> TaskConfig {
    let mut config = TaskConfig::DEFAULT;
    config.commands = 1;
    config.events = 1;
    config
}

#[tokio::test]
async fn each_operation_is_a_future_of_its_own_end() {
    let address = pipes::running_server();
    let (handle, mut events, task) = spawn(
        pipes::connected(address.connect(64), "ops").await,
        TaskConfig::DEFAULT,
    );
    let subscribed = handle
        .subscribe(&[pipes::filter("a")], Properties::EMPTY)
        .await
        .unwrap()
        .await;
    assert!(
        matches!(subscribed, Ok(OwnedOutcome::Subscribed { codes, .. }) if codes == [ReasonCode::GRANTED_QOS_2])
    );
    let mut operations = Vec::new();
    for qos in QoS::ALL {
        operations.push(
            handle
                .publish(&pipes::message("a", qos), &b"hi"[..])
                .await
                .unwrap(),
        );
    }
    for (operation, qos) in operations.into_iter().zip(QoS::ALL) {
        match (qos, operation.await.unwrap()) {
            (QoS::AtMostOnce, OwnedOutcome::Written) => {}
            (QoS::AtLeastOnce | QoS::ExactlyOnce, OwnedOutcome::Acknowledged { code, .. }) => {
                assert_eq!(code, ReasonCode::SUCCESS);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(events.next().await, Some(OwnedEvent::Message(message)) if message.qos == qos));
    }
    assert!(matches!(
        handle.ping().await.unwrap().await,
        Ok(OwnedOutcome::Ponged { .. })
    ));
    let gone = handle
        .unsubscribe(&[pipes::unfilter("a")], Properties::EMPTY)
        .await
        .unwrap()
        .await;
    assert!(matches!(gone, Ok(OwnedOutcome::Unsubscribed { .. })));

    let none = handle.subscribe(&[], Properties::EMPTY).await;
    assert!(matches!(none, Err(HandleError::Refused(Refused::Invalid(_)))));

    handle.disconnect().await.unwrap();
    assert!(matches!(events.next().await, Some(OwnedEvent::Closed(closed)) if closed.by == ClosedBy::Client));
    assert_eq!(events.next().await, None);
    task.await.unwrap();
    assert!(matches!(handle.ping().await, Err(HandleError::Stopped)));
    assert!(matches!(
        handle.try_publish(&pipes::message("a", QOS_1), ""),
        Err(HandleError::Stopped)
    ));
}

#[tokio::test]
async fn publishing_from_the_task_that_takes_events_never_dead_locks() {
    const COUNT: usize = 1_000;
    let address = pipes::running_server();
    let (handle, mut events, _task) = spawn(pipes::connected(address.connect(256), "loop").await, narrow());
    handle
        .subscribe(&[pipes::filter("a")], Properties::EMPTY)
        .await
        .unwrap()
        .await
        .unwrap();
    // Each message that comes is answered by another one, from this very task, with channels that hold one thing each.
    let work = async {
        for _ in 0..8 {
            drop(
                handle
                    .publish(&pipes::message("a", QOS_1), &[0; 100][..])
                    .await
                    .unwrap(),
            );
        }
        for _ in 0..COUNT {
            match events.next().await {
                Some(OwnedEvent::Message(_)) => {}
                other => panic!("{other:?}"),
            }
            drop(
                handle
                    .publish(&pipes::message("a", QOS_1), &[0; 100][..])
                    .await
                    .unwrap(),
            );
        }
    };
    timeout(PATIENCE, work).await.unwrap();
}

#[tokio::test]
async fn while_nobody_takes_events_commands_and_writing_go_on_and_the_link_stays() {
    let address = pipes::running_server();
    let mut other = pipes::connected(address.connect(4096), "other").await;
    let token = other
        .subscribe(&[pipes::filter("out")], Properties::EMPTY)
        .unwrap();
    pipes::completed(&mut other, token).await;

    let (handle, mut events, _task) = spawn(pipes::connected(address.connect(4096), "full").await, narrow());
    handle
        .subscribe(&[pipes::filter("in")], Properties::EMPTY)
        .await
        .unwrap()
        .await
        .unwrap();
    for n in 0..20 {
        let token = other.publish(&pipes::message("in", QOS_1), &[n][..]).unwrap();
        pipes::completed(&mut other, token).await;
    }
    // Its events are full by now; what it publishes still goes out.
    for n in 0..20 {
        drop(
            handle
                .publish(&pipes::message("out", QoS::AtMostOnce), vec![n])
                .await
                .unwrap(),
        );
        match timeout(PATIENCE, other.next()).await.unwrap().unwrap() {
            mqtt_session::Event::Message(message) => assert_eq!(message.payload, [n]),
            other => panic!("{other:?}"),
        }
    }
    // And nothing that came was lost.
    for n in 0..20 {
        match timeout(PATIENCE, events.next()).await.unwrap() {
            Some(OwnedEvent::Message(message)) => assert_eq!(message.payload[..], [n]),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn dropping_the_last_handle_finishes_what_is_under_way_and_ends_in_order() {
    let address = pipes::running_server();
    let mut other = pipes::connected(address.connect(4096), "other").await;
    let token = other
        .subscribe(&[pipes::filter("last")], Properties::EMPTY)
        .unwrap();
    pipes::completed(&mut other, token).await;

    let (handle, events, task) = spawn(
        pipes::connected(address.connect(16), "leaver").await,
        TaskConfig::DEFAULT,
    );
    for qos in QoS::ALL {
        drop(
            handle
                .publish(&pipes::message("last", qos), &b"words"[..])
                .await
                .unwrap(),
        );
    }
    drop((handle.clone(), handle, events));
    let (client, error) = timeout(PATIENCE, task).await.unwrap().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
    assert!(!client.is_connected());
    for _ in QoS::ALL {
        assert!(matches!(
            other.next().await.unwrap(),
            mqtt_session::Event::Message(_)
        ));
    }
}

#[tokio::test]
async fn a_session_and_its_operations_go_on_over_another_link() {
    let address = pipes::running_server();
    let (near, mut far) = tokio::io::duplex(4096);
    let mut client =
        mqtt_tokio::Client::new(mqtt_session::Config::DEFAULT, mqtt_session::storage::Heap::new());
    client.attach(near, &pipes::options("goes on")).unwrap();
    let (handle, mut events, task) = spawn(client, TaskConfig::DEFAULT);
    let mut operation = handle
        .publish(&pipes::message("a", QoS::ExactlyOnce), &b"once"[..])
        .await
        .unwrap();
    let request = handle
        .subscribe(&[pipes::filter("a")], Properties::EMPTY)
        .await
        .unwrap();
    // There was no CONNACK, and there will be none.
    assert_eq!(request.await, Err(OperationError::Refused(Refused::NotConnected)));
    tokio::io::AsyncReadExt::read_u8(&mut far).await.unwrap();
    drop(far);
    assert!(
        matches!(events.next().await, Some(OwnedEvent::Closed(closed)) if closed.by == ClosedBy::Transport)
    );
    let (mut client, error) = timeout(PATIENCE, task).await.unwrap().unwrap();
    assert_ne!(
        error.kind(),
        std::io::ErrorKind::NotConnected,
        "the transport's error is told"
    );
    assert!(
        timeout(Duration::from_millis(10), &mut operation).await.is_err(),
        "it has not ended"
    );

    client
        .attach(address.connect(64), &pipes::options("goes on"))
        .unwrap();
    let (_handle, _events, _task) = spawn(client, TaskConfig::DEFAULT);
    assert!(matches!(
        timeout(PATIENCE, operation).await.unwrap(),
        Ok(OwnedOutcome::Acknowledged { .. })
    ));
}

#[tokio::test]
async fn a_dropped_receiver_of_events_stops_nothing() {
    let address = pipes::running_server();
    let (handle, events, _task) = spawn(pipes::connected(address.connect(256), "deaf").await, narrow());
    drop(events);
    handle
        .subscribe(&[pipes::filter("a")], Properties::EMPTY)
        .await
        .unwrap()
        .await
        .unwrap();
    for _ in 0..50 {
        handle
            .publish(&pipes::message("a", QoS::ExactlyOnce), "x")
            .await
            .unwrap()
            .await
            .unwrap();
    }
}
