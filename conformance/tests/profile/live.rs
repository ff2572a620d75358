//! A profile with a live broker.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mqtt_conformance::run::{self, Plan};
use mqtt_conformance::target::live::LiveBroker;
use mqtt_conformance::target::{Outcome, Target};
use mqtt_proto::{ReasonCode, Version};
use mqtt_session::server::{Asked, Asks, Decision, Question, ServerConfig};
use mqtt_tokio::Verdict;

use super::our_server::{with_server, with_server_that};
use super::{RENAMING, parse, trace};

/// What a broker of others sees: it lets nobody in without a password, and has a place for this user's names.
#[derive(Default)]
struct Bounds {
    /// What was asked for beyond them.
    passed: Mutex<Vec<String>>,
    connects: AtomicUsize,
    topics: AtomicUsize,
}

impl Bounds {
    fn topic(&self, topic: &str) {
        self.topics.fetch_add(1, Ordering::Relaxed);
        let filter = topic
            .strip_prefix("$share/")
            .and_then(|rest| rest.split_once('/'));
        let filter = filter.map_or(topic, |(_, filter)| filter);
        if !filter.starts_with("tests/") && !filter.starts_with("$SYS") {
            self.passed.lock().unwrap().push(topic.to_owned());
        }
    }

    fn decide(&self, question: &Question<'_>) -> Verdict {
        match &question.asked {
            Asked::Connect(connect) => {
                self.connects.fetch_add(1, Ordering::Relaxed);
                let known = connect.user_name == Some("u") && connect.password == Some(b"p");
                let own = connect.client_id.is_empty() || connect.client_id.starts_with("id-");
                if !known || !own {
                    self.passed
                        .lock()
                        .unwrap()
                        .push(format!("CONNECT {}", connect.client_id));
                    return Decision::Deny(ReasonCode::NOT_AUTHORIZED).into();
                }
                if let Some(will) = &connect.will {
                    self.topic(will.topic.as_str());
                }
            }
            Asked::Publish(publish) => self.topic(publish.head.topic.as_str()),
            Asked::Subscribe(subscribe) => subscribe
                .filters
                .iter()
                .for_each(|one| self.topic(one.filter.as_str())),
            Asked::Unsubscribe(unsubscribe) => unsubscribe
                .filters
                .iter()
                .for_each(|filter| self.topic(filter.as_str())),
            _ => {}
        }
        Decision::Allow.into()
    }
}

#[test]
fn traces_keep_to_the_names_and_credentials_of_a_profile_on_a_live_broker() {
    let bounds = Arc::new(Bounds::default());
    let mut config = ServerConfig::default();
    config.offer_mut(0).asks = Asks::EVERYTHING;
    let policy = {
        let bounds = Arc::clone(&bounds);
        move |question: &Question<'_>| bounds.decide(question)
    };

    let mut profile = parse(RENAMING);
    profile.lacks = vec!["anonymous".to_owned()];
    (profile.patience, profile.slack) = (Duration::from_secs(5), Duration::from_millis(500));
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/broker");
    let folders = [
        "alias",
        "publish",
        "retained",
        "session",
        "subscribe",
        "topics",
        "unsubscribe",
    ];
    let folders: Vec<_> = folders.iter().map(|name| traces.join(name)).collect();
    let mut plan = Plan::default();
    plan.jobs = 16;
    let ask = |server: &mut mqtt_tokio::Server| server.set_policy(policy);
    let report = with_server_that(config, ask, |address| {
        let broker = LiveBroker::at(address).expect("it listens").with_profile(profile);
        run::run(&run::find(&folders).unwrap(), &plan, &|| {
            vec![Box::new(broker.clone()) as Box<dyn Target>]
        })
    });
    assert!(report.is_good(), "\n{report}");
    let passed = report
        .runs()
        .iter()
        .filter(|run| matches!(run.outcome, Outcome::Passed { .. }));
    assert!(passed.count() > 80, "\n{report}");
    assert_eq!(*bounds.passed.lock().unwrap(), [""; 0]);
    assert!(bounds.connects.load(Ordering::Relaxed) > 300);
    assert!(bounds.topics.load(Ordering::Relaxed) > 300);
}

/// What comes of this trace with a broker that is there all the time, whatever the commands of its profile do.
fn acted(broker: &str, lines: &str) -> String {
    match outcome(broker, lines) {
        Outcome::Passed { .. } => "passed".to_owned(),
        Outcome::NotApplicable(why) => format!("not applicable: {why}"),
        Outcome::Failed(failures) => {
            let all: Vec<String> = failures.iter().map(|failure| failure.why()).collect();
            all.join("; ")
        }
    }
}

