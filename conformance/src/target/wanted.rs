//! What a trace wants of the machine that is made for it.

use core::cell::Cell;

use mqtt_proto::Version;

use super::setup::Setting;
use crate::fields::{Bindings, Val, resolve_value};
use crate::trace::Trace;

/// The version that is played, and the `config:` of the trace.
///
/// Whoever makes a machine asks for the settings that it has by their names. A trace with a setting that nobody asked for is
/// not applicable: it would show something else than it says.
#[derive(Debug)]
pub struct Wanted<'t> {
    trace: &'t Trace,
    version: Version,
    /// By the place of the setting.
    asked: Vec<Cell<bool>>,
}

impl<'t> Wanted<'t> {
    pub(super) fn new(trace: &'t Trace, version: Version) -> Self {
        Self {
            trace,
            version,
            asked: vec![Cell::new(false); trace.head.config.len()],
        }
    }

    /// The version that is to be spoken.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The setting of this name, if the trace has it and it is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.setting(name)? {
            (asked, Setting::Number(number)) => {
                asked.set(true);
                Some(number)
            }
            (_, Setting::Word(_) | Setting::Text(_)) => None,
        }
    }

    /// The setting of this name, if the trace has it and it is a word.
    #[must_use]
    pub fn word(&self, name: &str) -> Option<&'t str> {
        match self.setting(name)? {
            (asked, Setting::Word(word)) => {
                asked.set(true);
                Some(word)
            }
            (_, Setting::Number(_) | Setting::Text(_)) => None,
        }
    }

    /// The setting of this name, if the trace has it and it is text or bytes.
    #[must_use]
    pub fn data(&self, name: &str) -> Option<Vec<u8>> {
        let at = self
            .trace
            .head
            .config
            .iter()
            .position(|field| field.name == name)?;
        let value = &self.trace.head.config.get(at)?.value;
        match resolve_value(value, self.version, &Bindings::new()) {
            Ok(Val::Data(data)) => {
                self.asked.get(at)?.set(true);
                Some(data)
            }
            _ => None,
        }
    }

    fn setting(&self, name: &str) -> Option<(&Cell<bool>, Setting<'t>)> {
        let at = self
            .trace
            .head
            .config
            .iter()
            .position(|field| field.name == name)?;
        Some((self.asked.get(at)?, Setting::of(self.trace.head.config.get(at)?)?))
    }

    /// The trace, all of its settings taken as asked for.
    pub(super) fn trace(&self) -> &'t Trace {
        self.asked.iter().for_each(|asked| asked.set(true));
        self.trace
    }

    /// Makes a machine; an error if a setting was not asked for.
    pub(super) fn make<M>(&self, make: &dyn Fn(&Self) -> Result<M, String>) -> Result<M, String> {
        let made = make(self)?;
        let mut settings = self.asked.iter().zip(&self.trace.head.config);
        match settings.find(|(asked, _)| !asked.get()) {
            Some((_, field)) => Err(format!("its setting {field} is none that this target has")),
            None => Ok(made),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_nobody_asks_for_makes_no_machine() {
        let text = "title: t\ntest: broker\nversion: 5\nconfig: receive_maximum=3 refused_topic=\"t\" drop_policy=oldest\n-> PINGREQ\n";
        let trace = Trace::parse("t", text).unwrap();
        let wanted = Wanted::new(&trace, Version::V5);
        let made = wanted.make(&|wanted| {
            assert_eq!(wanted.number("receive_maximum"), Some(3));
            assert_eq!(wanted.word("drop_policy"), Some("oldest"));
            assert_eq!(
                (wanted.number("sessions"), wanted.word("receive_maximum")),
                (None, None)
            );
            Ok(())
        });
        assert!(made.is_err_and(|why| why.contains("refused_topic")));
        assert_eq!(
            wanted.make(&|wanted| Ok(wanted.data("refused_topic"))),
            Ok(Some(b"t".to_vec()))
        );
    }
}
