//! `parse(display(p)) == p` for packets of every type, every field and every version.

use mqtt_conformance::fields::table::{Kind, Place, Spec};
use mqtt_conformance::fields::{Bindings, Fields, Val, resolve};
use mqtt_conformance::trace::parse_packet;
use mqtt_proto::{PacketType, Version};
use proptest::collection::vec;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z/ ]{0,12}",
        // What has to be escaped, and what looks like the notation's own signs.
        "[\"\\\\\n\t\r#=!{}\\[\\]()$*|.\u{1}\u{7f}\u{85}\u{202e}\u{feff}ü日]{0,8}",
        any::<String>().prop_map(|text| text.replace('\0', "")),
    ]
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        text().prop_map(String::into_bytes),
        vec(any::<u8>(), 0..20),
        (any::<u8>(), 0..80_usize).prop_map(|(byte, times)| vec![byte; times]),
    ]
}

fn topic() -> impl Strategy<Value = Val> {
    text()
        .prop_map(|text| text.replace(['+', '#'], "x"))
        .prop_map(|text| Val::text(if text.is_empty() { "t" } else { &text }))
}

fn filter() -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![
            Just("+".to_owned()),
            text().prop_map(|t| t.replace(['+', '#'], "y"))
        ],
        1..4,
    )
    .prop_map(|levels| levels.join("/"))
    .prop_map(|filter| {
        if filter.is_empty() {
            b"#".to_vec()
        } else {
            filter.into_bytes()
        }
    })
}

fn value(spec: Spec) -> BoxedStrategy<Val> {
    match spec.kind {
        Kind::Int(from, to) => prop_oneof![from..=to, Just(from), Just(to)]
            .prop_map(Val::Int)
            .boxed(),
        Kind::Text if spec.name == "topic" => topic().boxed(),
        Kind::Text => text().prop_map(|text| Val::text(&text)).boxed(),
        Kind::Data => data().prop_map(Val::Data).boxed(),
        Kind::Pair => (text(), text())
            .prop_map(|(name, value)| Val::Pair(name, value))
            .boxed(),
        Kind::Codes => vec(any::<u8>().prop_map(|code| Val::Int(code.into())), 0..4)
            .prop_map(Val::List)
            .boxed(),
        Kind::Filters => vec(filter().prop_map(Val::Data), 1..4)
            .prop_map(Val::List)
            .boxed(),
        Kind::Subscriptions => {
            let one = (filter(), list(Place::Subscription));
            vec(
                one.prop_map(|(text, list)| Val::Group {
                    text: Some(text),
                    list,
                }),
                1..4,
            )
            .prop_map(Val::List)
            .boxed()
        }
        Kind::Will => list(Place::Will)
            .prop_map(|list| Val::Group { text: None, list })
            .boxed(),
    }
}

/// Some of the fields of a place; those always, without which there is no packet.
fn list(place: Place) -> BoxedStrategy<Vec<(&'static str, Val)>> {
    place
        .all()
        .map(|spec| {
            let needed =
                matches!(spec.name, "id" | "filters") || (place == Place::Will && spec.name == "topic");
            let times = match (needed, spec.repeats) {
                (true, _) => 1..2,
                (false, false) => 0..2,
                (false, true) => 0..4,
            };
            vec(value(spec), times)
                .prop_map(move |all| all.into_iter().map(|value| (spec.name, value)).collect())
        })
        .collect::<Vec<_>>()
        .prop_map(|all: Vec<Vec<(&'static str, Val)>>| all.concat())
        .boxed()
}

fn fields() -> impl Strategy<Value = Fields> {
    proptest::sample::select(&PacketType::ALL[..]).prop_flat_map(|packet_type| {
        list(Place::Packet(packet_type)).prop_map(move |list| Fields { packet_type, list })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_printed_packet_parses_to_the_same_packet(
        fields in fields(),
        version in proptest::sample::select(&Version::ALL[..]),
        comment in any::<bool>(),
    ) {
        fields
            .with_packet(version, |packet| {
                let printed = packet.with_secrets().to_string();
                assert!(!printed.contains(char::is_control), "{printed:?}");
                // The comment is for readers of a line of a trace; a packet by itself has none.
                let full = format!("{:#}", packet.with_secrets());
                assert!(full.starts_with(&printed));
                assert!(full.len() == printed.len() || full[printed.len()..].starts_with(" # "));
                let pattern = parse_packet(if comment { &full } else { &printed }).unwrap_or_else(|e| panic!("{printed}: {e}"));
                // 5.0 has all fields; leaving out what a version lacks is for the packets of a trace.
                let again = resolve(&pattern, Version::V5, &Bindings::new()).unwrap_or_else(|e| panic!("{printed}: {e}"));
                again.with_packet(version, |again| assert_eq!(again, packet, "{printed}")).unwrap();
            })
            .unwrap();
    }

    #[test]
    fn a_printed_packet_without_its_secrets_is_refused_and_says_why(fields in fields()) {
        fields
            .with_packet(Version::V5, |packet| {
                let secret = ["password", "authentication_data"];
                let has_secret = fields.list.iter().any(|(name, _)| secret.contains(name));
                match parse_packet(&packet.to_string()) {
                    Ok(_) => assert!(!has_secret),
                    Err(e) => {
                        assert!(has_secret);
                        assert_eq!(e.token, "***");
                        assert!(e.hint.unwrap_or_default().contains("masked"));
                    }
                }
            })
            .unwrap();
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[ -~\n\u{e9}]{0,60}", packet in "(PUBLISH|CONNECT|SUBSCRIBE|-> hex|a do|event) [ -~]{0,40}") {
        let _ = parse_packet(&text);
        let _ = parse_packet(&packet);
        let _ = mqtt_conformance::trace::Trace::parse("f", &format!("title: t\ntest: pair\nversion: 5\n{packet}\n{text}"));
    }
}
