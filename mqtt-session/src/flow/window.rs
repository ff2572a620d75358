//! Flow control (4.9): how many messages of QoS 1 and 2 may be under way.

/// The send quota of one connection (4.9). Made anew for each connection, and charged for what is sent again.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    limit: u16,
    used: u16,
}

impl Window {
    /// A window with the peer's Receive Maximum; 65,535 where it named none, and in 3.x (`5/MQTT-4.9.0-1`).
    pub const fn new(limit: u16) -> Self {
        Self { limit, used: 0 }
    }

    /// One more message may be sent (`5/MQTT-4.9.0-2`).
    pub const fn has_room(&self) -> bool {
        self.used < self.limit
    }

    /// A message of QoS 1 or 2 was sent, or a PUBREL sent again. Answers already owed go out even when there is no
    /// room (`5/MQTT-4.9.0-3`), so this counts past the limit.
    pub const fn take(&mut self) {
        self.used = self.used.saturating_add(1);
    }

    /// A message that was charged has ended: PUBACK, PUBCOMP, or a PUBREC that refuses.
    pub const fn give_back(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// How many are under way.
    pub const fn used(&self) -> u16 {
        self.used
    }

    /// The peer's Receive Maximum.
    pub const fn limit(&self) -> u16 {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_never_lets_more_through_than_its_limit_and_is_never_below_zero() {
        let mut window = Window::new(2);
        window.give_back();
        assert_eq!(window.used(), 0);
        window.take();
        assert!(window.has_room());
        window.take();
        assert!(!window.has_room());
        window.take();
        window.give_back();
        assert!(!window.has_room(), "a PUBREL sent again counts past the limit");
        window.give_back();
        assert!(window.has_room());
    }
}
