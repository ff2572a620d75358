use proptest::prelude::*;

use super::*;

const ANN: Who<'_> = Who {
    user: Some("ann"),
    client_id: "phone",
};
const NOBODY: Who<'_> = Who {
    user: None,
    client_id: "guest",
};

fn rules(text: &str) -> Rules {
    text.parse().unwrap()
}

fn publish(rules: &Rules, who: &Who<'_>, topic: &str) -> bool {
    rules.may_publish(who, TopicName::new(topic).unwrap())
}

fn subscribe(rules: &Rules, who: &Who<'_>, filter: &str) -> bool {
    rules.may_subscribe(who, TopicFilter::new(filter).unwrap(), Version::V5)
}

#[test]
fn where_no_rule_decides_the_default_does_and_that_is_no() {
    for (text, allowed) in [("", false), ("default deny", false), ("default allow", true)] {
        let rules = rules(text);
        assert_eq!(publish(&rules, &ANN, "a"), allowed, "{text}");
        assert_eq!(subscribe(&rules, &NOBODY, "#"), allowed, "{text}");
    }
}

#[test]
fn the_first_rule_that_decides_does() {
    let rules = rules("allow everyone both a/b\ndeny everyone both a/#\nallow everyone both #");
    for (topic, allowed) in [("a/b", true), ("a/c", false), ("a", false), ("c", true)] {
        assert_eq!(publish(&rules, &NOBODY, topic), allowed, "{topic}");
        assert_eq!(subscribe(&rules, &NOBODY, topic), allowed, "{topic}");
    }
    for (filter, allowed) in [
        ("a/+", false),
        ("#", false),
        ("b/#", true),
        ("+", false),
        ("+/b", false),
    ] {
        assert_eq!(subscribe(&rules, &NOBODY, filter), allowed, "{filter}");
    }
}

#[test]
fn a_subscription_is_inside_of_what_is_allowed_or_refused() {
    let rules = rules("allow everyone subscribe a/#\nallow everyone subscribe b/#");
    for (filter, allowed) in [
        ("#", false),
        ("+/x", false),
        ("a/#", true),
        ("a/+/c", true),
        ("a", true),
        ("$share/g/a/#", true),
        ("$share/g/#", false),
    ] {
        assert_eq!(subscribe(&rules, &ANN, filter), allowed, "{filter}");
    }
    // In 3.1.1 this is a filter like any other.
    let filter = TopicFilter::new("$share/g/a/#").unwrap();
    assert!(!rules.may_subscribe(&ANN, filter, Version::V311));
    assert!(!publish(&rules, &ANN, "a"));
}

#[test]
fn rules_are_about_users_clients_and_those_without_a_name() {
    for (who, ann, nobody) in [
        ("everyone", true, true),
        ("users", true, false),
        ("anonymous", false, true),
        ("user ann", true, false),
        ("user \"ann\"", true, false),
        ("user phone", false, false),
        ("client phone", true, false),
        ("client guest", false, true),
    ] {
        let rules = rules(&format!("allow {who} publish a"));
        assert_eq!(publish(&rules, &ANN, "a"), ann, "{who}");
        assert_eq!(publish(&rules, &NOBODY, "a"), nobody, "{who}");
    }
}

#[test]
fn placeholders_are_the_clients_own_names() {
    let rules =
        rules("deny everyone publish %u/closed\nallow users publish %u/#\nallow everyone both c/%c/+");
    assert!(publish(&rules, &ANN, "ann/x") && !publish(&rules, &ANN, "bob/x"));
    assert!(!publish(&rules, &ANN, "ann/closed"));
    assert!(publish(&rules, &NOBODY, "c/guest/x") && !publish(&rules, &NOBODY, "c/phone/x"));
    assert!(subscribe(&rules, &ANN, "c/phone/+") && !subscribe(&rules, &ANN, "c/+/x"));
    let sly = Who {
        user: Some("+"),
        client_id: "phone/x",
    };
    assert!(!publish(&rules, &sly, "+x/y".trim_start_matches('+')) && !publish(&rules, &sly, "ann/x"));
    assert!(!subscribe(&rules, &sly, "c/phone/x/y") && !subscribe(&rules, &sly, "c/phone/x"));
    // What is forbidden to a name that fills no level is forbidden to all of them.
    let closed = self::rules("default allow\ndeny everyone publish %u/closed");
    assert!(!publish(&closed, &sly, "ann/closed") && !publish(&closed, &sly, "$SYS/closed"));
    assert!(publish(&closed, &sly, "ann/open") && publish(&closed, &ANN, "bob/closed"));
}

