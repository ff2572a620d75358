//! redb and fjall under the load of a broker's store: small batches of short-lived keys, each made durable before anything
//! goes on. Prints a table for each; `mqtt-store` tells what was chosen, and why.
//!
//! usage: store-choice [SECONDS per row, default 1.5; 0: torn commits only]

use std::{
    collections::VecDeque,
    error::Error,
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use fjall::{Database as Fjall, Keyspace, KeyspaceCreateOptions, PersistMode};
use redb::{Database as Redb, ReadableDatabase, ReadableTable, TableDefinition};

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Change = ([u8; 17], Option<Vec<u8>>);

const ENTRIES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("entries");

/// How many keys of the churn live at a time.
const ALIVE: usize = 2_000;

trait Candidate: Sized {
    fn open(directory: &Path) -> Result<Self>;
    fn commit(&self, changes: &[Change]) -> Result<()>;
    /// Reads everything; says how many entries and bytes there are.
    fn load(&self) -> Result<(usize, usize)>;
}

/// `QUICK`: the state of the allocator goes with each commit, so that nothing is to be repaired after a crash.
struct InRedb<const QUICK: bool>(Redb);

impl<const QUICK: bool> Candidate for InRedb<QUICK> {
    fn open(directory: &Path) -> Result<Self> {
        Ok(Self(Redb::create(directory.join("store.redb"))?))
    }

    fn commit(&self, changes: &[Change]) -> Result<()> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_quick_repair(QUICK);
        {
            let mut table = transaction.open_table(ENTRIES)?;
            for (key, value) in changes {
                match value {
                    Some(value) => drop(table.insert(&key[..], &value[..])?),
                    None => drop(table.remove(&key[..])?),
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn load(&self) -> Result<(usize, usize)> {
        let mut found = (0, 0);
        for entry in self.0.begin_read()?.open_table(ENTRIES)?.iter()? {
            let (key, value) = entry?;
            found.0 += 1;
            found.1 += key.value().len() + value.value().len();
        }
        Ok(found)
    }
}

struct InFjall(Fjall, Keyspace);

impl Candidate for InFjall {
    fn open(directory: &Path) -> Result<Self> {
        let database = Fjall::builder(directory).open()?;
        let entries = database.keyspace("entries", KeyspaceCreateOptions::default)?;
        Ok(Self(database, entries))
    }

    fn commit(&self, changes: &[Change]) -> Result<()> {
        let mut batch = self.0.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(&self.1, &key[..], &value[..]),
                None => batch.remove(&self.1, &key[..]),
            }
        }
        Ok(batch.commit()?)
    }

    fn load(&self) -> Result<(usize, usize)> {
        let mut found = (0, 0);
        for entry in self.1.iter() {
            let (key, value) = entry.into_inner()?;
            found.0 += 1;
            found.1 += key.len() + value.len();
        }
        Ok(found)
    }
}

fn key(tag: u8, number: u64) -> [u8; 17] {
    let mut key = [tag; 17];
    key[1..9].copy_from_slice(&(number % 997).to_be_bytes());
    key[9..].copy_from_slice(&number.to_be_bytes());
    key
}

fn value(number: u64, len: usize) -> Vec<u8> {
    // Not compressible for nothing: a payload is what a client sends.
    let mut state = number;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect()
}

fn fill(store: &impl Candidate, entries: u64, len: usize) -> Result<()> {
    for from in (0..entries).step_by(10_000) {
        let batch: Vec<Change> = (from..entries.min(from + 10_000))
            .map(|n| (key(0, n), Some(value(n, len))))
            .collect();
        store.commit(&batch)?;
    }
    Ok(())
}

fn size(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            size(&entry.path())?
        } else {
            use std::os::unix::fs::MetadataExt;
            entry.metadata()?.blocks() * 512
        };
    }
    Ok(bytes)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// What this process has given the disk to write.
fn written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines()
        .find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
        .unwrap_or(0)
}

/// Memory of this process, now and at its highest.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix(" kB")?
                .trim()
                .parse::<u64>()
                .ok()
        })
        .unwrap_or(0)
        / 1024
}

fn churn<C: Candidate>(name: &str, span: Duration) -> Result<()> {
    for len in [40, 1_024] {
        let directory = tempfile::tempdir_in(".")?;
        let store = C::open(directory.path())?;
        fill(&store, 100_000, len)?;
        let (mut next, mut alive) = (0, VecDeque::new());
        for batch in [1, 10, 100, 1_000] {
            let (mut times, before, start) = (Vec::new(), written(), Instant::now());
            while start.elapsed() < span {
                let changes: Vec<Change> = (0..batch)
                    .map(|_| {
                        if alive.len() >= ALIVE || (next % 2 == 1 && alive.len() > ALIVE / 2) {
                            next += u64::from(alive.len() < ALIVE);
                            (key(1, alive.pop_front().unwrap_or(0)), None)
                        } else {
                            next += 1;
                            alive.push_back(next);
                            (key(1, next), Some(value(next, len)))
                        }
                    })
                    .collect();
                let began = Instant::now();
                store.commit(&changes)?;
                times.push(began.elapsed());
            }
            let all = start.elapsed().as_secs_f64();
            let bytes = written() - before;
            times.sort();
            let at = |share: usize| times[(times.len() - 1) * share / 100].as_micros();
            println!(
                "| {name} | {len} | {batch} | {:.0} | {:.0} | {} | {} | {:.1} |",
                times.len() as f64 / all,
                (times.len() * batch) as f64 / all,
                at(50),
                at(99),
                bytes as f64 / times.len() as f64 / 1024.0,
            );
        }
        println!(
            "| {name} | {len} | size after the churn: {:.1} MiB, contents {:.1} MiB; resident {} MiB",
            size(directory.path())? as f64 / 1_048_576.0,
            store.load()?.1 as f64 / 1_048_576.0,
            memory(),
        );
    }
    Ok(())
}

