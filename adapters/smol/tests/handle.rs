//! The spawned form on the executor of smol.
#![allow(clippy::unwrap_used, reason = "tests")]

use adapter_suite::{Broker, options, subscription, topic};
use mqtt_proto::{Properties, QoS, Version};
use mqtt_session::{
    Config, Publish,
    client::{OwnedEvent, OwnedOutcome},
    storage::Heap,
};
use mqtt_smol::{Client, TaskConfig, connect_tcp};

#[test]
fn a_handle_publishes_what_its_events_bring_back_and_ends_with_the_last_copy() {
    let broker = Broker::start();
    smol::block_on(async {
        let mut client: Client = Client::new(Config::DEFAULT, Heap::new());
        client
            .attach(
                connect_tcp(broker.address()).await.unwrap(),
                &options(Version::V5, "smol"),
            )
            .unwrap();
        let (handle, mut events, task) = client.into_task(TaskConfig::DEFAULT);
        let task = smol::spawn(task);
        assert!(matches!(events.next().await, Some(OwnedEvent::Connected(_))));
        let filters = [subscription("a/#", QoS::ExactlyOnce)];
        let subscribed = handle
            .subscribe(&filters, Properties::EMPTY)
            .await
            .unwrap()
            .await
            .unwrap();
        assert!(matches!(subscribed, OwnedOutcome::Subscribed { .. }));
        for qos in QoS::ALL {
            let operation = handle
                .publish(&Publish::new(topic("a/b"), qos), "hello")
                .await
                .unwrap();
            operation.await.unwrap();
            match events.next().await {
                Some(OwnedEvent::Message(message)) => {
                    assert_eq!((&message.payload[..], message.qos), (&b"hello"[..], qos))
                }
                other => panic!("{other:?}"),
            }
        }
        drop(handle);
        assert!(matches!(events.next().await, Some(OwnedEvent::Closed(_))));
        let (client, _) = task.await;
        assert!(!client.is_connected());
    });
}