#[test]
fn clients_of_3_1_ask_for_dollar_topics_with_a_wildcard() {
    let rules = rules("allow everyone both #");
    let all = TopicFilter::new("#").unwrap();
    assert!(rules.may_subscribe(&ANN, all, Version::V311));
    assert!(!rules.may_subscribe(&ANN, all, Version::V31));
    assert!(!publish(&rules, &ANN, "$SYS/x"));
}

#[test]
fn a_wrong_line_is_named_with_what_is_wrong() {
    for (line, what) in [
        ("permit everyone both a", "'permit' is neither `allow` nor `deny`"),
        ("allow", "the line ends before whom it is about"),
        ("allow ann both a", "'ann' is nobody: `everyone`"),
        ("allow user", "the line ends before the user's name"),
        (
            "allow user \"ann both a",
            "no quote at the end of the user's name",
        ),
        ("allow user \"ann\"x both a", "no blank after the user's name"),
        ("allow everyone a", "'a' is not `publish`, `subscribe` or `both`"),
        ("allow everyone both", "the line ends before the topic filter"),
        ("allow everyone both a#", "'a#': "),
        ("allow everyone both %d", "'%d': '%d' means nothing"),
        ("default", "the line ends before `allow` or `deny`"),
        ("default allow all", "'all' after `default`"),
        ("default allow", "'default' stands once, before all rules"),
    ] {
        let text = format!("# rules\nallow everyone both x\n{line}\n");
        let error = text.parse::<Rules>().unwrap_err();
        assert_eq!(error.line(), 3, "{line}");
        assert!(error.what().starts_with(what), "{line}: {error}");
    }
}

#[test]
fn blanks_belong_to_filters_and_to_quoted_names() {
    let rules = rules("  allow   user \"a \\\"b\\\" \\\\c\"\tpublish   the \"first\" floor/#  ");
    let who = Who {
        user: Some("a \"b\" \\c"),
        client_id: "",
    };
    assert!(publish(&rules, &who, "the \"first\" floor/x"));
    assert_eq!(self::rules(&rules.to_string()), rules);
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let who = prop::sample::select(vec!["everyone", "anonymous", "users", "user ann", "client guest"]);
    let what = prop::sample::select(vec!["publish", "subscribe", "both"]);
    let filter = prop::sample::select(vec![
        "#", "+", "a", "a/#", "a/+", "+/b", "a/b", "%u", "%u/#", "a/%c", "$d/#", "$d/b", "+/+",
    ]);
    let rule = (any::<bool>(), who, what, filter);
    (any::<bool>(), prop::collection::vec(rule, 0..5)).prop_map(|(otherwise, list)| {
        let mut text = format!("default {}\n", line::verdict(otherwise));
        for (allow, who, what, filter) in list {
            text += &format!("{} {who} {what} {filter}\n", line::verdict(allow));
        }
        rules(&text)
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(rules in any_rules()) {
        prop_assert_eq!(self::rules(&rules.to_string()), rules);
    }

    /// Whatever is in a file, reading it ends, and names a line that is there.
    #[test]
    fn any_text_is_rules_or_an_error_with_its_line(
        lines in prop::collection::vec("(allow|deny|default|#)?[ \\PC]{0,3}(user|client|users|everyone)?[ \"\\\\\\PC]{0,4}(publish|both)?[ %+#/uc\\PC]{0,5}", 0..4)
    ) {
        let text = lines.join("\n");
        match text.parse::<Rules>() {
            Ok(rules) => prop_assert_eq!(self::rules(&rules.to_string()), rules),
            Err(error) => prop_assert!((1..=text.lines().count()).contains(&error.line()), "{}", error),
        }
    }

    /// Nobody receives more by a filter than by asking for its topics one by one.
    #[test]
    fn a_subscription_that_is_allowed_has_only_topics_that_are(rules in any_rules(), ann in any::<bool>(), old in any::<bool>()) {
        let who = if ann { ANN } else { NOBODY };
        let version = if old { Version::V31 } else { Version::V5 };
        let levels = ["a", "b", "ann", "guest", "$d", "$SYS", "z"];
        let topics: Vec<String> = levels.iter().map(ToString::to_string)
            .chain(levels.iter().flat_map(|one| levels.iter().map(move |two| format!("{one}/{two}"))))
            .collect();
        for filter in ["#", "+", "a/#", "+/b", "+/+", "a/+", "ann/#", "$d/#", "$d/+", "a", "a/b", "$d/b"] {
            let filter = TopicFilter::new(filter).unwrap();
            if !rules.may_subscribe(&who, filter, version) {
                continue;
            }
            for topic in &topics {
                if filter.matches(TopicName::new(topic).unwrap(), version) {
                    let alone = TopicFilter::new(topic).unwrap();
                    prop_assert!(rules.may_subscribe(&who, alone, version), "{rules}{filter} {topic}");
                }
            }
        }
    }
}
