//! Keys as a table: name, meaning, and how to read and write the value.

use toml::de::DeValue;

/// A key of a table whose values are kept in a `T`.
pub(super) struct Key<T: 'static> {
    pub(super) name: &'static str,
    /// Lines, each with a blank in front.
    pub(super) doc: &'static str,
    pub(super) set: fn(&mut T, &DeValue<'_>) -> Result<(), String>,
    /// As TOML; `None`, if there is no value.
    pub(super) get: fn(&T) -> Option<String>,
    /// What stands in a sample if there is no value.
    pub(super) example: &'static str,
}

/// Makes a table of keys of fields, which may be inside of others: `name: path.to.field`, and `= example` for what may have no value.
macro_rules! keys {
    ($type:ty { $(
        $(#[doc = $doc:literal])+
        $name:ident $(: $($path:ident).+)? $(= $example:literal)?,
    )* }) => {
        &[$($crate::config::key::Key::<$type> {
            name: stringify!($name),
            doc: concat!($($doc, "\n"),+),
            set: |target, value| {
                $crate::config::key::field!(target, $name $(, $($path).+)?) =
                    $crate::config::setting::Setting::read(value)?;
                Ok(())
            },
            get: |target| {
                $crate::config::setting::Setting::write(
                    &$crate::config::key::field!(target, $name $(, $($path).+)?),
                )
            },
            example: concat!($($example)?),
        }),*]
    };
}
pub(super) use keys;

/// A field, by its name or by a path.
macro_rules! field {
    ($target:ident, $name:ident) => {
        $target.$name
    };
    ($target:ident, $name:ident, $($path:ident).+) => {
        $target.$($path).+
    };
}
pub(super) use field;
