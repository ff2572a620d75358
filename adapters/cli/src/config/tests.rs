use mqtt_proto::QoS;
use mqtt_session::server::{ClientLimits, Limits, Offer};

use super::*;

/// Names of the fields of a struct, as its `Debug` shows them.
fn fields(debug: &str) -> Vec<String> {
    debug
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| !line.starts_with([' ', '}', ']', ')']))
        .map(|line| line.split(':').next().unwrap().to_string())
        .collect()
}

fn names<T>(keys: &[&[key::Key<T>]]) -> Vec<&'static str> {
    keys.iter().copied().flatten().map(|key| key.name).collect()
}

/// Each field has a key, or a reason why it has none.
#[test]
fn whatever_the_server_can_be_told_stands_in_the_configuration() {
    let tables = [
        (
            fields(&format!("{:#?}", ServerConfig::default())),
            names(&[server::KEYS, server::SYS]),
            // From the system; `data`; tables of their own.
            &["seed", "durable", "offers", "limits"][..],
        ),
        (
            fields(&format!("{:#?}", Limits::default())),
            names(&[server::LIMITS]),
            &[],
        ),
        (
            fields(&format!("{:#?}", Offer::DEFAULT)),
            names(&[listener::OFFER]),
            // What the rules need; keys `pool` and `sees_sys`, and a table of its own.
            &["asks", "grant"],
        ),
        (
            fields(&format!("{:#?}", ClientLimits::DEFAULT)),
            names(&[listener::LIMITS]),
            // Two keys.
            &["rate"],
        ),
    ];
    for (fields, keys, elsewhere) in tables {
        assert!(fields.len() > 3, "{fields:?}");
        for field in fields {
            assert!(
                keys.contains(&&*field) != elsewhere.contains(&&*field),
                "{field}: {keys:?}"
            );
        }
    }
}

#[test]
fn what_is_printed_reads_back_to_the_same() {
    let mut other = Settings::default();
    other.server.queue_qos_0_while_away = true;
    other.server.drop_policy = mqtt_session::server::DropPolicy::Oldest;
    other.server.limits.connections = 7;
    other.log.format = LogFormat::Json;
    other.server.sys_interval = None;
    other.data = Some("/data".into());
    let mut unix = Listener {
        address: Some(ListenAddress::Unix("/run/\"mqtt\" \\ é".into())),
        anonymous: Some(true),
        password_file: Some("pass words".into()),
        access_rules: Some("rules".into()),
        offer: Offer::DEFAULT,
    };
    unix.offer.maximum_qos = QoS::AtMostOnce;
    unix.offer.keep_alive_max = Some(30);
    unix.offer.connect_timeout = core::time::Duration::from_millis(2_500);
    unix.offer.grant.pool.0 = 3;
    unix.offer.grant.limits.rate.messages = Some(mqtt_session::server::Bucket {
        per_second: 1,
        burst: 2,
    });
    other.listeners.push(unix);
    for settings in [Settings::default(), other] {
        let printed = settings.print();
        let again = read::read(&printed).unwrap();
        assert_eq!(again.print(), printed);
        // Who may come is said in what is printed, whether it was said before or not.
        let mut settings = settings;
        for listener in &mut settings.listeners {
            listener.anonymous = Some(listener.allows_anonymous());
        }
        assert_eq!(again, settings);
    }
}

/// Keys that have no value are printed behind a '#' with one that they could have.
#[test]
fn the_examples_in_the_sample_are_right() {
    let sample = Settings::default().print();
    let (comment, code): (Vec<_>, Vec<_>) = sample
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(" = "))
        .partition(|(_, line)| line.starts_with('#'));
    assert!(comment.len() > 5 && code.len() > 30, "{sample}");
    for (number, example) in comment {
        if example.starts_with("#unix") {
            continue; // There is one address already.
        }
        let mut lines: Vec<_> = sample.lines().collect();
        lines[number] = &example[1..];
        let changed = read::read(&lines.join("\n")).unwrap();
        assert_ne!(changed, read::read(&sample).unwrap(), "{example}");
        assert!(
            changed.print().lines().any(|line| line == &example[1..]),
            "{example}"
        );
    }
}

