//! Every row of `conformance/spec/mqtt-errors.tsv`: what one packet can show is refused with the right statement, reason code
//! and place; the other rows are listed with the reason why one packet cannot show them.

mod cases;

use cases::{CASES, Case, NOT_SHOWN};
use mqtt_proto::{Packet, PacketType, ReasonCode, Sender, Statement, Version, frame_len};

/// One row of the table.
struct Row<'t> {
    id: &'t str,
    action_311: &'t str,
    code_5: &'t str,
    reference: &'t str,
}

fn rows(table: &str) -> Vec<Row<'_>> {
    table
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [id, _, _, _, action_311, _, _, code_5, _, reference] = fields[..] else {
                panic!("{line:?} has {} fields", fields.len());
            };
            Row {
                id,
                action_311,
                code_5,
                reference,
            }
        })
        .collect()
}

fn table() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/spec/mqtt-errors.tsv");
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// `30: 0001 61` is a first byte and a body, whose length is put between; without a colon the bytes stand as they are.
/// `C3`, `C4` and `C5` at the start of the body are the name and level of CONNECT.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let hex = |text: &str| -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        assert!(digits.len() % 2 == 0, "{text:?} is half a byte short");
        digits
            .chunks(2)
            .map(|p| u8::from_str_radix(core::str::from_utf8(p).unwrap(), 16).unwrap())
            .collect()
    };
    let Some((first, body)) = text.split_once(':') else {
        return hex(text);
    };
    let body = body.trim_start();
    let body = match body.split_at_checked(2) {
        Some(("C3", rest)) => format!("0006 4D5149736470 03 {rest}"),
        Some(("C4", rest)) => format!("0004 4D515454 04 {rest}"),
        Some(("C5", rest)) => format!("0004 4D515454 05 {rest}"),
        _ => body.to_owned(),
    };
    let body = hex(&body);
    let mut packet = hex(first);
    packet.push(
        u8::try_from(body.len())
            .ok()
            .filter(|len| *len < 128)
            .expect("a short body"),
    );
    packet.extend(body);
    packet
}

/// What a statement is called in the references of the table.
fn label(statement: Statement) -> String {
    let text = statement.to_string();
    let (_, label) = text.split_once('/').unwrap();
    label.trim_start_matches("MQTT-").to_owned()
}

fn numbers(label: &str) -> Vec<u32> {
    label
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or_else(|_| panic!("{label:?}")))
        .collect()
}

/// Whether the references of a row name this statement for its version.
fn refers(reference: &str, statement: Statement) -> bool {
    let version = match statement.version() {
        Version::V5 => "5.0: ",
        Version::V311 => "3.1.1: ",
        Version::V31 => return true,
    };
    let Some(list) = reference.split("; ").find_map(|part| part.strip_prefix(version)) else {
        return false;
    };
    let label = label(statement);
    if list == "property sections of chapter 3" {
        return label.starts_with("3.");
    }
    list.split(", ").any(|item| {
        let item = item
            .trim_start_matches("sections ")
            .trim_start_matches("section ");
        match item.split_once(" to ") {
            None => item == label,
            Some((first, last)) => {
                let (first, wanted, last) = (numbers(first), numbers(&label), numbers(last));
                first.len() == wanted.len() && first <= wanted && wanted <= last
            }
        }
    })
}

