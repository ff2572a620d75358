//! `--target`: what traces are run against.

use core::net::SocketAddr;
use core::str::FromStr;
use std::net::ToSocketAddrs;

use mqtt_conformance::target::live::LiveBroker;
use mqtt_conformance::target::{self, Target, broker, client, codec, pair};

/// What is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// All that is in memory.
    Memory,
    Codec,
    Client,
    Broker,
    Pair,
    /// A broker behind TCP.
    Live(Address),
}

/// `HOST:PORT`, which is looked up when it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address(String);

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = "memory, codec, client, broker, pair and tcp://HOST:PORT";
        match text {
            "memory" => Ok(Self::Memory),
            "codec" => Ok(Self::Codec),
            "client" => Ok(Self::Client),
            "broker" => Ok(Self::Broker),
            "pair" => Ok(Self::Pair),
            _ => match (text.split_once("://"), text.rsplit_once(':')) {
                (Some(("tcp", address)), _) if has_port(address) => {
                    Ok(Self::Live(Address(address.to_owned())))
                }
                (Some(("tcp", _)), _) => Err("the address needs a port: tcp://HOST:PORT".to_owned()),
                (Some((scheme, _)), _) => Err(format!("{scheme}:// is not known: there are {words}")),
                (None, Some(_)) if has_port(text) => {
                    Err(format!("for a broker at {text} write tcp://{text}"))
                }
                (None, _) => Err(format!("`{text}` is none of {words}")),
            },
        }
    }
}

fn has_port(address: &str) -> bool {
    let port = address
        .rsplit_once(':')
        .map(|(host, port)| (host, port.parse::<u16>()));
    matches!(port, Some((host, Ok(_))) if !host.is_empty())
}

impl What {
    /// The targets in memory that this names; none for a live broker.
    pub(super) fn in_memory(&self) -> Vec<Box<dyn Target>> {
        match self {
            Self::Memory => target::in_memory(),
            Self::Codec => vec![Box::new(codec::ours())],
            Self::Client => vec![Box::new(client::ours())],
            Self::Broker => vec![Box::new(broker::ours())],
            Self::Pair => vec![Box::new(pair::ours())],
            Self::Live(_) => Vec::new(),
        }
    }
}

impl Address {
    /// The broker that listens there.
    pub(super) fn connect(&self) -> Result<LiveBroker, String> {
        let Self(text) = self;
        let addresses: Vec<SocketAddr> = text
            .to_socket_addrs()
            .map_err(|e| format!("--target tcp://{text}: {e}"))?
            .collect();
        let mut why = "no address".to_owned();
        for address in addresses {
            match LiveBroker::at(address) {
                Ok(broker) => return Ok(broker),
                Err(error) => why = format!("{address}: {error}"),
            }
        }
        Err(format!("--target tcp://{text}: {why}"))
    }
}
