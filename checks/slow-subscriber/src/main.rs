//! What a subscriber that never reads costs the others, and the memory of the broker.
//!
//! usage: `slow-subscriber PATH-OF-mqtt [ROUNDS [MILLISECONDS]]`. 100 publishers send as fast as their windows let them to ten
//! subscribers, in rounds that are with and without one more subscriber: of everything, and it never reads. Printed are
//! latencies from publisher to subscriber and their ratio. Exit status 1 if a message to those who read is lost or comes
//! twice, if a message that the slow one has not got was not counted as dropped, or if the broker's memory passes its limits.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "checks measure real processes"
)]

mod crowd;
mod figures;
mod stuck;

use core::{error::Error, time::Duration};
use std::{env, path::Path, process::ExitCode};

use broker_process::{BrokerProcess, raise_open_files};
use crowd::Crowd;
use figures::{median, quantile};
use stuck::Stuck;

/// Time that a round is given before it counts: what the one before has left is done with.
const SETTLE: Duration = Duration::from_millis(300);

/// How the broker is set up.
const CONFIG: &str = r#"
sys_interval = 1
[[listener]]
tcp = "127.0.0.1:0"
[listener.limits]
queue_messages = 2000
queue_bytes = 1048576
"#;

/// Bytes that the broker may grow by because of one subscriber that does not read: its queue, as much again for what an
/// allocator makes of it, and 4 MiB for what is under way and on its way.
const MEMORY: u64 = 6 << 20;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("slow-subscriber: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let program = args.next().ok_or("which program? give the path of mqtt")?;
    let rounds: usize = args.next().map_or(Ok(6), |rounds| rounds.parse())?;
    let span = Duration::from_millis(args.next().map_or(Ok(3_000), |span| span.parse())?);
    raise_open_files()?;
    // So that there are drops on any machine, and its own count of them is never older than a second.
    let config = env::temp_dir().join(format!("slow-subscriber-{}.toml", std::process::id()));
    std::fs::write(&config, CONFIG)?;
    let more = ["--config", config.to_str().ok_or("a path that is no text")?];
    let broker = BrokerProcess::ours(Path::new(&program), &more)?;
    std::fs::remove_file(&config)?;
    let mut crowd = Crowd::connect(broker.address())?;
    crowd.run(SETTLE)?;
    let first = broker.resident()?;
    let (mut alone, mut beside, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut most, mut dropped) = (first, 0);
    for round in 0..rounds {
        let mut p99 = [0; 2];
        // Which of the two is first changes from round to round, so that what drifts hits both.
        for with in [round % 2 == 1, round % 2 == 0] {
            let mut stuck = with.then(|| Stuck::connect(broker.address())).transpose()?;
            let before = crowd.published();
            crowd.run(SETTLE)?;
            crowd.forget_latencies();
            crowd.run(span)?;
            let latencies = crowd.take_latencies();
            p99[usize::from(with)] = quantile(&latencies, 99);
            if with { &mut beside } else { &mut alone }.extend(latencies);
            if let Some(stuck) = &mut stuck {
                crowd.rest()?;
                most = most.max(broker.resident()?);
                let sent = crowd.published() - before;
                dropped += stuck.missed(sent)?;
            }
        }
        ratios.push(p99[1] as f64 / p99[0].max(1) as f64);
    }
    for (name, latencies) in [("without", &alone), ("with", &beside)] {
        println!(
            "{name} it: {} messages, p50 {} us, p99 {} us, p99.9 {} us",
            latencies.len(),
            quantile(latencies, 50),
            quantile(latencies, 99),
            figures::per_mille(latencies, 999),
        );
    }
    println!(
        "p99 with / without: {:.2} over all, {:.2} the median of {rounds} rounds",
        quantile(&beside, 99) as f64 / quantile(&alone, 99).max(1) as f64,
        median(&mut ratios),
    );
    let grown = most.saturating_sub(first);
    println!(
        "memory of the broker: {} KiB with 110 clients, {} KiB more at most with one that never reads ({} KiB allowed)",
        first / 1024,
        grown / 1024,
        MEMORY / 1024
    );
    let counted = stuck::counted_drops(broker.address())?;
    println!(
        "{dropped} messages did not reach the slow one, {counted} were counted as dropped by the broker"
    );
    crowd.rest()?;
    println!(
        "{} messages published, {} lost, {} repeated or out of order",
        crowd.published(),
        crowd.lost(),
        crowd.disordered()
    );
    Ok(dropped > 0 && counted == dropped && grown <= MEMORY && crowd.lost() == 0 && crowd.disordered() == 0)
}
