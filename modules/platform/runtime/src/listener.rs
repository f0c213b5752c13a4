//! A TCP listener that serves a router: how many may connect, how long a client may take to say
//! what it wants, and how it closes. `axum::serve` has none of that.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use axum::{Router, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, rt::Executor, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{StartError, Tasks};

mod linger;

/// How long to wait before accepting again when the system cannot, for want of descriptors or memory.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(100);
/// How often an HTTP/2 client is asked whether it is still there.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);

/// What a listener grants its clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections open at once; further ones wait in the system's queue.
    pub(crate) max_connections: usize,
    /// How long a client may take from connecting to the end of its first request's head.
    pub(crate) header_timeout: Duration,
    /// How long a connection may stay open from one request to the end of the next one's head.
    pub(crate) idle_timeout: Duration,
}

/// A port that is taken and not yet served. Clients that connect wait.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Takes the port that `key` of the configuration names.
    pub(crate) async fn bind(key: &str, address: SocketAddr) -> Result<Self, StartError> {
        let cannot = |error: io::Error| {
            let advice = advice(key, error.kind());
            StartError::new(format!("cannot listen on {address}: {error}; {advice}"))
        };
        let socket = TcpListener::bind(address).await.map_err(cannot)?;
        let address = socket.local_addr().map_err(cannot)?;
        Ok(Self { socket, address })
    }

    /// Serves `router` until the answer is drained or killed.
    pub(crate) fn serve(self, router: Router, limits: Limits) -> Listener {
        let listener = Listener {
            address: self.address,
            router: Arc::new(ArcSwap::from_pointee(router)),
            connections: Tasks::new(),
        };
        let accepting = accept(self.socket, limits, listener.clone());
        drop(listener.connections.spawn(accepting));
        listener
    }
}

fn advice(key: &str, why: io::ErrorKind) -> String {
    match why {
        io::ErrorKind::AddrNotAvailable => format!(
            "this machine does not have that address; set {key} to one that it has, or to 0.0.0.0 \
             with the port for all of them"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("this user may not use that port; set {key} to one above 1023")
        }
        _ => format!("free the port, or set {key}"),
    }
}

/// A port that is served.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    router: Arc<ArcSwap<Router>>,
    connections: Tasks,
}

impl Listener {
    /// Serves `router` from the next request on.
    pub(crate) fn replace(&self, router: Router) {
        self.router.store(Arc::new(router));
    }

    /// Stops accepting, lets the requests under way finish, and closes. Those that take longer
    /// than `limit` are cut off; the answer says how many connections that were.
    pub(crate) async fn drain(&self, limit: Duration) -> usize {
        self.connections.stop(limit).await
    }

    /// Begins to close everything at once, for those who cannot wait.
    pub(crate) fn cut(&self) {
        self.connections.cut();
    }

    /// Closes everything at once.
    pub(crate) async fn kill(&self) {
        self.connections.kill().await;
    }
}

async fn accept(socket: TcpListener, limits: Limits, listener: Listener) {
    let stop = listener.connections.stopping();
    let room = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
    while let Some(next) = stop.run_until_cancelled(next_client(&socket, &room)).await {
        match next {
            Ok((stream, client, permit)) => {
                let serving = serve_connection(stream, client, permit, limits, listener.clone());
                drop(listener.connections.spawn(serving));
            }
            Err(error) if is_about_one_client(error.kind()) => {
                tracing::debug!(address = %listener.address, %error, "a client left at once");
            }
            Err(error) => {
                tracing::warn!(address = %listener.address, %error, "cannot accept connections");
                let _ = tokio::time::timeout(PAUSE_AFTER_REFUSAL, stop.cancelled()).await;
            }
        }
    }
}

async fn next_client(
    socket: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, client) = socket.accept().await?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a client may have left, and is slower otherwise");
    }
    Ok((stream, client, permit))
}

/// Whether the next client may fare better at once: accepting reports what happened to a connection
/// in the meantime, and that connection is gone from the queue. Everything else is about the process
/// or the machine.
fn is_about_one_client(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable, PermissionDenied, TimedOut,
    };
    matches!(
        kind,
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
            | TimedOut
    )
}

