//! What is done in a shop to measure it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::sync::OnceCell;

use super::{
    driver::{self, Outcome},
    premises::Premises,
    shop::{Sale, Shop, Visitor},
};
use crate::figures::Effort;

/// The most that buy, read or check in at the same time.
const CROWD: usize = 100;
const MANY_EVENTS: usize = 100;
/// Places that are not sold out in any run.
const PLENTY: u32 = 10_000_000;
const LAST_TICKETS: u32 = 500;
/// Tickets that are bought at once to be checked in.
const PARTY: u32 = 20;

/// Something that is done for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// So many buyers place orders for one event.
    Orders(usize),
    /// So many buy tickets of one event.
    Purchases(usize),
    /// A crowd places orders for a hundred events.
    SpreadOrders,
    /// A crowd buys tickets of a hundred events.
    SpreadPurchases,
    /// A crowd reads about one event.
    Event,
    /// A crowd asks what is free.
    Availability,
    /// A crowd reads lists.
    List,
    /// Tickets are checked in.
    CheckIns,
    /// A crowd is after the last tickets.
    Chase,
}

/// What came of a scene.
pub struct Played {
    pub outcome: Outcome,
    /// Of all server processes, databases and brokers not among them.
    pub processor_seconds: f64,
}

impl Scene {
    /// In the order in which they are played.
    pub const ALL: &[Self] = &[
        Self::Orders(1),
        Self::Orders(16),
        Self::Orders(CROWD),
        Self::Purchases(1),
        Self::Purchases(16),
        Self::Purchases(CROWD),
        Self::SpreadOrders,
        Self::SpreadPurchases,
        Self::Event,
        Self::Availability,
        Self::List,
        Self::CheckIns,
        Self::Chase,
    ];
    /// Where it may matter how many processes sell.
    pub const SELLING: &[Self] =
        &[Self::Orders(CROWD), Self::Purchases(CROWD), Self::SpreadOrders, Self::SpreadPurchases];

    /// As filters name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orders(_) => "orders",
            Self::Purchases(_) => "purchases",
            Self::SpreadOrders | Self::SpreadPurchases => "spread",
            Self::Event => "event",
            Self::Availability => "availability",
            Self::List => "list",
            Self::CheckIns => "check-ins",
            Self::Chase => "chase",
        }
    }

    /// As tables name it.
    pub fn title(self) -> String {
        match self {
            Self::Orders(crowd) => format!("orders placed, {}, one event", buyers(crowd)),
            Self::Purchases(crowd) => format!("complete purchases, {}, one event", buyers(crowd)),
            Self::SpreadOrders => format!("orders placed, {CROWD} buyers, a hundred events"),
            Self::SpreadPurchases => {
                format!("complete purchases, {CROWD} buyers, a hundred events")
            }
            Self::Event => format!("reads of one event, {CROWD} readers"),
            Self::Availability => format!("reads of its availability, {CROWD} readers"),
            Self::List => format!("lists of fifty events, {CROWD} readers"),
            Self::CheckIns => format!("check-ins, {CROWD} at once"),
            Self::Chase => format!("the last {LAST_TICKETS} tickets, {CROWD} buyers"),
        }
    }

    /// Does it.
    pub async fn play(self, stage: &Stage) -> Played {
        let one = stage.one.as_slice();
        match self {
            Self::Orders(crowd) => stage.sell(crowd, one, place).await,
            Self::Purchases(crowd) => stage.sell(crowd, one, purchase).await,
            Self::SpreadOrders => stage.sell(CROWD, stage.many().await, place).await,
            Self::SpreadPurchases => stage.sell(CROWD, stage.many().await, purchase).await,
            Self::Event => stage.read(&format!("/v1/events/{}", one[0].event)).await,
            Self::Availability => stage.read(&format!("/v1/availability/{}", one[0].event)).await,
            Self::List => {
                stage.many().await;
                stage.read("/v1/events?limit=50").await
            }
            Self::CheckIns => stage.check_in(&one[0]).await,
            Self::Chase => stage.sell_out().await,
        }
    }
}

fn buyers(count: usize) -> String {
    if count == 1 { "1 buyer".to_owned() } else { format!("{count} buyers") }
}

/// A shop in which everything that happens once has happened.
pub struct Stage {
    pub shop: Shop,
    effort: Effort,
    /// One event.
    pub one: Vec<Sale>,
    many: OnceCell<Vec<Sale>>,
}

impl Stage {
    /// Opens a shop, and buys some tickets.
    pub async fn open(premises: &Premises, effort: Effort) -> Self {
        let shop = Shop::open(premises).await;
        let one = shop.put_on_sale(1, PLENTY).await;
        let stage = Self { shop, effort, one, many: OnceCell::new() };
        let warm = stage.shop.buyers(4).await;
        stage.load(warm, &stage.one, purchase, effort.warm_up).await;
        stage
    }

    async fn many(&self) -> &[Sale] {
        self.many.get_or_init(|| self.shop.put_on_sale(MANY_EVENTS, PLENTY)).await
    }

