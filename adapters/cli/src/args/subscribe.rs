//! `mqtt sub`.

use core::num::NonZeroU64;

use clap::Args;
use mqtt_proto::{
    Packet, PacketId, PacketType, Properties, QoS, TopicFilter, Version,
    packet::{
        Filters, Subscribe as SubscribePacket, Subscription, SubscriptionOptions, Subscriptions, Unsubscribe,
    },
    property::PropertyPlace,
};

use super::connect::{Connect, ConnectArgs, qos};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct SubscribeArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// Topic filter to subscribe to; may be repeated
    #[arg(short, long = "topic", value_name = "FILTER", value_parser = filter, allow_hyphen_values = true)]
    topics: Vec<String>,
    /// Topic filter to unsubscribe from; may be repeated
    #[arg(short = 'U', long = "unsubscribe", value_name = "FILTER", value_parser = filter, allow_hyphen_values = true)]
    unsubscribe: Vec<String>,
    /// Do not print messages whose topic matches; may be repeated
    #[arg(short = 'T', long = "filter-out", value_name = "FILTER", value_parser = filter, allow_hyphen_values = true)]
    filter_out: Vec<String>,
    /// Highest QoS at which messages come
    #[arg(short, long, value_parser = qos, default_value = "0")]
    qos: QoS,
    /// End after so many messages
    #[arg(short = 'C', long, value_name = "COUNT")]
    count: Option<NonZeroU64>,
    /// End when the server has answered the subscriptions
    #[arg(short = 'E', conflicts_with = "count")]
    exit_when_subscribed: bool,
    /// Do not print retained messages
    #[arg(short = 'R')]
    no_retained: bool,
    /// Print the topic before the message
    #[arg(short, long)]
    verbose: bool,
    /// Print no newline after a message
    #[arg(short = 'N')]
    no_newline: bool,
}

/// What `mqtt sub` is to do, checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subscribe {
    /// How to connect.
    pub connect: Connect,
    /// What to subscribe to.
    pub filters: Vec<String>,
    /// What to unsubscribe from.
    pub unsubscribe: Vec<String>,
    /// What not to print.
    pub filter_out: Vec<String>,
    /// The highest QoS.
    pub qos: QoS,
    /// After so many messages it ends.
    pub count: Option<NonZeroU64>,
    /// It ends when the subscriptions are answered.
    pub exit_when_subscribed: bool,
    /// Retained messages are not printed.
    pub no_retained: bool,
    /// The topic is printed before the message.
    pub verbose: bool,
    /// A newline is printed after the message.
    pub newline: bool,
}

impl SubscribeArgs {
    pub(super) fn check(self) -> Result<Subscribe, Failure> {
        let connect = self
            .connect
            .check("sub", &[PacketType::Subscribe, PacketType::Unsubscribe])?;
        let mut filters = self.topics;
        if let Some(topic) = &connect.address.topic {
            filters.push(filter(topic).map_err(|why| Failure::new(format!("--url: {why}")))?);
        }
        if filters.is_empty() && self.unsubscribe.is_empty() {
            return Err(Failure::new("no filter: give -t, or --url with a path"));
        }
        let subscribe = Subscribe {
            connect,
            filters,
            unsubscribe: self.unsubscribe,
            filter_out: self.filter_out,
            qos: self.qos,
            count: self.count,
            exit_when_subscribed: self.exit_when_subscribed,
            no_retained: self.no_retained,
            verbose: self.verbose,
            newline: !self.no_newline,
        };
        let (version, packet_id) = (subscribe.connect.version, PacketId::MIN);
        let bad = |error: mqtt_proto::EncodeError| Failure::new(error.to_string());
        subscribe
            .with_subscriptions(|filters, properties| {
                for filter in filters.iter().filter(|_| version == Version::V5) {
                    filter
                        .filter
                        .check_share()
                        .map_err(|why| Failure::new(format!("-t '{}': {why}", filter.filter.as_str())))?;
                }
                let filters = Subscriptions::new(filters);
                let packet = Packet::Subscribe(SubscribePacket {
                    packet_id,
                    properties,
                    filters,
                });
                packet.encoded_len(version).map_err(bad)
            })
            .transpose()?;
        subscribe
            .with_unsubscriptions(|filters, properties| {
                let filters = Filters::new(filters);
                let packet = Packet::Unsubscribe(Unsubscribe {
                    packet_id,
                    properties,
                    filters,
                });
                packet.encoded_len(version).map_err(bad)
            })
            .transpose()?;
        Ok(subscribe)
    }
}

