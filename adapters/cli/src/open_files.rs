//! As many connections as the system allows.

/// Raises the soft limit of open files to the hard one: it is low where nobody has asked, and each connection is a file.
#[cfg(unix)]
pub(crate) fn raise() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// There is no such limit here.
#[cfg(not(unix))]
pub(crate) const fn raise() {}
