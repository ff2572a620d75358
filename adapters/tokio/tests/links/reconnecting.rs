//! Connecting again, in a task of its own, and from a runtime.

use core::{future::pending, time::Duration};
use std::io;

use adapter_suite::{Broker, PATIENCE, subscription, topic};
use mqtt_proto::{Properties, QoS, ReasonCode, packet::Disconnect};
use mqtt_session::{
    Config, Event, Publish, Refused,
    client::{OwnedEvent, OwnedOutcome},
    reconnect::{Policy, StopBecause},
    registry::RegistryEvent,
    storage::Heap,
};
use mqtt_tokio::{
    Attempt, Client, ConnectError, Events, News, OperationError, Options, Stop, TaskConfig,
    spawn_reconnecting, tcp,
};
use tokio::time::timeout;

fn quick() -> Policy {
    let mut policy = Policy::DEFAULT;
    policy.minimum = Duration::from_millis(1);
    policy.maximum = Duration::from_millis(20);
    policy
}

async fn wait<T>(
    events: &mut Events<News<OwnedEvent>>,
    mut pick: impl FnMut(News<OwnedEvent>) -> Option<T>,
) -> T {
    loop {
        let news = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
        if let Some(picked) = pick(news) {
            return picked;
        }
    }
}

async fn connected(events: &mut Events<News<OwnedEvent>>) {
    wait(events, |news| {
        matches!(news, News::Event(OwnedEvent::Connected(_))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_task_keeps_operations_and_subscriptions_over_a_broker_that_goes_and_one_that_comes() {
    let broker = Broker::start();
    // The one that comes listens elsewhere: it is announced.
    let (moved, server) = tokio::sync::watch::channel(broker.address());
    let client = Client::new(Config::DEFAULT, Heap::new()).reconnecting(
        quick(),
        Options::new("task"),
        move |attempt: Attempt, options| {
            let to = *server.borrow();
            async move { tcp(&to.to_string())(attempt, options).await }
        },
    );
    let (handle, mut events, task) = spawn_reconnecting(client, TaskConfig::DEFAULT);
    connected(&mut events).await;
    let request = handle
        .subscribe(&[subscription("self", QoS::ExactlyOnce)], Properties::EMPTY)
        .await
        .unwrap();
    assert!(matches!(request.await, Ok(OwnedOutcome::Subscribed { .. })));

    drop(broker);
    wait(&mut events, |news| matches!(news, News::Waiting(_)).then_some(())).await;
    let message = Publish::new(topic("self"), QoS::ExactlyOnce);
    let mut operation = handle.publish(&message, "offline").await.unwrap();
    let request = handle
        .subscribe(&[subscription("other", QoS::ExactlyOnce)], Properties::EMPTY)
        .await
        .unwrap();
    assert_eq!(request.await, Err(OperationError::Refused(Refused::NotConnected)));
    assert!(
        timeout(Duration::from_millis(20), &mut operation).await.is_err(),
        "it waits for a connection"
    );

    let broker = Broker::start();
    moved.send(broker.address()).unwrap();
    assert!(matches!(
        timeout(PATIENCE, operation).await.unwrap(),
        Ok(OwnedOutcome::Acknowledged { .. })
    ));
    let told = wait(&mut events, |news| match news {
        News::Subscriptions(RegistryEvent::Restored { restored, refused }) => Some((restored, refused)),
        _ => None,
    })
    .await;
    assert_eq!(told, (1, 0));
    let operation = handle.publish(&message, "online").await.unwrap();
    let came = wait(&mut events, |news| match news {
        News::Event(OwnedEvent::Message(message)) if message.payload == "online" => Some(message.topic),
        _ => None,
    })
    .await;
    assert_eq!(came, "self");
    operation.await.unwrap();

    // The last handle ends it in order.
    drop(handle);
    let because = wait(&mut events, |news| match news {
        News::Stopped(stopped) => Some(stopped.because),
        _ => None,
    })
    .await;
    assert_eq!(because, Stop::Policy(StopBecause::Asked));
    let client = timeout(PATIENCE, task).await.unwrap().unwrap();
    assert!(client.is_stopped());
    assert_eq!(client.held().count(), 1);
}

#[tokio::test]
async fn a_task_without_a_server_ends_when_its_last_handle_is_dropped_or_when_it_is_aborted() {
    for abort in [true, false] {
        let mut policy = Policy::DEFAULT;
        (policy.minimum, policy.maximum) = (10 * PATIENCE, 10 * PATIENCE);
        let client = Client::new(Config::DEFAULT, Heap::new()).reconnecting(
            policy,
            Options::new("nobody there"),
            |_, _| async { Err::<(tokio::net::TcpStream, Options), _>(io::ErrorKind::NotFound.into()) },
        );
        let (handle, mut events, task) = spawn_reconnecting(client, TaskConfig::DEFAULT);
        wait(&mut events, |news| matches!(news, News::Waiting(_)).then_some(())).await;
        if abort {
            handle.abort().await.unwrap();
        } else {
            drop(handle);
        }
        let client = timeout(PATIENCE, task).await.unwrap().unwrap();
        assert!(client.is_stopped());
    }
}

#[tokio::test]
async fn a_connector_that_takes_too_long_has_failed_and_may_be_given_up_meanwhile() {
    let mut config = Config::DEFAULT;
    config.connect_timeout = Duration::from_millis(30);
    let mut attempts = 0;
    let mut client: mqtt_tokio::Reconnecting<_> = Client::new(config, Heap::new()).reconnecting(
        quick(),
        Options::new("patient"),
        move |_: Attempt, _| {
            attempts += 1;
            async move {
                if attempts == 2 {
                    pending::<()>().await;
                }
                tokio::time::sleep(PATIENCE * 10).await;
                Err::<(tokio::net::TcpStream, Options), _>(io::ErrorKind::Other.into())
            }
        },
    );
    assert!(matches!(client.next().await, Some(News::Connecting(_))));
    match timeout(PATIENCE, client.next()).await.unwrap() {
        Some(News::Waiting(waiting)) => {
            let late =
                matches!(waiting.error, Some(ConnectError::Io(e)) if e.kind() == io::ErrorKind::TimedOut);
            assert!(late, "what was wrong is told");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(client.next().await, Some(News::Connecting(_))));
    let nothing = timeout(Duration::from_millis(1), client.next()).await;
    assert!(nothing.is_err());
    client.abort();
    assert!(matches!(client.next().await, Some(News::Stopped(_))));
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn a_client_that_was_connected_by_hand_goes_on_by_itself_and_back() {
    let broker = Broker::start();
    let mut client: Client = Client::new(Config::DEFAULT, Heap::new());
    let stream = mqtt_tokio::connect_tcp(broker.address()).await.unwrap();
    client.attach(stream, &crate::pipes::options("by hand")).unwrap();
    assert!(matches!(client.next().await.unwrap(), Event::Connected(_)));
    let mut client = client.reconnecting(
        quick(),
        Options::new("by hand"),
        tcp(&broker.address().to_string()),
    );
    assert!(client.is_connected());
    drop(client.detach());
    assert!(matches!(client.next().await, Some(News::Event(Event::Closed(_)))));
    loop {
        match client.next().await {
            Some(News::Event(Event::Connected(connected))) => {
                break assert!(connected.session_present);
            }
            Some(News::Stopped(stopped)) => panic!("{stopped:?}"),
            _ => {}
        }
    }
    let mut client = client.into_client();
    assert!(client.is_connected());
    let token = client.ping().unwrap();
    match client.next().await.unwrap() {
        Event::Completed { token: of, .. } => assert_eq!(of, token),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_disconnects_with_a_failure_is_not_taken_for_a_fault_that_another_attempt_could_mend() {
    let broker = Broker::start();
    let mut client = Client::new(Config::DEFAULT, Heap::new()).reconnecting(
        quick(),
        Options::new("fails"),
        tcp(&broker.address().to_string()),
    );
    let mut said = Vec::new();
    while let Some(news) = timeout(PATIENCE, client.next_owned()).await.unwrap() {
        if matches!(news, News::Event(OwnedEvent::Connected(_))) {
            client
                .disconnect(&Disconnect::new(ReasonCode::UNSPECIFIED_ERROR))
                .unwrap();
        }
        said.push(news);
    }
    assert!(
        matches!(&said[..], [.., News::Event(OwnedEvent::Closed(closed)), News::Stopped(stopped)]
            if closed.code == Some(ReasonCode::UNSPECIFIED_ERROR)
                && stopped.because == Stop::Policy(StopBecause::Asked)),
        "{said:?}"
    );
}
