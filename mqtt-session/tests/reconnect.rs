//! When a client connects again, and when it does not.
#![allow(clippy::std_instead_of_core, reason = "a test has std")]

use std::time::Duration;

use mqtt_proto::{PacketType, ReasonCode, Sender, Version};
use mqtt_session::{
    Client, Config, ConnectOptions, Event, Instant,
    client::ClosedBy,
    reconnect::{
        Because, Decision, Ended, Policy, Reconnect, ServerChoice, StopBecause, VERDICTS, Verdict, verdict,
    },
    storage::Fixed,
};
use proptest::prelude::*;

const NOW: Instant = Instant::from_secs(1_000);
/// In microseconds; so long that 40 of them come before the end of time.
const YEARS: u64 = 1 << 55;
const LOST: Ended<'static> = Ended::UNREACHABLE;

fn begun(policy: Policy, seed: u64) -> Reconnect {
    let mut reconnect = Reconnect::new(policy, seed);
    reconnect.start(NOW);
    assert!(reconnect.handle_timeout(NOW).is_some());
    reconnect
}

fn by_server(refused: bool, code: ReasonCode) -> Ended<'static> {
    Ended::new(ClosedBy::Server, refused, Some(code))
}

fn refers(code: ReasonCode, to: &str) -> Ended<'_> {
    let mut ended = by_server(true, code);
    ended.server_reference = Some(to);
    ended
}

/// When the next attempt is due; `None` after a stop.
fn next(decision: Decision<'_>) -> Option<Instant> {
    match decision {
        Decision::Next { at, .. } => Some(at),
        Decision::Stop { .. } => None,
    }
}

/// Fails `n` attempts in a row and gives the delays before the ones that follow.
fn delays(reconnect: &mut Reconnect, n: u32) -> Vec<Duration> {
    let mut now = NOW;
    let mut delays = Vec::new();
    for _ in 0..n {
        let at = next(reconnect.handle_closed(now, &LOST)).unwrap();
        delays.push(at.saturating_duration_since(now));
        now = at;
        assert!(reconnect.handle_timeout(now).is_some());
    }
    delays
}

/// With delays of up to so many microseconds.
fn any_policy(longest: u64) -> impl Strategy<Value = Policy> {
    let micros = prop_oneof![0..2_000_u64, 0..600_000_000_u64, 0..longest];
    (
        micros.clone(),
        micros,
        any::<u16>(),
        any::<u8>(),
        0..=3_u32,
        any::<bool>(),
        0..4_u8,
    )
        .prop_map(
            |(minimum, maximum, growth, jitter, limit, fall_back, referrals)| {
                let mut policy = Policy::DEFAULT;
                policy.minimum = Duration::from_micros(minimum);
                policy.maximum = Duration::from_micros(maximum);
                policy.growth_percent = growth;
                policy.jitter_percent = jitter;
                policy.max_attempts = limit.checked_mul(5).and_then(|n| n.try_into().ok());
                policy.fall_back = fall_back;
                policy.referrals = referrals;
                policy
            },
        )
}

fn any_end() -> impl Strategy<Value = Ended<'static>> {
    let by = prop_oneof![
        Just(ClosedBy::Client),
        Just(ClosedBy::Server),
        Just(ClosedBy::Transport)
    ];
    let code = prop_oneof![
        Just(None),
        any::<u8>().prop_map(Some),
        prop_oneof![Just(0x84), Just(0x9C), Just(0x9D), Just(0x81)].prop_map(Some)
    ];
    (by, any::<bool>(), code, any::<bool>()).prop_map(|(by, refused, code, names)| {
        let mut ended = Ended::new(by, refused, code.map(ReasonCode));
        ended.server_reference = names.then_some("elsewhere:1883");
        ended
    })
}

