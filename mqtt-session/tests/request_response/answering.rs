//! Who answers.

use mqtt_proto::{Properties, Property, QoS, Statement, TopicErrorKind};
use mqtt_session::request_response::{NoReply, OwnedReplyTo, ReplyTo};

use super::topic;

#[test]
fn an_answer_goes_to_the_response_topic_with_the_correlation_data() {
    let request = [
        Property::UserProperty("a", "b"),
        Property::CorrelationData(&[0, 255]),
        Property::ResponseTopic("answers/7"),
    ];
    let reply = ReplyTo::of(Properties::new(&request)).unwrap();
    let message = reply.publish(QoS::ExactlyOnce);
    assert_eq!(
        (message.topic, message.qos, message.retain),
        (topic("answers/7"), QoS::ExactlyOnce, false)
    );
    assert_eq!(
        message.properties,
        Properties::new(&[Property::CorrelationData(&[0, 255])])
    );
    let later = OwnedReplyTo::from(reply);
    assert_eq!(later.view(), reply);
}

#[test]
fn a_request_without_correlation_data_is_answered_without() {
    let request = [Property::ResponseTopic("answers/7")];
    let reply = ReplyTo::of(Properties::new(&request)).unwrap();
    assert!(reply.publish(QoS::AtMostOnce).properties.is_empty());
    assert_eq!(OwnedReplyTo::from(reply).view(), reply);
}

#[test]
fn a_message_without_a_response_topic_is_no_request() {
    for properties in [&[][..], &[Property::CorrelationData(b"x")]] {
        let refused = ReplyTo::of(Properties::new(properties)).unwrap_err();
        assert_eq!(refused, NoReply::NoResponseTopic);
        assert_eq!(refused.statement(), None);
    }
}

#[test]
fn a_response_topic_with_wildcards_is_refused_5_mqtt_3_3_2_14() {
    for (text, kind, statement) in [
        ("answers/+", TopicErrorKind::WildcardInName, "5/MQTT-3.3.2-14"),
        ("#", TopicErrorKind::WildcardInName, "5/MQTT-3.3.2-14"),
        ("", TopicErrorKind::Empty, "5/MQTT-4.7.3-1"),
        ("a\0", TopicErrorKind::Nul, "5/MQTT-4.7.3-2"),
    ] {
        let request = [Property::ResponseTopic(text)];
        let refused = ReplyTo::of(Properties::new(&request)).unwrap_err();
        assert!(
            matches!(refused, NoReply::InvalidTopic(e) if e.kind() == kind),
            "{text}"
        );
        assert_eq!(refused.statement(), Statement::from_label(statement), "{text}");
    }
}
