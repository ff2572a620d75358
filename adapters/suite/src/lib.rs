//! The behaviours that every adapter is tested for.
//!
//! An adapter's tests implement [`Driver`], a blocking face over whatever the adapter is, and say
//! `adapter_suite::behaviours!(TheirDriver);`. Each behaviour becomes a test against a broker of its own, [`Broker`].

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    clippy::std_instead_of_core,
    reason = "tests of what has time and threads; another event than the one that is waited for is a failure"
)]

pub mod behaviour;
mod broker;
mod driver;
mod subject;
mod tap;

pub use broker::Broker;
pub use driver::Driver;
pub use subject::{PATIENCE, Subject, kept, options, subscription, topic};
pub use tap::{Cut, Direction, Tap, When};

/// Makes a test of each behaviour for a [`Driver`].
#[macro_export]
macro_rules! behaviours {
    ($driver:ty) => {
        $crate::behaviours! { $driver:
            connects_in_every_version
            messages_come_back_at_every_qos
            an_acknowledged_message_is_answered_and_an_unanswered_one_comes_again
            unsubscribed_means_no_more_messages
            a_retained_message_waits_for_its_subscriber
            an_idle_link_is_kept_alive
            a_disconnect_is_no_reason_for_the_will
            a_cut_link_is_reason_for_the_will
            a_refused_connection_is_reported
            commands_that_need_a_connection_are_refused_without_one
            a_ping_is_answered
            a_qos_2_message_arrives_once_wherever_the_link_is_cut
            a_qos_2_message_is_taken_once_wherever_the_link_is_cut
            a_qos_1_message_arrives_wherever_the_link_is_cut
            a_large_payload_goes_both_ways
            publishing_from_the_handler_of_messages_never_blocks
            what_was_published_without_a_link_is_sent_on_the_next
        }
    };
    ($driver:ty: $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::behaviour::$name::<$driver>();
            }
        )*
    };
}
