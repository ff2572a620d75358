//! How the values of a profile are written, and what stands where none is.
//!
//! Each kind is a type of its own while it is read, so that an error has the place of the value, not of the list around it.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use mqtt_proto::{Statement, Version};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::target::setup::FEATURES;
use crate::trace::{nearest, parse_time, parse_version};

pub(super) fn all_versions() -> Vec<Version> {
    Version::ALL.to_vec()
}

pub(super) const fn patience() -> Duration {
    Duration::from_secs(1)
}

pub(super) const fn slack() -> Duration {
    Duration::from_millis(300)
}

/// A value that is written as text, by what reads it.
struct Written<T>(T);

/// What can be written as text.
trait Word: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl<'de, T: Word> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The reader of TOML knows the place of what a visitor refuses, and not of what is refused later.
        deserializer.deserialize_str(Reader(PhantomData))
    }
}

struct Reader<T>(PhantomData<T>);

impl<T: Word> Visitor<'_> for Reader<T> {
    type Value = Written<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::read(text).map(Written).map_err(E::custom)
    }
}

impl Word for Version {
    fn read(text: &str) -> Result<Self, String> {
        parse_version(text)
    }
}

impl Word for Statement {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|e| format!("`{text}` is no statement: {e}"))
    }
}

/// A word of `requires:`.
struct Feature(String);

impl Word for Feature {
    fn read(text: &str) -> Result<Self, String> {
        if FEATURES.contains(&text) {
            return Ok(Self(text.to_owned()));
        }
        let hint = nearest(text, FEATURES.iter().copied())
            .unwrap_or_else(|| format!("there are: {}", FEATURES.join(", ")));
        Err(format!("`{text}` is no word of `requires:`; {hint}"))
    }
}

impl Word for Duration {
    fn read(text: &str) -> Result<Self, String> {
        parse_time(text)
    }
}

fn list<'de, T: Word, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::<Written<T>>::deserialize(deserializer)?;
    Ok(list.into_iter().map(|written| written.0).collect())
}

pub(super) fn versions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Version>, D::Error> {
    list(deserializer)
}

pub(super) fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
    Written::deserialize(deserializer).map(|written| written.0)
}

pub(super) fn some_versions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Version>>, D::Error> {
    list(deserializer).map(Some)
}

pub(super) fn features<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list: Vec<Feature> = list(deserializer)?;
    Ok(list.into_iter().map(|feature| feature.0).collect())
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Written::deserialize(deserializer).map(|written| written.0)
}

/// One statement, or several in a list.
pub(super) fn statements<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Statement>, D::Error> {
    struct OneOrMore;

    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<Statement>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a statement such as \"5/MQTT-3.3.1-2\", or a list of them")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Statement::read(text).map(|one| vec![one]).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(Written(one)) = seq.next_element::<Written<Statement>>()? {
                all.push(one);
            }
            if all.is_empty() {
                return Err(A::Error::custom("a finding breaks a statement at least"));
            }
            Ok(all)
        }
    }

    deserializer.deserialize_any(OneOrMore)
}

pub(super) fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    match usize::deserialize(deserializer)? {
        0 => Err(D::Error::custom("at least 1")),
        n => Ok(Some(n)),
    }
}
