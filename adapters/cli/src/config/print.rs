//! From settings to TOML that says what each key means, and reads back to the same.

use core::fmt::{self, Write as _};

use super::{Settings, key::Key, listener, log, server};

pub(super) fn print(settings: &Settings) -> String {
    let mut out = String::new();
    // To write to a string does not fail.
    let _ = write(&mut out, settings);
    out
}

fn write(out: &mut String, settings: &Settings) -> fmt::Result {
    out.push_str(
        "# Configuration of `mqtt broker --config FILE`. Every key may be left out; what stands here is then so, but for keys\n\
         # behind a '#', which have no value. Paths are relative to where the broker was started. Options on the command line win.\n",
    );
    for keys in [server::KEYS, server::SYS] {
        section(out, keys, settings)?;
    }
    write!(out, "\n[log]\n")?;
    section(out, log::KEYS, &settings.log)?;
    write!(
        out,
        "\n# Limits of the whole broker. What would pass one is refused or dropped, and counted.\n[limits]\n"
    )?;
    section(out, server::LIMITS, &settings.server.limits)?;
    for listener in &settings.listeners {
        write!(
            out,
            "\n# Where clients come in, who may, and what they are offered. There may be many, each with its own.\n[[listener]]\n"
        )?;
        for keys in [listener::KEYS, listener::FILES, listener::OFFER] {
            section(out, keys, listener)?;
        }
        write!(
            out,
            "\n# Limits of each client that comes in here.\n[listener.limits]\n"
        )?;
        section(out, listener::LIMITS, listener)?;
    }
    Ok(())
}

fn section<T>(out: &mut String, keys: &[Key<T>], target: &T) -> fmt::Result {
    for key in keys {
        writeln!(out)?;
        for line in key.doc.lines() {
            writeln!(out, "#{line}")?;
        }
        match (key.get)(target) {
            Some(value) => writeln!(out, "{} = {value}", key.name)?,
            None => writeln!(out, "#{} = {}", key.name, key.example)?,
        }
    }
    Ok(())
}