fn start<C: Candidate>(name: &str) -> Result<()> {
    for (entries, len) in [(100_000, 40), (100_000, 1_024), (1_000_000, 40)] {
        let directory = tempfile::tempdir_in(".")?;
        let store = C::open(directory.path())?;
        let began = Instant::now();
        fill(&store, entries, len)?;
        let filled = began.elapsed();
        // As a crash leaves it: what the system has been given, and no more.
        let crashed = tempfile::tempdir_in(".")?;
        copy(directory.path(), crashed.path())?;
        drop(store);
        let load = |directory: &Path| -> Result<(Duration, Duration)> {
            let began = Instant::now();
            let store = C::open(directory)?;
            let opened = began.elapsed();
            assert_eq!(store.load()?.0, entries as usize);
            Ok((opened, began.elapsed()))
        };
        let (clean, crash) = (load(directory.path())?, load(crashed.path())?);
        println!(
            "| {name} | {entries} | {len} | {filled:.1?} | {:.1?} | {:.1?} | {:.1?} | {:.1?} | {:.1} |",
            clean.0,
            clean.1,
            crash.0,
            crash.1,
            size(directory.path())? as f64 / 1_048_576.0,
        );
    }
    Ok(())
}

/// What a loss of power may leave of a commit: of each block that it changes, the old or the new. The commit was not confirmed,
/// so the state before it and the state after it are both right; anything else is not.
fn torn<C: Candidate>(name: &str) -> Result<()> {
    const BLOCK: usize = 4_096;
    let (mut before, mut after, mut mixed, mut refused) = (0, 0, 0, 0);
    let mut why = String::new();
    for seed in 0..100_u64 {
        let directory = tempfile::tempdir_in(".")?;
        let store = C::open(directory.path())?;
        fill(&store, 200, 1_024)?;
        let (old, new) = (tempfile::tempdir_in(".")?, tempfile::tempdir_in(".")?);
        copy(directory.path(), old.path())?;
        let changes: Vec<Change> = (1_000..1_001)
            .map(|n| (key(0, n), Some(value(n, 30_000))))
            .collect();
        store.commit(&changes)?;
        copy(directory.path(), new.path())?;
        drop(store);
        tear(old.path(), new.path(), &mut (seed + 1), BLOCK)?;
        match C::open(new.path()).and_then(|store| store.load()) {
            Ok((200, _)) => before += 1,
            Ok((201, _)) => after += 1,
            Ok(_) => mixed += 1,
            Err(error) => {
                refused += 1;
                why = error.to_string();
            }
        }
    }
    println!("| {name} | {before} | {after} | {mixed} | {refused} {why} |");
    Ok(())
}

fn tear(old: &Path, new: &Path, random: &mut u64, block: usize) -> io::Result<()> {
    for entry in fs::read_dir(new)? {
        let entry = entry?;
        let was = old.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            tear(&was, &entry.path(), random, block)?;
        } else if was.exists() {
            let (was, mut is) = (fs::read(was)?, fs::read(entry.path())?);
            for at in (0..is.len()).step_by(block) {
                *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if *random >> 63 == 0 {
                    for (i, byte) in is.iter_mut().enumerate().skip(at).take(block) {
                        *byte = was.get(i).copied().unwrap_or(0);
                    }
                }
            }
            fs::write(entry.path(), is)?;
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let seconds: f64 = std::env::args().nth(1).map_or(Ok(1.5), |text| text.parse())?;
    let span = Duration::from_secs_f64(seconds);
    println!(
        "| database | value | batch | commits/s | changes/s | p50 µs | p99 µs | KiB written per commit |\n|---|---|---|---|---|---|---|---|"
    );
    if seconds > 0.0 {
        churn::<InRedb<false>>("redb", span)?;
        churn::<InRedb<true>>("redb, quick repair", span)?;
        churn::<InFjall>("fjall", span)?;
        println!(
            "\n| database | entries | value | filled | opened | and loaded | opened after a crash | and loaded | MiB |\n|---|---|---|---|---|---|---|---|---|"
        );
        start::<InRedb<false>>("redb")?;
        start::<InRedb<true>>("redb, quick repair")?;
        start::<InFjall>("fjall")?;
    }
    println!(
        "\n| database | torn commits found as before | as after | as neither | not opened |\n|---|---|---|---|---|"
    );
    torn::<InRedb<false>>("redb")?;
    // Not quick repair: it syncs twice, and what is written before the first is whole.
    torn::<InFjall>("fjall")?;
    Ok(())
}
