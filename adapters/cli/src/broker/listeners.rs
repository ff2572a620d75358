//! Sockets to listen on, and what they leave behind.

use std::io;
#[cfg(unix)]
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use mqtt_tokio::{Listener, Poller};
use tokio::net::TcpListener;

use crate::{config::ListenAddress, failure::Failure};

/// A socket, and how its address is said: with the port that was found.
pub(super) struct Bound {
    pub(super) listener: Listener,
    pub(super) address: String,
    /// It can be reached from elsewhere.
    pub(super) is_public: bool,
    /// Removes what stands in the file system when it is dropped.
    #[cfg(unix)]
    pub(super) file: Option<SocketFile>,
}

/// Listens.
pub(super) async fn bind(poller: &Poller, address: &ListenAddress) -> Result<Bound, Failure> {
    let bound = match address {
        ListenAddress::Tcp(name) => bind_tcp(poller, name).await,
        #[cfg(unix)]
        ListenAddress::Unix(path) => bind_unix(poller, path, address.to_string()),
        #[cfg(not(unix))]
        ListenAddress::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    };
    bound.map_err(|error| Failure::new(format!("cannot listen on {address}: {error}")))
}

async fn bind_tcp(poller: &Poller, name: &str) -> io::Result<Bound> {
    // 5/MQTT-4.2.0-1, 3.1.1/MQTT-7.1.1-1
    let listener = TcpListener::bind(name).await?;
    let address = listener.local_addr()?;
    Ok(Bound {
        address: address.to_string(),
        is_public: !address.ip().is_loopback(),
        listener: poller.listen(listener),
        #[cfg(unix)]
        file: None,
    })
}

#[cfg(unix)]
fn bind_unix(poller: &Poller, path: &Path, address: String) -> io::Result<Bound> {
    let listener = poller.listen(mqtt_tokio::listen_unix(path)?);
    Ok(Bound {
        listener,
        address,
        is_public: false,
        file: Some(SocketFile::new(path)?),
    })
}

/// The file of a Unix socket, which is removed with this; but not if there is another one under its name by then.
#[cfg(unix)]
pub(super) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

#[cfg(unix)]
impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.into(),
            id: id(path)?,
        })
    }
}

#[cfg(unix)]
fn id(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        if id(&self.path).is_ok_and(|id| id == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
