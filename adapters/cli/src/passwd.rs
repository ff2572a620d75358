//! `mqtt passwd`.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read},
};

use mqtt_access::Passwords;
use zeroize::Zeroizing;

use crate::{args::Passwd, failure::Failure};

/// Longer than any password that a CONNECT can hold.
const LONGEST: u64 = 65_536;

/// Changes the file, and says nothing if that went well.
pub(crate) fn run(args: &Passwd) -> Result<(), Failure> {
    let there = args.file.try_exists();
    let is_there =
        there.map_err(|error| Failure::new(format!("cannot read {}: {error}", args.file.display())))?;
    let mut passwords = if is_there || args.delete {
        Passwords::read(&args.file).map_err(|error| Failure::new(error.to_string()))?
    } else {
        Passwords::default()
    };
    if args.delete {
        if !passwords.remove(&args.user) {
            let said = format!("no user '{}' in {}", args.user, args.file.display());
            return Err(Failure::new(said));
        }
    } else {
        let password = password(args)?;
        if password.is_empty() {
            return Err(Failure::new("an empty password is none"));
        }
        passwords
            .set(&args.user, &password)
            .map_err(|error| Failure::new(error.to_string()))?;
    }
    passwords
        .write(&args.file)
        .map_err(|error| Failure::new(error.to_string()))
}

fn password(args: &Passwd) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if let Some(path) = &args.password_file {
        return File::open(path)
            .and_then(first_line)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())));
    }
    if args.password_stdin {
        return first_line(io::stdin().lock())
            .map_err(|error| Failure::new(format!("cannot read the password: {error}")));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map(|text| Zeroizing::new(text.into_bytes()))
            .map_err(|error| {
                let hint = "without a terminal, use --password-stdin or --password-file";
                Failure::new(format!("cannot ask for the password: {error}; {hint}"))
            })
    };
    let one = ask("Password: ")?;
    if one == ask("Again: ")? {
        Ok(one)
    } else {
        Err(Failure::new("the two are not the same; nothing is changed"))
    }
}

/// Without its end.
fn first_line(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::new());
    BufReader::new(source.take(LONGEST)).read_until(b'\n', &mut line)?;
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    Ok(line)
}
