//! `mqtt broker`.

use clap::Args;

/// What `mqtt broker` is to do.
#[derive(Debug, Args)]
#[non_exhaustive]
pub struct Broker {
    /// Where to listen, as HOST:PORT; may be repeated. Port 0: any that is free
    #[arg(long = "listen", value_name = "ADDRESS", default_value = "127.0.0.1:1883", value_parser = host_and_port)]
    pub listen: Vec<String>,
}

/// Names are looked up later.
fn host_and_port(text: &str) -> Result<String, String> {
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
    use super::super::{Command, tests::command};
    use super::*;

    #[test]
    fn it_listens_where_it_is_told_and_on_loopback_by_default() {
        for (line, expected) in [
            ("broker", &["127.0.0.1:1883"][..]),
            (
                "broker --listen localhost:0 --listen [::1]:1884",
                &["localhost:0", "[::1]:1884"],
            ),
        ] {
            let Command::Broker(broker) = command(line).unwrap() else {
                panic!("{line}")
            };
            assert_eq!(broker.listen, expected);
        }
        for wrong in ["1883", ":1883", "::1:1883", "a:b", "a:65536", ""] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }
}