proptest! {
    #[test]
    fn no_delay_is_below_the_minimum_or_above_the_maximum_and_jitter_stays_in_its_bounds(
        policy in any_policy(YEARS), seed in any::<u64>(), n in 1..40_u32,
    ) {
        let policy = { let mut policy = policy; policy.max_attempts = None; policy };
        let minimum = policy.minimum.max(Duration::from_millis(1));
        let maximum = policy.maximum.max(minimum);
        for (delay, n) in delays(&mut begun(policy, seed), n).into_iter().zip(1..) {
            let (low, high) = policy.delay_bounds(n);
            prop_assert!(low <= high && low >= minimum && high <= maximum, "{low:?}..{high:?}");
            prop_assert!(delay >= low && delay <= high, "{delay:?} not in {low:?}..{high:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_delays(policy in any_policy(YEARS), seed in any::<u64>()) {
        let policy = { let mut policy = policy; policy.max_attempts = None; policy };
        prop_assert_eq!(delays(&mut begun(policy, seed), 20), delays(&mut begun(policy, seed), 20));
    }

    /// Whatever happens on connections that are never stable, the count is kept, and time has to pass between attempts.
    #[test]
    fn no_end_makes_a_loop_without_rest_and_attempts_are_bounded(
        policy in any_policy(u64::MAX), seed in any::<u64>(),
        ends in prop::collection::vec((any_end(), any::<bool>()), 1..60),
    ) {
        let policy = { let mut policy = policy; policy.stable_after = Duration::MAX; policy };
        let mut reconnect = begun(policy, seed);
        let (mut now, mut attempts) = (NOW, 1);
        for (ended, opens) in ends {
            if opens {
                reconnect.handle_connected(now);
            }
            let decision = reconnect.handle_closed(now, &ended);
            prop_assert_eq!(next(reconnect.handle_closed(now, &ended)), next(decision), "said again");
            prop_assert_eq!(reconnect.poll_timeout(), next(decision));
            let Decision::Next { at, attempt, .. } = decision else {
                prop_assert!(reconnect.handle_timeout(Instant::MAX).is_none());
                break;
            };
            prop_assert!(at >= (now + policy.minimum.max(Duration::from_millis(1))), "{now:?} {at:?}");
            prop_assert!(reconnect.handle_timeout(at - Duration::from_micros(1)).is_none() || at == Instant::MAX);
            now = at;
            if at < Instant::MAX {
                let begins = reconnect.handle_timeout(now).unwrap();
                attempts += 1;
                prop_assert_eq!((begins.number, attempt), (attempts, attempts));
            } else {
                break;
            }
        }
        if let Some(limit) = policy.max_attempts {
            prop_assert!(attempts <= limit.get());
        }
    }
}

#[test]
fn without_jitter_delays_are_what_the_factor_makes_of_them() {
    let mut policy = Policy::DEFAULT;
    policy.jitter_percent = 0;
    policy.growth_percent = 300;
    policy.maximum = Duration::from_secs(100);
    let seconds: Vec<u64> = delays(&mut begun(policy, 7), 7)
        .iter()
        .map(Duration::as_secs)
        .collect();
    assert_eq!(seconds, [1, 3, 9, 27, 81, 100, 100]);
}

#[test]
fn clients_that_were_lost_at_once_do_not_come_back_at_once() {
    let mut first: Vec<_> = (0..1_000_u64)
        .map(|seed| delays(&mut begun(Policy::DEFAULT, seed), 1)[0])
        .collect();
    first.sort();
    first.dedup();
    assert!(
        first.len() > 990,
        "{} different moments for 1,000 clients",
        first.len()
    );
    let (low, high) = Policy::DEFAULT.delay_bounds(1);
    let quarter = (high - low) / 4;
    for n in 0..4 {
        let in_quarter = first
            .iter()
            .filter(|&&d| d >= low + quarter * n && d <= low + quarter * (n + 1));
        assert!(in_quarter.count() > 200);
    }
}

#[test]
fn the_first_attempt_waits_for_nothing_and_is_told_once() {
    let mut reconnect = Reconnect::new(Policy::DEFAULT, 0);
    assert_eq!(reconnect.poll_timeout(), None);
    assert_eq!(
        reconnect.handle_closed(NOW, &LOST),
        Decision::Stop {
            because: StopBecause::NotStarted
        }
    );
    reconnect.start(NOW);
    assert_eq!(reconnect.poll_timeout(), Some(NOW));
    let attempt = reconnect.handle_timeout(NOW).unwrap();
    assert_eq!(
        (attempt.number, attempt.version, attempt.server, attempt.because),
        (1, Version::V5, ServerChoice::Home, Because::Started)
    );
    assert!(reconnect.handle_timeout(Instant::MAX).is_none());
    assert_eq!(reconnect.poll_timeout(), None);
}

#[test]
fn a_stable_connection_resets_the_delays_and_the_count_and_one_that_is_dropped_at_once_does_not() {
    let mut policy = Policy::DEFAULT;
    policy.jitter_percent = 0;
    policy.stable_after = Duration::from_secs(60);
    for (lasts, delay_and_attempt) in [(59, (8, 5)), (60, (1, 1))] {
        let mut reconnect = begun(policy, 0);
        delays(&mut reconnect, 3);
        let now = NOW + Duration::from_secs(50);
        reconnect.handle_connected(now);
        let now = now + Duration::from_secs(lasts);
        let decision = reconnect.handle_closed(now, &LOST);
        let Decision::Next { at, attempt, .. } = decision else {
            panic!()
        };
        let delay = at.saturating_duration_since(now).as_secs();
        assert_eq!((delay, attempt), delay_and_attempt);
    }
}

#[test]
fn attempts_end_at_their_limit_and_a_new_start_counts_anew() {
    let mut policy = Policy::DEFAULT;
    policy.max_attempts = 3.try_into().ok();
    let mut reconnect = begun(policy, 1);
    delays(&mut reconnect, 2);
    let stop = Decision::Stop {
        because: StopBecause::TooManyAttempts,
    };
    assert_eq!(reconnect.handle_closed(NOW, &LOST), stop);
    assert_eq!(reconnect.handle_closed(NOW, &LOST), stop);
    reconnect.start(NOW);
    assert_eq!(reconnect.handle_timeout(NOW).unwrap().number, 1);
    delays(&mut reconnect, 2);
    assert_eq!(reconnect.handle_closed(NOW, &LOST), stop);
}

#[test]
fn a_caller_who_knows_that_the_network_is_back_need_not_wait() {
    let mut reconnect = begun(Policy::DEFAULT, 1);
    let at = next(reconnect.handle_closed(NOW, &LOST)).unwrap();
    let sooner = NOW + Duration::from_millis(3);
    assert!(sooner < at && reconnect.handle_timeout(sooner).is_none());
    reconnect.start(sooner);
    assert_eq!(
        reconnect.handle_timeout(sooner).unwrap().number,
        2,
        "the count goes on"
    );
    reconnect.start(sooner);
    assert_eq!(reconnect.poll_timeout(), None, "one is under way");
}

#[test]
fn whoever_disconnects_is_not_connected_again() {
    for code in [
        ReasonCode::NORMAL_DISCONNECTION,
        ReasonCode::DISCONNECT_WITH_WILL_MESSAGE,
    ] {
        let mut reconnect = begun(Policy::DEFAULT, 1);
        reconnect.handle_connected(NOW);
        let ended = Ended::new(ClosedBy::Client, false, Some(code));
        let stop = Decision::Stop {
            because: StopBecause::Asked,
        };
        assert_eq!(reconnect.handle_closed(NOW, &ended), stop);
    }
    // `disconnect` with a failure code, and `abort`, which has none.
    for code in [Some(ReasonCode::UNSPECIFIED_ERROR), None] {
        let mut reconnect = begun(Policy::DEFAULT, 1);
        reconnect.handle_connected(NOW);
        let mut ended = Ended::new(ClosedBy::Client, false, code);
        ended.asked = true;
        let stop = Decision::Stop {
            because: StopBecause::Asked,
        };
        assert_eq!(reconnect.handle_closed(NOW, &ended), stop);
    }
    let mut reconnect = begun(Policy::DEFAULT, 1);
    next(reconnect.handle_closed(NOW, &LOST)).unwrap();
    reconnect.stop();
    assert_eq!(reconnect.poll_timeout(), None);
    // The same code from the server is no wish of ours.
    let mut reconnect = begun(Policy::DEFAULT, 1);
    reconnect.handle_connected(NOW);
    assert!(
        next(reconnect.handle_closed(NOW, &by_server(false, ReasonCode::NORMAL_DISCONNECTION))).is_some()
    );
}

#[test]
fn every_code_that_can_end_a_connection_has_one_row() {
    for code in (0..=255).map(ReasonCode) {
        let ends = [PacketType::ConnAck, PacketType::Disconnect].map(|p| code.is_allowed(p, Sender::Any));
        let ends = ends.contains(&true) && code != ReasonCode::DISCONNECT_WITH_WILL_MESSAGE;
        let rows = VERDICTS.iter().filter(|row| row.code == code).count();
        assert_eq!(rows, usize::from(ends), "{code:?}");
    }
}

#[test]
fn refusals_that_asking_again_cannot_change_stop() {
    for code in [0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x90, 0x95, 0x9D].map(ReasonCode) {
        let decision = begun(Policy::DEFAULT, 1).handle_closed(NOW, &by_server(true, code));
        let because = StopBecause::Ended {
            by: ClosedBy::Server,
            refused: true,
            code,
        };
        assert_eq!(decision, Decision::Stop { because });
    }
    assert_eq!(
        verdict(ReasonCode(0xFE), false),
        Verdict::RetryLate,
        "an unknown failure"
    );
    assert_eq!(verdict(ReasonCode::SESSION_TAKEN_OVER, false), Verdict::Stop);
}

#[test]
fn a_packet_that_is_too_large_does_not_come_again_for_ever_whoever_found_it_so() {
    for by in [ClosedBy::Client, ClosedBy::Server] {
        let mut reconnect = begun(Policy::DEFAULT, 1);
        reconnect.handle_connected(NOW);
        let ended = Ended::new(by, false, Some(ReasonCode::PACKET_TOO_LARGE));
        assert_eq!(
            next(reconnect.handle_closed(NOW + Duration::from_secs(3_600), &ended)),
            None
        );
    }
}

#[test]
fn a_server_with_too_much_to_do_is_left_alone_for_the_longest_delay() {
    for code in [
        ReasonCode::SERVER_BUSY,
        ReasonCode::QUOTA_EXCEEDED,
        ReasonCode::CONNECTION_RATE_EXCEEDED,
    ] {
        let at = next(begun(Policy::DEFAULT, 1).handle_closed(NOW, &by_server(true, code))).unwrap();
        assert!(at >= NOW + Policy::DEFAULT.maximum / 2 && at <= NOW + Policy::DEFAULT.maximum);
    }
}

#[test]
fn a_verdict_of_the_callers_goes_before_the_table_the_fall_back_and_referrals() {
    let mut policy = Policy::DEFAULT;
    policy.fall_back = true;
    policy.referrals = 5;
    policy.overrides = &[
        (ReasonCode::NOT_AUTHORIZED, Verdict::Retry),
        (ReasonCode::SERVER_BUSY, Verdict::Stop),
        (ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, Verdict::Stop),
        (ReasonCode::USE_ANOTHER_SERVER, Verdict::Stop),
    ];
    let end = |ended: &Ended<'_>| next(begun(policy, 1).handle_closed(NOW, ended)).is_some();
    assert!(end(&by_server(true, ReasonCode::NOT_AUTHORIZED)));
    assert!(!end(&by_server(true, ReasonCode::SERVER_BUSY)));
    assert!(!end(&by_server(true, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION)));
    assert!(!end(&refers(ReasonCode::USE_ANOTHER_SERVER, "elsewhere")));
}

/// What a client of 5.0 makes of the answer of a server of 3.1.1: CONNACK with return code 1, in the form of 3.1.1.
fn answer_of_a_3_1_1_server() -> Ended<'static> {
    let mut client = Client::new(Config::DEFAULT, Fixed::<2, 128>::new());
    client
        .connect(NOW, &ConnectOptions::new(Version::V5, "c"))
        .unwrap();
    while let Some(transmit) = client.poll_transmit() {
        let n = transmit.head.len();
        client.handle_written(NOW, n.max(1));
    }
    match client.handle_input(NOW, &[0x20, 2, 0, 1]).event {
        Some(Event::Closed(closed)) => {
            let ended = Ended::from(&closed);
            Ended::new(ended.by, ended.refused, ended.code)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_of_3_1_1_is_spoken_to_in_its_version_if_the_caller_wants_that_and_not_otherwise() {
    let told = by_server(true, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
    for ended in [told, answer_of_a_3_1_1_server()] {
        let mut policy = Policy::DEFAULT;
        policy.jitter_percent = 0;
        policy.fall_back = true;
        let mut reconnect = begun(policy, 1);
        let at = next(reconnect.handle_closed(NOW, &ended)).unwrap();
        assert_eq!(at, NOW + policy.minimum);
        let attempt = reconnect.handle_timeout(at).unwrap();
        assert_eq!(
            (attempt.version, attempt.because),
            (Version::V311, Because::VersionRefused)
        );
        // It stays so, and there is nothing below it.
        reconnect.handle_connected(at);
        let at = next(reconnect.handle_closed(at, &LOST)).unwrap();
        assert_eq!(reconnect.handle_timeout(at).unwrap().version, Version::V311);
        assert_eq!(next(reconnect.handle_closed(at, &told)), None);

        policy.fall_back = false;
        let mut reconnect = begun(policy, 1);
        if let Some(at) = next(reconnect.handle_closed(NOW, &ended)) {
            assert_eq!(reconnect.handle_timeout(at).unwrap().version, Version::V5);
        }
    }
}

#[test]
fn a_fault_on_an_open_connection_is_no_reason_to_fall_back() {
    let mut policy = Policy::DEFAULT;
    policy.fall_back = true;
    let mut reconnect = begun(policy, 1);
    reconnect.handle_connected(NOW);
    let fault = Ended::new(ClosedBy::Client, false, Some(ReasonCode::MALFORMED_PACKET));
    let at = next(reconnect.handle_closed(NOW, &fault)).unwrap();
    assert_eq!(reconnect.handle_timeout(at).unwrap().version, Version::V5);
}

/// Takes a decision to go on, and gives the referral and the server of the attempt that follows.
fn follow<'b>(
    reconnect: &mut Reconnect,
    now: &mut Instant,
    ended: &Ended<'b>,
) -> (Option<&'b str>, ServerChoice) {
    let Decision::Next { at, referral, .. } = reconnect.handle_closed(*now, ended) else {
        panic!("stopped")
    };
    *now = at;
    let attempt = reconnect.handle_timeout(at).unwrap();
    (referral.map(|r| r.reference), attempt.server)
}

#[test]
fn another_server_is_used_only_where_allowed_and_only_if_the_server_says_which() {
    let away = refers(ReasonCode::USE_ANOTHER_SERVER, "b:1883 c");
    let mut now = NOW;
    let (referral, server) = follow(&mut begun(Policy::DEFAULT, 1), &mut now, &away);
    assert_eq!(
        (referral, server),
        (None, ServerChoice::Home),
        "not allowed by default"
    );
    assert!(now > NOW + Policy::DEFAULT.maximum / 3);
    let mut policy = Policy::DEFAULT;
    policy.referrals = 1;
    for blank in [None, Some(""), Some(" ")] {
        let mut ended = away;
        ended.server_reference = blank;
        let mut now = NOW;
        assert_eq!(
            follow(&mut begun(policy, 1), &mut now, &ended),
            (None, ServerChoice::Home)
        );
    }
    let mut reconnect = begun(policy, 1);
    let Decision::Next {
        referral: Some(referral),
        because,
        ..
    } = reconnect.handle_closed(NOW, &away)
    else {
        panic!()
    };
    assert_eq!(because, Because::Referred { permanent: false });
    assert_eq!(referral.servers().collect::<Vec<_>>(), ["b:1883", "c"]);
}

#[test]
fn a_temporary_server_is_kept_while_it_works_then_both_are_tried_and_home_ends_it() {
    let mut policy = Policy::DEFAULT;
    policy.referrals = 1;
    let (mut reconnect, mut now) = (begun(policy, 1), NOW);
    let away = refers(ReasonCode::USE_ANOTHER_SERVER, "b");
    assert_eq!(
        follow(&mut reconnect, &mut now, &away),
        (Some("b"), ServerChoice::Away)
    );
    reconnect.handle_connected(now);
    // A lost link: the session is there.
    assert_eq!(
        follow(&mut reconnect, &mut now, &LOST),
        (None, ServerChoice::Away)
    );
    // Not reached: in turn.
    assert_eq!(
        follow(&mut reconnect, &mut now, &LOST),
        (None, ServerChoice::Home)
    );
    assert_eq!(
        follow(&mut reconnect, &mut now, &LOST),
        (None, ServerChoice::Away)
    );
    assert_eq!(
        follow(&mut reconnect, &mut now, &LOST),
        (None, ServerChoice::Home)
    );
    reconnect.handle_connected(now);
    for _ in 0..3 {
        assert_eq!(
            follow(&mut reconnect, &mut now, &LOST),
            (None, ServerChoice::Home)
        );
    }
}

#[test]
fn a_server_that_has_moved_is_home_from_then_on() {
    let mut policy = Policy::DEFAULT;
    policy.referrals = 1;
    let (mut reconnect, mut now) = (begun(policy, 1), NOW);
    let moved = refers(ReasonCode::SERVER_MOVED, "b");
    assert_eq!(
        follow(&mut reconnect, &mut now, &moved),
        (Some("b"), ServerChoice::Home)
    );
    for _ in 0..3 {
        assert_eq!(
            follow(&mut reconnect, &mut now, &LOST),
            (None, ServerChoice::Home)
        );
    }
}

#[test]
fn servers_that_refer_to_each_other_do_not_make_a_loop() {
    let mut policy = Policy::DEFAULT;
    policy.referrals = 3;
    let (mut reconnect, mut now) = (begun(policy, 1), NOW);
    let moved = refers(ReasonCode::SERVER_MOVED, "b");
    for _ in 0..3 {
        assert_eq!(follow(&mut reconnect, &mut now, &moved).0, Some("b"));
    }
    assert_eq!(next(reconnect.handle_closed(now, &moved)), None);

    let (mut reconnect, mut now) = (begun(policy, 1), NOW);
    let away = refers(ReasonCode::USE_ANOTHER_SERVER, "b");
    for round in 0..3 {
        for _ in 0..3 {
            assert_eq!(follow(&mut reconnect, &mut now, &away).0, Some("b"), "{round}");
        }
        let before = now;
        assert_eq!(follow(&mut reconnect, &mut now, &away).0, None, "{round}");
        assert!(
            now >= before + policy.maximum / 2,
            "a chain of them waits for the longest delay"
        );
    }
}

#[test]
fn a_client_cannot_refer_itself() {
    let mut policy = Policy::DEFAULT;
    policy.referrals = 3;
    let mut ended = refers(ReasonCode::USE_ANOTHER_SERVER, "b");
    ended.by = ClosedBy::Client;
    let mut now = NOW;
    assert_eq!(
        follow(&mut begun(policy, 1), &mut now, &ended),
        (None, ServerChoice::Home)
    );
}

#[test]
fn why_is_said_in_words() {
    let because = |ended: &Ended<'_>| match begun(Policy::DEFAULT, 1).handle_closed(NOW, ended) {
        Decision::Next { because, .. } => because.to_string(),
        Decision::Stop { because } => because.to_string(),
    };
    assert_eq!(because(&LOST), "the transport ended");
    assert_eq!(
        because(&by_server(true, ReasonCode::BANNED)),
        "the server refused the connection: 0x8a (Banned)"
    );
    assert_eq!(
        because(&by_server(false, ReasonCode::SERVER_BUSY)),
        "the server ended the connection: 0x89 (Server busy)"
    );
}