fn run(case: &Case, row: &Row<'_>) {
    let Case(id, version, from, text, wanted, code, offset) = *case;
    let at = format!("{id}: {version} {from:?} {text}");
    let packet = bytes(text);
    let result = if id == "too-large" {
        frame_len(&packet, 10)
            .map(drop)
            .map_err(|e| e.for_peer(version, from))
    } else {
        Packet::decode(version, from, &packet).map(drop)
    };
    if wanted == "accept" {
        assert_eq!(result, Ok(()), "{at}");
        return;
    }
    let Err(error) = result else {
        panic!("{at}: accepted")
    };
    let (closer, wanted) = wanted
        .strip_prefix('~')
        .map_or((false, wanted), |wanted| (true, wanted));
    let statement = (wanted != "-").then(|| {
        wanted
            .parse::<Statement>()
            .unwrap_or_else(|e| panic!("{wanted}: {e}"))
    });
    assert_eq!(error.statement(), statement, "{at}: {error}");
    assert_eq!(error.reason_code(), ReasonCode(code), "{at}: {error}");
    assert_eq!(error.offset(), offset, "{at}: {error}");
    assert_eq!(
        error.packet_type(),
        PacketType::from_u8(packet[0] >> 4),
        "{at}: {error}"
    );
    assert!(
        wanted == "-" || error.to_string().ends_with(&format!("({wanted})")),
        "{at}: {error}"
    );
    if let Some(statement) = statement {
        assert_eq!(
            statement.version(),
            version,
            "{at}: a statement of the version spoken"
        );
        assert!(
            closer || refers(row.reference, statement),
            "{at}: {statement} is not in {:?}",
            row.reference
        );
    }
    if version == Version::V5 {
        assert!(
            row.code_5.contains(&format!("0x{code:02X}")),
            "{at}: 0x{code:02X} is not in {:?}",
            row.code_5
        );
    } else {
        assert_ne!(row.action_311, "not applicable", "{at}: a rule of 5.0 alone");
    }
    // In 3.x a CONNECT is refused with a return code, or with silence.
    if version == Version::V311 && error.packet_type() == Some(PacketType::Connect) {
        let answer = error.reason_code().return_code();
        match row.action_311.strip_prefix("CONNACK 0x") {
            Some(rest) => assert!(rest.starts_with(&format!("{:02}", answer.expect(&at))), "{at}"),
            // Whoever does not know the name may know that it is MQTT, and answer.
            None => assert!(answer.is_none() || id == "protocol-name", "{at}"),
        }
    }
}

#[test]
fn every_row_that_one_packet_shows_is_refused_by_name() {
    let table = table();
    let rows = rows(&table);
    let row = |id: &str| {
        rows.iter()
            .find(|row| row.id == id)
            .unwrap_or_else(|| panic!("no row {id}"))
    };
    for case in CASES {
        run(case, row(case.0));
    }
    for (id, _) in NOT_SHOWN {
        row(id);
    }
    let mut shown = 0;
    for row in &rows {
        let cases = CASES.iter().filter(|case| case.0 == row.id).count();
        let why = NOT_SHOWN.iter().find(|(id, _)| *id == row.id);
        match (cases, why) {
            (0, None) => panic!("{} has neither a case nor a reason to have none", row.id),
            (0, Some((id, why))) => println!("not shown by one packet: {id}: {why}"),
            (_, None) => shown += 1,
            (_, Some(_)) => panic!("{} has both cases and a reason to have none", row.id),
        }
    }
    println!("{shown} of {} rows covered by {} cases", rows.len(), CASES.len());
    assert_eq!(shown + NOT_SHOWN.len(), rows.len());
}

#[test]
fn a_wrong_header_nibble_is_refused_for_each_type() {
    let bodies = [
        (0x10, "C4 02 003C 0001 63", "C5 02 003C 00 0001 63"),
        (0x20, "00 00", "00 00 00"),
        (0x40, "0001", "0001"),
        (0x50, "0001", "0001"),
        (0x62, "0001", "0001"),
        (0x70, "0001", "0001"),
        (0x82, "0001 0001 61 00", "0001 00 0001 61 00"),
        (0x90, "0001 00", "0001 00 00"),
        (0xA2, "0001 0001 61", "0001 00 0001 61"),
        (0xB0, "0001", "0001 00 00"),
        (0xC0, "", ""),
        (0xD0, "", ""),
        (0xE0, "", ""),
        (0xF0, "-", "18 04 15 0001 6D"),
    ];
    for (right, body_3, body_5) in bodies {
        for first in right & 0xF0..=right | 0x0F {
            for (version, body) in [
                (Version::V31, body_3),
                (Version::V311, body_3),
                (Version::V5, body_5),
            ] {
                if body == "-" {
                    continue;
                }
                let body = if version == Version::V31 {
                    body.replace("C4", "C3")
                } else {
                    body.to_owned()
                };
                let packet = bytes(&format!("{first:02x}: {body}"));
                let result = Packet::decode(version, Sender::Any, &packet);
                // 3.1 looks at the QoS alone, and only where it means something.
                let lenient = right & 0x0F == 0 || first & 0x06 == right & 0x06;
                let fine = first == right || version == Version::V31 && lenient;
                let at = format!("{version} {first:02x}: {result:?}");
                assert_eq!(result.is_ok(), fine, "{at}");
                if let Err(error) = result {
                    assert_eq!(
                        (error.reason_code(), error.offset()),
                        (ReasonCode::MALFORMED_PACKET, 0),
                        "{at}"
                    );
                }
            }
        }
    }
}
