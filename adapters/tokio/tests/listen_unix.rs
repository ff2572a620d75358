//! Names of Unix sockets, taken and left.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, io::ErrorKind, path::PathBuf};

use mqtt_tokio::listen_unix;

/// A name that no other test has.
struct Name(PathBuf);

impl Name {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mqtt-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        Self(path)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_name_on_which_somebody_listens_is_taken() {
    let name = Name::new("taken");
    let first = listen_unix(&name.0).unwrap();
    assert_eq!(listen_unix(&name.0).unwrap_err().kind(), ErrorKind::AddrInUse);
    // And the first one is still there.
    let (client, accepted) = tokio::join!(tokio::net::UnixStream::connect(&name.0), first.accept());
    client.unwrap();
    accepted.unwrap();
}

#[tokio::test]
async fn a_name_that_a_process_has_left_is_used_again() {
    let name = Name::new("left");
    drop(listen_unix(&name.0).unwrap());
    assert!(name.0.exists());
    listen_unix(&name.0).unwrap();
}

#[tokio::test]
async fn a_file_of_another_kind_is_not_touched() {
    let name = Name::new("file");
    fs::write(&name.0, "not a socket").unwrap();
    assert_eq!(listen_unix(&name.0).unwrap_err().kind(), ErrorKind::AddrInUse);
    assert_eq!(fs::read(&name.0).unwrap(), b"not a socket");
}
