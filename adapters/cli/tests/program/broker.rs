//! `mqtt broker`.

use crate::process::{Broker, Process, error, run};

#[test]
fn it_says_where_it_listens_and_serves_on_every_listener() {
    let process = Process::start(&["broker", "--listen", "127.0.0.1:0", "--listen", "localhost:0"]);
    let addresses = [(); 2].map(|()| {
        let line = process.out.next().unwrap();
        line.strip_prefix("listening on ").unwrap().to_string()
    });
    assert!(
        !addresses.iter().any(|address| address.ends_with(":0")),
        "{addresses:?}"
    );
    let [one, two] = addresses.map(|address| format!("mqtt://{address}/t"));
    let mut sub = Process::start(&["sub", "--url", &one, "-d", "-C", "1"]);
    sub.err.wait_for("<- SUBACK");
    crate::process::succeed(&["pub", "--url", &two, "-m", "from one to the other"]);
    assert_eq!(sub.out.drain(), ["from one to the other"]);
    assert_eq!(sub.status(), 0);
}

#[test]
fn an_interrupt_is_an_orderly_end_even_with_clients() {
    for signal in ["INT", "TERM"] {
        let mut broker = Broker::start();
        let mut sub = Process::subscriber(&broker, &["-t", "a"]);
        broker.process.signal(signal);
        assert_eq!(broker.process.status(), 0, "{signal}");
        assert_eq!(sub.status(), 1, "its server is gone");
    }
}

#[test]
fn an_address_that_is_taken_is_said() {
    let broker = Broker::start();
    let output = run(&["broker", "--listen", &broker.address]);
    assert_eq!(output.status.code(), Some(1));
    let said = error(&output);
    assert!(
        said.starts_with(&format!("mqtt broker: cannot listen on {}: ", broker.address)),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn clients_are_told_that_the_broker_stops() {
    let mut broker = Broker::start();
    let subs =
        ["mqttv5", "mqttv311"].map(|version| Process::subscriber(&broker, &["-V", version, "-t", "a"]));
    broker.process.signal("TERM");
    let told = subs.map(|mut sub| {
        let told = sub
            .err
            .drain()
            .into_iter()
            .find(|line| line.contains("DISCONNECT"));
        sub.status();
        told
    });
    let [five, old] = told;
    assert!(
        five.as_deref()
            .is_some_and(|line| line.starts_with("<- DISCONNECT code=0x8b")),
        "{five:?}"
    );
    assert_eq!(old, None, "3.1.1 has no word for it");
    assert_eq!(broker.process.status(), 0);
}

/// MQTT 3.1.1, client id "a", and what comes back.
fn connect_over_unix(path: &str) -> [u8; 4] {
    use std::io::{Read as _, Write as _};
    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    stream
        .write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a")
        .unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    connack
}

#[test]
fn a_unix_socket_is_served_and_one_that_was_left_is_replaced() {
    let directory = crate::directory::Directory::new();
    let path = directory.path("socket");
    let listen = format!("unix:{path}");
    let mut broker = Process::start(&["broker", "--listen", &listen]);
    assert_eq!(broker.out.next(), Some(format!("listening on {listen}")));
    assert_eq!(connect_over_unix(&path), [0x20, 2, 0, 0]);

    // Somebody listens there.
    let output = run(&["broker", "--listen", &listen]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error(&output).starts_with(&format!("mqtt broker: cannot listen on {listen}: ")),
        "{}",
        error(&output)
    );
    assert_eq!(connect_over_unix(&path), [0x20, 2, 0, 0]);

    broker.kill();
    assert!(std::fs::exists(&path).unwrap(), "it was killed");
    let mut broker = Process::start(&["broker", "--listen", &listen]);
    assert_eq!(broker.out.next(), Some(format!("listening on {listen}")));
    assert_eq!(connect_over_unix(&path), [0x20, 2, 0, 0]);
    broker.signal("TERM");
    assert_eq!(broker.status(), 0);
    assert!(!std::fs::exists(&path).unwrap(), "it cleared up");

    // What is no socket is nobody's to remove.
    directory.file("socket", "precious");
    let output = run(&["broker", "--listen", &listen]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(directory.read("socket"), "precious");
}

#[test]
fn what_happens_is_logged_from_a_level_on() {
    for (format, connected) in [("text", "connected"), ("json", "\"message\":\"connected\"")] {
        let broker = Broker::with(&["--log-level", "info", "--log-format", format]);
        broker.publish(&["-i", "me", "-t", "a", "-m", "x"]);
        let line = broker.process.err.wait_for_part(connected);
        for part in ["INFO", "\"me\"", "127.0.0.1:"] {
            assert!(line.contains(part), "{line}");
        }
    }
    let broker = Broker::start();
    broker.publish(&["-i", "me", "-t", "a", "-m", "x"]);
    let _sub = Process::subscriber(&broker, &["-t", "a"]);
    broker.process.signal("TERM");
    assert!(broker.process.err.drain().is_empty(), "nothing to warn of");
}

#[test]
fn a_broker_that_anybody_may_use_says_so() {
    let open = Process::start(&["broker", "--listen", "0.0.0.0:0"]);
    let warning = open
        .err
        .wait_for_part("whoever reaches this address may do everything");
    assert!(warning.contains("WARN"), "{warning}");
    let closed = Process::start(&["broker", "--listen", "0.0.0.0:0", "--anonymous", "false"]);
    closed.out.wait_for("listening on ");
    closed.signal("TERM");
    assert!(closed.err.drain().is_empty());
}

#[test]
fn what_was_acknowledged_outlives_a_broker_that_is_killed() {
    let directory = crate::directory::Directory::new();
    let data = directory.path("data");
    let mut broker = Broker::with(&["--data", &data]);
    broker.publish(&["-q", "1", "-r", "-t", "kept", "-m", "retained"]);
    let session = ["-c", "-i", "me", "-q", "2", "-t", "a"];
    Process::subscriber(&broker, &session).kill();
    broker.publish(&["-q", "2", "-t", "a", "-m", "while away"]);

    // Two on one directory would not end well.
    let output = run(&["broker", "--listen", "127.0.0.1:0", "--data", &data]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains(&data), "{}", error(&output));

    broker.process.kill();
    let broker = Broker::with(&["--data", &data]);
    assert_eq!(broker.subscribe(&["-t", "kept", "-C", "1"]), ["retained"]);
    let again = [&session[..], &["-C", "1"]].concat();
    assert_eq!(broker.subscribe(&again), ["while away"]);
}
