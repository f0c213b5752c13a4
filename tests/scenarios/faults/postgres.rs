//! PostgreSQL is restarted.

use std::time::Duration;

use testkit::within;

use super::installation::Installation;
use crate::{house::House, rush::Rush};

/// How many buy at the same time.
const AT_ONCE: usize = 8;

/// How long nodes may take to notice. Long, because it only passes when they do not.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn people_buy_while_postgres_is_restarted_and_killed() {
    let Installation { house, postgres, .. } = &Installation::open().await;
    let rush = Rush::gather(house, 50, 60).await;
    let fault = async {
        rush.lets_in_and_serves(10).await;
        rush.lets_in(15);
        postgres.stop().await;
        is_not_ready(house).await;
        postgres.start().await;
        rush.has_served(25).await;
        rush.lets_in(15);
        postgres.crash().await;
        postgres.start().await;
        rush.lets_all_in();
    };
    let bought = rush.buys_during(AT_ONCE, fault).await;
    house.judge(&rush, &bought).await;
}

/// Waits until every node with a database says that it is not ready; all of them live.
async fn is_not_ready(house: &House) {
    for node in house.sandbox.nodes() {
        let admin = house.client().at(node.admin_url());
        within(PATIENCE, format!("{} to say that its database is away", node.name()), || async {
            let reply = admin.get("/readyz").await;
            if reply.status() == 503 { Ok(()) } else { Err(reply) }
        })
        .await;
        let _alive = admin.get("/livez").await.expect(200);
    }
}
