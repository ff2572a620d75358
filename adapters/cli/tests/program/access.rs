//! Who may come to `mqtt broker`, and do what.

use crate::{
    directory::Directory,
    process::{Broker, Process, error, run, run_with_input},
};

/// A file of passwords: each user's is the name, twice.
fn passwords(directory: &Directory, users: &[&str]) -> String {
    let file = directory.path("passwords");
    for user in users {
        let password = format!("{user}{user}");
        let output = run_with_input(&["passwd", &file, user, "--password-stdin"], password.as_bytes());
        assert_eq!(error(&output), "");
    }
    file
}

/// Runs a client, and gives its exit status.
fn status(broker: &Broker, args: &[&str]) -> i32 {
    let (command, rest) = args.split_first().unwrap();
    let port = broker.port();
    let args = [&[*command, "-h", "127.0.0.1", "-p", &port], rest].concat();
    run(&args).status.code().unwrap()
}

#[test]
fn with_passwords_nobody_else_comes_in() {
    let directory = Directory::new();
    let file = passwords(&directory, &["ann", "bob"]);
    let broker = Broker::with(&["--password-file", &file]);
    for (user, password, expected) in [
        (Some("ann"), Some("annann"), [0, 0]),
        (Some("bob"), Some("bobbob"), [0, 0]),
        (Some("ann"), Some("bobbob"), [4, 0x86]),
        (Some("ann"), Some(""), [4, 0x86]),
        (Some("ann"), None, [4, 0x86]),
        (Some("eve"), Some("annann"), [4, 0x86]),
        (None, None, [5, 0x87]),
    ] {
        for (version, expected) in ["311", "5"].iter().zip(expected) {
            let mut args = vec!["pub", "-V", version, "-t", "a", "-m", "x"];
            args.extend(user.iter().flat_map(|user| ["-u", user]));
            args.extend(password.iter().flat_map(|password| ["-P", password]));
            assert_eq!(
                status(&broker, &args),
                expected,
                "{user:?} {password:?} {version}"
            );
        }
    }
}