fn outcome(broker: &str, lines: &str) -> Outcome {
    let profile = parse(&format!("name = \"n\"\n[broker]\n{broker}"));
    with_server(|address| {
        let mut broker = LiveBroker::at(address).expect("it listens").with_profile(profile);
        broker.run(&trace("5", lines), Version::V5)
    })
}

#[cfg(unix)]
#[test]
fn what_is_done_to_a_live_broker_is_what_the_command_of_its_profile_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = folder.path().join("told");
    let note = |command: &str, what: &str| {
        let file = told.display();
        format!("{command} = [\"sh\", \"-c\", \"echo {what} >> {file}\"]\n")
    };
    let commands = [
        note("restart", "restart $MQTT_HOST"),
        note("crash", "crash"),
        note("deny", "deny $MQTT_TOPIC $MQTT_CLIENT_ID"),
        note("allow", "allow"),
    ]
    .concat();
    let connect = "-> CONNECT client_id=\"acted\" clean_start=1\n<- CONNACK ..\n";
    // The links are gone: the next CONNECT has one of its own.
    let lines = format!(
        "{connect}broker restart\n{connect}broker crash\n{connect}broker deny topic=\"acted/t\" client_id=\"acted/x\""
    );
    assert_eq!(acted(&commands, &lines), "passed");
    let told = std::fs::read_to_string(&told).expect("the commands were run");
    assert_eq!(told, "restart 127.0.0.1\ncrash\ndeny acted/t acted/x\nallow\n");

    let sh = |command: &str, code: u8| format!("{command} = [\"sh\", \"-c\", \"exit {code}\"]");
    for (commands, lines, wanted) in [
        (
            String::new(),
            "broker restart",
            "not applicable: the profile has no command `restart`",
        ),
        (
            sh("restart", 0),
            "broker crash",
            "not applicable: the profile has no command `crash`",
        ),
        // What is not taken back would hold for the next trace as well.
        (
            sh("deny", 0),
            "broker deny topic=\"t\"",
            "not applicable: the profile has no command `allow`",
        ),
        (
            sh("crash", 3),
            "broker crash",
            "not applicable: line 4: `sh -c exit 3` cannot do it",
        ),
        (
            sh("crash", 1),
            "broker crash",
            "`sh -c exit 1` ends with exit status: 1",
        ),
        (
            "crash = [\"sleep\", \"600\"]\nstart_within = \"100ms\"".to_owned(),
            "broker crash",
            "`sleep 600` does not end within 100ms",
        ),
        // What is still denied would fail the next trace, for no reason that is seen there.
        (
            [sh("deny", 0), sh("allow", 1)].join("\n"),
            "broker deny topic=\"t\"",
            "what was denied cannot be taken back: `sh -c exit 1` ends with exit status: 1",
        ),
        (
            [sh("deny", 0), sh("allow", 1)].join("\n"),
            "broker deny topic=\"t\"\n-> CONNECT client_id=\"acted\" clean_start=1\n<- PINGRESP",
            "expected <- PINGRESP\n    seen     `CONNACK session_present=0 code=0 receive_maximum=1024 maximum_packet_size=16777216 topic_alias_maximum=16`\n    expected PINGRESP, found CONNACK; what was denied cannot be taken back: `sh -c exit 1` ends with exit status: 1",
        ),
    ] {
        assert_eq!(acted(&commands, lines), wanted, "{commands}");
    }
}

#[test]
fn a_password_of_a_profile_is_in_no_report() {
    let profile = "user_name = \"somebody\"\npassword = \"hunter2\"";
    let told = |lines: &str| match outcome(profile, lines) {
        Outcome::Failed(failures) => failures[0].to_string(),
        other => panic!("{other:?}"),
    };
    let connect = "-> CONNECT client_id=\"acted\" clean_start=1\n<- PINGRESP";
    let report = told(connect);
    assert!(
        report.contains("user_name=\"somebody\" password=\"*******\""),
        "{report}"
    );
    let hex = "68 75 6e 74 65 72 32";
    assert!(!report.contains("hunter2") && !report.contains(hex), "{report}");
    // What a trace says itself is no secret.
    let of_trace = connect.replace("clean_start=1", "clean_start=1 password=\"hunter3\"");
    assert!(told(&of_trace).contains("password=\"hunter3\""));
    let profile = parse(&format!("name = \"n\"\n[broker]\n{profile}"));
    assert!(!format!("{profile:?}").contains("hunter2"));
}
