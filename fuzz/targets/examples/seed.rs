//! Writes seeds for the fuzzer from the traces of `conformance`: every packet and every stream of every trace, in each
//! of its versions; the short ones themselves; and the journals of clients that are busy.
//!
//! `cargo run -p fuzz-targets --example seed [FOLDER]`, by default into `fuzz/corpus`. Then minimise: see `fuzz/README.md`.

use core::time::Duration;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use mqtt_conformance::{
    fields::{Bindings, resolve},
    run,
    trace::{
        Line, Step, Trace,
        ast::{Direction, Item, Test, Wire},
    },
};
use mqtt_proto::{
    Properties, Property, QoS, TopicFilter, TopicName, Version,
    packet::{Connect, Subscription, SubscriptionOptions},
};
use mqtt_session::{Client, Config, Payload, Publish, record::frame, storage::Heap, testing::Net};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| root.join("fuzz/corpus"), PathBuf::from);
    let mut written = 0;
    for file in run::find(&[root.join("conformance/traces")])? {
        let trace = Trace::read(&file).map_err(io::Error::other)?;
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if trace.source.len() <= 1024 {
            let traces = folder.join("traces");
            fs::create_dir_all(&traces)?;
            fs::write(traces.join(&name), &trace.source)?;
            written += 1;
        }
        for &version in &trace.head.versions {
            written += seeds_of(&trace, &name, version, &folder)?;
        }
    }
    written += journals(&folder.join("records"))?;
    println!("{written} seeds in {}", folder.display());
    Ok(())
}

