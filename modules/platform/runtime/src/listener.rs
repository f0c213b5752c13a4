//! A TCP listener that serves a router: how many may connect, how long a client may take to say
//! what it wants, and how it closes. `axum::serve` has none of that.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
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

/// How long to wait before accepting again after the system refused.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(100);
/// How often an HTTP/2 client is asked whether it is still there.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);

/// What a listener grants its clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections open at once; further ones wait in the system's queue.
    pub(crate) max_connections: usize,
    /// How long a client may take to send a request's head.
    pub(crate) header_timeout: Duration,
}

/// A port that is taken and not yet served. Clients that connect wait.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Takes the port for the listener called `name`.
    pub(crate) async fn bind(name: &str, address: SocketAddr) -> Result<Self, StartError> {
        let cannot = |error: io::Error| {
            let advice = format!("free the port, or set {name}.address");
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
            Err(error) => {
                tracing::warn!(address = %listener.address, %error, "cannot accept a connection");
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
    stream.set_nodelay(true)?;
    Ok((stream, client, permit))
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
        service_fn(move |request: Request<Incoming>| {
            has_asked.cancel();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(client));
            Router::clone(&router.load()).oneshot(request)
        })
    };
    let mut builder = Builder::new(Spawner(listener.connections.clone()));
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HTTP2_PING_EVERY);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));

    // Until the first bytes tell the protocol, the builder knows no time limit of its own.
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
