//! The rules of the standards, by name.
//!
//! A [`Statement`] names one rule: a numbered normative statement of MQTT 3.1.1 or 5.0 (`3.1.1/MQTT-2.2.2-2`,
//! `5/MQTT-3.3.1-2`), or, for a rule that has no number, the section that states it (`5/2.1.2`, `3.1/2.1`). MQTT 3.1
//! numbers nothing; its rules have numbers of our own within their section (`3.1/2.1-4`). The version is part of the
//! name, because 121 labels stand in both numbered standards and mean different things there.
//!
//! It is a two-byte value. Where code refers to a rule, [`statement!`](crate::statement!) checks the name at compile
//! time, and the name stands in the source as a reader would look for it:
//!
//! ```
//! use mqtt_proto::{Statement, Version, statement};
//!
//! const DUP_AT_QOS_0: Statement = statement!("5/MQTT-3.3.1-2");
//! assert_eq!(DUP_AT_QOS_0.version(), Version::V5);
//! assert_eq!(DUP_AT_QOS_0.to_string(), "5/MQTT-3.3.1-2");
//! assert_eq!("5/MQTT-3.3.1-2".parse(), Ok(DUP_AT_QOS_0));
//! ```
//!
//! - `label`: the written form, both ways.
//! - `table`: every rule there is, generated from `conformance/spec`.
//! - `texts`: what each rule says, behind the feature `statements`.

mod label;
mod table;
#[cfg(feature = "statements")]
mod texts;

use core::fmt;
use core::num::NonZeroU16;
use core::str::FromStr;

use crate::Version;
use label::Label;
use table::RUNS;

/// One rule of one version of the standard.
///
/// Ordered by version, sections before numbered statements, and the latter as the standard numbers them. See the
/// [module](self) for what it names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Statement(NonZeroU16);

/// Names a [`Statement`]; a name that is in no standard does not compile.
///
/// ```
/// use mqtt_proto::statement;
///
/// assert!(statement!("3.1.1/MQTT-2.2.2-2").is_numbered());
/// assert!(!statement!("5/2.1.2").is_numbered());
/// ```
///
/// ```compile_fail
/// mqtt_proto::statement!("5/MQTT-2.2.1-1"); // 5.0 has no such statement
/// ```
#[macro_export]
macro_rules! statement {
    ($label:literal) => {
        const {
            match $crate::Statement::from_label($label) {
                ::core::option::Option::Some(statement) => statement,
                ::core::option::Option::None => ::core::panic!("no such statement"),
            }
        }
    };
}

impl Statement {
    /// The statement of this name, as [`Display`](fmt::Display) prints it.
    ///
    /// `None` if no standard has it. For names that are known when compiling, [`statement!`](crate::statement!) is the
    /// better way.
    #[must_use]
    pub const fn from_label(label: &str) -> Option<Self> {
        let Some(wanted) = Label::parse(label) else {
            return None;
        };
        let mut runs: &[table::Run] = RUNS;
        let mut before: u16 = 0;
        while let [run, rest @ ..] = runs {
            if let Some(within) = run.position(wanted) {
                // A `NonZeroU16` counts from one, so that `Option<Statement>` needs no more room.
                return match NonZeroU16::new(before.saturating_add(within).saturating_add(1)) {
                    Some(index) => Some(Self(index)),
                    None => None,
                };
            }
            before = before.saturating_add(run.len());
            runs = rest;
        }
        None
    }

    /// The version of MQTT whose rule this is.
    #[must_use]
    pub fn version(self) -> Version {
        self.label().version
    }

    /// True for a statement with a number of its own (in MQTT 3.1 a number that we gave it), false for a section.
    #[must_use]
    pub fn is_numbered(self) -> bool {
        self.label().numbered
    }

