//! Pools: where clients meet. Each has a tree of filters of its own, and so has `$SYS`.

use alloc::collections::BTreeMap;

use super::{Pool, route::Routes};

/// Where a topic, or a filter, belongs for clients of one pool.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum RealmKey {
    Pool(Pool),
    /// `$SYS`, which the server alone publishes to.
    Sys,
}

impl RealmKey {
    /// By the topic, or by the filter without `$share/group/`. A wildcard never leads to `$SYS`, not even in 3.1.
    pub(crate) fn of(pool: Pool, topic: &str) -> Self {
        if is_sys(topic) {
            Self::Sys
        } else {
            Self::Pool(pool)
        }
    }
}

/// `$SYS` is the first level.
pub(crate) fn is_sys(topic: &str) -> bool {
    topic
        .strip_prefix("$SYS")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is of one pool alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Realm {
    pub(crate) routes: Routes,
    /// Sessions, connected or kept.
    pub(crate) sessions: usize,
    /// Those of them whose client is there.
    pub(crate) connected: usize,
}

/// All pools that have sessions. Most servers have one pool, which is found without a search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Realms {
    default: Realm,
    sys: Realm,
    others: BTreeMap<Pool, Realm>,
}

impl Realms {
    pub(crate) fn get(&self, key: RealmKey) -> Option<&Realm> {
        match key {
            RealmKey::Sys => Some(&self.sys),
            RealmKey::Pool(Pool::DEFAULT) => Some(&self.default),
            RealmKey::Pool(pool) => self.others.get(&pool),
        }
    }

    pub(crate) fn get_mut(&mut self, key: RealmKey) -> Option<&mut Realm> {
        match key {
            RealmKey::Sys => Some(&mut self.sys),
            RealmKey::Pool(Pool::DEFAULT) => Some(&mut self.default),
            RealmKey::Pool(pool) => self.others.get_mut(&pool),
        }
    }

    /// There is a session more in this pool.
    pub(crate) fn add_session(&mut self, pool: Pool) {
        let realm = if pool == Pool::DEFAULT {
            &mut self.default
        } else {
            self.others.entry(pool).or_default()
        };
        realm.sessions += 1;
    }

    /// There is a session less; its subscriptions are gone. With the last one goes the realm.
    pub(crate) fn remove_session(&mut self, pool: Pool) {
        if let Some(realm) = self.get_mut(RealmKey::Pool(pool)) {
            realm.sessions = realm.sessions.saturating_sub(1);
            if realm.sessions == 0 {
                self.others.remove(&pool);
            }
        }
    }

    /// The client of a session has come.
    pub(crate) fn attach(&mut self, pool: Pool) {
        if let Some(realm) = self.get_mut(RealmKey::Pool(pool)) {
            realm.connected += 1;
        }
    }

    /// The client of a session has gone.
    pub(crate) fn detach(&mut self, pool: Pool) {
        if let Some(realm) = self.get_mut(RealmKey::Pool(pool)) {
            realm.connected = realm.connected.saturating_sub(1);
        }
    }

    /// All pools that have sessions, in order.
    pub(crate) fn pools(&self) -> impl Iterator<Item = (Pool, &Realm)> {
        let default = Some((Pool::DEFAULT, &self.default)).filter(|(_, realm)| realm.sessions > 0);
        default
            .into_iter()
            .chain(self.others.iter().map(|(pool, realm)| (*pool, realm)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_level_makes_a_topic_one_of_the_servers_own() {
        for (topic, sys) in [
            ("$SYS", true),
            ("$SYS/broker/uptime", true),
            ("$SYS/#", true),
            ("$SYSTEM", false),
            ("$sys/a", false),
            ("a/$SYS", false),
            ("#", false),
            ("+/broker", false),
        ] {
            assert_eq!(is_sys(topic), sys, "{topic}");
        }
    }

    #[test]
    fn a_pool_is_there_while_it_has_sessions() {
        let mut realms = Realms::default();
        let pool = Pool(7);
        assert!(realms.get_mut(RealmKey::Pool(pool)).is_none());
        realms.add_session(pool);
        realms.add_session(pool);
        realms.remove_session(pool);
        assert_eq!(
            realms.pools().map(|(pool, _)| pool).collect::<std::vec::Vec<_>>(),
            [pool]
        );
        realms.remove_session(pool);
        assert_eq!(realms.pools().count(), 0);
        assert!(realms.get_mut(RealmKey::Pool(pool)).is_none());
    }
}
