//! Through Debian's mosquitto, which is stopped with SIGTERM and started again, over links that are cut at any byte:
//! nothing is lost, nothing of QoS 2 comes twice, every publish ends once. Run by `.ci/restarts`.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::std_instead_of_core,
    reason = "a test, of what has processes and time"
)]

mod broker;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use adapter_suite::{Cutter, Direction, Told, subscription, topic};
use broker::Mosquitto;
use mqtt_proto::{Packet, Properties, QoS, ReasonCode, Version, packet::Disconnect};
use mqtt_session::{
    Config, Event, Publish, Refused, Token, client::Outcome, reconnect::Policy, storage::Heap,
};
use mqtt_tokio::{Attempt, Client, Connector, Io, News, Options, Reconnecting, tcp};
use tokio::{net::TcpStream, sync::watch, time::timeout};

/// Longer than anything takes here that comes.
const STALLED: Duration = Duration::from_secs(30);
/// Publishes under way at a time. They must be fewer than mosquitto's `max_inflight_messages`: in 3.1.1, where it cannot
/// say so, mosquitto 2.0.11 answers the first QoS 1 message above it with PUBACK, drops it, and hangs up.
const UNDER_WAY: u64 = 40;
/// How far the publisher may be ahead of the subscriber. After a resume mosquitto sends all that is left at once, whatever
/// its `max_inflight_messages`: together that must be shorter than the shortest wire, or nothing would ever get through.
const AHEAD: u64 = 150;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A client that connects over a wire that is cut.
fn client(
    name: &str,
    version: Version,
    to: SocketAddr,
) -> Reconnecting<impl Connector<Io<TcpStream>, Opening: Send> + Send> {
    let mut policy = Policy::DEFAULT;
    policy.version = version;
    policy.minimum = Duration::from_millis(5);
    policy.maximum = Duration::from_millis(200);
    let to = to.to_string();
    let mut options = Options::new(name);
    options.session_expiry = u32::MAX;
    Client::new(Config::DEFAULT, Heap::new()).reconnecting(
        policy,
        options,
        move |attempt: Attempt, options| {
            let to = to.clone();
            async move {
                // A connection to a broker that is away is accepted by the wire, and ends.
                let opened = timeout(Duration::from_secs(5), tcp(&to)(attempt, options)).await;
                opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
        },
    )
}

/// What one client has seen.
#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    sessions_lost: usize,
}

impl Seen {
    fn see(&mut self, news: &News<Event<'_>>) {
        match news {
            News::Event(Event::Connected(connected)) => {
                self.sessions_lost += usize::from(self.connections > 0 && !connected.session_present);
                self.connections += 1;
            }
            News::Stopped(stopped) => panic!("{stopped:?}"),
            _ => {}
        }
    }
}

/// Publishes so many messages of QoS 1 and of QoS 2 in turn, and gives how often each operation has ended.
async fn publish<C: Connector<Io<TcpStream>>>(
    mut client: Reconnecting<C>,
    count: u64,
    progress: watch::Sender<u64>,
    mut taken: watch::Receiver<u64>,
) -> (Seen, BTreeMap<Token, usize>) {
    let mut seen = Seen::default();
    let mut ends: BTreeMap<Token, usize> = BTreeMap::new();
    let (mut next, mut ended) = (0, 0);
    let mut moved = Instant::now();
    while ended < 2 * count {
        while next
            < (2 * count)
                .min(ended + UNDER_WAY)
                .min(*taken.borrow_and_update() + AHEAD)
        {
            let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][(next % 2) as usize];
            let message = Publish::new(topic(["m/1", "m/2"][(next % 2) as usize]), qos);
            match client.publish(&message, &(next / 2).to_be_bytes()) {
                Ok(token) => assert_eq!(ends.insert(token, 0), None, "a token is used once"),
                Err(not_taken) if not_taken.why.is_temporary() => break,
                Err(not_taken) => panic!("{not_taken}"),
            }
            next += 1;
        }
        assert!(
            moved.elapsed() < STALLED,
            "stuck: {ended} of {next} have ended; {seen:?}"
        );
        let news = tokio::select! {
            news = timeout(STALLED, client.next()) => news,
            changed = taken.changed(), if next < 2 * count => {
                changed.unwrap();
                continue;
            }
        };
        let Ok(Some(news)) = news else {
            panic!("stuck: {ended} of {next} have ended; {seen:?}");
        };
        seen.see(&news);
        match news {
            News::Event(Event::Completed { token, outcome }) => {
                match outcome {
                    Outcome::Acknowledged { code, .. } => assert!(!code.is_failure(), "{code:?}"),
                    other => panic!("{other:?} for a message"),
                }
                *ends.get_mut(&token).unwrap() += 1;
                ended += 1;
                moved = Instant::now();
                progress.send_replace(ended);
            }
            News::Event(Event::Aborted { token, why }) => panic!("{token:?} was aborted: {why:?}"),
            _ => {}
        }
    }
    end(&mut client, &mut seen, |event| {
        if let Event::Completed { token, .. } | Event::Aborted { token, .. } = event {
            *ends.get_mut(&token).unwrap() += 1;
        }
    })
    .await;
    (seen, ends)
}

