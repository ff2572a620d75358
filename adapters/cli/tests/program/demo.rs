//! `mqtt demo`.

use crate::process::{error, run};

#[test]
fn all_adapters_and_versions_play_and_nothing_is_lost() {
    let output = run(&["demo"]);
    assert!(output.status.success(), "{}", error(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    for (adapter, version) in [
        ("std", "3.1"),
        ("tokio", "5"),
        ("smol", "3.1.1"),
        ("embedded-io", "5"),
    ] {
        let rows = table
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let rows: Vec<_> = rows
            .filter(|row| row.len() == 10 && row[1] == adapter && row[2] == version)
            .collect();
        assert_eq!(rows.len(), 3, "{adapter}\n{table}");
        for (qos, row) in rows.iter().enumerate() {
            assert_eq!(
                (row[3], row[4], row[6], row[9]),
                (&*qos.to_string(), "10", "40", "0"),
                "{table}"
            );
        }
    }
    assert_eq!(
        table.matches("QoS 2 messages between PUBLISH and PUBREC").count(),
        2,
        "{table}"
    );
}