async fn serve_connection(
    stream: TcpStream,
    client: SocketAddr,
    _room: OwnedSemaphorePermit,
    limits: Limits,
    listener: Listener,
) {
    let has_asked = CancellationToken::new();
    let stop = listener.connections.stopping();
    let service = {
        let (router, has_asked) = (Arc::clone(&listener.router), has_asked.clone());
        let connections = listener.connections.clone();
        service_fn(move |request: Request<Incoming>| {
            has_asked.cancel();
            let mut request = linger::over(request, &connections);
            request.extensions_mut().insert(ConnectInfo(client));
            Router::clone(&router.load()).oneshot(request)
        })
    };
    let mut builder = Builder::new(Spawner(listener.connections.clone()));
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.idle_timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HTTP2_PING_EVERY);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));

    // The builder's own limit begins when the first bytes have told the protocol.
    let mut opening = pin!(tokio::time::timeout(limits.header_timeout, has_asked.cancelled()));
    let (mut is_open, mut is_closing) = (false, false);
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            asked = opening.as_mut(), if !is_open => match asked {
                Ok(()) => is_open = true,
                Err(_) => return,
            },
            () = stop.cancelled(), if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Lets the streams of an HTTP/2 connection end with their listener.
#[derive(Clone)]
struct Spawner(Tasks);

impl<F> Executor<F> for Spawner
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, stream: F) {
        drop(self.0.spawn(stream));
    }
}

#[cfg(test)]
mod tests {
    use axum::{extract::ConnectInfo, routing::get};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

    const LONG: Duration = Duration::from_mins(1);