#[test]
fn what_is_left_out_is_as_by_default() {
    assert_eq!(read::read("").unwrap(), Settings::default());
    let settings = read::read("[[listener]]\ntcp = \"127.0.0.1:1883\"\n[log]\nlevel = \"warn\"").unwrap();
    assert_eq!(settings, Settings::default());
}

#[test]
fn each_listener_has_its_own() {
    let settings = read::read(
        "[[listener]]\ntcp = \"0.0.0.0:1883\"\npassword_file = \"p\"\n[[listener]]\nunix = \"s\"\nmaximum_qos = 1\n\
         limits.queue_messages = 5\n",
    )
    .unwrap();
    let [one, two] = &settings.listeners[..] else {
        panic!("{settings:?}")
    };
    assert!(!one.allows_anonymous() && two.allows_anonymous());
    assert_eq!(
        (one.offer.maximum_qos, two.offer.maximum_qos),
        (QoS::ExactlyOnce, QoS::AtLeastOnce)
    );
    assert_eq!(two.offer.grant.limits.queue_messages, 5);
    assert_eq!(one.offer.grant.limits, ClientLimits::DEFAULT);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, said) in [
        ("x", "1:2: key with no value, expected `=`"),
        ("\n  mox = 1", "2:3: unknown key 'mox'"),
        ("[limts]", "1:2: unknown key 'limts': is it 'limits'?"),
        (
            "drop_policy = 1",
            "1:15: drop_policy: expected \"newest\" or \"oldest\" or \"disconnect\", not 1",
        ),
        (
            "drop_policy = \"old\"",
            "1:15: drop_policy: expected \"newest\" or \"oldest\" or \"disconnect\", not \"old\"",
        ),
        (
            "[limits]\nconections = 1",
            "2:1: unknown key 'conections': is it 'connections'?",
        ),
        (
            "[limits]\nconnections = -1",
            "2:15: connections: expected a whole number from 0 on, not -1",
        ),
        ("limits = 3", "1:10: expected a table, [limits], not 3"),
        (
            "[listener]\ntcp = \"a:1\"",
            "1:1: a listener is written [[listener]], with two brackets",
        ),
        (
            "listener = []",
            "1:12: no listener: without this key there is one",
        ),
        (
            "[[listener]]\nmaximum_qos = 1",
            "1:1: a listener needs `tcp` or `unix`",
        ),
        ("[[listener]]\ntcp = \"a\"", "2:7: tcp: no port: give HOST:PORT"),
        (
            "[[listener]]\ntcp = \"a:1\"\nunix = \"b\"",
            "3:8: unix: a listener has one address: `tcp` or `unix`",
        ),
        (
            "[[listener]]\ntcp = \"a:1\"\nmaximum_qos = 3",
            "3:15: maximum_qos: expected 0, 1 or 2, not 3",
        ),
        (
            "[[listener]]\ntcp = \"a:1\"\nreceive_maximum = 65536",
            "3:19: receive_maximum: expected a whole number from 0 to 65535, not 65536",
        ),
        (
            "[[listener]]\ntcp = \"a:1\"\nconnect_timeout = -1.5",
            "3:19: connect_timeout: expected a number of seconds, not -1.5",
        ),
        (
            "[[listener]]\ntcp = \"a:1\"\nretain_available = \"é\"",
            "3:20: retain_available: expected true or false, not \"é\"",
        ),
        (
            "[[listener]]\ntcp = \"a:1\"\npassword_file = \"\"",
            "3:17: password_file: expected a path, not \"\"",
        ),
        (
            "[[listener]]\ntcp = \"a:1\"\nlimits.rate_bytes = 3",
            "3:21: rate_bytes: expected { per_second = NUMBER, burst = NUMBER }, not 3",
        ),
        (
            "[[listener]]\ntcp = \"a:1\"\nqueue_messages = 3",
            "3:1: unknown key 'queue_messages'",
        ),
        ("a = 1\na = 2", "2:1: duplicate key"),
    ] {
        let error = read::read(text).unwrap_err();
        assert!(error.starts_with(said), "{text}\n  {error}\n  {said}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn the_guide_has_the_whole_sample() {
    let guide = include_str!("../../../../docs/broker.md");
    let (_, sample) = guide.split_once("```toml\n").unwrap();
    let (sample, _) = sample.split_once("```").unwrap();
    assert_eq!(
        sample,
        Settings::default().print(),
        "put what --print-config prints into docs/broker.md"
    );
}
