//! A way to Redis that can be held up: what is sent arrives, answers wait until it goes on.

use std::{net::SocketAddr, sync::Arc};

use testkit::redis::RedisPlace;
use tokio::{
    io::{self, AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

pub(crate) struct Proxy {
    is_held: Arc<watch::Sender<bool>>,
    address: SocketAddr,
    _connections: JoinSet<()>,
}

impl Proxy {
    /// In front of the server of `place`.
    pub(crate) async fn before(place: &RedisPlace) -> Self {
        let server = parts(place).1.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let is_held = Arc::new(watch::Sender::new(false));
        let hold = Arc::clone(&is_held);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (server, hold) = (server.clone(), hold.subscribe());
                open.spawn(async move {
                    let _ended = carry(client, &server, hold).await;
                });
            }
        });
        Self { is_held, address, _connections: connections }
    }

    /// The same place, by this way.
    pub(crate) fn place(&self, place: &RedisPlace) -> RedisPlace {
        let (head, _, tail) = parts(place);
        RedisPlace { url: format!("{head}@{}/{tail}", self.address), ..place.clone() }
    }

    pub(crate) fn hold(&self) {
        self.is_held.send_replace(true);
    }

    pub(crate) fn go_on(&self) {
        self.is_held.send_replace(false);
    }
}

/// Scheme and password, address, and database of the place's address.
fn parts(place: &RedisPlace) -> (&str, &str, &str) {
    let (head, rest) = place.url.rsplit_once('@').expect("it has a password");
    let (address, tail) = rest.split_once('/').expect("it has a database");
    (head, address, tail)
}

async fn carry(client: TcpStream, server: &str, hold: watch::Receiver<bool>) -> io::Result<()> {
    let (mut asked, answers) = client.into_split();
    let (answered, mut asks) = TcpStream::connect(server).await?.into_split();
    tokio::select! {
        ended = io::copy(&mut asked, &mut asks) => ended.map(|_| ()),
        ended = give_back(answered, answers, hold) => ended,
    }
}

async fn give_back(
    mut answered: OwnedReadHalf,
    mut answers: OwnedWriteHalf,
    mut hold: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    while answered.read_buf(&mut buffer).await? > 0 {
        drop(hold.wait_for(|is_held| !*is_held).await);
        answers.write_all(&buffer).await?;
        buffer.clear();
    }
    Ok(())
}
