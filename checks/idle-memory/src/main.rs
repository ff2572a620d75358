//! Resident memory of a broker process for each idle connection: growth from none to all, divided.
//!
//! usage: `idle-memory PATH-OF-mqtt [CONNECTIONS]`; 10,000 is the default. Exit status 1 if a connection is refused or dropped,
//! does not answer at the end, or costs more than 700 bytes and its share of 256 KiB. What it costs is printed, beside mosquitto
//! where that is installed.
//!
//! Of 10,000 connections on x86-64 with glibc, each costs 616 bytes with 3.1.1 and 609 with 5.0; mosquitto 2.0.11 needs 749.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "checks measure real processes"
)]

use core::{error::Error, time::Duration};
use std::{env, io::Write as _, net::TcpStream, path::Path, process::ExitCode, thread::sleep};

use broker_process::{BrokerProcess, connect, encode, raise_open_files, read_packet};
use mqtt_proto::{Packet, Properties, Version, packet::Connect};

/// Long enough for what is done a moment after a connection was accepted.
const REST: Duration = Duration::from_secs(2);

/// Bytes that a connection may cost.
const MOST: u64 = 700;

/// Bytes that all of them may cost beside that: tables have room for more, and memory is had in pages.
const MARGIN: u64 = 256 << 10;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("idle-memory: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let program = args.next().ok_or("which program? give the path of mqtt")?;
    let count: usize = args.next().map_or(Ok(10_000), |count| count.parse())?;
    let mut fine = true;
    // Started before the limit is raised here: they raise their own.
    let program = Path::new(&program);
    let brokers = [
        BrokerProcess::ours(program, &[])?,
        BrokerProcess::ours(program, &[])?,
    ];
    let files = raise_open_files()?;
    if files < count as u64 + 100 {
        return Err(format!("this system allows {files} open files, too few for {count} connections").into());
    }
    for (broker, version) in brokers.into_iter().zip([Version::V311, Version::V5]) {
        let cost = measure("mqtt broker", &broker, version, count)?;
        fine &= cost.dropped == 0 && cost.each <= MOST + MARGIN / count as u64;
    }
    if Path::new("/usr/sbin/mosquitto").exists() {
        let broker = BrokerProcess::mosquitto(&env::temp_dir())?;
        // Others may drop what they like.
        measure("mosquitto", &broker, Version::V311, count)?;
    }
    Ok(fine)
}

struct Cost {
    /// Bytes.
    each: u64,
    /// Connections that are not there any more at the end.
    dropped: usize,
}

fn measure(
    name: &str,
    broker: &BrokerProcess,
    version: Version,
    count: usize,
) -> Result<Cost, Box<dyn Error>> {
    // Code and tables that the first connection brings in are not what each one costs.
    drop(idle(broker, version, "first")?);
    sleep(Duration::from_millis(300));
    let before = broker.resident()?;
    let mut streams = Vec::with_capacity(count);
    for n in 0..count {
        streams.push(idle(broker, version, &format!("idle-{n:06}"))?);
    }
    let connected = broker.resident()?;
    sleep(REST);
    let rested = broker.resident()?;
    let lost = count - streams.iter_mut().map(answers).filter(|&answers| answers).count();
    let pinged = broker.resident()?;
    let each = |after: u64| after.saturating_sub(before) / count as u64;
    println!(
        "{name}, {version}: {count} idle connections, {} B each ({} B just after the last CONNACK, {} B after a PINGREQ of each; \
         {} KiB before the first), {lost} dropped",
        each(rested),
        each(connected),
        each(pinged),
        before / 1024,
    );
    Ok(Cost {
        each: each(rested),
        dropped: lost,
    })
}

fn idle(broker: &BrokerProcess, version: Version, client_id: &str) -> std::io::Result<TcpStream> {
    let packet = Connect {
        version,
        clean_start: true,
        keep_alive: 600,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    };
    connect(broker.address(), packet)
}

fn answers(stream: &mut TcpStream) -> bool {
    let ping = encode(Version::V5, Packet::PingReq);
    stream.write_all(&ping).is_ok() && matches!(read_packet(stream, &mut [0; 64]), Ok(2))
}
