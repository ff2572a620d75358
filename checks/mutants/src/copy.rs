//! A copy of the sources, to be broken and built.

use core::fmt::Write as _;
use core::time::Duration;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{io, thread};

use crate::list::Mutant;
use crate::verdict::Verdict;

/// The program that plays the traces in memory.
const RUNNER: &str = "run-traces";

/// Where a copy is built, inside it.
const TARGET: &str = "target";

/// What that program says, in the target folder; by it a copy is known.
const SAID: &str = "said";

/// A copy with a target folder of its own.
#[derive(Debug)]
pub struct Copy {
    folder: PathBuf,
    /// How long the traces may take; one that loops is stopped.
    limit: Duration,
}

impl Copy {
    /// Copies what git knows of, and what it would be told of, as it stands in the workspace. A copy that is there is
    /// brought up to date, and its target folder used again.
    ///
    /// # Errors
    ///
    /// git is not there, or a file cannot be copied; or the folder has something else in it, which would be deleted.
    pub fn new(workspace: &Path, folder: PathBuf, limit: Duration) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        // Programs are started in it.
        let folder = fs::canonicalize(folder)?;
        let target = folder.join(TARGET);
        let said = target.join(SAID);
        if fs::read_dir(&folder)?.next().is_some() && !said.exists() {
            let folder = folder.display();
            return Err(io::Error::other(format!(
                "{folder} is neither empty nor such a copy; it is left as it is"
            )));
        }
        fs::create_dir_all(&target)?;
        File::create(said)?;
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(workspace)
            .output()?;
        if !listed.status.success() {
            return Err(io::Error::other(
                String::from_utf8_lossy(&listed.stderr).into_owned(),
            ));
        }
        let mut copied = BTreeSet::new();
        for name in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
            let from = workspace.join(name);
            if !from.is_file() {
                continue;
            }
            let to = folder.join(name);
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            copied.insert(to.clone());
            // A file that is as it was keeps its time, so that nothing is built in vain.
            let new = fs::read(&from)?;
            if fs::read(&to).is_ok_and(|old| old == new) {
                continue;
            }
            fs::write(&to, new)?;
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path != target {
                remove_others(&path, &copied)?;
            }
        }
        Ok(Self { folder, limit })
    }

    /// Builds the copy with this fault in it, plays all traces, and mends it again. Without a fault, as it is.
    ///
    /// # Errors
    ///
    /// The list does not fit the source, or a file or process cannot be handled.
    pub fn try_out(&self, mutant: Option<&Mutant>) -> io::Result<Verdict> {
        let Some(mutant) = mutant else {
            return self.build_and_play();
        };
        let path = self.folder.join(&mutant.file);
        let source = fs::read_to_string(&path)?;
        let broken = mutant
            .apply(&source)
            .map_err(|why| io::Error::other(format!("{}: {why}", mutant.name)))?;
        fs::write(&path, broken)?;
        let verdict = self.build_and_play();
        fs::write(&path, source)?;
        verdict
    }

    fn build_and_play(&self) -> io::Result<Verdict> {
        let target = self.folder.join(TARGET);
        // Traces are many and short: what is built quickly is the quickest. Of a crate only what has changed is built anew.
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "build",
                "--quiet",
                "--locked",
                "--offline",
                "--package",
                "mutants",
                "--bin",
                RUNNER,
            ])
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_TERM_COLOR", "never")
            .env("RUSTFLAGS", "--cap-lints allow")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .output()?;
        if !built.status.success() {
            return Ok(Verdict::does_not_build(&String::from_utf8_lossy(&built.stderr)));
        }
        self.play(&target.join("debug").join(RUNNER))
    }

    fn play(&self, runner: &Path) -> io::Result<Verdict> {
        // Into a file: a pipe that nobody reads would stop it.
        let said = self.folder.join(TARGET).join(SAID);
        let mut process = Command::new(runner)
            .arg("conformance/traces")
            .current_dir(&self.folder)
            .stdout(File::create(&said)?)
            .stderr(Stdio::null())
            .spawn()?;
        let start = Instant::now();
        let ended = loop {
            if let Some(status) = process.try_wait()? {
                break Some(status);
            }
            if start.elapsed() > self.limit {
                process.kill()?;
                process.wait()?;
                break None;
            }
            thread::sleep(Duration::from_millis(20));
        };
        let mut end = String::new();
        match ended {
            None => write!(end, "time out after {} s", self.limit.as_secs()).map_err(io::Error::other)?,
            Some(status) if !status.success() => write!(end, "death, {status}").map_err(io::Error::other)?,
            Some(_) => {}
        }
        Ok(Verdict::of(&fs::read_to_string(&said)?, &end))
    }
}

/// What is in the workspace no more must not be built or played.
fn remove_others(path: &Path, copied: &BTreeSet<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            remove_others(&entry?.path(), copied)?;
        }
        return Ok(());
    }
    if copied.contains(path) {
        Ok(())
    } else {
        fs::remove_file(path)
    }
}
