//! CONNECT (3.1).

use crate::{Properties, QoS, TopicName, Version};

/// The first packet of a client.
#[derive(Copy, Clone, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The version that client and server speak from here on.
    pub version: Version,
    /// Begin a new session; Clean Session in 3.x, where it also ends the session with the connection.
    pub clean_start: bool,
    /// Seconds within which the client sends something; 0 turns the check off.
    pub keep_alive: u16,
    /// The key of the session; may be empty, except in 3.1, which wants 1 to 23 characters.
    pub client_id: &'a str,
    /// The message to publish should this connection end badly.
    pub will: Option<Will<'a>>,
    /// User name.
    pub user_name: Option<&'a str>,
    /// Password; in 3.x only beside a user name, in 3.1 text.
    pub password: Option<&'a [u8]>,
    /// Connection properties; empty in 3.x.
    pub properties: Properties<'a>,
}

/// A will message (3.1.2.5).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// Where it is published.
    pub topic: TopicName<'a>,
    /// What is published; in 3.1 text.
    pub payload: &'a [u8],
    /// At which QoS.
    pub qos: QoS,
    /// Whether it is kept as the topic's retained message.
    pub retain: bool,
    /// Will properties; empty in 3.x.
    pub properties: Properties<'a>,
}
