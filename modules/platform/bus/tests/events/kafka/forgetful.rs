//! A broker that says of the brokers that there are none, as one does for a moment that is just
//! stopping or starting: whoever believes it never finds any again by itself.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bus::{BusSettings, KafkaSettings};
use testkit::{
    Port,
    kafka::{self, KafkaPlace},
};
use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, Notify, watch},
    task::JoinSet,
    time::timeout,
};

use super::{settings, topic};
use crate::support::{Clerk, Town};

/// The request for metadata, and the version of it that is understood here. They come first in a
/// request; after them there is a number that the answer has to repeat, and then the client's name.
const METADATA: [u8; 4] = [0, 3, 0, 13];
/// A request to keep messages, of any version.
const PRODUCE: [u8; 2] = [0, 0];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_on_after_a_broker_has_said_that_there_are_none() {
    let (port, door) = (Port::reserve(), Port::reserve());
    let address = port.address();
    let (place, _server) = kafka::private_at(port, Some(door.address())).await;
    let liar = Liar::listen(door.address(), address, topic(&place)).await;
    let town = Town::on_sqlite().await;
    let (mut shop, mut office) = (town.shop().await, town.office().await);
    shop.publish(&named("shop", &place));
    office.read_topic(&named("office", &place), &Clerk::default());
    shop.sell(1, 3).await;
    office.has_booked(1, 1..=3).await;

    liar.begins();
    shop.sell(1, 3).await;
    liar.has_lied_to(["office", "shop"]).await;
    liar.ends();
    office.has_booked(1, 1..=6).await;
}

/// Settings of clients that tell brokers this name.
fn named(name: &str, place: &KafkaPlace) -> BusSettings {
    let settings = settings(place);
    let kafka = KafkaSettings { client_id: name.to_owned(), ..settings.kafka };
    BusSettings { kafka, ..settings }
}

/// Stands between a broker and its clients.
struct Liar {
    shared: Arc<Shared>,
    _running: JoinSet<()>,
}

struct Shared {
    /// What metadata say when they are not true: no brokers, and nobody leads the topic.
    lie: Vec<u8>,
    is_lying: AtomicBool,
    /// The names of those who were told a lie.
    believers: watch::Sender<BTreeSet<String>>,
    /// All connections end.
    cut: Notify,
}

impl Liar {
    async fn listen(address: SocketAddr, broker: SocketAddr, topic: String) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let lie = nothing_but(&topic);
        let shared = Shared {
            lie,
            is_lying: AtomicBool::new(false),
            believers: watch::Sender::default(),
            cut: Notify::new(),
        };
        let shared = Arc::new(shared);
        let sharing = Arc::clone(&shared);
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let broker = TcpStream::connect(broker).await.unwrap();
                connections.spawn(pass_on(client, broker, Arc::clone(&sharing)));
            }
        });
        Self { shared, _running: running }
    }

    /// Cuts all connections, and lies to whoever comes back.
    fn begins(&self) {
        self.shared.is_lying.store(true, Ordering::SeqCst);
        self.shared.cut.notify_waiters();
    }

    /// Waits until clients with these names have believed a lie.
    async fn has_lied_to(&self, names: [&str; 2]) {
        let names = BTreeSet::from(names.map(str::to_owned));
        let mut believers = self.shared.believers.subscribe();
        let have_asked = believers.wait_for(|believers| believers.is_superset(&names));
        timeout(Duration::from_secs(30), have_asked).await.unwrap().unwrap();
    }

    fn ends(&self) {
        self.shared.is_lying.store(false, Ordering::SeqCst);
    }
}

async fn pass_on(client: TcpStream, broker: TcpStream, shared: Arc<Shared>) {
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let to_client = Mutex::new(to_client);
    tokio::select! {
        _ended = forth(from_client, to_broker, &to_client, &shared) => {}
        _ended = back(from_broker, &to_client) => {}
        () = shared.cut.notified() => {}
    }
}

async fn forth(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    client: &Mutex<OwnedWriteHalf>,
    shared: &Shared,
) -> io::Result<()> {
    loop {
        let request = read(&mut from).await?;
        let is_lying = shared.is_lying.load(Ordering::SeqCst);
        if is_lying && request.starts_with(&PRODUCE) {
            // Whoever gets no answer asks whether it should have gone to another broker.
            return Ok(());
        }
        if is_lying && request.starts_with(&METADATA) {
            let name = usize::from(u16::from_be_bytes([request[8], request[9]]));
            let name = String::from_utf8(request[10..10 + name].to_vec()).unwrap();
            shared.believers.send_modify(|believers| _ = believers.insert(name));
            let answer = [&request[4..8], &shared.lie].concat();
            write(&mut *client.lock().await, &answer).await?;
        } else {
            write(&mut to, &request).await?;
        }
    }
}

async fn back(mut from: OwnedReadHalf, to: &Mutex<OwnedWriteHalf>) -> io::Result<()> {
    loop {
        let answer = read(&mut from).await?;
        write(&mut *to.lock().await, &answer).await?;
    }
}

/// What comes next, without its length.
async fn read(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(from.read_u32().await?).unwrap()];
    from.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn write(to: &mut OwnedWriteHalf, bytes: &[u8]) -> io::Result<()> {
    to.write_u32(u32::try_from(bytes.len()).unwrap()).await?;
    to.write_all(bytes).await
}

/// So often is the topic in the answer. Whoever reads for long has closed its connections before it
/// comes to the end: librdkafka then forgets for good.
const TIMES: u16 = 10_000;

/// Metadata of version 13, as the protocol has them, without the number of the request.
fn nothing_but(topic: &str) -> Vec<u8> {
    const LEADER_NOT_AVAILABLE: i16 = 5;
    const NOBODY: i32 = -1;
    let without_leader = [
        LEADER_NOT_AVAILABLE.to_be_bytes().as_slice(),
        &[u8::try_from(topic.len() + 1).unwrap()],
        topic.as_bytes(),
        &[0; 16],                // no id
        &[0],                    // not an internal one
        &[1],                    // no partitions
        &i32::MIN.to_be_bytes(), // nobody asked what is allowed
        &[0],                    // no tags
    ]
    .concat();
    let [low, high] = [(TIMES + 1) & 0x7f | 0x80, (TIMES + 1) >> 7].map(|it| it.to_le_bytes()[0]);
    [
        [0].as_slice(),        // no tags
        &0_i32.to_be_bytes(),  // no wait
        &[1],                  // no brokers
        &[0],                  // no name of the cluster
        &NOBODY.to_be_bytes(), // controls it
        &[low, high],
        &without_leader.repeat(usize::from(TIMES)),
        &0_i16.to_be_bytes(), // no error
        &[0],                 // no tags
    ]
    .concat()
}
