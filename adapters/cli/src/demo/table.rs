//! What happened, as a table, and whether it is right.

use core::time::Duration;
use std::io::{self, Write};

use mqtt_proto::{QoS, Version};

use super::{
    cast::{CAST, MESSAGES, Part},
    player::Player,
    wire::Seen,
};

/// One client at one QoS.
#[derive(Clone, Debug)]
pub(super) struct Row {
    client: &'static str,
    adapter: &'static str,
    version: Version,
    qos: QoS,
    sent: u32,
    sent_again: u32,
    received: u32,
    came_again: u32,
    twice: u32,
    disordered: u32,
    lost: u32,
    /// Of the client, so the same in its three rows.
    link: Link,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    wanted_cuts: u32,
    cuts: u32,
    in_the_middle: u32,
    connections: u32,
    resumed: u32,
}

/// Each message goes to everybody, its sender too.
const EXPECTED: u32 = MESSAGES * CAST.len() as u32;

pub(super) fn rows(part: &Part, player: &Player, seen: &Seen) -> [Row; 3] {
    QoS::ALL.map(|qos| Row {
        client: part.client_id,
        adapter: part.adapter.name(),
        version: part.version,
        qos,
        sent: player.sent(qos),
        sent_again: seen.sent_again[qos as usize],
        received: player.received(qos),
        came_again: seen.came_again[qos as usize],
        twice: player.received_twice(qos),
        disordered: player.disordered(qos),
        lost: EXPECTED.saturating_sub(player.received(qos)),
        link: Link {
            wanted_cuts: u32::from(part.cut.is_some()),
            cuts: seen.cuts,
            in_the_middle: seen.in_the_middle,
            connections: seen.connections,
            resumed: player.resumed,
        },
    })
}

pub(super) fn print(out: &mut impl Write, rows: &[Row], took: Duration) -> io::Result<()> {
    writeln!(
        out,
        "{} clients over one broker; each sends {MESSAGES} messages at each QoS to everybody.",
        CAST.len()
    )?;
    writeln!(out)?;
    writeln!(
        out,
        "client  adapter      MQTT   QoS   sent  again (DUP)   received  again (DUP)   told twice  lost"
    )?;
    for row in rows {
        writeln!(
            out,
            "{:<7} {:<12} {:<5} {:>4} {:>6} {:>12} {:>10} {:>12} {:>12} {:>5}",
            row.client,
            row.adapter,
            row.version.to_string(),
            row.qos as u8,
            row.sent,
            row.sent_again,
            row.received,
            row.came_again,
            row.twice,
            row.lost,
        )?;
    }
    writeln!(out)?;
    for row in rows
        .iter()
        .filter(|row| row.qos == QoS::ExactlyOnce && row.link.cuts > 0)
    {
        writeln!(
            out,
            "The link of {} was cut with {} QoS 2 messages between PUBLISH and PUBREC; it went on with its session on \
             connection {}.",
            row.client, row.link.in_the_middle, row.link.connections
        )?;
    }
    let sum = |of: fn(&Row) -> u32| rows.iter().map(of).sum::<u32>();
    writeln!(
        out,
        "{} sent, {} received, {} sent again, {} lost, in {:.2} s.",
        sum(|row| row.sent),
        sum(|row| row.received),
        sum(|row| row.sent_again + row.came_again),
        sum(|row| row.lost),
        took.as_secs_f64()
    )
}

/// Everything that is not as it should be.
pub(super) fn complaints(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .flat_map(|row| {
            wrong(row)
                .into_iter()
                .map(|what| format!("{} at QoS {}: {what}", row.client, row.qos as u8))
        })
        .collect()
}

fn wrong(row: &Row) -> Vec<&'static str> {
    let link = &row.link;
    let is_cut = link.wanted_cuts > 0;
    // What was under way at QoS 1 when the link was cut may come twice; that is what QoS 1 means.
    let twice_is_wrong = row.qos != QoS::AtLeastOnce || !is_cut;
    let repeated = row.sent_again + row.came_again;
    [
        (
            row.sent != MESSAGES,
            "not all messages were sent and acknowledged",
        ),
        (row.lost > 0, "messages were lost"),
        (row.received > EXPECTED, "messages came that nobody sent"),
        (row.twice > 0 && twice_is_wrong, "messages were told twice"),
        (row.disordered > 0, "messages came out of order"),
        (
            row.qos == QoS::AtMostOnce && repeated > 0,
            "messages were repeated",
        ),
        (
            !is_cut && repeated > 0,
            "messages were repeated on a link that was not cut",
        ),
        (
            row.qos == QoS::ExactlyOnce && is_cut && repeated == 0,
            "nothing was repeated after the cut",
        ),
        (link.cuts != link.wanted_cuts, "the link was not cut as planned"),
        (
            is_cut && link.in_the_middle == 0,
            "the cut was not in the middle of an exchange",
        ),
        (
            link.connections != link.cuts + 1,
            "not one connection more than cuts",
        ),
        (link.resumed != link.cuts, "the session was not resumed"),
    ]
    .into_iter()
    .filter_map(|(wrong, what)| wrong.then_some(what))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(qos: QoS, cut: bool) -> Row {
        let cuts = u32::from(cut);
        let repeated = if cut && qos == QoS::ExactlyOnce { 3 } else { 0 };
        Row {
            client: "demo-x",
            adapter: "tokio",
            version: Version::V5,
            qos,
            sent: MESSAGES,
            sent_again: repeated,
            received: EXPECTED,
            came_again: 0,
            twice: 0,
            disordered: 0,
            lost: 0,
            link: Link {
                wanted_cuts: cuts,
                cuts,
                in_the_middle: 3 * cuts,
                connections: 1 + cuts,
                resumed: cuts,
            },
        }
    }

    #[test]
    fn a_table_without_fault_has_no_complaint() {
        for cut in [false, true] {
            let rows = QoS::ALL.map(|qos| good(qos, cut));
            assert_eq!(complaints(&rows), Vec::<String>::new());
        }
    }

    #[test]
    fn every_fault_is_a_complaint() {
        let spoil: [fn(&mut Row); 10] = [
            |row| row.sent -= 1,
            |row| row.lost = 1,
            |row| row.received += 1,
            |row| row.twice = 1,
            |row| row.disordered = 1,
            |row| row.sent_again = 0,
            |row| row.link.cuts = 0,
            |row| row.link.in_the_middle = 0,
            |row| row.link.connections = 3,
            |row| row.link.resumed = 0,
        ];
        for (n, spoil) in spoil.into_iter().enumerate() {
            let mut row = good(QoS::ExactlyOnce, true);
            spoil(&mut row);
            assert!(!complaints(&[row]).is_empty(), "{n}");
        }
        let mut unasked = good(QoS::AtLeastOnce, false);
        unasked.came_again = 1;
        assert_eq!(complaints(&[unasked]).len(), 1);
    }

    #[test]
    fn the_table_shows_every_row() {
        let mut out = Vec::new();
        let rows = QoS::ALL.map(|qos| good(qos, true));
        print(&mut out, &rows, Duration::from_millis(1500)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().filter(|line| line.starts_with("demo-x")).count(), 3);
        assert!(
            text.contains("cut with 3 QoS 2 messages") && text.ends_with("0 lost, in 1.50 s.\n"),
            "{text}"
        );
    }
}
