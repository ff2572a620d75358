//! Topic filters with placeholders.

use std::borrow::Cow;

use mqtt_proto::TopicFilter;

use crate::{Who, covering::Wanted};

/// A topic filter in which `%u` stands for the user's name and `%c` for the client id, anywhere in a level. `%%` is `%`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicPattern {
    text: String,
    levels: Vec<Level>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Text(String),
    Any,
    Rest,
    /// With placeholders, and not known before it is known for whom.
    Parts(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    User,
    Client,
}

impl TopicPattern {
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let filter = TopicFilter::new(text).map_err(|error| format!("'{text}': {error}"))?;
        if filter.as_str().starts_with("$share/") {
            return Err(format!("'{text}': give the filter alone, without $share/GROUP/"));
        }
        let levels = filter.levels().map(Level::new).collect::<Result<_, _>>();
        Ok(Self {
            text: text.into(),
            levels: levels.map_err(|error| format!("'{text}': {error}"))?,
        })
    }

    /// The levels for this client. A placeholder that cannot be filled takes what `unfilled` says.
    pub(crate) fn wanted<'a>(
        &'a self,
        who: &'a Who<'_>,
        unfilled: Wanted<'a>,
    ) -> impl Iterator<Item = Wanted<'a>> {
        self.levels
            .iter()
            .enumerate()
            .map(move |(index, level)| match level {
                Level::Text(text) => Wanted::Text(Cow::Borrowed(text)),
                Level::Any => Wanted::Any,
                Level::Rest => Wanted::Rest,
                Level::Parts(parts) => {
                    fill(parts, who, index == 0).map_or_else(|| unfilled.clone(), Wanted::Text)
                }
            })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl Level {
    fn new(text: &str) -> Result<Self, String> {
        match text {
            "+" => return Ok(Self::Any),
            "#" => return Ok(Self::Rest),
            _ => {}
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                plain.push(c);
                continue;
            }
            let part = match chars.next() {
                Some('%') => {
                    plain.push('%');
                    continue;
                }
                Some('u') => Part::User,
                Some('c') => Part::Client,
                Some(other) => {
                    return Err(format!(
                        "'%{other}' means nothing: %u is the user, %c the client id, %% is %"
                    ));
                }
                None => return Err("'%' at the end of a level: %% is %".into()),
            };
            if !plain.is_empty() {
                parts.push(Part::Text(core::mem::take(&mut plain)));
            }
            parts.push(part);
        }
        if parts.is_empty() {
            return Ok(Self::Text(plain));
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self::Parts(parts))
    }
}

/// A level for this client; `None`, if it has no name to fill in, or one that would reach further than a level does.
fn fill<'a>(parts: &'a [Part], who: &'a Who<'_>, first: bool) -> Option<Cow<'a, str>> {
    let mut level = Cow::Borrowed("");
    for part in parts {
        let (text, given) = match part {
            Part::Text(text) => (text.as_str(), false),
            Part::User => (who.user?, true),
            Part::Client => (who.client_id, true),
        };
        let reaches_out = text.is_empty()
            || text.contains(['/', '+', '#'])
            // It would be a topic of the server's.
            || first && level.is_empty() && text.starts_with('$');
        if given && reaches_out {
            return None;
        }
        level += text;
    }
    Some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pattern: &str, user: Option<&str>, client_id: &str) -> Vec<String> {
        let pattern = TopicPattern::new(pattern).unwrap();
        let who = Who { user, client_id };
        let levels = pattern.wanted(&who, Wanted::Nothing).map(|level| match level {
            Wanted::Text(text) => text.into_owned(),
            Wanted::Any => "+".into(),
            Wanted::Rest => "#".into(),
            Wanted::Nothing => "nothing".into(),
            Wanted::Whatever => unreachable!(),
        });
        levels.collect()
    }

    #[test]
    fn names_fill_a_level_or_a_part_of_it() {
        for (pattern, expected) in [
            ("a/+/#", &["a", "+", "#"][..]),
            ("%u/%c", &["ann", "c1"]),
            ("x-%u-%c/100%%/%%u", &["x-ann-c1", "100%", "%u"]),
        ] {
            assert_eq!(filled(pattern, Some("ann"), "c1"), expected, "{pattern}");
        }
    }

    #[test]
    fn no_name_reaches_further_than_its_level() {
        for name in ["", "a/b", "+", "#", "x+", "/"] {
            assert_eq!(filled("home/%u", Some(name), "c"), ["home", "nothing"], "{name}");
            assert_eq!(filled("home/x%c", None, name), ["home", "nothing"], "{name}");
        }
        assert_eq!(filled("home/%u", None, "c"), ["home", "nothing"]);
        assert_eq!(filled("%u/#", Some("$SYS"), "c"), ["nothing", "#"]);
        assert_eq!(filled("a/%u", Some("$SYS"), "c"), ["a", "$SYS"]);
        assert_eq!(filled("$%u/x", Some("ann"), "c"), ["$ann", "x"]);
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        for (pattern, what) in [
            ("", "''"),
            ("a#", "'#' stands alone"),
            ("a/%x", "'%x' means nothing"),
            ("a%/b", "'%' at the end of a level"),
            ("$share/g/a", "without $share/GROUP/"),
        ] {
            let said = TopicPattern::new(pattern).unwrap_err();
            assert!(said.contains(what), "{pattern}: {said}");
        }
    }
}
