//! A service is killed between effects and reply: they are committed, and it never hears of it. The
//! other replica takes over.

use std::time::Duration;

use runtime::Secret;
use store::sqlx::{AssertSqlSafe, Executor as _, PgPool, query_scalar};
use testkit::{postgres::Extra, within};

use super::installation::Installation;
use crate::rush::Rush;

/// How many buy at the same time.
const AT_ONCE: usize = 4;

/// How long a service may take to commit something. Long, because it only passes when it does not.
const PATIENCE: Duration = Duration::from_mins(1);

/// Longer than a test waits.
const STATEMENT_TIMEOUT: &str = "2m";

/// Commits of a service that wait, on disk already.
const HELD: &str = "SELECT count(*) FROM pg_stat_activity \
     WHERE application_name = $1 AND wait_event = 'SyncRep'";
/// Ends the wait of those.
const LET_GO: &str = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity \
     WHERE application_name = $1 AND wait_event = 'SyncRep'";
/// Sessions of a service.
const LEFT: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";

/// Which service, and the table that it writes the effects into.
const EFFECTS: [(&str, &str); 7] = [
    // What consumers take in: the place in the topic is in the transaction of the effects.
    ("orders", "partitions"),
    ("reporting", "partitions"),
    ("notifications", "partitions"),
    // What orders asks others for, and what people ask of orders and payments.
    ("inventory", "events"),
    ("payments", "events"),
    ("tickets", "events"),
    ("orders", "events"),
];

#[tokio::test]
async fn a_service_that_is_killed_between_effects_and_reply_repeats_nothing() {
    // A commit that waits for a standby is on disk before. There is no standby, and nobody waits
    // for it who does not want to.
    let waiting = Extra {
        settings: vec![
            ("synchronous_standby_names", "nobody".to_owned()),
            ("synchronous_commit", "local".to_owned()),
        ],
        ..Extra::default()
    };
    let installation = Installation::open_with(waiting, |builder| {
        builder.setting("database.statement_timeout", STATEMENT_TIMEOUT)
    });
    let Installation { house, .. } = &installation.await;
    let people = 5 * EFFECTS.len();
    let rush = Rush::gather(house, people, u32::try_from(people).expect("few people")).await;
    let fault = Box::pin(async {
        for (service, table) in EFFECTS {
            let [one, other] = house.sandbox.nodes_of(service).collect::<Vec<_>>()[..] else {
                panic!("there are two replicas of {service}");
            };
            other.stop().await;
            let snare = Snare::lay(&house.database.url, service, table).await;
            rush.lets_in(5);
            snare.catches().await;
            one.crash().await;
            snare.let_go().await;
            other.restart().await;
            one.restart().await;
        }
    });
    let bought = rush.buys_during(AT_ONCE, fault).await;
    house.judge(&rush, &bought).await;
}

/// Holds the answer to the next commit that writes into a table.
struct Snare {
    pool: PgPool,
    service: &'static str,
    table: String,
}

impl Snare {
    async fn lay(url: &Secret, service: &'static str, table: &str) -> Self {
        let pool = PgPool::connect(url.expose()).await.unwrap();
        let table = format!("{service}.{table}");
        let trigger = format!(
            "CREATE OR REPLACE FUNCTION {service}.snare() RETURNS trigger LANGUAGE plpgsql AS $$ \
             BEGIN PERFORM set_config('synchronous_commit', 'on', true); RETURN NULL; END $$; \
             CREATE TRIGGER snare AFTER INSERT OR UPDATE ON {table} \
             FOR EACH STATEMENT EXECUTE FUNCTION {service}.snare()"
        );
        pool.execute(AssertSqlSafe(trigger)).await.unwrap();
        Self { pool, service, table }
    }

    async fn count(&self, backends: &'static str) -> i64 {
        let counting = query_scalar(backends).bind(format!("boxoffice-{}", self.service));
        counting.fetch_one(&self.pool).await.unwrap()
    }

    /// Waits until a commit of the service is held.
    async fn catches(&self) {
        let what = format!("{} to be committed into", self.table);
        within(PATIENCE, what, || async { self.count(HELD).await > 0 }).await;
    }

    /// Lets it be committed once the service is dead, and nobody hears of it.
    async fn let_go(self) {
        within(PATIENCE, format!("the sessions of {} to end", self.service), || async {
            let _let_go = self.count(LET_GO).await;
            let left = self.count(LEFT).await;
            if left == 0 { Ok(()) } else { Err(left) }
        })
        .await;
        let release = AssertSqlSafe(format!("DROP TRIGGER snare ON {}", self.table));
        self.pool.execute(release).await.unwrap();
        self.pool.close().await;
    }
}
