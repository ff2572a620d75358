//! Password files.

use core::{error::Error, fmt};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs,
    io::{self, Write as _},
    path::Path,
};

use argon2::{
    Argon2, Params,
    password_hash::{self, PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};

use crate::{
    FileError,
    file_error::{self, LineError},
};

/// Users and the hashes of their passwords.
///
/// As a text, each line is `user:hash`, where the hash is a PHC string of argon2 (`$argon2id$v=19$m=19456,t=2,p=1$salt$hash`).
/// Empty lines and lines that begin with `#` are kept and mean nothing. A user's name has no colon, no line break, and does
/// not begin with `#`.
///
/// ```
/// use mqtt_access::Passwords;
///
/// let mut passwords = Passwords::default();
/// passwords.set("alice", b"open sesame")?;
/// assert!(passwords.verify("alice", b"open sesame"));
/// assert!(!passwords.verify("alice", b"open barley"));
///
/// let again: Passwords = passwords.to_string().parse()?;
/// assert!(again.verify("alice", b"open sesame"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Passwords {
    lines: Vec<Line>,
    /// Where in `lines` a user is.
    users: BTreeMap<String, usize>,
}

#[derive(Clone)]
enum Line {
    Remark(String),
    User(String, Box<PasswordHash>),
}

impl Passwords {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is not as it should be.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        file_error::read(path)?
            .parse()
            .map_err(|error| FileError::at(path, error))
    }

    /// Writes a file: whole or, if that fails, not at all. A new file is readable for its owner only (Unix); one that is there keeps
    /// its mode.
    ///
    /// # Errors
    /// It cannot be written. The old one is as it was.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        self.replace(path).map_err(|error| FileError::io(path, error))
    }

    fn replace(&self, path: &Path) -> io::Result<()> {
        // A link goes on to be one: what it names is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let mut name = path
            .file_name()
            .ok_or(io::ErrorKind::InvalidInput)?
            .to_os_string();
        name.push(format!(".{}.new", std::process::id()));
        let beside = path.with_file_name(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(&beside)?;
        let mode = match fs::metadata(&path) {
            Ok(old) => file.set_permissions(old.permissions()),
            Err(_) => Ok(()),
        };
        let written = mode
            .and_then(|()| file.write_all(self.to_string().as_bytes()))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&beside, &path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    }

    /// Whether this is the user's password. Takes its time, on purpose: some 50 ms, and as long for a user who is not there as for one
    /// who is. On a thread that serves others, ask a [`Verifier`](crate::Verifier).
    pub fn verify(&self, user: &str, password: &[u8]) -> bool {
        let known = self.hash(user);
        // For somebody who is not there another's is computed, so that nobody learns from the time who is.
        let Some(hash) = known.or_else(|| self.any_hash()) else {
            return false;
        };
        // The library compares in constant time.
        let right = Argon2::default().verify_password(password, hash).is_ok();
        right && known.is_some()
    }

    /// The user has an entry.
    pub fn contains(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// Names of the users, in order.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// Gives a user a password, a new one if there is an old one. Its salt is from the system's random source. `true`: the user was
    /// there.
    ///
    /// # Errors
    /// The name cannot stand in the file, or the password cannot be hashed.
    pub fn set(&mut self, user: &str, password: &[u8]) -> Result<bool, PasswordError> {
        self.set_with(Params::DEFAULT, user, password)
    }

    fn set_with(&mut self, cost: Params, user: &str, password: &[u8]) -> Result<bool, PasswordError> {
        check_user(user).map_err(PasswordError::User)?;
        let hash = Box::new(
            argon2(cost)
                .hash_password(password)
                .map_err(PasswordError::Hash)?,
        );
        let line = Line::User(user.into(), hash);
        match self.users.entry(user.into()) {
            Entry::Occupied(at) => {
                if let Some(old) = self.lines.get_mut(*at.get()) {
                    *old = line;
                }
                Ok(true)
            }
            Entry::Vacant(place) => {
                place.insert(self.lines.len());
                self.lines.push(line);
                Ok(false)
            }
        }
    }

    /// Takes a user out. `false`: there was none.
    pub fn remove(&mut self, user: &str) -> bool {
        let Some(at) = self.users.remove(user) else {
            return false;
        };
        self.lines.remove(at);
        for place in self.users.values_mut().filter(|place| **place > at) {
            *place -= 1;
        }
        true
    }

    fn hash(&self, user: &str) -> Option<&PasswordHash> {
        match self.lines.get(*self.users.get(user)?)? {
            Line::User(_, hash) => Some(hash),
            Line::Remark(_) => None,
        }
    }

    fn any_hash(&self) -> Option<&PasswordHash> {
        self.hash(self.users.keys().next()?)
    }
}

/// argon2id in its present version.
fn argon2(cost: Params) -> Argon2<'static> {
    Argon2::new(argon2::Algorithm::default(), argon2::Version::default(), cost)
}

