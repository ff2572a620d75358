use super::*;
use crate::fields::resolve;
use crate::trace::parse_packet;

/// Whether a packet, itself written in the notation, is the one expected.
fn compare(
    expected: &str,
    found: &str,
    version: Version,
    bindings: &mut Bindings,
) -> Result<(), Vec<String>> {
    let pattern = parse_packet(expected).unwrap_or_else(|e| panic!("{e}"));
    let found = resolve(
        &parse_packet(found).unwrap_or_else(|e| panic!("{e}")),
        version,
        &Bindings::new(),
    )
    .unwrap();
    let found = found.with_packet(version, Fields::of).unwrap();
    matches(&pattern, &found, version, bindings).map_err(|all| all.iter().map(ToString::to_string).collect())
}

fn fits(expected: &str, found: &str) -> Result<(), Vec<String>> {
    compare(expected, found, Version::V5, &mut Bindings::new())
}

#[test]
fn a_packet_fits_when_each_field_does() {
    let publish = r#"PUBLISH topic="a" qos=1 id=7 message_expiry_interval=58 payload="xxx""#;
    for expected in [
        publish,
        r#"PUBLISH topic="a" qos=1|2 id=* message_expiry_interval=50..60 payload="x"*3"#,
        r#"PUBLISH topic="a" qos=1 id=$m dup=0 message_expiry_interval=* payload=x"787878""#,
        "PUBLISH ..",
        "PUBLISH id=6..8 !content_type ..",
    ] {
        assert_eq!(fits(expected, publish), Ok(()), "{expected}");
    }
    for (expected, why) in [
        ("PUBACK ..", "expected PUBACK, found PUBLISH"),
        ("PUBLISH qos=0 ..", "qos: expected 0, found 1"),
        ("PUBLISH qos=0|2 ..", "qos: expected 0|2, found 1"),
        ("PUBLISH id=8..9 ..", "id: expected 8..9, found 7"),
        (
            "PUBLISH payload=\"x\"*4 ..",
            "payload: expected \"x\"*4, found \"xxx\"",
        ),
        (
            "PUBLISH !message_expiry_interval ..",
            "message_expiry_interval: expected absent, found 58",
        ),
        (
            "PUBLISH content_type=\"t\" ..",
            "content_type: expected 1 of them, found 0",
        ),
        (
            r#"PUBLISH topic="a" qos=1 id=7 payload="xxx""#,
            "message_expiry_interval: expected absent, found 58",
        ),
        (
            r#"PUBLISH topic="a" id=7 message_expiry_interval=58 payload="xxx""#,
            "qos: expected 0, found 1",
        ),
    ] {
        assert_eq!(fits(expected, publish), Err(vec![why.to_owned()]), "{expected}");
    }
}

#[test]
fn a_field_left_out_means_its_default_whether_written_or_not() {
    assert_eq!(
        fits("CONNACK", "CONNACK receive_maximum=65535 retain_available=1"),
        Ok(())
    );
    assert_eq!(fits("CONNACK receive_maximum=65535", "CONNACK"), Ok(()));
    assert_eq!(
        fits("CONNACK", "CONNACK receive_maximum=9"),
        Err(vec!["receive_maximum: expected 65535, found 9".to_owned()])
    );
    assert_eq!(
        fits("CONNACK !receive_maximum", "CONNACK receive_maximum=65535"),
        Err(vec!["receive_maximum: expected absent, found 65535".to_owned()])
    );
}

#[test]
fn what_a_version_does_not_have_does_not_count() {
    for (expected, found) in [
        ("DISCONNECT code=4", "DISCONNECT"),
        ("UNSUBACK id=1 codes=[0]", "UNSUBACK id=1"),
        (
            "CONNACK session_present=0 code=0 assigned_client_identifier=\"x\"",
            "CONNACK",
        ),
    ] {
        assert_eq!(
            compare(expected, found, Version::V311, &mut Bindings::new()),
            Ok(())
        );
        assert!(fits(expected, found).is_err());
    }
}

#[test]
fn a_capture_is_bound_once_and_compared_afterwards() {
    let mut bindings = Bindings::new();
    let mut compare = |expected: &str, found: &str| compare(expected, found, Version::V5, &mut bindings);
    assert_eq!(compare("PUBACK id=$m", "PUBACK id=7"), Ok(()));
    assert_eq!(compare("PUBACK id=$m", "PUBACK id=7"), Ok(()));
    assert_eq!(
        compare("PUBACK id=$m", "PUBACK id=8"),
        Err(vec!["id: expected $m, which is 7, found 8".to_owned()])
    );
    // What does not fit binds nothing.
    assert!(compare("PUBACK id=$n code=0x80", "PUBACK id=8").is_err());
    assert_eq!(compare("PUBACK id=$n", "PUBACK id=9"), Ok(()));
    assert_eq!(bindings["n"], Val::Int(9));
}

#[test]
fn user_properties_keep_their_order_and_subscription_identifiers_need_not() {
    let user = |a: &str, b: &str| {
        format!("PUBLISH topic=\"t\" user_property=(\"{a}\" \"\") user_property=(\"{b}\" \"\")")
    };
    assert_eq!(fits(&user("a", "b"), &user("a", "b")), Ok(()));
    assert!(fits(&user("b", "a"), &user("a", "b")).is_err());
    let ids = |a: &str, b: &str| {
        format!("PUBLISH topic=\"t\" subscription_identifier={a} subscription_identifier={b}")
    };
    assert_eq!(fits(&ids("2", "1"), &ids("1", "2")), Ok(()));
    assert!(fits(&ids("2", "2"), &ids("1", "2")).is_err());
    assert!(fits("PUBLISH topic=\"t\" subscription_identifier=1", &ids("1", "2")).is_err());
}

#[test]
fn groups_and_lists_are_compared_inside() {
    let subscribe = r#"SUBSCRIBE id=1 filters=[{"a" qos=1} {"b" qos=2 no_local=1}]"#;
    assert_eq!(
        fits(
            r#"SUBSCRIBE id=1 filters=[{"a" qos=1..2} {"b" qos=* no_local=1}]"#,
            subscribe
        ),
        Ok(())
    );
    for (expected, why) in [
        (
            r#"SUBSCRIBE id=1 filters=[{"a" qos=1}]"#,
            "filters: expected 1 of them, found 2",
        ),
        (
            r#"SUBSCRIBE id=1 filters=[{"a" qos=1} {"c"}]"#,
            "filters[1]: expected \"c\", found \"b\"",
        ),
        (
            r#"SUBSCRIBE id=1 filters=[{"a" qos=1} {"b" qos=2}]"#,
            "filters[1].no_local: expected 0, found 1",
        ),
    ] {
        assert_eq!(fits(expected, subscribe), Err(vec![why.to_owned()]), "{expected}");
    }
    let connect = r#"CONNECT client_id="c" will={topic="w" qos=1 will_delay_interval=5 payload="p"}"#;
    assert_eq!(
        fits(
            r#"CONNECT client_id="c" will={topic="w" qos=$q will_delay_interval=* payload="p"}"#,
            connect
        ),
        Ok(())
    );
    assert_eq!(
        fits(
            r#"CONNECT client_id="c" will={topic="w" qos=1 payload="p"}"#,
            connect
        ),
        Err(vec!["will.will_delay_interval: expected 0, found 5".to_owned()])
    );
    assert_eq!(
        fits(
            "SUBACK id=1 codes=[0|1 0x80..0xff *]",
            "SUBACK id=1 codes=[1 0x87 2]"
        ),
        Ok(())
    );
}