/// Stays until nothing more comes, and ends in order.
async fn end<C: Connector<Io<TcpStream>>>(
    client: &mut Reconnecting<C>,
    seen: &mut Seen,
    mut on_event: impl FnMut(Event<'_>),
) {
    let mut stopping = false;
    loop {
        let quiet = match timeout(Duration::from_millis(500), client.next()).await {
            Ok(Some(News::Stopped(_))) if stopping => return,
            Ok(Some(news)) => {
                seen.see(&news);
                if let News::Event(event) = news {
                    on_event(event);
                }
                false
            }
            Ok(None) => panic!("it has stopped without a word"),
            Err(_) => true,
        };
        if quiet && client.is_connected() {
            assert!(!stopping, "it does not stop");
            stopping = true;
            client
                .disconnect(&Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
                .unwrap();
        }
    }
}

/// The numbers that came, in their order, by QoS.
#[derive(Debug, Default)]
struct Taken {
    order: [Vec<u64>; 2],
}

impl Taken {
    fn take(&mut self, event: &Event<'_>) {
        if let Event::Message(message) = event {
            let two = usize::from(message.topic.as_str() == "m/2");
            let number = u64::from_be_bytes(message.payload.try_into().unwrap());
            self.order[two].push(number);
        }
    }

    /// How many numbers are missing, how many came twice or more often, and how many came late: after a larger one, the
    /// first time that they came.
    fn judge(&self, two: usize, count: u64) -> (u64, u64, u64) {
        let mut times = vec![0_u64; count as usize];
        let (mut late, mut largest) = (0, None);
        for &number in &self.order[two] {
            times[number as usize] += 1;
            if times[number as usize] == 1 {
                late += u64::from(largest > Some(number));
                largest = largest.max(Some(number));
            }
        }
        let missing = times.iter().filter(|&&times| times == 0).count() as u64;
        let again = times.iter().map(|times| times.saturating_sub(1)).sum();
        (missing, again, late)
    }
}

/// Asks for both subscriptions until it has them, then takes what comes, until all is there and then nothing more.
async fn subscribe<C: Connector<Io<TcpStream>>>(
    mut client: Reconnecting<C>,
    count: u64,
    ready: watch::Sender<bool>,
    progress: watch::Sender<u64>,
) -> (Seen, Taken) {
    let (mut seen, mut taken) = (Seen::default(), Taken::default());
    let filters = [
        subscription("m/1", QoS::AtLeastOnce),
        subscription("m/2", QoS::ExactlyOnce),
    ];
    let mut asked = None;
    let mut held = false;
    let mut whole = [0_u64; 2];
    let mut left = vec![[true; 2]; count as usize];
    let mut moved = Instant::now();
    while whole != [count; 2] && moved.elapsed() < STALLED {
        let next = timeout(STALLED, client.next()).await;
        // What was lost is told by whoever compares.
        let Ok(Some(news)) = next else { break };
        seen.see(&news);
        if let News::Event(event) = news {
            taken.take(&event);
            match event {
                Event::Message(message) => {
                    let two = usize::from(message.topic.as_str() == "m/2");
                    let number = u64::from_be_bytes(message.payload.try_into().unwrap());
                    if core::mem::take(&mut left[number as usize][two]) {
                        whole[two] += 1;
                        moved = Instant::now();
                        progress.send_replace(whole[0] + whole[1]);
                    }
                }
                Event::Completed {
                    token,
                    outcome: Outcome::Subscribed { codes, .. },
                } if asked == Some(token) => {
                    assert!(codes.iter().all(|code| !code.is_failure()));
                    held = true;
                    ready.send_replace(true);
                }
                Event::Aborted { token, .. } if asked == Some(token) => asked = None,
                _ => {}
            }
        }
        if !held && asked.is_none() {
            match client.subscribe(&filters, Properties::EMPTY) {
                Ok(token) => asked = Some(token),
                Err(Refused::NotConnected) => {}
                Err(why) => panic!("{why}"),
            }
        }
    }
    end(&mut client, &mut seen, |event| taken.take(&event)).await;
    (seen, taken)
}

async fn through_restarts_and_cuts(version: Version) {
    let (count, restarts) = (setting("MQTT_MESSAGES", 2_000), setting("MQTT_RESTARTS", 5));
    let seed = setting("MQTT_SEED", 1);
    let Some(program) = broker::program() else {
        eprintln!("skipped: mosquitto is not on this machine");
        return;
    };
    let begun = Instant::now();
    let name = broker::version(&program);
    let mut mosquitto = Mosquitto::start(program, &format!("restarts-{version:?}"));
    // About 25 cuts a client, if there are many messages.
    let often = (count * 50 / 25).max(8_000);
    let wires = Arc::new(
        [seed, seed + 1]
            .map(|seed| Cutter::new(mosquitto.address(), often / 2..=often * 3 / 2, usize::MAX, seed)),
    );
    let (ready, mut is_ready) = watch::channel(false);
    let (progress, mut so_far) = watch::channel(0);
    let (came, taken) = watch::channel(0);

    let subscriber = tokio::spawn(subscribe(
        client("subscriber", version, wires[0].address()),
        count,
        ready,
        came,
    ));
    timeout(STALLED, is_ready.wait_for(|ready| *ready))
        .await
        .unwrap()
        .unwrap();
    let publisher = tokio::spawn(publish(
        client("publisher", version, wires[1].address()),
        count,
        progress,
        taken,
    ));
    let noted = Arc::clone(&wires);
    let stopper = tokio::spawn(async move {
        for nth in 1..=restarts {
            let at = 2 * count * nth / (restarts + 1);
            if so_far.wait_for(|so_far| *so_far >= at).await.is_err() {
                break;
            }
            let wires = Arc::clone(&noted);
            let restarted = tokio::task::spawn_blocking(move || {
                let note = |what: &str| wires.iter().for_each(|wire| wire.note(what));
                note("SIGTERM");
                mosquitto.stop().unwrap();
                note("mosquitto has ended");
                std::thread::sleep(Duration::from_millis(20 * nth));
                mosquitto.run();
                note("mosquitto has started");
                mosquitto
            });
            mosquitto = restarted.await.unwrap();
        }
        mosquitto
    });
    let (published, ends) = publisher.await.unwrap();
    let mosquitto = stopper.await.unwrap();
    let (subscribed, taken) = subscriber.await.unwrap();

    let (one, two) = (taken.judge(0, count), taken.judge(1, count));
    let once = ends.values().filter(|&&times| times == 1).count();
    let (anew, renamed) = published_anew(&wires[0], version);
    println!(
        "\n{name}, {version:?}, seed {seed}: {count} messages each of QoS 1 and 2, {restarts} restarts, {} cuts, {} and {} \
         connections, {} sessions lost: QoS 1 lost {}, again {}, late {}; QoS 2 lost {}, again {}, late {} (published anew \
         by mosquitto after PUBREL: {anew}, and {renamed} under another id); {once} of {} publishes ended once; {:.1} s",
        wires.iter().map(Cutter::cuts).sum::<usize>(),
        published.connections,
        subscribed.connections,
        published.sessions_lost + subscribed.sessions_lost,
        one.0,
        one.1,
        one.2,
        two.0,
        two.1,
        two.2,
        ends.len(),
        begun.elapsed().as_secs_f64(),
    );
    if (one.0, two.0, two.1) != (0, 0, 0) {
        for (wire, name) in wires.iter().zip(["subscriber", "publisher"]) {
            let file = std::env::temp_dir().join(format!("mqtt-restarts-{name}-{version:?}-{seed}.txt"));
            std::fs::write(&file, wire.transcript(version).join("\n")).unwrap();
            println!(
                "what the {name} and mosquitto said to each other: {}",
                file.display()
            );
        }
    }
    assert_eq!((one.0, two.0), (0, 0), "nothing is lost: {}", mosquitto.log());
    assert!(
        two.1 <= anew + renamed,
        "nothing of QoS 2 comes twice by this client's doing"
    );
    assert_eq!((one.2, two.2), (0, 0), "nothing overtakes anything of its topic");
    assert_eq!(
        (once, ends.len() as u64),
        (ends.len(), 2 * count),
        "each publish ends once"
    );
    assert!(published.connections as u64 > restarts && subscribed.connections as u64 > restarts);
}

/// How many messages of QoS 2 mosquitto published as new ones although it had sent their PUBREL: under the same id, which is
/// what 5/MQTT-4.3.3-6 and 3.1.1/MQTT-4.3.3-1 forbid, and under another. No receiver can know them for what they are. The
/// first is seen of mosquitto 2.0.11 when SIGTERM comes about when PUBCOMP does, about once in a hundred restarts.
fn published_anew(wire: &Cutter, version: Version) -> (u64, u64) {
    let (mut under_way, mut seen) = (BTreeSet::new(), BTreeMap::new());
    let (mut anew, mut renamed) = (0, 0);
    wire.read(version, |told| match told {
        Told::Packet(_, Direction::ToClient, Packet::Publish(publish))
            if publish.head.qos == QoS::ExactlyOnce && under_way.insert(publish.head.packet_id) =>
        {
            let id = publish.head.packet_id;
            match seen.insert(publish.payload.to_vec(), id) {
                Some(before) if before == id => anew += 1,
                Some(_) => renamed += 1,
                None => {}
            }
        }
        Told::Packet(_, Direction::ToClient, Packet::PubRel(ack)) => {
            under_way.remove(&Some(ack.packet_id));
        }
        _ => {}
    });
    (anew, renamed)
}

#[tokio::test]
#[ignore = "takes a mosquitto: run .ci/restarts"]
async fn nothing_is_lost_or_comes_twice_through_a_mosquitto_that_restarts_in_5_0() {
    through_restarts_and_cuts(Version::V5).await;
}

#[tokio::test]
#[ignore = "takes a mosquitto: run .ci/restarts"]
async fn nothing_is_lost_or_comes_twice_through_a_mosquitto_that_restarts_in_3_1_1() {
    through_restarts_and_cuts(Version::V311).await;
}
