//! The shop under load: real server processes, commits synced to disk, and a generator that shares
//! the processors with them.

mod driver;
mod shop;
mod start;
mod wire;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use testkit::Storage;

use self::{
    driver::Outcome,
    shop::{Grouping, Sale, Shop, Visitor},
};
use crate::figures::{Effort, Filter, Row, Table};

const BUYERS: usize = 100;
const CROWDS: [usize; 3] = [1, 16, BUYERS];
const MANY_EVENTS: usize = 100;
/// Places that are not sold out in any run.
const PLENTY: u32 = 10_000_000;
const LAST_TICKETS: u32 = 500;
/// Tickets that are bought at once to be checked in.
const PARTY: u32 = 20;

/// Shows the shop in every shape and on both databases, as far as `filter` wants them.
pub async fn measure(effort: Effort, filter: &Filter, show: impl Fn(&Table)) {
    if filter.wants("start") {
        show(&start::measure(effort).await);
    }
    for grouping in [Grouping::Monolith, Grouping::Split, Grouping::Mixed] {
        for storage in [Storage::Sqlite, Storage::Postgres] {
            let database = if storage == Storage::Sqlite { "sqlite" } else { "postgres" };
            let name = format!("{}-{database}", grouping.name());
            if filter.wants_any_of(&name, SCENES) {
                show(&measure_one(effort, filter, &name, grouping, storage).await);
            }
        }
    }
}

/// What can be measured of each shape, as filters name it.
const SCENES: &[&str] =
    &["orders", "purchases", "spread", "event", "availability", "list", "check-ins", "chase"];

struct Run<'r> {
    effort: Effort,
    filter: &'r Filter,
    name: &'r str,
    shop: Shop,
    table: Table,
}

async fn measure_one(
    effort: Effort,
    filter: &Filter,
    name: &str,
    grouping: Grouping,
    storage: Storage,
) -> Table {
    let shop = Shop::open(grouping, storage).await;
    let at_rest = shop.usage().await.resident_bytes;
    let headings = ["", "a second", "p50", "p99", "p99.9", "server CPU each"];
    let table = Table::new(name, &headings);
    let mut run = Run { effort, filter, name, shop, table };
    run.all().await;
    let Run { shop, mut table, .. } = run;
    let after = shop.usage().await.resident_bytes;
    let mebibytes = |bytes: f64| format!("{:.0} MiB", bytes / 1024.0 / 1024.0);
    table.note(format!(
        "Memory of all processes: {} with the accounts made, {} after the run.",
        mebibytes(at_rest),
        mebibytes(after)
    ));
    shop.close().await;
    table
}

fn buyers(count: usize) -> String {
    if count == 1 { "1 buyer".to_owned() } else { format!("{count} buyers") }
}