/// Journals of two clients that are busy with each other, at several moments, as they lie on the disk and as frames.
fn journals(folder: &Path) -> io::Result<usize> {
    const KEPT: &[Property<'_>] = &[Property::SessionExpiryInterval(u32::MAX)];
    const LISTED: &[Property<'_>] = &[
        Property::MessageExpiryInterval(60),
        Property::UserProperty("k", "v"),
    ];
    fs::create_dir_all(folder)?;
    let mut written = 0;
    let mut config = Config::DEFAULT;
    config.journal = true;
    let mut net: Net = Net::new(Default::default());
    for c in 0..2 {
        net.add(Client::new(config, Heap::new()));
        let id = ["one", "two"][c];
        let options = Connect {
            properties: Properties::new(KEPT),
            clean_start: false,
            ..Connect::new(Version::V5, id)
        };
        net.connect(c, &options).map_err(io::Error::other)?;
        net.settle();
        let filter = TopicFilter::new("t/#").map_err(io::Error::other)?;
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        let now = net.now();
        net.client(c)
            .subscribe(now, &[Subscription { filter, options }], Properties::EMPTY)
            .map_err(io::Error::other)?;
        net.settle();
    }
    for n in 0..24_u32 {
        let by = n as usize % 2;
        let now = net.now();
        let mut message = Publish::new(
            TopicName::new("t/x").map_err(io::Error::other)?,
            QoS::ALL[1 + n as usize / 2 % 2],
        );
        if n % 3 == 0 {
            message.properties = Properties::new(LISTED);
            message.deadline = Some(now + Duration::from_secs(u64::from(n)));
        }
        let payload = if n % 5 == 4 {
            Payload::External(n)
        } else {
            Payload::Copy(b"payload")
        };
        if net.client(by).publish(now, &message, payload).is_ok() {
            net.disk(by).hold(n % 4 == 0);
            net.turn();
        }
        let journal: Vec<_> = net.disk(by).records(usize::MAX).collect();
        let mut raw = vec![1 | (n as u8 & 6)];
        let mut framed = vec![n as u8 & 6];
        for record in journal {
            let mut frame = vec![0; record.encoded_len()];
            let frame = record.encode(&mut frame).unwrap_or_default();
            raw.extend(frame);
            if let Ok(frame) = frame::read(frame) {
                framed.extend([frame.kind, frame.body.len() as u8]);
                framed.extend(frame.body);
            }
        }
        raw.truncate(raw.len() - n as usize % 7);
        fs::write(folder.join(format!("raw-{n}")), raw)?;
        fs::write(folder.join(format!("framed-{n}")), framed)?;
        written += 2;
        if n % 8 == 7 {
            net.compact(by);
        }
    }
    Ok(written)
}

fn seeds_of(trace: &Trace, name: &str, version: Version, folder: &Path) -> io::Result<usize> {
    let mut wires = Vec::new();
    collect(&trace.lines, &mut wires);
    let v = Version::ALL
        .iter()
        .position(|&other| other == version)
        .unwrap_or(0) as u8;
    let mut streams: BTreeMap<(String, bool), Vec<u8>> = BTreeMap::new();
    let mut written = 0;
    let mut save = |target: &str, what: &str, bytes: &[u8]| -> io::Result<()> {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        written += 1;
        fs::write(folder.join(format!("{name}-{version}-{what}")), bytes)
    };
    for (number, wire) in wires.iter().enumerate() {
        let Some(bytes) = bytes_of(&wire.item, version) else {
            continue;
        };
        let to_client = wire.direction == Direction::ToClient;
        let first = v + 3 * u8::from(to_client);
        save("decode", &number.to_string(), &[&[first], &bytes[..]].concat())?;
        save(
            "round_trip",
            &number.to_string(),
            &[&[0, first], &bytes[..]].concat(),
        )?;
        streams
            .entry((wire.conn.clone().unwrap_or_default(), to_client))
            .or_default()
            .extend(bytes);
    }
    for ((conn, to_client), stream) in &streams {
        if *to_client {
            for mode in [0, 8, 16, 32] {
                save(
                    "split",
                    &format!("{conn}-{mode}"),
                    &[&[v + mode * 3, 3, 1, 2, 5], &stream[..]].concat(),
                )?;
            }
        }
    }
    let clients: Vec<&Vec<u8>> = streams
        .iter()
        .filter_map(|((_, to_client), stream)| (!to_client).then_some(stream))
        .collect();
    if trace.head.test == Test::Broker && !clients.is_empty() {
        let mut script = vec![0];
        for (conn, stream) in clients.iter().enumerate() {
            for piece in stream.chunks(200) {
                script.extend([conn as u8 % 3 * 16, piece.len() as u8]);
                script.extend(piece);
            }
        }
        save("broker", "all", &script)?;
    }
    Ok(written)
}

fn collect<'t>(lines: &'t [Line], into: &mut Vec<&'t Wire>) {
    for line in lines {
        match &line.step {
            Step::Wire(wire) => into.push(wire),
            Step::AnyOrder(lines) => collect(lines, into),
            Step::Either(branches) => branches.iter().for_each(|lines| collect(lines, into)),
            Step::Cut(_)
            | Step::Refused { .. }
            | Step::Quiet { .. }
            | Step::Do(_)
            | Step::Event(_)
            | Step::Broker(_)
            | Step::Wait(_) => {}
        }
    }
}

/// What a line says to send, or expects and leaves nothing open of; where it leaves something open, the rest of it.
fn bytes_of(item: &Item, version: Version) -> Option<Vec<u8>> {
    match item {
        Item::Hex(bytes) => Some(bytes.clone()),
        Item::Close => None,
        Item::Packet(pattern) => {
            if let Some(bytes) = &pattern.bytes {
                return Some(bytes.clone());
            }
            let mut pattern = pattern.clone();
            pattern.open = false;
            pattern.absent.clear();
            let fields = resolve(&pattern, version, &Bindings::new()).ok()?;
            fields
                .with_packet(version, |packet| {
                    let mut out = vec![0; packet.encoded_len(version).ok()?];
                    packet.encode(version, &mut out).ok()?;
                    Some(out)
                })
                .ok()?
        }
    }
}
