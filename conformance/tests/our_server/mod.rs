//! Our server on tokio, behind a free port, for tests of what is done to live brokers.

use core::net::SocketAddr;

use mqtt_session::server::ServerConfig;
use mqtt_tokio::{Listener, Server};

/// It listens while `then` runs.
pub(crate) fn with_server<T>(then: impl FnOnce(SocketAddr) -> T) -> T {
    with_server_that(ServerConfig::default(), |_| {}, then)
}

/// The same of one that is set up so.
pub(crate) fn with_server_that<T>(
    config: ServerConfig,
    set_up: impl FnOnce(&mut Server) + Send + 'static,
    then: impl FnOnce(SocketAddr) -> T,
) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (started, stopper) = std::sync::mpsc::channel();
    let serving = runtime.spawn(async move {
        let poller = mqtt_tokio::Poller::new();
        let mut server: Server<Listener> = Server::new(config);
        server.listen(poller.listen(listener));
        set_up(&mut server);
        started.send(server.stopper()).expect("somebody waits for it");
        server.run(drop).await
    });
    let stopper = stopper.recv().expect("it starts");
    let result = then(address);
    stopper.stop();
    runtime
        .block_on(serving)
        .expect("the server ends")
        .expect("in order");
    result
}
