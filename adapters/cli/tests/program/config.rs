//! The configuration of `mqtt broker`.

use crate::{
    directory::Directory,
    process::{Process, error, run, succeed},
};

fn printed(args: &[&str]) -> String {
    let output = run(&[&["broker", "--print-config"], args].concat());
    assert_eq!((output.status.code(), &*error(&output)), (Some(0), ""));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_printed_is_a_configuration_and_prints_the_same() {
    let directory = Directory::new();
    let file = directory.file(
        "config.toml",
        "drop_policy = \"oldest\"\n[[listener]]\ntcp = \"[::1]:7\"\nmaximum_qos = 1\n[[listener]]\nunix = \"/a b\"\n\
         password_file = \"p\"\n[listener.limits]\nqueue_messages = 9\n",
    );
    for args in [&[][..], &["--config", &file]] {
        let first = printed(args);
        let again = directory.file("again.toml", &first);
        assert_eq!(printed(&["--config", &again]), first);
    }
    let text = printed(&["--config", &file]);
    for line in [
        "drop_policy = \"oldest\"",
        "tcp = \"[::1]:7\"",
        "maximum_qos = 1",
        "unix = \"/a b\"",
        "anonymous = false",
        "queue_messages = 9",
    ] {
        assert_eq!(
            text.lines().filter(|&other| other == line).count(),
            1,
            "{line}\n{text}"
        );
    }
}

#[test]
fn options_win_over_the_file() {
    let directory = Directory::new();
    let file = directory.file(
        "config.toml",
        "[log]\nlevel = \"error\"\n[[listener]]\ntcp = \"127.0.0.1:7\"\nmaximum_qos = 1\n[[listener]]\ntcp = \"127.0.0.1:8\"\n",
    );
    let text = printed(&[
        "--config",
        &file,
        "--listen",
        "127.0.0.1:9",
        "--log-level",
        "debug",
    ]);
    for (line, times) in [
        ("tcp = \"127.0.0.1:9\"", 1),
        ("tcp = \"127.0.0.1:7\"", 0),
        ("tcp = \"127.0.0.1:8\"", 0),
        ("maximum_qos = 1", 1),
        ("level = \"debug\"", 1),
    ] {
        assert_eq!(
            text.lines().filter(|&other| other == line).count(),
            times,
            "{line}\n{text}"
        );
    }
}

#[test]
fn what_is_wrong_in_the_file_is_said_with_its_place() {
    let directory = Directory::new();
    for (text, said) in [
        (
            "[limits]\nconections = 1\n",
            "2:1: unknown key 'conections': is it 'connections'?",
        ),
        (
            "drop_policy = 3\n",
            "1:15: drop_policy: expected \"newest\" or \"oldest\" or \"disconnect\", not 3",
        ),
        (
            "[[listener]]\ntcp = \"1883\"\n",
            "2:7: tcp: no port: give HOST:PORT",
        ),
    ] {
        let file = directory.file("config.toml", text);
        let output = run(&["broker", "--config", &file]);
        assert_eq!(
            (output.status.code(), error(&output)),
            (Some(1), format!("mqtt broker: {file}:{said}\n"))
        );
        assert!(output.stdout.is_empty());
    }
    let nowhere = directory.path("nowhere");
    let output = run(&["broker", "--config", &nowhere]);
    assert_eq!(
        error(&output),
        format!("mqtt broker: cannot read {nowhere}: No such file or directory (os error 2)\n")
    );
}

#[test]
fn each_listener_offers_its_own() {
    let directory = Directory::new();
    let file = directory.file(
        "config.toml",
        "[[listener]]\ntcp = \"127.0.0.1:0\"\nmaximum_qos = 1\nreceive_maximum = 7\n[[listener]]\ntcp = \"127.0.0.1:0\"\n\
         retain_available = false\n",
    );
    let broker = Process::start(&["broker", "--config", &file]);
    let urls = [(); 2].map(|()| {
        let line = broker.out.next().unwrap();
        format!("mqtt://{}/t", line.strip_prefix("listening on ").unwrap())
    });
    let mut connacks = urls.clone().map(|url| {
        let mut sub = Process::start(&["sub", "--url", &url, "-V", "5", "-d", "-C", "1"]);
        let connack = sub.err.wait_for("<- CONNACK");
        sub.kill();
        connack
    });
    connacks.iter_mut().for_each(|line| line.push(' '));
    let [one, two] = connacks;
    assert!(
        one.contains(" receive_maximum=7 ") && one.contains(" maximum_qos=1 "),
        "{one}"
    );
    assert!(!one.contains(" retain_available"), "{one}");
    assert!(
        two.contains(" retain_available=0 ") && !two.contains(" maximum_qos"),
        "{two}"
    );
    succeed(&["pub", "--url", &urls[1], "-m", "x", "-q", "2"]);
}
