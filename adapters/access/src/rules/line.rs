//! One line of a file of rules.

use core::fmt;

use super::{Rule, Whom};
use crate::topic_pattern::TopicPattern;

pub(super) enum Parsed {
    Default(bool),
    Rule(Rule),
}

/// `None`: a line that means nothing.
pub(super) fn parse(line: &str) -> Result<Option<Parsed>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut words = Words(line);
    if words.0.split_whitespace().next() == Some("default") {
        words.next("default")?;
        let otherwise = allow(words.next("`allow` or `deny`")?)?;
        return match words.0 {
            "" => Ok(Some(Parsed::Default(otherwise))),
            more => Err(format!("'{more}' after `default`")),
        };
    }
    let allow = allow(words.next("`allow` or `deny`")?)?;
    let who = match words.next("whom it is about")? {
        "everyone" => Whom::Everyone,
        "anonymous" => Whom::Anonymous,
        "users" => Whom::Users,
        "user" => Whom::User(words.name("the user's name")?),
        "client" => Whom::Client(words.name("the client id")?),
        other => {
            return Err(format!(
                "'{other}' is nobody: `everyone`, `anonymous`, `users`, `user NAME` or `client ID`"
            ));
        }
    };
    let (publish, subscribe) = match words.next("`publish`, `subscribe` or `both`")? {
        "publish" => (true, false),
        "subscribe" => (false, true),
        "both" => (true, true),
        other => return Err(format!("'{other}' is not `publish`, `subscribe` or `both`")),
    };
    if words.0.is_empty() {
        return Err("the line ends before the topic filter".into());
    }
    Ok(Some(Parsed::Rule(Rule {
        allow,
        who,
        publish,
        subscribe,
        pattern: TopicPattern::new(words.0)?,
    })))
}

fn allow(word: &str) -> Result<bool, String> {
    match word {
        "allow" => Ok(true),
        "deny" => Ok(false),
        other => Err(format!("'{other}' is neither `allow` nor `deny`")),
    }
}

pub(super) const fn verdict(allow: bool) -> &'static str {
    if allow { "allow" } else { "deny" }
}

/// What is left of a line; it does not begin with a blank.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn next(&mut self, what: &str) -> Result<&'a str, String> {
        if self.0.is_empty() {
            return Err(format!("the line ends before {what}"));
        }
        let (word, rest) = self.0.split_once(char::is_whitespace).unwrap_or((self.0, ""));
        self.0 = rest.trim_start();
        Ok(word)
    }

    /// A word, or what stands between two double quotes; there `\"` is a quote and `\\` a backslash.
    fn name(&mut self, what: &str) -> Result<String, String> {
        let Some(quoted) = self.0.strip_prefix('"') else {
            return self.next(what).map(Into::into);
        };
        let mut name = String::new();
        let mut chars = quoted.chars();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => name.extend(chars.next()),
                Some(c) => name.push(c),
                None => return Err(format!("no quote at the end of {what}")),
            }
        }
        let rest = chars.as_str();
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return Err(format!("no blank after {what}"));
        }
        self.0 = rest.trim_start();
        Ok(name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.publish, self.subscribe) {
            (true, false) => "publish",
            (false, true) => "subscribe",
            _ => "both",
        };
        let (who, name) = match &self.who {
            Whom::Everyone => ("everyone", None),
            Whom::Anonymous => ("anonymous", None),
            Whom::Users => ("users", None),
            Whom::User(name) => ("user", Some(name)),
            Whom::Client(id) => ("client", Some(id)),
        };
        write!(f, "{} {who} ", verdict(self.allow))?;
        if let Some(name) = name {
            let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, "\"{quoted}\" ")?;
        }
        write!(f, "{what} {}", self.pattern.as_str())
    }
}