impl Subscribe {
    /// Makes the subscriptions and their properties; `None`, if there are none.
    pub fn with_subscriptions<R>(
        &self,
        use_them: impl FnOnce(&[Subscription<'_>], Properties<'_>) -> Result<R, Failure>,
    ) -> Option<Result<R, Failure>> {
        let options = SubscriptionOptions::new(self.qos);
        let filters: Vec<_> = parsed(&self.filters)
            .map(|filter| Subscription { filter, options })
            .collect();
        self.with_properties(PacketType::Subscribe, !filters.is_empty(), |properties| {
            use_them(&filters, properties)
        })
    }

    /// Makes the filters to unsubscribe from and their properties; `None`, if there are none.
    pub fn with_unsubscriptions<R>(
        &self,
        use_them: impl FnOnce(&[TopicFilter<'_>], Properties<'_>) -> Result<R, Failure>,
    ) -> Option<Result<R, Failure>> {
        let filters: Vec<_> = parsed(&self.unsubscribe).collect();
        self.with_properties(PacketType::Unsubscribe, !filters.is_empty(), |properties| {
            use_them(&filters, properties)
        })
    }

    fn with_properties<R>(
        &self,
        packet: PacketType,
        wanted: bool,
        use_them: impl FnOnce(Properties<'_>) -> Result<R, Failure>,
    ) -> Option<Result<R, Failure>> {
        let properties = self.connect.properties.at(PropertyPlace::Packet(packet));
        wanted.then(|| use_them(Properties::new(&properties?)))
    }

    /// Whether to print a message, going by its topic and its RETAIN.
    pub fn shows(&self, topic: mqtt_proto::TopicName<'_>, retain: bool) -> bool {
        let version = self.connect.version;
        let unwanted = parsed(&self.filter_out).any(|filter| filter.matches(topic, version));
        !(unwanted || retain && self.no_retained)
    }
}

/// They were checked when the command line was read.
fn parsed(filters: &[String]) -> impl Iterator<Item = TopicFilter<'_>> {
    filters.iter().filter_map(|filter| TopicFilter::new(filter).ok())
}

fn filter(text: &str) -> Result<String, String> {
    TopicFilter::new(text)
        .map(|_| text.into())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{complaint, subscribe};
    use mqtt_proto::TopicName;

    #[test]
    fn filters_come_from_options_and_url_in_order() {
        let sub = subscribe("sub -t a/+ -t b --url mqtt://h/c/# -q 1 -U d -U e/#");
        assert_eq!(sub.filters, ["a/+", "b", "c/#"]);
        let shown = sub
            .with_subscriptions(|filters, _| Ok(filters.iter().map(ToString::to_string).collect::<Vec<_>>()))
            .unwrap();
        assert_eq!(
            shown.unwrap(),
            ["{\"a/+\" qos=1}", "{\"b\" qos=1}", "{\"c/#\" qos=1}"]
        );
        assert_eq!(
            sub.with_unsubscriptions(|filters, _| Ok(filters.len()))
                .unwrap()
                .unwrap(),
            2
        );
        assert!(subscribe("sub -U a").with_subscriptions(|_, _| Ok(())).is_none());
    }

    #[test]
    fn what_is_printed_is_as_the_options_say() {
        let sub = subscribe("sub -t # -T a/# -R -v -N -C 3");
        let shows = |topic, retain| sub.shows(TopicName::new(topic).unwrap(), retain);
        assert!(shows("b", false) && !shows("a/b", false) && !shows("b", true));
        assert_eq!(
            (sub.verbose, sub.newline, sub.count.unwrap().get()),
            (true, false, 3)
        );
        let plain = subscribe("sub -t #");
        assert!(plain.shows(TopicName::new("a").unwrap(), true) && plain.newline && !plain.verbose);
        assert!(complaint("sub -t a -E -C 1").contains("cannot be used with"));
    }
}
