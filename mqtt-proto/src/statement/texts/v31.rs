//! Generated from `conformance/spec` by `conformance/tests/statement_tables.rs`: do not edit.

#[rustfmt::skip]
pub(super) static TEXTS: &[&str] = &[
    "Topic wildcards",
    "Fixed header",
    "Variable header",
    "Payload",
    "Message identifiers",
    "MQTT and UTF-8",
    "Unused bits",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "Quality of Service levels and flows",
    "Message delivery retry",
    "Message ordering",
];