fn check_user(user: &str) -> Result<(), &'static str> {
    match user {
        "" => Err("a user without a name"),
        _ if user.starts_with('#') => Err("a user's name does not begin with '#'"),
        _ if user.contains([':', '\n', '\r', '\0']) => Err("a user's name has no colon and no line break"),
        _ if user.trim() != user => Err("a user's name neither begins nor ends with a blank"),
        _ => Ok(()),
    }
}

impl core::str::FromStr for Passwords {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let mut passwords = Self::default();
        for (index, line) in text.lines().enumerate() {
            let wrong = |what: String| LineError::new(index + 1, what);
            if line.trim().is_empty() || line.starts_with('#') {
                passwords.lines.push(Line::Remark(line.into()));
                continue;
            }
            let (user, hash) = line
                .split_once(':')
                .ok_or_else(|| wrong("no colon: a line is USER:HASH".into()))?;
            check_user(user).map_err(|what| wrong(what.into()))?;
            let hash = parse_hash(hash.trim_end()).map_err(|what| wrong(format!("user '{user}': {what}")))?;
            if let Some(first) = passwords.users.insert(user.into(), index) {
                return Err(wrong(format!(
                    "user '{user}' stands in line {} already",
                    first + 1
                )));
            }
            passwords.lines.push(Line::User(user.into(), Box::new(hash)));
        }
        Ok(passwords)
    }
}

fn parse_hash(text: &str) -> Result<PasswordHash, String> {
    if text.is_empty() {
        return Err("no hash after the colon".into());
    }
    if !text.starts_with('$') {
        return Err("the hash does not begin with '$': make it with `mqtt passwd`".into());
    }
    let hash = PasswordHash::new(text).map_err(|error| format!("not a PHC string: {error}"))?;
    if argon2::Algorithm::try_from(hash.algorithm.as_str()).is_err() {
        return Err(format!("hashed with {}, not with argon2", hash.algorithm));
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err("the hash is not complete: $argon2id$v=..$m=..,t=..,p=..$salt$hash".into());
    }
    Params::try_from(&hash).map_err(|error| format!("parameters of argon2: {error}"))?;
    if let Some(version) = hash.version {
        argon2::Version::try_from(version)
            .map_err(|_| format!("version {version} of argon2 is not known"))?;
    }
    Ok(hash)
}

/// As the lines of a file.
impl fmt::Display for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| match line {
            Line::Remark(text) => writeln!(f, "{text}"),
            Line::User(user, hash) => writeln!(f, "{user}:{hash}"),
        })
    }
}

/// Names only.
impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.users.keys()).finish()
    }
}

/// Why a user was not given a password.
#[derive(Debug)]
#[non_exhaustive]
pub enum PasswordError {
    /// The name cannot stand in a file.
    User(&'static str),
    /// There is no random salt, or the password is longer than 4 GiB.
    Hash(password_hash::Error),
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(what) => f.write_str(what),
            Self::Hash(error) => write!(f, "cannot hash the password: {error}"),
        }
    }
}

