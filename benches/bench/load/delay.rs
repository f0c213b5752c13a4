//! How long it takes until what one service committed has taken effect in another: from the commit
//! of the event to the commit of its effect, both as PostgreSQL noted them, by one clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use store::sqlx::{AssertSqlSafe, Connection, PgConnection, query_as, query_scalar};
use testkit::{postgres, within};
use tokio::time::{Instant, timeout_at};

use super::{
    driver,
    premises::{Bus, Premises, Replicas},
    scenes::{Stage, purchase},
};
use crate::figures::{Effort, Filter, Row, Table};

/// Purchases a second that leave the machine time to breathe, and who makes them.
const STEADY_RATE: u32 = 10;
const STEADY_BUYERS: usize = 16;
const CROWD: usize = 100;
/// How many times longer than other loads this one lasts.
const SPANS: u32 = 4;
/// How long effects may take to come after a load.
const PATIENCE: Duration = Duration::from_mins(1);
const REPLICAS: [usize; 2] = [1, 2];

/// An event and its effect.
struct Way {
    from: &'static str,
    to: &'static str,
    /// Events: their ids, and when they were committed (`at`).
    causes: &'static str,
    /// Effects: the event's id (`cause`), and when they were committed (`at`).
    effects: &'static str,
}

const WAYS: [Way; 4] = [
    Way {
        from: "payments: a payment is settled",
        to: "orders: it is paid",
        causes: "SELECT id, recorded_at, pg_xact_commit_timestamp(xmin) AS at FROM payments.events \
                 WHERE category = 'payment' AND type = 'settled'",
        effects: "SELECT causation_id AS cause, pg_xact_commit_timestamp(xmin) AS at \
                  FROM orders.events",
    },
    Way {
        from: "orders: it has its tickets",
        to: "notifications: a mail is queued",
        causes: "SELECT id, recorded_at, pg_xact_commit_timestamp(xmin) AS at FROM orders.events \
                 WHERE category = 'order' AND type = 'tickets_issued'",
        effects: "SELECT causation_id AS cause, pg_xact_commit_timestamp(xmin) AS at \
                  FROM notifications.events",
    },
    Way {
        from: "orders: it is confirmed",
        to: "reporting: it is in the ledger",
        causes: "SELECT id, recorded_at, pg_xact_commit_timestamp(xmin) AS at FROM orders.events \
                 WHERE category = 'order' AND type = 'places_confirmed'",
        effects: "SELECT fact_id AS cause, pg_xact_commit_timestamp(xmin) AS at \
                  FROM reporting.sales_ledger",
    },
    Way {
        from: "orders: anything happens to one",
        to: "reporting: it is in the trail",
        causes: "SELECT id, recorded_at, pg_xact_commit_timestamp(xmin) AS at FROM orders.events \
                 WHERE category = 'order'",
        effects: "SELECT record_id AS cause, pg_xact_commit_timestamp(xmin) AS at \
                  FROM reporting.audit_records",
    },
];

/// Times are microseconds; there are none where nothing happened.
struct Delays {
    causes: i64,
    effects: i64,
    p50: Option<i64>,
    p99: Option<i64>,
    longest: Option<i64>,
}

/// Both buses, with one replica of each service and with two. `None` when nothing of it is wanted.
pub async fn measure(effort: Effort, filter: &Filter) -> Option<Table> {
    let headings = ["", "", "", "events", "p50", "p99", "longest"];
    let mut table = Table::new("event delay, split on PostgreSQL", &headings);
    let mut is_wanted = false;
    for bus in [Bus::Feed, Bus::Kafka] {
        for count in REPLICAS {
            if filter.wants(&format!("delay-{}/{count}", bus.name())) {
                is_wanted = true;
                let label = format!("{}, {count} of each", bus.name());
                measure_one(effort, bus, count, &label, &mut table).await;
            }
        }
    }
    is_wanted.then_some(table)
}