impl Run<'_> {
    fn wants(&self, scene: &str) -> bool {
        self.filter.wants_in(self.name, scene)
    }

    async fn all(&mut self) {
        let one = self.shop.put_on_sale(1, PLENTY).await;
        // Once, so that nothing is measured that happens once.
        let warm = self.shop.buyers(4).await;
        self.load(warm, &one, purchase, self.effort.warm_up).await;
        for crowd in CROWDS {
            if self.wants("orders") {
                let what = format!("orders placed, {}, one event", buyers(crowd));
                self.timed(&what, crowd, &one, place).await;
            }
        }
        for crowd in CROWDS {
            if self.wants("purchases") {
                let what = format!("complete purchases, {}, one event", buyers(crowd));
                self.timed(&what, crowd, &one, purchase).await;
            }
        }
        if self.wants("spread") {
            let many = self.shop.put_on_sale(MANY_EVENTS, PLENTY).await;
            let what = format!("orders placed, {BUYERS} buyers, a hundred events");
            self.timed(&what, BUYERS, &many, place).await;
            let what = format!("complete purchases, {BUYERS} buyers, a hundred events");
            self.timed(&what, BUYERS, &many, purchase).await;
        }
        if self.wants("event") {
            let path = format!("/v1/events/{}", one[0].event);
            self.reads("reads of one event", &path).await;
        }
        if self.wants("availability") {
            let path = format!("/v1/availability/{}", one[0].event);
            self.reads("reads of its availability", &path).await;
        }
        if self.wants("list") {
            if !self.wants("spread") {
                self.shop.put_on_sale(50, PLENTY).await;
            }
            self.reads("lists of fifty events", "/v1/events?limit=50").await;
        }
        if self.wants("check-ins") {
            self.check_ins(&one[0]).await;
        }
        if self.wants("chase") {
            self.chase().await;
        }
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

    async fn timed<Fut>(
        &mut self,
        what: &str,
        crowd: usize,
        sales: &[Sale],
        act: fn(Visitor, Sale) -> Fut,
    ) where
        Fut: Future<Output = Visitor> + Send + 'static,
    {
        let buyers = self.shop.buyers(crowd).await;
        let before = self.shop.usage().await;
        let outcome = self.load(buyers, sales, act, self.effort.span).await;
        self.row(what, &outcome, before.processor_seconds).await;
    }

    async fn reads(&mut self, what: &str, path: &str) {
        let readers = self.shop.passers_by(BUYERS).await;
        let before = self.shop.usage().await;
        let path: Arc<str> = path.into();
        let (outcome, _) = driver::run(readers, self.effort.span, move |mut reader| {
            let path = Arc::clone(&path);
            async move {
                let reply = reader.get(&path).await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                (reader, true)
            }
        })
        .await;
        let what = format!("{what}, {BUYERS} readers");
        self.row(&what, &outcome, before.processor_seconds).await;
    }

    /// Buys tickets by the dozen, reads their codes, and lets everybody in.
    async fn check_ins(&mut self, sale: &Sale) {
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
        let doors = self.shop.staff(BUYERS).await;
        let before = self.shop.usage().await;
        let (outcome, _) = driver::run(doors, self.effort.span * 10, move |mut door| {
            let next = codes.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            async move {
                let Some(code) = next else { return (door, false) };
                let reply = door.post("/v1/check-ins", &json!({ "code": code })).await;
                assert_eq!(reply.status, 201, "a check-in: {}", reply.text());
                (door, true)
            }
        })
        .await;
        let what = format!("check-ins, {BUYERS} at once");
        self.row(&what, &outcome, before.processor_seconds).await;
    }

    /// The last tickets: all are sold, and not one more.
    async fn chase(&mut self) {
        let sale = self.shop.put_on_sale(1, LAST_TICKETS).await.remove(0);
        let buyers = self.shop.buyers(BUYERS).await;
        let before = self.shop.usage().await;
        let sold = Arc::new(AtomicUsize::new(0));
        let (counted, wanted) = (Arc::clone(&sold), sale.clone());
        let (outcome, _) = driver::run(buyers, Duration::from_mins(1), move |mut buyer| {
            let (sale, sold) = (wanted.clone(), Arc::clone(&counted));
            async move {
                let Some(order) = buyer.order(&sale, 1).await else { return (buyer, false) };
                sold.fetch_add(buyer.pay(&order).await.len(), Ordering::Relaxed);
                (buyer, true)
            }
        })
        .await;
        let sold = sold.load(Ordering::Relaxed);
        assert_eq!(sold, LAST_TICKETS as usize, "every ticket is sold, and none twice");
        assert_eq!(self.shop.free(&sale).await, 0, "nothing is left");
        let what = format!("the last {LAST_TICKETS} tickets, {BUYERS} buyers");
        self.row(&what, &outcome, before.processor_seconds).await;
        let seconds = outcome.elapsed.as_secs_f64();
        self.table.note(format!("The last {sold} tickets were sold within {seconds:.2} s."));
    }

    async fn row(&mut self, what: &str, outcome: &Outcome, processor_before: f64) {
        let used = self.shop.usage().await.processor_seconds - processor_before;
        #[expect(clippy::cast_precision_loss, reason = "some millions")]
        let each = used * 1e3 / outcome.count.max(1) as f64;
        let time = |quantile| format!("{:.1} ms", outcome.quantile(quantile).as_secs_f64() * 1e3);
        let row = Row::from([
            what.to_owned(),
            format!("{:.0}", outcome.rate()),
            time(0.5),
            time(0.99),
            time(0.999),
            format!("{each:.3} ms"),
        ]);
        self.table.row(row);
    }
}

async fn place(mut buyer: Visitor, sale: Sale) -> Visitor {
    buyer.order(&sale, 1).await.expect("there is plenty");
    buyer
}

async fn purchase(mut buyer: Visitor, sale: Sale) -> Visitor {
    let order = buyer.order(&sale, 1).await.expect("there is plenty");
    let tickets = buyer.pay(&order).await;
    assert_eq!(tickets.len(), 1, "an order of one ticket has one");
    buyer
}
