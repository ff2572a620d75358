//! CPU time of the broker's process for each delivered message, in six shapes of traffic over loopback, 64 bytes each.
//!
//! usage: `broker-load PATH-OF-mqtt [ROUNDS [MILLISECONDS [SHAPE]]]`; 5 rounds of 1,000 ms of all shapes are the default, and `SHAPE` is a
//! part of a name. Rounds of ours and of mosquitto alternate, where that is installed. Exit status 1 if ours loses, repeats or
//! reorders a message, or an acknowledgement. Times are printed and never judged: other machines are other machines, and
//! other processes run on this one. Of all figures, those that are ratios of what was measured at the same time tell most.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "checks measure real processes"
)]

mod load;
mod peer;
mod shape;

use core::{error::Error, time::Duration};
use std::{env, io, path::Path, process::ExitCode};

use broker_process::{BrokerProcess, Usage};
use load::Load;
use shape::{SHAPES, Shape};

/// Before the first round that counts.
const SETTLE: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("broker-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let program = args.next().ok_or("which program? give the path of mqtt")?;
    let rounds: usize = args.next().map_or(Ok(5), |rounds| rounds.parse())?;
    let span = Duration::from_millis(args.next().map_or(Ok(1_000), |span| span.parse())?);
    let which = args.next().unwrap_or_default();
    let compare = Path::new("/usr/sbin/mosquitto").exists();
    if !compare {
        println!("mosquitto is not installed: comparing with it is skipped");
    }
    println!(
        "CPU time per delivered message in us (user + system), context switches per message; median of {rounds} rounds"
    );
    println!(
        "{:15} {:>9} {:>21} {:>8} | {:>27} {:>8} {:>11} | {:>6} {:>9}",
        "shape",
        "messages",
        "ours",
        "switches",
        "mosquitto",
        "switches",
        "ours/theirs",
        "of 2 x",
        "corrected"
    );
    let mut fine = true;
    for shape in SHAPES.iter().filter(|shape| shape.name.contains(&which)) {
        let mut ours = Side::start(shape, BrokerProcess::ours(Path::new(&program), &[])?)?;
        let mut theirs = compare
            .then(|| Side::start(shape, BrokerProcess::mosquitto(&env::temp_dir())?))
            .transpose()?;
        for round in 0..rounds {
            // Which of the two is first changes from round to round, so that what drifts hits both.
            if round % 2 == 0 {
                ours.round(span)?;
            }
            if let Some(theirs) = &mut theirs {
                theirs.round(span)?;
            }
            if round % 2 == 1 {
                ours.round(span)?;
            }
        }
        print(shape, &ours, theirs.as_ref());
        fine &= ours.is_right();
        if theirs.is_some_and(|theirs| !theirs.is_right()) {
            println!("    mosquitto lost, repeated or reordered messages: its figure is not to be trusted");
        }
    }
    println!(
        "of 2 x: ours, as part of twice what the prototype of the loop took (1 or less is within the budget)."
    );
    println!(
        "corrected: the same with the machine taken out: by how much slower mosquitto is here than it was beside the prototype."
    );
    Ok(fine)
}

/// A broker under load.
struct Side {
    broker: BrokerProcess,
    load: Load,
    delivered: u64,
    used: Usage,
    /// Microseconds for a message, of each round.
    rounds: Vec<f64>,
}

impl Side {
    fn start(shape: &'static Shape, broker: BrokerProcess) -> io::Result<Self> {
        let mut load = Load::connect(shape, broker.address())?;
        load.run(SETTLE)?;
        Ok(Self {
            broker,
            load,
            delivered: 0,
            used: Usage::default(),
            rounds: Vec::new(),
        })
    }

    fn round(&mut self, span: Duration) -> io::Result<()> {
        let (before, usage) = (self.load.counts().delivered, self.broker.usage()?);
        self.load.run(span)?;
        let used = self.broker.usage()? - usage;
        let delivered = self.load.counts().delivered - before;
        self.used += used;
        self.delivered += delivered;
        self.rounds.push(used.cpu.as_secs_f64() * 1e6 / delivered as f64);
        Ok(())
    }

    fn is_right(&self) -> bool {
        self.load.counts().are_right()
    }

    fn median(&self) -> f64 {
        median(self.rounds.iter().copied())
    }

    /// Of all CPU time, as much as the ticks say.
    fn show(&self) -> String {
        let ticks = (self.used.user_ticks + self.used.system_ticks).max(1);
        let user = self.median() * self.used.user_ticks as f64 / ticks as f64;
        format!("{:.2} ({user:.2} + {:.2})", self.median(), self.median() - user)
    }

    fn switches(&self) -> f64 {
        self.used.switches as f64 / self.delivered.max(1) as f64
    }
}

fn print(shape: &Shape, ours: &Side, theirs: Option<&Side>) {
    let budget = ours.median() / (2.0 * shape.prototype);
    let counts = ours.load.counts();
    print!(
        "{:15} {:9} {:>21} {:8.3} | ",
        shape.name,
        ours.delivered,
        ours.show(),
        ours.switches()
    );
    match theirs {
        None => print!("{:>27} {:>8} {:>11} | {budget:6.2} {:>9}", "skipped", "", "", ""),
        Some(theirs) => {
            // Each round by itself: neighbours in time had the same neighbours on the machine.
            let ratio = median(
                ours.rounds
                    .iter()
                    .zip(&theirs.rounds)
                    .map(|(ours, theirs)| ours / theirs),
            );
            print!(
                "{:>27} {:8.3} {ratio:11.3} | {budget:6.2} {:9.2}",
                theirs.show(),
                theirs.switches(),
                ratio / (2.0 * shape.prototype / shape.mosquitto)
            );
        }
    }
    println!();
    if !ours.is_right() {
        println!("    LOST, REPEATED OR REORDERED: {counts:?}");
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
