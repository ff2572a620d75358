//! The system has no room for another connection. By itself in its process: nothing else may open files meanwhile.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests wait for real sockets"
)]

use core::time::Duration;
use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
};

use mqtt_session::server::ServerConfig;
use rustix::process::{Resource, getrlimit, setrlimit};

const CONNECT: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00";
const CONNACK: &[u8] = b"\x20\x02\x00\x00";

fn expect(client: &mut TcpStream, expected: &[u8]) {
    let mut room = [0; 4];
    let room = &mut room[..expected.len()];
    client.read_exact(room).unwrap();
    assert_eq!(room, expected);
}

#[test]
fn without_files_nobody_is_accepted_and_those_who_are_there_are_served() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let (started, ends) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let (stop, run) = mqtt_tokio::serve(ServerConfig::default(), [listener], |_| ());
            started.send(stop).unwrap();
            run.await
        })
    });
    let stop = ends.recv().unwrap();
    let mut first = TcpStream::connect(address).unwrap();
    first.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    first.write_all(CONNECT).unwrap();
    expect(&mut first, CONNACK);

    // One file is left, which the second client takes for itself.
    let limit = getrlimit(Resource::Nofile);
    let spare = std::fs::File::open("/dev/null").unwrap();
    let mut lowered = limit;
    lowered.current = Some(std::os::fd::AsRawFd::as_raw_fd(&spare) as u64 + 1);
    setrlimit(Resource::Nofile, lowered).unwrap();
    drop(spare);
    let mut second = TcpStream::connect(address).unwrap();
    second.write_all(CONNECT).unwrap();
    second.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let nothing = second.read(&mut [0; 4]).unwrap_err();
    assert!(
        matches!(nothing.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{nothing}"
    );
    for _ in 0..5 {
        first.write_all(b"\xc0\x00").unwrap();
        expect(&mut first, b"\xd0\x00");
    }

    setrlimit(Resource::Nofile, limit).unwrap();
    second.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    expect(&mut second, CONNACK);
    stop.stop();
    expect(&mut first, b"");
    server.join().unwrap().unwrap();
}