impl Error for PasswordError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::User(_) => None,
            Self::Hash(error) => Some(error),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As cheap as argon2 gets.
    pub(crate) fn passwords(entries: &[(&str, &str)]) -> Passwords {
        let mut passwords = Passwords::default();
        for (user, password) in entries {
            passwords.set_with(cheap(), user, password.as_bytes()).unwrap();
        }
        passwords
    }

    fn cheap() -> Params {
        Params::new(Params::MIN_M_COST, 1, 1, None).unwrap()
    }

    #[test]
    fn only_the_password_that_was_set_last_is_right() {
        let mut passwords = passwords(&[("a", "1"), ("b", "2"), ("a", "3")]);
        for (user, password, right) in [
            ("a", "1", false),
            ("a", "3", true),
            ("b", "2", true),
            ("b", "", false),
            ("c", "", false),
        ] {
            assert_eq!(
                passwords.verify(user, password.as_bytes()),
                right,
                "{user} {password}"
            );
        }
        assert!(passwords.remove("a") && !passwords.remove("a"));
        assert!(!passwords.verify("a", b"3") && passwords.verify("b", b"2"));
        assert_eq!(passwords.users().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn the_same_password_has_two_salts() {
        let passwords = passwords(&[("a", "same"), ("b", "same")]);
        let text = passwords.to_string();
        let hashes: Vec<_> = text.lines().map(|line| line.split_once(':').unwrap().1).collect();
        assert_ne!(hashes[0], hashes[1]);
        assert!(
            hashes.iter().all(|hash| hash.starts_with("$argon2id$v=19$")),
            "{text}"
        );
    }

    #[test]
    fn what_is_changed_leaves_remarks_and_order_alone() {
        let one = passwords(&[("one", "1"), ("two", "2"), ("three", "3")]).to_string();
        let lines: Vec<_> = one.lines().collect();
        let text = format!("# who\n\n{}\n{}\n# last\n{}\n", lines[0], lines[1], lines[2]);
        let mut passwords: Passwords = text.parse().unwrap();
        assert_eq!(passwords.to_string(), text);
        assert!(passwords.remove("one"));
        assert!(passwords.set_with(cheap(), "three", b"new").unwrap());
        assert!(!passwords.set_with(cheap(), "four", b"4").unwrap());
        let text = passwords.to_string();
        let starts: Vec<_> = text.lines().map(|l| l.split(':').next().unwrap()).collect();
        assert_eq!(starts, ["# who", "", "two", "# last", "three", "four"]);
        let again: Passwords = text.parse().unwrap();
        for (user, password) in [("two", "2"), ("three", "new"), ("four", "4")] {
            assert!(again.verify(user, password.as_bytes()), "{user}");
        }
    }

    #[test]
    fn a_wrong_line_is_named_with_what_is_wrong() {
        let good = passwords(&[("ok", "x")]).to_string();
        let good = good.trim_end();
        let salt = "c29tZXNhbHQ";
        for (line, what) in [
            ("nobody", "no colon: a line is USER:HASH"),
            (":x", "a user without a name"),
            ("bob:", "user 'bob': no hash after the colon"),
            (
                "bob:secret",
                "user 'bob': the hash does not begin with '$': make it with `mqtt passwd`",
            ),
            ("bob:$7$101$x$y", "user 'bob': not a PHC string"),
            (
                "bob:$pbkdf2$i=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                "user 'bob': hashed with pbkdf2, not with argon2",
            ),
            (
                &format!("bob:$argon2id$v=19$m=8,t=1,p=1${salt}"),
                "user 'bob': the hash is not complete",
            ),
            (
                &format!("bob:$argon2id$v=19$m=1,t=1,p=1${salt}$AAAAAAAAAAAAAAAAAAAAAA"),
                "user 'bob': parameters of argon2",
            ),
            (
                &format!("bob:$argon2id$v=18$m=8,t=1,p=1${salt}$AAAAAAAAAAAAAAAAAAAAAA"),
                "user 'bob': version 18 of argon2 is not known",
            ),
            (good, "user 'ok' stands in line 1 already"),
        ] {
            let error = format!("{good}\n\n{line}\n").parse::<Passwords>().unwrap_err();
            assert_eq!(error.line(), 3, "{line}");
            assert!(error.what().starts_with(what), "{line}: {error}");
        }
    }

    proptest::proptest! {
        /// Whatever is in a file, reading it ends, and what is read is written again.
        #[test]
        fn any_text_is_passwords_or_an_error_with_its_line(
            text in "(#?[a-z:$]{0,3}[:$]?(\\$argon2id\\$v=19\\$m=8,t=1,p=1\\$c29tZXNhbHQ\\$AAAAAAAAAAAAAAAAAAAAAA)?\\PC{0,2}\n){0,4}"
        ) {
            match text.parse::<Passwords>() {
                Ok(passwords) => {
                    let again: Passwords = passwords.to_string().parse().unwrap();
                    proptest::prop_assert_eq!(again.to_string(), passwords.to_string());
                }
                Err(error) => {
                    proptest::prop_assert!((1..=text.lines().count()).contains(&error.line()), "{}", error);
                }
            }
        }
    }

    #[test]
    fn names_that_would_break_a_line_are_refused() {
        let mut passwords = Passwords::default();
        for name in ["", "a:b", "#a", "a\nb", "a\rb", " a", "a ", "a\0"] {
            let refused = passwords.set_with(cheap(), name, b"x");
            assert!(matches!(refused, Err(PasswordError::User(_))), "{name:?}");
        }
        assert_eq!(passwords.to_string(), "");
    }
}
