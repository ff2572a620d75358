//! Where the server is, and who one is there: `-h -p -u -P`, or `--url`.

use std::ffi::OsString;

use clap::Args;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::failure::Failure;

/// The port of MQTT over plain TCP.
const PORT: u16 = 1883;

#[derive(Debug, Args)]
pub(super) struct AddressArgs {
    /// Host name or address of the server [default: localhost]
    #[arg(short = 'h', long, value_name = "HOST")]
    host: Option<String>,
    /// TCP port of the server [default: 1883]
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// User name
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    username: Option<String>,
    /// Password
    #[arg(short = 'P', long = "pw", value_name = "PASSWORD", allow_hyphen_values = true)]
    password: Option<OsString>,
    /// Server, user and topic in one: mqtt://user:password@host:port/topic
    #[arg(short = 'L', long, value_name = "URL", conflicts_with_all = ["host", "port"])]
    url: Option<String>,
}

/// Where the server is, who one is there, and perhaps a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name.
    pub user_name: Option<String>,
    /// Password.
    pub password: Option<Vec<u8>>,
    /// The path of the URL, decoded.
    pub topic: Option<String>,
}

impl AddressArgs {
    pub(super) fn check(self) -> Result<Address, Failure> {
        let mut address = match &self.url {
            Some(url) => Address::from_url(url)?,
            None => Address {
                host: self.host.unwrap_or_else(|| "localhost".into()),
                ..Address::default()
            },
        };
        if self.url.is_none() {
            address.port = self.port.unwrap_or(PORT);
        }
        if self.username.is_some() && address.user_name.is_some() {
            return Err(Failure::new("the user name is given twice, in --url and by -u"));
        }
        if self.password.is_some() && address.password.is_some() {
            return Err(Failure::new("the password is given twice, in --url and by -P"));
        }
        address.user_name = address.user_name.or(self.username);
        address.password = address
            .password
            .or_else(|| self.password.map(OsString::into_encoded_bytes));
        Ok(address)
    }
}

impl Address {
    /// Reads `mqtt://user:password@host:port/topic`. Everything after the host is the topic, `?` and `#` too; `%2f` and
    /// the like are decoded everywhere.
    ///
    /// # Errors
    /// It is no such URL. The message does not repeat the password.
    pub fn from_url(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::new(format!("--url: {why}"));
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        match url.scheme() {
            "mqtt" => {}
            "mqtts" | "ws" | "wss" | "unix" => {
                return Err(wrong(&format!("{}: is not supported, mqtt: is", url.scheme())));
            }
            other => {
                return Err(wrong(&format!(
                    "'{other}:' is not the scheme of a server, mqtt: is"
                )));
            }
        }
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| wrong("no host"))?;
        if url.port() == Some(0) {
            return Err(wrong("port 0"));
        }
        let decoded = |part: &str, what: &str| {
            let text = percent_decode_str(part).decode_utf8();
            text.map(String::from)
                .map_err(|_| wrong(&format!("the {what} is not UTF-8")))
        };
        // From the text itself: to a URL, `a/../b` is `b`, but not to MQTT.
        let behind = text.split_once("://").map_or("", |(_, behind)| behind);
        let topic = match behind.split_once('/') {
            Some((_, topic)) if !topic.is_empty() => Some(decoded(topic, "topic")?),
            _ if url.query().is_some() || url.fragment().is_some() => {
                return Err(wrong("'?' or '#' before the topic"));
            }
            _ => None,
        };
        let user = url.username();
        Ok(Self {
            host: decoded(host.trim_start_matches('[').trim_end_matches(']'), "host")?,
            port: url.port().unwrap_or(PORT),
            user_name: if user.is_empty() {
                None
            } else {
                Some(decoded(user, "user name")?)
            },
            password: url
                .password()
                .map(|password| percent_decode_str(password).collect()),
            topic,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{complaint, publish};
    use super::*;

    fn url(text: &str) -> Result<Address, String> {
        Address::from_url(text).map_err(|failure| failure.message().into())
    }

    #[test]
    fn a_url_says_where_who_and_what() {
        let all = url("mqtt://me:p%40ss%00@example.org:2883/a/b%20c").unwrap();
        assert_eq!((all.host.as_str(), all.port), ("example.org", 2883));
        assert_eq!(all.user_name.as_deref(), Some("me"));
        assert_eq!(all.password.as_deref(), Some(&b"p@ss\0"[..]));
        assert_eq!(all.topic.as_deref(), Some("a/b c"));
        let least = url("mqtt://h").unwrap();
        assert_eq!(
            (least.host.as_str(), least.port, least.user_name, least.topic),
            ("h", 1883, None, None)
        );
        assert_eq!(url("mqtt://[::1]:7").unwrap().host, "::1");
    }

    #[test]
    fn the_path_of_a_url_is_the_topic_as_it_stands() {
        for (text, topic) in [
            ("mqtt://h/a/+/#", "a/+/#"),
            ("mqtt://h/a?b", "a?b"),
            ("mqtt://h/a/../b/./c", "a/../b/./c"),
            ("mqtt://h//a/", "/a/"),
            ("mqtt://h/$share/g/a", "$share/g/a"),
            ("mqtt://h/%C3%BC", "ü"),
        ] {
            assert_eq!(url(text).unwrap().topic.as_deref(), Some(topic), "{text}");
        }
        assert_eq!(url("mqtt://h/").unwrap().topic, None);
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for (text, part) in [
            ("mqtt://", "no host"),
            ("h", "relative URL"),
            ("mqtt:h", "no host"),
            ("http://u:secret@h", "'http:' is not the scheme"),
            ("mqtts://u:secret@h", "mqtts: is not supported"),
            ("mqtt://u:secret@h:99999", "invalid port"),
            ("mqtt://u:secret@h:0", "port 0"),
            ("mqtt://h#a", "before the topic"),
            ("mqtt://h/%ff", "the topic is not UTF-8"),
        ] {
            let said = url(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn options_and_url_are_the_same_thing() {
        let by_url = publish("pub --url mqtt://u:p@h:7/t -m x");
        let by_options = publish("pub -h h -p 7 -u u -P p -t t -m x");
        assert_eq!(by_url.topic, by_options.topic);
        let address = Address {
            topic: None,
            ..by_url.connect.address
        };
        assert_eq!(address, by_options.connect.address);
        let nothing = publish("pub -t t -m x").connect.address;
        assert_eq!((nothing.host.as_str(), nothing.port), ("localhost", 1883));
        for (line, part) in [
            ("pub --url mqtt://h/t -h i -m x", "cannot be used with"),
            ("pub --url mqtt://h/t -p 7 -m x", "cannot be used with"),
            ("pub --url mqtt://u@h/t -u v -m x", "the user name is given twice"),
            (
                "pub --url mqtt://u:p@h/t -P q -m x",
                "the password is given twice",
            ),
            ("pub --url mqtt://h/t -t u -m x", "the topic is given twice"),
        ] {
            assert!(complaint(line).contains(part), "{}", complaint(line));
        }
    }
}