#[test]
fn a_client_that_is_refused_is_logged_with_its_address() {
    let broker = Broker::with(&["--anonymous", "false"]);
    assert_eq!(status(&broker, &["pub", "-t", "a", "-m", "x"]), 5);
    let line = broker.process.err.wait_for_part("refused");
    for part in ["WARN", "address=127.0.0.1:", "code=Not authorized (0x87)"] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn anonymous_clients_may_be_let_in_beside_users_but_not_with_a_wrong_name() {
    let directory = Directory::new();
    let file = passwords(&directory, &["ann"]);
    let broker = Broker::with(&["--password-file", &file, "--anonymous", "true"]);
    assert_eq!(status(&broker, &["pub", "-t", "a", "-m", "x"]), 0);
    assert_eq!(
        status(&broker, &["pub", "-t", "a", "-m", "x", "-u", "ann", "-P", "ann"]),
        4
    );
    let closed = Broker::with(&["--anonymous", "false"]);
    assert_eq!(
        status(
            &closed,
            &["pub", "-t", "a", "-m", "x", "-u", "ann", "-P", "annann"]
        ),
        5
    );
}

#[test]
fn rules_say_who_may_publish_and_subscribe_where() {
    let directory = Directory::new();
    let file = passwords(&directory, &["ann"]);
    let rules = directory.file(
        "rules",
        "deny everyone both a/secret\nallow users both from/%u/#\nallow everyone subscribe a/#\nallow client lamp publish a/lamp\n",
    );
    let broker = Broker::with(&[
        "--password-file",
        &file,
        "--anonymous",
        "true",
        "--access-rules",
        &rules,
    ]);
    let ann = &["-u", "ann", "-P", "annann"][..];
    for (topic, client, expected) in [
        ("from/ann/x", ann, 0),
        ("from/bob/x", ann, 0x87),
        ("from/ann/x", &[], 0x87),
        ("a/lamp", &["-i", "lamp"], 0),
        ("a/lamp", &["-i", "other"], 0x87),
        ("a/secret", ann, 0x87),
    ] {
        for qos in ["1", "2"] {
            let args = [&["pub", "-V", "5", "-q", qos, "-m", "x", "-t", topic], client].concat();
            assert_eq!(status(&broker, &args), expected, "{args:?}");
        }
    }
    for (filter, refused) in [
        ("a/lamp", false),
        ("a/+/x", false),
        ("a/#", true),
        ("#", true),
        ("a/secret", true),
        ("from/ann/#", true),
    ] {
        let port = broker.port();
        let args = [
            "sub",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-V",
            "5",
            "-E",
            "-t",
            filter,
        ];
        let output = run(&args);
        let said = match refused {
            true => format!("mqtt sub: subscription to '{filter}' refused: Not authorized (0x87)\n"),
            false => String::new(),
        };
        assert_eq!(error(&output), said);
    }
    // A will is a publish.
    for (topic, expected) in [("a/lamp", 0), ("a/secret", 0x87)] {
        let args = [
            "pub",
            "-V",
            "5",
            "-i",
            "lamp",
            "-t",
            "a/lamp",
            "-m",
            "x",
            "--will-topic",
            topic,
        ];
        assert_eq!(status(&broker, &args), expected, "will to {topic}");
    }
}

#[test]
fn a_hangup_reads_passwords_and_rules_again_or_keeps_what_was_good() {
    let directory = Directory::new();
    let file = passwords(&directory, &["ann"]);
    let rules = directory.file("rules", "allow everyone both a\n");
    let broker = Broker::with(&[
        "--log-level",
        "info",
        "--password-file",
        &file,
        "--access-rules",
        &rules,
    ]);
    let publish = |user: &str, topic: &str| {
        let password = format!("{user}{user}");
        status(
            &broker,
            &[
                "pub", "-V", "5", "-q", "1", "-t", topic, "-m", "x", "-u", user, "-P", &password,
            ],
        )
    };
    assert_eq!(
        [publish("ann", "a"), publish("ann", "b"), publish("bob", "a")],
        [0, 0x87, 0x86]
    );
    passwords(&directory, &["bob"]);
    directory.file("rules", "allow everyone both b\n");
    assert_eq!(
        [publish("ann", "b"), publish("bob", "a")],
        [0x87, 0x86],
        "not read yet"
    );
    broker.process.signal("HUP");
    broker.process.err.wait_for_part("read again");
    assert_eq!(
        [publish("ann", "a"), publish("ann", "b"), publish("bob", "b")],
        [0x87, 0, 0]
    );
    directory.file("rules", "allow nobody both b\n");
    broker.process.signal("HUP");
    let line = broker.process.err.wait_for_part("rules:1: 'nobody' is nobody");
    assert!(line.contains("WARN"), "{line}");
    assert_eq!([publish("ann", "a"), publish("ann", "b")], [0x87, 0]);
}

#[test]
fn what_is_wrong_with_a_file_is_said_before_anything_is_served() {
    let directory = Directory::new();
    let wrong = directory.file("wrong", "\nann:secret\n");
    let nowhere = directory.path("nowhere");
    for (args, said) in [
        (
            ["--password-file", &wrong],
            format!("{wrong}:2: user 'ann': the hash does not begin with '$': make it with `mqtt passwd`"),
        ),
        (
            ["--access-rules", &wrong],
            format!("{wrong}:2: 'ann:secret' is neither `allow` nor `deny`"),
        ),
        (
            ["--access-rules", &nowhere],
            format!("{nowhere}: No such file or directory (os error 2)"),
        ),
    ] {
        let output = run(&["broker", "--listen", "127.0.0.1:0", args[0], args[1]]);
        assert_eq!(
            (output.status.code(), error(&output)),
            (Some(1), format!("mqtt broker: {said}\n"))
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn listeners_have_policies_of_their_own() {
    let directory = Directory::new();
    let file = passwords(&directory, &["ann"]);
    let config = directory.file(
        "config.toml",
        &format!(
            "[[listener]]\ntcp = \"127.0.0.1:0\"\npassword_file = \"{file}\"\n[[listener]]\ntcp = \"127.0.0.1:0\"\n"
        ),
    );
    let broker = Process::start(&["broker", "--config", &config]);
    let statuses = [(); 2].map(|()| {
        let line = broker.out.next().unwrap();
        let url = format!("mqtt://{}/t", line.strip_prefix("listening on ").unwrap());
        run(&["pub", "--url", &url, "-m", "x"]).status.code()
    });
    assert_eq!(statuses, [Some(5), Some(0)]);
}

#[test]
fn rules_that_changed_while_the_broker_was_away_hold_for_sessions_that_were_kept() {
    let directory = Directory::new();
    let data = directory.path("data");
    let rules = directory.file("rules", "allow everyone both a\n");
    let args = ["--data", &data, "--access-rules", &rules];
    // What PUBACK says to a publisher: somebody is subscribed, or nobody (0x10).
    let puback = |broker: &Broker| {
        let port = broker.port();
        let output = run(&[
            "pub",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-V",
            "5",
            "-q",
            "1",
            "-t",
            "a",
            "-m",
            "x",
            "-d",
        ]);
        let said = error(&output);
        let line = said.lines().find(|line| line.starts_with("<- PUBACK")).unwrap();
        line.contains("code=0x10")
    };
    let mut broker = Broker::with(&args);
    Process::subscriber(&broker, &["-c", "-i", "me", "-q", "1", "-t", "a"]).kill();
    assert!(!puback(&broker), "the session is kept");
    broker.process.kill();
    let mut broker = Broker::with(&args);
    assert!(!puback(&broker), "and outlives the process");
    broker.process.kill();
    directory.file("rules", "allow everyone publish a\n");
    let broker = Broker::with(&args);
    assert!(puback(&broker), "its subscription is not allowed any more");
}