async fn measure_one(effort: Effort, bus: Bus, count: usize, label: &str, table: &mut Table) {
    let settings = vec![("track_commit_timestamp", "on".to_owned())];
    let extra = postgres::Extra { settings, ..postgres::Extra::default() };
    let (database, _server) = postgres::private_with(extra).await;
    let premises = Premises {
        replicas: Replicas::OfAll(count),
        database: Some(database.to_string()),
        ..Premises::split_over(bus)
    };
    let stage = Stage::open(&premises, effort).await;
    let mut clerk = Clerk::open(&database.to_string()).await;
    clerk.settled("-infinity").await;
    let steady = format!("{STEADY_RATE} purchases a second");
    let crowded = format!("{CROWD} buyers without a pause");
    for (load, is_steady) in [(steady, true), (crowded, false)] {
        let begin = clerk.now().await;
        if is_steady {
            buy_steadily(&stage, effort.span * SPANS).await;
        } else {
            buy(&stage, effort.span * SPANS).await;
        }
        clerk.settled(&begin).await;
        for way in &WAYS {
            let delays = clerk.delays(way, &begin).await;
            let time = |time: Option<i64>| {
                #[expect(clippy::cast_precision_loss, reason = "some minutes of microseconds")]
                time.map_or_else(String::new, |time| format!("{:.1} ms", time as f64 / 1e3))
            };
            table.row(Row::from([
                label.to_owned(),
                load.clone(),
                format!("{} → {}", way.from, way.to),
                delays.effects.to_string(),
                time(delays.p50),
                time(delays.p99),
                time(delays.longest),
            ]));
        }
    }
    stage.shop.close().await;
}

/// A purchase at each stroke, by whoever has nothing to do.
async fn buy_steadily(stage: &Stage, span: Duration) {
    let buyers = stage.shop.buyers(STEADY_BUYERS).await;
    let (begun, stroke) = (Instant::now(), Duration::from_secs(1) / STEADY_RATE);
    let (turn, sale) = (Arc::new(AtomicU32::new(0)), stage.one[0].clone());
    driver::run(buyers, span, move |buyer| {
        let due = begun + stroke * turn.fetch_add(1, Ordering::Relaxed);
        let sale = sale.clone();
        async move {
            let _it_strikes = timeout_at(due, std::future::pending::<()>()).await;
            (purchase(buyer, sale).await, true)
        }
    })
    .await;
}

async fn buy(stage: &Stage, span: Duration) {
    let buyers = stage.shop.buyers(CROWD).await;
    let sale = stage.one[0].clone();
    driver::run(buyers, span, move |buyer| {
        let sale = sale.clone();
        async move { (purchase(buyer, sale).await, true) }
    })
    .await;
}

/// Asks the database of all services when what was committed.
struct Clerk(PgConnection);

impl Clerk {
    async fn open(url: &str) -> Self {
        Self(PgConnection::connect(url).await.expect("the database answers"))
    }

    /// The time by the database's clock.
    async fn now(&mut self) -> String {
        let now = query_scalar("SELECT clock_timestamp()::text").fetch_one(&mut self.0).await;
        now.expect("the database answers")
    }

    /// Waits until everything that was recorded since `begin` has taken effect.
    async fn settled(&mut self, begin: &str) {
        let connection = tokio::sync::Mutex::new(&mut *self);
        for way in &WAYS {
            let what = format!("{} → {}", way.from, way.to);
            within(PATIENCE, what, || async {
                let delays = connection.lock().await.delays(way, begin).await;
                let (causes, effects) = (delays.causes, delays.effects);
                if causes == effects {
                    Ok(())
                } else {
                    Err(format!("{effects} effects of {causes} events"))
                }
            })
            .await;
        }
    }

    /// Those of what was recorded since `begin`.
    async fn delays(&mut self, way: &Way, begin: &str) -> Delays {
        let statement = format!(
            "WITH delay AS (SELECT causes.id, CAST(1e6 * extract(epoch FROM \
             min(effects.at) - min(causes.at)) AS bigint) AS taken FROM ({}) AS causes \
             LEFT JOIN ({}) AS effects ON effects.cause = causes.id \
             WHERE causes.recorded_at >= CAST($1 AS timestamptz) GROUP BY causes.id) \
             SELECT count(*) AS causes, count(taken) AS effects, \
             percentile_disc(0.5) WITHIN GROUP (ORDER BY taken) AS p50, \
             percentile_disc(0.99) WITHIN GROUP (ORDER BY taken) AS p99, \
             max(taken) AS longest FROM delay",
            way.causes, way.effects
        );
        let answer = query_as(AssertSqlSafe(statement)).bind(begin).fetch_one(&mut self.0).await;
        let (causes, effects, p50, p99, longest) = answer.expect("the database answers");
        Delays { causes, effects, p50, p99, longest }
    }
}
