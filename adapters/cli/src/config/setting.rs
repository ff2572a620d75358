//! What a value in the configuration may be, read and written.

use core::time::Duration;
use std::path::PathBuf;

use mqtt_proto::QoS;
use mqtt_session::server::{Bucket, DropPolicy, RetainedPolicy};
use toml::de::DeValue;

/// A value of one key.
pub(super) trait Setting: Sized {
    /// Reads it; the error says what it should be.
    fn read(value: &DeValue<'_>) -> Result<Self, String>;

    /// As TOML; `None`, if there is none.
    fn write(&self) -> Option<String>;
}

/// What is wrong with a value that is not what it should be.
pub(super) fn unexpected(expected: &str, value: &DeValue<'_>) -> String {
    let found = match value {
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::String(text) => quoted(text),
        DeValue::Boolean(yes) => yes.to_string(),
        other => format!("a value of type {}", other.type_str()),
    };
    format!("expected {expected}, not {found}")
}

/// As a string of TOML.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

macro_rules! whole_numbers {
    ($($type:ty)*) => {$(
        impl Setting for $type {
            fn read(value: &DeValue<'_>) -> Result<Self, String> {
                value
                    .as_integer()
                    .and_then(|number| <$type>::from_str_radix(number.as_str(), number.radix()).ok())
                    .ok_or_else(|| unexpected(&format!("a whole number from 0 to {}", <$type>::MAX), value))
            }

            fn write(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}

whole_numbers!(u16 u32 u64);

/// The largest is no limit, so it is not written; integers of TOML are smaller anyway.
impl Setting for usize {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let number = u64::read(value)
            .ok()
            .filter(|&number| i64::try_from(number).is_ok());
        number
            .and_then(|number| Self::try_from(number).ok())
            .ok_or_else(|| unexpected("a whole number from 0 on", value))
    }

    fn write(&self) -> Option<String> {
        (*self != Self::MAX).then(|| self.to_string())
    }
}

impl Setting for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| unexpected("true or false", value))
    }

    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for String {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value
            .as_str()
            .map(Self::from)
            .ok_or_else(|| unexpected("a string", value))
    }

    fn write(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Setting for PathBuf {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value.as_str() {
            Some(path) if !path.is_empty() => Ok(path.into()),
            _ => Err(unexpected("a path", value)),
        }
    }

    fn write(&self) -> Option<String> {
        Some(quoted(&self.to_string_lossy()))
    }
}

/// Seconds, also parts of one.
impl Setting for Duration {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let seconds = match value {
            DeValue::Integer(_) => u64::read(value).ok().map(Self::from_secs),
            DeValue::Float(number) => number
                .as_str()
                .parse()
                .ok()
                .and_then(|seconds| Self::try_from_secs_f64(seconds).ok()),
            _ => None,
        };
        seconds.ok_or_else(|| unexpected("a number of seconds", value))
    }

    fn write(&self) -> Option<String> {
        Some(match self.subsec_nanos() {
            0 => self.as_secs().to_string(),
            _ => self.as_secs_f64().to_string(),
        })
    }
}

/// None, if the key is missing.
impl<T: Setting> Setting for Option<T> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        T::read(value).map(Some)
    }

    fn write(&self) -> Option<String> {
        self.as_ref()?.write()
    }
}

/// One of some words.
pub(super) trait Word: Copy + PartialEq + 'static {
    const WORDS: &'static [(&'static str, Self)];

    fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, this)| *this == self)
            .map_or("", |(word, _)| word)
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(this, _)| *this == word)
            .map(|(_, value)| *value)
    }
}

macro_rules! words {
    ($($type:ty { $($word:literal => $value:expr,)* })*) => {$(
        impl $crate::config::setting::Word for $type {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $value)),*];
        }

        impl $crate::config::setting::Setting for $type {
            fn read(value: &toml::de::DeValue<'_>) -> Result<Self, String> {
                let known = value.as_str().and_then(<Self as $crate::config::setting::Word>::from_word);
                known.ok_or_else(|| {
                    let words: Vec<_> = <Self as $crate::config::setting::Word>::WORDS.iter().map(|(word, _)| $crate::config::setting::quoted(word)).collect();
                    $crate::config::setting::unexpected(&words.join(" or "), value)
                })
            }

            fn write(&self) -> Option<String> {
                Some($crate::config::setting::quoted($crate::config::setting::Word::word(*self)))
            }
        }
    )*};
}
pub(super) use words;

words! {
    DropPolicy {
        "newest" => DropPolicy::Newest,
        "oldest" => DropPolicy::Oldest,
        "disconnect" => DropPolicy::Disconnect,
    }
    RetainedPolicy {
        "refuse-new" => RetainedPolicy::RefuseNew,
        "evict-oldest" => RetainedPolicy::EvictOldest,
        "evict-soonest-to-expire" => RetainedPolicy::EvictSoonestToExpire,
    }
}

impl Setting for QoS {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        u16::read(value)
            .ok()
            .and_then(|number| Self::from_u8(u8::try_from(number).ok()?))
            .ok_or_else(|| unexpected("0, 1 or 2", value))
    }

    fn write(&self) -> Option<String> {
        Some(u8::from(*self).to_string())
    }
}

impl Setting for Bucket {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let what = "{ per_second = NUMBER, burst = NUMBER }";
        let table = value
            .as_table()
            .filter(|table| table.len() == 2)
            .ok_or_else(|| unexpected(what, value))?;
        let number = |name: &str| match table.get(name) {
            Some(number) => u32::read(number.get_ref()).map_err(|error| format!("{name}: {error}")),
            None => Err(unexpected(what, value)),
        };
        Ok(Self {
            per_second: number("per_second")?,
            burst: number("burst")?,
        })
    }

    fn write(&self) -> Option<String> {
        Some(format!(
            "{{ per_second = {}, burst = {} }}",
            self.per_second, self.burst
        ))
    }
}