    /// What the rule says, in our words; for a section its title.
    ///
    /// The standard decides in doubt.
    #[cfg(feature = "statements")]
    #[must_use]
    pub fn text(self) -> &'static str {
        let mut index = usize::from(self.0.get().saturating_sub(1));
        for texts in texts::ALL {
            if let Some(text) = texts.get(index) {
                return text;
            }
            index = index.saturating_sub(texts.len());
        }
        ""
    }

    /// Every rule that has a name, in order.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        (1..=COUNT).filter_map(NonZeroU16::new).map(Self)
    }

    fn label(self) -> Label {
        let mut within = self.0.get().saturating_sub(1);
        for run in RUNS {
            if let Some(label) = run.label(within) {
                return label;
            }
            within = within.saturating_sub(run.len());
        }
        // Not reached: a `Statement` is only made from a position in the table.
        Label::FIRST
    }
}

/// How many rules have a name.
const COUNT: u16 = {
    let mut runs: &[table::Run] = RUNS;
    let mut count: u16 = 0;
    while let [run, rest @ ..] = runs {
        count = count.saturating_add(run.len());
        runs = rest;
    }
    count
};

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.label().fmt(f)
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statement({self})")
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Statement {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}", defmt::Display2Format(self));
    }
}

impl FromStr for Statement {
    type Err = UnknownStatement;

    fn from_str(s: &str) -> Result<Self, UnknownStatement> {
        Self::from_label(s).ok_or(UnknownStatement(()))
    }
}

/// The text names no rule of any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownStatement(());

impl fmt::Display for UnknownStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no statement or section of this name; they look like 5/MQTT-3.3.1-2, 5/2.1.2, 3.1/2.1 or 3.1/2.1-4")
    }
}

impl core::error::Error for UnknownStatement {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_takes_two_bytes_also_when_optional() {
        assert_eq!(size_of::<Statement>(), 2);
        assert_eq!(size_of::<Option<Statement>>(), 2);
    }

    #[test]
    fn every_statement_is_found_again_by_its_name_and_only_by_its_own() {
        use std::string::ToString;

        let mut seen = std::collections::BTreeSet::new();
        for statement in Statement::all() {
            let name = statement.to_string();
            assert_eq!(name.parse(), Ok(statement));
            assert!(seen.insert(name));
        }
        assert_eq!(seen.len(), usize::from(COUNT));
    }

    #[test]
    fn order_is_the_order_of_the_standards() {
        let list = [
            statement!("3.1/2.1"),
            statement!("3.1/3.14"),
            statement!("3.1/2.1-1"),
            statement!("3.1/3.1-2"),
            statement!("3.1/A-1"),
            statement!("3.1.1/2.2.3"),
            statement!("3.1.1/MQTT-1.5.3-1"),
            statement!("3.1.1/MQTT-3.1.2-9"),
            statement!("3.1.1/MQTT-3.1.2-10"),
            statement!("5/2.1.2"),
            statement!("5/3.1.2.11.10"),
            statement!("5/MQTT-3.3.1-2"),
        ];
        assert!(list.is_sorted());
    }

    #[test]
    fn a_name_that_is_nearly_right_names_nothing() {
        for name in [
            "",
            "5",
            "5/",
            "5/MQTT-",
            "5/MQTT-2.2.1-1",
            "5/MQTT-3.3.1",
            "5/MQTT-3.3.1-",
            "5/MQTT-3.3.1-0",
            "5/MQTT-3.3.1-14",
            "5/MQTT-3.3.1-258",
            "5/MQTT-03.3.1-2",
            "5/MQTT-3.3.1-2 ",
            "5/3.3.1-2",
            "5.0/MQTT-3.3.1-2",
            "4/MQTT-3.3.1-2",
            "3.1/MQTT-3.3.1-2",
            "3.1/MQTT-2.1.0-1",
            "3.1/2.1-0",
            "3.1/2.1-99",
            "3.1/2.1.0-1",
            "3.1/10.0-1",
            "3.1/A-",
            "5/2.1-1",
            "3.1.1/2.2-1",
            "3.1.1/A",
            "3.1/10",
            "5/2.1.2.",
            "5/2..2",
            "5/1.2.3.4.5.6",
        ] {
            assert_eq!(Statement::from_label(name), None, "{name:?}");
        }
    }

    #[cfg(feature = "statements")]
    #[test]
    fn every_statement_has_a_text() {
        assert!(Statement::all().all(|s| !s.text().is_empty()));
        assert_eq!(
            texts::ALL.iter().map(|t| t.len()).sum::<usize>(),
            usize::from(COUNT)
        );
    }
}
