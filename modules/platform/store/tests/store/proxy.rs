//! A way to a server that a test can open late, and cut where it hurts most.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Notify, watch},
    task::JoinSet,
};

/// As the driver sends it.
const COMMIT: &[u8] = b"COMMIT\0";

/// Where the next connection that commits is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nowhere.
    Nowhere,
    /// The server does not hear of the commit.
    BeforeTheServer,
    /// The server commits, and the client does not hear of it.
    AfterTheServer,
}

/// Stands between a client and a PostgreSQL server.
pub struct Proxy {
    cut: watch::Sender<Cut>,
    _running: JoinSet<()>,
}

impl Proxy {
    /// Accepts connections for `server` at `address`.
    pub async fn listen(address: SocketAddr, server: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let cut = watch::Sender::new(Cut::Nowhere);
        let cuts = cut.clone();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let upstream = TcpStream::connect(server).await.unwrap();
                connections.spawn(pass_on(client, upstream, cuts.clone()));
            }
        });
        Self { cut, _running: running }
    }

    /// Cuts the next connection that commits.
    pub fn cut(&self, cut: Cut) {
        self.cut.send_replace(cut);
    }

    /// Whether a connection was cut since it was asked for.
    pub fn has_cut(&self) -> bool {
        *self.cut.borrow() == Cut::Nowhere
    }
}

async fn pass_on(client: TcpStream, server: TcpStream, cut: watch::Sender<Cut>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (is_silent, answered) = (AtomicBool::new(false), Notify::new());
    let (is_silent, answered) = (Arc::new(is_silent), Arc::new(answered));
    tokio::select! {
        () = forth(from_client, to_server, &cut, &is_silent, &answered) => {}
        () = back(from_server, to_client, &is_silent, &answered) => {}
    }
}

async fn forth(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    cut: &watch::Sender<Cut>,
    is_silent: &AtomicBool,
    answered: &Notify,
) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let commits = chunk[..length].windows(COMMIT.len()).any(|bytes| bytes == COMMIT);
        let cut_here = if commits { cut.send_replace(Cut::Nowhere) } else { Cut::Nowhere };
        if cut_here == Cut::BeforeTheServer {
            return;
        }
        is_silent.store(cut_here == Cut::AfterTheServer, Ordering::SeqCst);
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
        if cut_here == Cut::AfterTheServer {
            answered.notified().await;
            return;
        }
    }
}

async fn back(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    is_silent: &AtomicBool,
    answered: &Notify,
) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        if is_silent.load(Ordering::SeqCst) {
            answered.notify_one();
        } else if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}
