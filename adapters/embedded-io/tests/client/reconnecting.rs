//! The loop of the documentation, over links that cannot be opened, are cut, and hold.
#![allow(clippy::wildcard_enum_match_arm, reason = "any other event is a failure")]

use core::{cell::RefCell, time::Duration};
use std::vec::Vec;

use mqtt_proto::{QoS, Version};
use mqtt_session::{
    Client, Event,
    client::Outcome,
    reconnect::{Because, Policy, Reconnect, StopBecause},
    storage::Fixed,
};

use crate::{config, keep_connected::keep_connected, options, publish, world::World};

#[test]
fn a_session_goes_on_over_connections_that_fail_and_are_lost_until_the_application_wants_no_more() {
    let world = World::new();
    let mut session = Client::new(config(), Fixed::<4, 512>::new());
    let token = session
        .publish(world.now(), &publish("a", QoS::ExactlyOnce), b"once")
        .unwrap();
    let mut reconnect = Reconnect::new(Policy::DEFAULT, 7);
    let (mut rx, mut tx) = ([0; 256], [0; 64]);
    let (attempts, told) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let link = RefCell::new(None);
    let because = world.run(keep_connected(
        &mut session,
        &mut reconnect,
        (&mut rx, &mut tx),
        &mut world.delay(),
        &|| world.now(),
        async |attempt| {
            let mut attempts = attempts.borrow_mut();
            attempts.push((attempt.number, attempt.because, world.now()));
            match attempts.len() {
                1 => None,
                _ => {
                    let end = world.dial(256, 256);
                    *link.borrow_mut() = Some(end.clone());
                    Some((end.clone(), end))
                }
            }
        },
        &options(Version::V5, false),
        |event| {
            let mut told = told.borrow_mut();
            match event {
                Event::Connected(connected) => {
                    told.push(if connected.session_present {
                        "resumed"
                    } else {
                        "new"
                    });
                    if !connected.session_present {
                        link.borrow().as_ref().unwrap().cut();
                    }
                }
                Event::Closed(_) => told.push("closed"),
                Event::Completed { token: of, outcome } => {
                    assert_eq!(of, token);
                    assert!(matches!(outcome, Outcome::Acknowledged { code, .. } if !code.is_failure()));
                    told.push("completed");
                    return false;
                }
                other => panic!("{other:?}"),
            }
            true
        },
    ));
    assert_eq!(because, StopBecause::Asked);
    assert_eq!(
        told.into_inner(),
        ["new", "closed", "resumed", "completed", "closed"]
    );
    let attempts = attempts.into_inner();
    assert_eq!((attempts.len(), attempts[0].1), (3, Because::Started));
    for (one, next) in attempts.iter().zip(&attempts[1..]) {
        assert_eq!(next.0, one.0 + 1);
        assert!(matches!(next.1, Because::Ended { code: None, .. }));
        assert!(next.2 >= one.2 + Duration::from_secs(1), "no loop without rest");
    }
}