    async fn listener(limits: Limits) -> Listener {
        let bound =
            Bound::bind("public.address", SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        bound.serve(Router::new().route("/", get(async || "hello")), limits)
    }

    fn patient() -> Limits {
        Limits { max_connections: 10, header_timeout: LONG, idle_timeout: LONG }
    }

    fn header_within(milliseconds: u64) -> Limits {
        Limits { header_timeout: Duration::from_millis(milliseconds), ..patient() }
    }

    async fn connect(listener: &Listener) -> TcpStream {
        TcpStream::connect(listener.address).await.unwrap()
    }

    /// What the listener says until it closes.
    async fn read_to_end(client: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        let reading = client.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(Duration::from_secs(10), reading).await.expect("it closes");
        String::from_utf8(bytes).unwrap()
    }

    async fn read_reply(client: &mut TcpStream) -> String {
        let mut reply = String::new();
        while !reply.ends_with("hello") {
            let mut bytes = [0; 512];
            let length = client.read(&mut bytes).await.unwrap();
            assert_ne!(length, 0, "closed after {reply:?}");
            reply.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        reply
    }

    #[test]
    fn only_a_machine_that_runs_out_of_something_pauses_everybody() {
        /// accept(2) on Linux: too many open files, in this process and in all; no memory.
        const SCARCITY: [i32; 4] = [24, 23, 12, 105];
        /// Aborted, reset, refused by a firewall, network unreachable.
        const ONE_CLIENT: [i32; 4] = [103, 104, 1, 101];
        let kind = |code: i32| io::Error::from_raw_os_error(code).kind();
        assert!(SCARCITY.iter().all(|code| !is_about_one_client(kind(*code))));
        assert!(ONE_CLIENT.iter().all(|code| is_about_one_client(kind(*code))));
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_is_closed_in_time() {
        let listener = listener(header_within(50)).await;
        let mut silent = connect(&listener).await;
        assert_eq!(read_to_end(&mut silent).await, "");
    }

    #[tokio::test]
    async fn a_client_that_never_finishes_its_head_is_closed_in_time() {
        let listener = listener(header_within(100)).await;
        for start in [b"G".as_slice(), b"PRI * HT", b"GET / HTTP/1.1\r\nhost: te"] {
            let mut slow = connect(&listener).await;
            slow.write_all(start).await.unwrap();
            let said = read_to_end(&mut slow).await;
            assert!(!said.contains("200"), "{said}");
        }
    }

    #[tokio::test]
    async fn a_client_that_drips_is_closed_in_time() {
        let listener = listener(header_within(200)).await;
        let (mut reader, mut writer) = connect(&listener).await.into_split();
        let mut drops = tokio::time::interval(Duration::from_millis(10));
        let drip = async {
            loop {
                drops.tick().await;
                if writer.write_all(b"x").await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let mut said = Vec::new();
        tokio::select! {
            _ = reader.read_to_end(&mut said) => {}
            () = drip => {}
            () = listener.connections.stopping().cancelled_owned() => {}
        }
        assert_ne!(String::from_utf8_lossy(&said).split(' ').nth(1), Some("200"));
    }

    #[tokio::test]
    async fn a_connection_that_is_kept_open_without_asking_is_closed_in_time() {
        let listener =
            listener(Limits { idle_timeout: Duration::from_millis(50), ..patient() }).await;
        let mut client = connect(&listener).await;
        client.write_all(REQUEST).await.unwrap();
        assert!(read_to_end(&mut client).await.ends_with("hello"));
    }

    #[tokio::test]
    async fn more_clients_than_there_is_room_for_wait() {
        let listener = listener(Limits { max_connections: 1, ..patient() }).await;
        let mut first = connect(&listener).await;
        first.write_all(REQUEST).await.unwrap();
        read_reply(&mut first).await;
        let mut second = connect(&listener).await;
        second.write_all(REQUEST).await.unwrap();
        let impatient = tokio::time::timeout(Duration::from_millis(50), second.readable()).await;
        assert!(impatient.is_err(), "it is served beside the first");
        drop(first);
        read_reply(&mut second).await;
    }

    #[tokio::test]
    async fn who_is_refused_in_mid_sentence_can_finish_it_and_hears_why() {
        let listener = listener(patient()).await;
        let deaf = axum::routing::post(async || "no hello");
        listener.replace(Router::new().route("/", deaf));
        let mut client = connect(&listener).await;
        for _ in 0..2 {
            let head = b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 8388608\r\n\r\n";
            client.write_all(head).await.unwrap();
            client.write_all(&vec![b' '; 8 << 20]).await.unwrap();
            assert!(read_reply(&mut client).await.starts_with("HTTP/1.1 200"));
        }
    }

    #[tokio::test]
    async fn who_never_ends_what_nobody_wants_to_hear_is_closed_in_time() {
        let listener = listener(patient()).await;
        let deaf = axum::routing::post(async || "no hello");
        listener.replace(Router::new().route("/", deaf));
        let mut client = connect(&listener).await;
        client
            .write_all(b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nhalf")
            .await
            .unwrap();
        assert!(read_to_end(&mut client).await.ends_with("no hello"));
    }

    #[tokio::test]
    async fn a_new_router_serves_the_next_request_of_an_open_connection() {
        let listener = listener(patient()).await;
        let mut client = connect(&listener).await;
        client.write_all(REQUEST).await.unwrap();
        read_reply(&mut client).await;
        let who =
            get(async |ConnectInfo(client): ConnectInfo<SocketAddr>| format!("{client} hello"));
        listener.replace(Router::new().route("/", who));
        client.write_all(REQUEST).await.unwrap();
        let own_address = client.local_addr().unwrap().to_string();
        assert!(read_reply(&mut client).await.contains(&own_address));
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the runtime's client does not insist on HTTP/2")]
    async fn http2_is_understood_and_drained() {
        let listener = listener(patient()).await;
        let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
        let url = format!("http://{}/", listener.address);
        let response = client.get(&url).send().await.unwrap();
        assert_eq!(response.version(), axum::http::Version::HTTP_2);
        assert_eq!(response.text().await.unwrap(), "hello");
        assert_eq!(listener.drain(Duration::from_secs(10)).await, 0);
        assert!(client.get(&url).send().await.is_err());
    }

    #[tokio::test]
    async fn a_drained_listener_closes_who_asks_nothing() {
        let listener = listener(patient()).await;
        let mut silent = connect(&listener).await;
        let mut idle = connect(&listener).await;
        idle.write_all(REQUEST).await.unwrap();
        read_reply(&mut idle).await;
        assert_eq!(listener.drain(Duration::from_secs(10)).await, 0);
        assert_eq!(read_to_end(&mut silent).await, "");
        assert_eq!(read_to_end(&mut idle).await, "");
    }
}
