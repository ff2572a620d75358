//! Topic names, topic filters, what matches what, and patterns with named captures.
//!
//! - [`TopicName`]: what a message is published to. No wildcards.
//! - [`TopicFilter`]: what a subscription asks for. `+` stands for one level, a final `#` for all that follow.
//! - [`Share`]: the parts of a shared subscription's filter, `$share/group/filter`, of MQTT 5.0.
//! - [`Pattern`]: a filter whose wildcards have names, `site/+room/temp/#rest`, and that gives back what they stood for.
//!
//! All are checked when made, borrow their text, and allocate nothing. A level is what stands between two slashes; it may be
//! empty, so `/a` has two levels and matches `+/+`.
//!
//! ```
//! use mqtt_proto::Version;
//! use mqtt_proto::topic::{Pattern, TopicFilter, TopicName};
//!
//! let topic = TopicName::new("site/kitchen/temp/raw/1")?;
//! assert!(TopicFilter::new("site/+/temp/#")?.matches(topic, Version::V5));
//!
//! let pattern = Pattern::new("site/+room/temp/#rest").unwrap();
//! let found = pattern.captures(topic).unwrap();
//! assert_eq!(found.get("room"), Some("kitchen"));
//! assert_eq!(found.get("rest"), Some("raw/1"));
//! # Ok::<(), mqtt_proto::TopicError>(())
//! ```

mod error;
mod filter;
mod name;
mod pattern;
mod share;

pub use error::{TopicError, TopicErrorKind};
pub use filter::TopicFilter;
pub use name::TopicName;
#[cfg(feature = "alloc")]
pub use pattern::OwnedPattern;
pub use pattern::{Captures, Pattern, PatternError, PatternErrorKind, PatternFilter};
pub use share::Share;

/// Longest name or filter, in bytes: the length goes before it in two bytes (5/MQTT-4.7.3-3, 3.1.1/MQTT-4.7.3-3).
pub const MAX_TOPIC_LEN: usize = u16::MAX as usize;

/// How many levels a name or a filter has: one more than slashes. Counted byte by byte, which is quicker than going through
/// the levels.
///
/// ```
/// use mqtt_proto::topic::level_count;
///
/// assert_eq!(["a", "/a", "a//b/"].map(level_count), [1, 2, 4]);
/// ```
#[must_use]
pub fn level_count(path: &str) -> usize {
    path.bytes()
        .filter(|&byte| byte == b'/')
        .count()
        .saturating_add(1)
}
