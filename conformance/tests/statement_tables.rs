//! The compiled tables of statements are those of `spec/*.tsv`.
//!
//! They are generated: `UPDATE=1 cargo test -p mqtt-conformance --test statement_tables` writes them anew.

use core::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use mqtt_proto::{Statement, Version};

struct Row {
    version: &'static str,
    numbered: bool,
    path: Vec<u8>,
    last: u8,
    label: String,
    text: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn table(name: &str) -> Vec<Vec<String>> {
    let path = folder().join("spec").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines()
        .skip(1)
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

fn number(part: &str) -> u8 {
    if part == "A" {
        10
    } else {
        part.parse().expect("a small number")
    }
}

/// Every name of every version, in the order of `Statement`.
fn rows() -> Vec<Row> {
    let sections = table("sections.tsv");
    let mut rows = Vec::new();
    for (version, statements) in [
        ("3.1", Some("rules-3.1.tsv")),
        ("3.1.1", Some("mqtt-3.1.1.tsv")),
        ("5", Some("mqtt-5.0.tsv")),
    ] {
        let mut part = Vec::new();
        for line in sections.iter().filter(|line| line[0] == version) {
            let mut path: Vec<u8> = line[1].split('.').map(number).collect();
            let last = path.pop().expect("a section has a number");
            part.push(Row {
                version,
                numbered: false,
                path,
                last,
                label: format!("{version}/{}", line[1]),
                text: line[2].clone(),
            });
        }
        for line in statements.map(table).unwrap_or_default() {
            let label = if version == "3.1" {
                Some(line[0].as_str())
            } else {
                line[0].strip_prefix("MQTT-")
            };
            let (path, last) = label
                .and_then(|label| label.rsplit_once('-'))
                .expect("MQTT-a.b.c-n, or a.b-n");
            part.push(Row {
                version,
                numbered: true,
                path: path.split('.').map(number).collect(),
                last: number(last),
                label: format!("{version}/{}", line[0]),
                text: line[4].clone(),
            });
        }
        part.sort_by_key(|row| (row.numbered, row.path.clone(), row.last));
        rows.extend(part);
    }
    rows
}

fn render_table(rows: &[Row]) -> String {
    let mut out = String::from(
        "//! Generated from `conformance/spec` by `conformance/tests/statement_tables.rs`: do not edit.\n\n\
         use crate::Version::{self, V5, V31, V311};\n\n\
         /// Names that differ in their last number alone, which runs from `first` to `last`.\n\
         pub(super) struct Run {\n    \
             pub(super) version: Version,\n    \
             pub(super) numbered: bool,\n    \
             pub(super) path: [u8; 4],\n    \
             pub(super) first: u8,\n    \
             pub(super) last: u8,\n\
         }\n\n\
         /// Sections `a.b.c.d` from `.first` to `.last`.\n\
         const fn sections(version: Version, path: [u8; 4], first: u8, last: u8) -> Run {\n    \
             Run { version, numbered: false, path, first, last }\n\
         }\n\n\
         /// Statements `MQTT-a.b.c` from `-first` to `-last`; of MQTT 3.1 the rules of section a.b, with c = 0.\n\
         const fn numbered(version: Version, a: u8, b: u8, c: u8, first: u8, last: u8) -> Run {\n    \
             Run { version, numbered: true, path: [a, b, c, 0], first, last }\n\
         }\n\n\
         /// Every name there is, in the order of `Statement`.\n\
         #[rustfmt::skip]\n\
         pub(super) static RUNS: &[Run] = &[\n",
    );
    let mut rest = rows;
    while let Some(start) = rest.first() {
        let mut len = 1;
        while rest.get(len).is_some_and(|row| {
            row.version == start.version
                && row.numbered == start.numbered
                && row.path == start.path
                && usize::from(row.last) == usize::from(start.last) + len
        }) {
            len += 1;
        }
        let version = format!("V{}", start.version.replace('.', ""));
        let (first, last) = (start.last, rest[len - 1].last);
        let mut path = start.path.clone();
        if start.numbered {
            if start.version == "3.1" {
                path.resize(3, 0);
            }
            let [a, b, c] = path[..] else {
                panic!("{} has not three numbers", start.label)
            };
            let _ = writeln!(out, "    numbered({version}, {a}, {b}, {c}, {first}, {last}),");
        } else {
            path.resize(4, 0);
            let _ = writeln!(out, "    sections({version}, {path:?}, {first}, {last}),");
        }
        rest = &rest[len..];
    }
    out.push_str("];\n");
    out
}

fn render_texts(rows: &[Row], version: &str) -> String {
    let mut out = String::from(
        "//! Generated from `conformance/spec` by `conformance/tests/statement_tables.rs`: do not edit.\n\n\
         #[rustfmt::skip]\n\
         pub(super) static TEXTS: &[&str] = &[\n",
    );
    for row in rows.iter().filter(|row| row.version == version) {
        let _ = writeln!(out, "    {:?},", row.text);
    }
    out.push_str("];\n");
    out
}

fn is_current(file: &str, wanted: &str) {
    let path = folder().join("../mqtt-proto/src/statement").join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, wanted).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    let present = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    // Two formattings of the same tokens are the same table.
    let tokens = |text: &str| text.replace([' ', '\n', ','], "");
    assert!(
        tokens(&present) == tokens(wanted),
        "{file} is not what spec/*.tsv says; run with UPDATE=1"
    );
}

#[test]
fn the_compiled_tables_are_those_of_the_spec_folder() {
    let rows = rows();
    is_current("table.rs", &render_table(&rows));
    for (version, file) in [
        ("3.1", "texts/v31.rs"),
        ("3.1.1", "texts/v311.rs"),
        ("5", "texts/v5.rs"),
    ] {
        is_current(file, &render_texts(&rows, version));
    }
}

#[test]
fn every_row_of_the_spec_folder_is_a_statement_with_its_text() {
    let rows = rows();
    let all: Vec<Statement> = Statement::all().collect();
    assert_eq!(all.len(), rows.len());
    for (statement, row) in all.iter().zip(&rows) {
        assert_eq!(statement.to_string(), row.label);
        assert_eq!(statement.text(), row.text);
        assert_eq!(statement.is_numbered(), row.numbered);
    }
    let numbered = |version| {
        all.iter()
            .filter(|s| s.is_numbered() && s.version() == version)
            .count()
    };
    assert_eq!(
        [Version::V31, Version::V311, Version::V5].map(numbered),
        ["rules-3.1.tsv", "mqtt-3.1.1.tsv", "mqtt-5.0.tsv"].map(|name| table(name).len())
    );
}

/// The references of the error table, `3.1.1: 2.3.1-1; 5.0: 2.2.1-3, section 2.4`, all have a name.
#[test]
fn every_reference_of_the_error_table_can_be_named() {
    let mut named = 0;
    for row in table("mqtt-errors.tsv") {
        for part in row[9].split(';') {
            let (version, list) = part.split_once(':').expect("version: references");
            let version = if version.trim() == "5.0" {
                "5"
            } else {
                version.trim()
            };
            for word in list
                .split([' ', ','])
                .filter(|w| w.contains(|c: char| c.is_ascii_digit()))
            {
                if word == "3" && list.contains("chapter 3") {
                    continue;
                }
                let kind = if word.contains('-') { "MQTT-" } else { "" };
                let label = format!("{version}/{kind}{word}");
                assert!(label.parse::<Statement>().is_ok(), "{}: {label}", row[0]);
                named += 1;
            }
        }
    }
    assert!(named > 200, "only {named}");
}
