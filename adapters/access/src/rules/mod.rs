//! Access rules: who may publish and subscribe where.

mod line;

use core::{fmt, str::FromStr};
use std::path::Path;

use mqtt_proto::{TopicFilter, TopicName, Version};

use crate::{
    FileError,
    covering::{Wanted, covers, overlaps},
    file_error::{self, LineError},
    topic_pattern::TopicPattern,
};

/// A client that wants something.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a client has these two names")]
pub struct Who<'a> {
    /// Its user's name, if that was verified; `None` is anonymous.
    pub user: Option<&'a str>,
    /// Its client id. Nobody verifies that, unless a rule ties it to a user.
    pub client_id: &'a str,
}

/// Who may publish and subscribe where.
///
/// As a text, each line is one rule, `VERDICT WHO WHAT FILTER`; empty lines and lines that begin with `#` mean nothing.
///
/// | | |
/// |---|---|
/// | `VERDICT` | `allow` or `deny` |
/// | `WHO` | `everyone`, `anonymous`, `users` (whoever has a name), `user NAME` or `client ID`; a name with blanks stands in double quotes |
/// | `WHAT` | `publish` (wills too), `subscribe` or `both` |
/// | `FILTER` | a topic filter to the end of the line; in a level `%u` is the user's name, `%c` the client id, `%%` is `%` |
///
/// **The first rule that decides does.** A topic to publish to is decided by the first rule whose filter matches it. A subscription
/// asks for many topics: a rule with `deny` decides if any of those matches it too, a rule with `allow` only if all of them do. So what
/// a client receives is never more than the rules allow topic by topic; but a subscription is refused too, if two rules together would
/// cover it and none does alone. Where no rule decides, it is `default deny` or `default allow`, a line that stands before all rules;
/// without one it is `deny`.
///
/// A name fills a placeholder only if it stays within a level: it is not empty, has no `/`, `+` or `#`, and does not make a `$` topic. Otherwise
/// a rule with `allow` does not apply, and one with `deny` takes any level there. Wildcards do not match topics that begin with `$`.
/// Those of a client of 3.1 do, so it is not allowed a filter that begins with one.
///
/// ```
/// use mqtt_access::{Rules, Who};
/// use mqtt_proto::{TopicFilter, TopicName, Version};
///
/// let rules: Rules = "
///     deny  everyone   both      home/safe/#
///     allow user ann   both      home/#
///     allow users      publish   from/%u/+
///     allow everyone   subscribe news/#
/// ".parse()?;
/// let ann = Who { user: Some("ann"), client_id: "phone" };
/// assert!(rules.may_publish(&ann, TopicName::new("home/lamp")?));
/// assert!(!rules.may_publish(&ann, TopicName::new("home/safe/door")?));
/// assert!(rules.may_publish(&ann, TopicName::new("from/ann/x")?));
/// assert!(rules.may_subscribe(&ann, TopicFilter::new("home/lamp/+")?, Version::V5));
/// assert!(!rules.may_subscribe(&ann, TopicFilter::new("home/#")?, Version::V5)); // the safe is in it
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Where no rule decides.
    otherwise: bool,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    allow: bool,
    who: Whom,
    publish: bool,
    subscribe: bool,
    pattern: TopicPattern,
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whom {
    Everyone,
    Anonymous,
    Users,
    User(String),
    Client(String),
}

impl Rules {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is not as it should be.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        file_error::read(path)?
            .parse()
            .map_err(|error| FileError::at(path, error))
    }

    /// Whether this client may publish to this topic, also as its will.
    pub fn may_publish(&self, who: &Who<'_>, topic: TopicName<'_>) -> bool {
        self.decide(who, |rule| rule.publish, topic.as_str(), false)
    }

    /// Whether this client may subscribe to this filter. A shared subscription of 5.0 is judged by the filter that its group shares; in
    /// 3.x there are none.
    pub fn may_subscribe(&self, who: &Who<'_>, filter: TopicFilter<'_>, version: Version) -> bool {
        let filter = match version {
            Version::V5 => filter.share().map_or(filter, |share| share.filter()),
            Version::V31 | Version::V311 => filter,
        };
        self.decide(
            who,
            |rule| rule.subscribe,
            filter.as_str(),
            version == Version::V31,
        )
    }

    fn decide(&self, who: &Who<'_>, is_about: impl Fn(&Rule) -> bool, asked: &str, dollar: bool) -> bool {
        for rule in self
            .rules
            .iter()
            .filter(|rule| is_about(rule) && rule.who.is(who))
        {
            let decides = if rule.allow {
                covers(rule.pattern.wanted(who, Wanted::Nothing), asked, dollar)
            } else {
                overlaps(rule.pattern.wanted(who, Wanted::Whatever), asked, dollar)
            };
            if decides {
                return rule.allow;
            }
        }
        self.otherwise
    }
}

impl Whom {
    fn is(&self, who: &Who<'_>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Anonymous => who.user.is_none(),
            Self::Users => who.user.is_some(),
            Self::User(name) => who.user == Some(name),
            Self::Client(id) => who.client_id == id,
        }
    }
}

impl FromStr for Rules {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let mut rules = Self::default();
        let mut has_default = false;
        for (index, line) in text.lines().enumerate() {
            let wrong = |what| LineError::new(index + 1, what);
            match line::parse(line).map_err(wrong)? {
                None => {}
                Some(line::Parsed::Rule(rule)) => rules.rules.push(rule),
                Some(line::Parsed::Default(_)) if has_default || !rules.rules.is_empty() => {
                    return Err(wrong("'default' stands once, before all rules".into()));
                }
                Some(line::Parsed::Default(otherwise)) => {
                    has_default = true;
                    rules.otherwise = otherwise;
                }
            }
        }
        Ok(rules)
    }
}

/// As the lines of a file.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "default {}", line::verdict(self.otherwise))?;
        self.rules.iter().try_for_each(|rule| writeln!(f, "{rule}"))
    }
}

#[cfg(test)]
mod tests;
