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
