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
mod cutter;
mod driver;
mod keeper;
pub mod reconnecting;
pub mod serving;
mod subject;
mod tap;

pub use broker::Broker;
pub use cutter::{Cutter, Told};
pub use driver::{Driver, Hook, Obeys, Reconnects};
pub use subject::{PATIENCE, Subject, kept, options, subscription, topic};
pub use tap::{Cut, Direction, Tap, When};

/// Makes a test of each behaviour of a client that connects by itself, for a face that [`Reconnects`].
#[macro_export]
macro_rules! reconnecting {
    ($face:ty) => {
        $crate::reconnecting! { $face:
            connects_again_and_tells_why_and_when
            subscriptions_come_back_when_the_server_has_lost_them
            subscriptions_that_are_given_up_do_not_come_back
            what_is_published_between_two_connections_is_sent_on_the_next
            stops_after_as_many_attempts_as_the_policy_allows_and_begins_anew
            a_fresh_password_is_used_at_the_next_attempt
            a_server_reference_is_followed_where_the_policy_lets_it
            options_that_cannot_be_sent_stop_it
            shutting_down_goes_on_over_connections_until_nothing_is_under_way
            whoever_waits_for_an_attempt_can_be_stopped_at_once
            qos_1_and_2_go_in_order_and_once_over_links_that_are_cut_at_any_byte
        }
    };
    ($face:ty: $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::reconnecting::$name::<$face>();
            }
        )*
    };
}

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
            an_abort_is_reason_for_the_will_and_told_as_the_callers_wish
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

/// Makes a test of each behaviour of a server, for a [`serving::Serve`].
#[macro_export]
macro_rules! serving {
    ($serve:path) => {
        $crate::serving! { $serve:
            a_stop_is_told_to_every_client_and_ends_listening
            a_client_in_the_middle_of_sending_is_told_why_it_ends
            a_client_that_breaks_a_rule_while_it_sends_is_told_so
            a_client_that_takes_nothing_holds_a_stop_up_no_longer_than_it_may
            a_stop_at_once_ends_a_stop_in_order
            handles_reach_the_server_from_any_thread_until_it_has_stopped
            a_policy_decides_what_it_is_asked
            a_decision_may_come_later_from_another_thread
            a_local_connection_answers_within_the_server
            the_queue_of_commands_is_bounded
            without_a_store_nothing_waits_for_one
            what_was_acknowledged_is_there_in_the_next_server
            an_acknowledgement_waits_for_its_commit_and_nothing_else_does
            when_the_store_fails_nothing_that_waited_for_it_is_sent_and_the_server_ends
            a_store_that_panics_has_failed
            when_a_server_has_stopped_all_that_is_durable_is_safe
        }
        #[cfg(unix)]
        $crate::serving! { $serve:
            unix_sockets_serve_beside_tcp_and_listeners_have_the_numbers_they_were_given
        }
    };
    ($serve:path: $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::serving::$name($serve);
            }
        )*
    };
}

/// The examples in the project's README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