    /// Lets the buyers do it, each on the next of `sales`, for a while.
    async fn load<Fut>(
        &self,
        buyers: Vec<Visitor>,
        sales: &[Sale],
        act: fn(Visitor, Sale) -> Fut,
        span: Duration,
    ) -> Outcome
    where
        Fut: Future<Output = Visitor> + Send + 'static,
    {
        let (sales, turn) = (Arc::<[Sale]>::from(sales), Arc::new(AtomicUsize::new(0)));
        let (outcome, _) = driver::run(buyers, span, move |buyer| {
            let next = turn.fetch_add(1, Ordering::Relaxed) % sales.len();
            let sale = sales[next].clone();
            async move { (act(buyer, sale).await, true) }
        })
        .await;
        outcome
    }

    async fn sell<Fut>(&self, crowd: usize, sales: &[Sale], act: fn(Visitor, Sale) -> Fut) -> Played
    where
        Fut: Future<Output = Visitor> + Send + 'static,
    {
        let buyers = self.shop.buyers(crowd).await;
        self.measured(self.load(buyers, sales, act, self.effort.span)).await
    }

    async fn read(&self, path: &str) -> Played {
        let readers = self.shop.passers_by(CROWD).await;
        let path: Arc<str> = path.into();
        let reading = driver::run(readers, self.effort.span, move |mut reader| {
            let path = Arc::clone(&path);
            async move {
                let reply = reader.get(&path).await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                (reader, true)
            }
        });
        self.measured(async { reading.await.0 }).await
    }

    /// Buys tickets by the dozen, reads their codes, and lets everybody in.
    async fn check_in(&self, sale: &Sale) -> Played {
        let buyers = self.shop.buyers(16).await;
        let parties = self.effort.check_ins / PARTY as usize / buyers.len() + 1;
        let mut buying = tokio::task::JoinSet::new();
        for mut buyer in buyers {
            let sale = sale.clone();
            buying.spawn(async move {
                let mut codes = Vec::new();
                for _ in 0..parties {
                    let order = buyer.order(&sale, PARTY).await.expect("there is plenty");
                    for ticket in buyer.pay(&order).await {
                        let path = format!("/v1/tickets/{ticket}/code?format=text");
                        codes.push(buyer.get(&path).await.text());
                    }
                }
                codes
            });
        }
        let mut codes = VecDeque::new();
        while let Some(bought) = buying.join_next().await {
            codes.extend(bought.expect("no buyer panics"));
        }
        let codes = Arc::new(Mutex::new(codes));
        let doors = self.shop.staff(CROWD).await;
        let checking = driver::run(doors, self.effort.span * 10, move |mut door| {
            let next = codes.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            async move {
                let Some(code) = next else { return (door, false) };
                let reply = door.post("/v1/check-ins", &json!({ "code": code })).await;
                assert_eq!(reply.status, 201, "a check-in: {}", reply.text());
                (door, true)
            }
        });
        self.measured(async { checking.await.0 }).await
    }

    /// The last tickets: all are sold, and not one more.
    async fn sell_out(&self) -> Played {
        let sale = self.shop.put_on_sale(1, LAST_TICKETS).await.remove(0);
        let buyers = self.shop.buyers(CROWD).await;
        let sold = Arc::new(AtomicUsize::new(0));
        let (counted, wanted) = (Arc::clone(&sold), sale.clone());
        let buying = driver::run(buyers, Duration::from_mins(1), move |mut buyer| {
            let (sale, sold) = (wanted.clone(), Arc::clone(&counted));
            async move {
                let Some(order) = buyer.order(&sale, 1).await else { return (buyer, false) };
                sold.fetch_add(buyer.pay(&order).await.len(), Ordering::Relaxed);
                (buyer, true)
            }
        });
        let played = self.measured(async { buying.await.0 }).await;
        let sold = sold.load(Ordering::Relaxed);
        assert_eq!(sold, LAST_TICKETS as usize, "every ticket is sold, and none twice");
        let nothing_left = || async { self.shop.free(&sale).await == 0 };
        testkit::eventually("nothing to be left", nothing_left).await;
        played
    }

    async fn measured(&self, playing: impl Future<Output = Outcome>) -> Played {
        let before = self.shop.usage().await;
        let outcome = playing.await;
        let after = self.shop.usage().await;
        let processor_seconds = after.processor_seconds - before.processor_seconds;
        Played { outcome, processor_seconds }
    }
}

async fn place(mut buyer: Visitor, sale: Sale) -> Visitor {
    buyer.order(&sale, 1).await.expect("there is plenty");
    buyer
}

/// Orders a ticket, pays it and waits for it.
pub async fn purchase(mut buyer: Visitor, sale: Sale) -> Visitor {
    let order = buyer.order(&sale, 1).await.expect("there is plenty");
    let tickets = buyer.pay(&order).await;
    assert_eq!(tickets.len(), 1, "an order of one ticket has one");
    buyer
}
