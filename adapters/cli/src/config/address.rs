//! Where a listener listens.

use core::fmt;
use std::path::PathBuf;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddress {
    /// HOST:PORT. The name is looked up when the broker starts.
    Tcp(String),
    /// A socket of the file system.
    Unix(PathBuf),
}

impl ListenAddress {
    /// `HOST:PORT` or `unix:PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("no path after 'unix:'".into()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => host_and_port(text).map(Self::Tcp),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Names are looked up later.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').ok_or("no port: give HOST:PORT")?;
    if host.is_empty() {
        return Err("no host: 0.0.0.0 and [::] mean any".into());
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err("an IPv6 address stands in brackets".into());
    }
    port.parse::<u16>()
        .map_err(|_| format!("'{port}' is not a port, 0 to 65535"))?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_a_port_or_a_path() {
        for (text, expected) in [
            ("localhost:0", ListenAddress::Tcp("localhost:0".into())),
            ("[::1]:1884", ListenAddress::Tcp("[::1]:1884".into())),
            ("unix:/run/mqtt", ListenAddress::Unix("/run/mqtt".into())),
        ] {
            let address = ListenAddress::parse(text).unwrap();
            assert_eq!((&address, &*address.to_string()), (&expected, text));
        }
        for wrong in ["1883", ":1883", "::1:1883", "a:b", "a:65536", "", "unix:"] {
            assert!(ListenAddress::parse(wrong).is_err(), "{wrong}");
        }
    }
}
