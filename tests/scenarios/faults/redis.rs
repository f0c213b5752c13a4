//! Redis is away, or stands still.

use std::time::Duration;

use serde_json::json;
use testkit::within;

use super::installation::Installation;
use crate::{house::House, people::Person, rush::Rush};

/// How many buy at the same time.
const AT_ONCE: usize = 4;

/// How long nodes may take to notice. Long, because it only passes when they do not.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn nobody_who_buys_notices_that_redis_is_stopped_or_stands_still() {
    let Installation { house, redis, .. } = &Installation::open().await;
    let rush = Rush::gather(house, 60, 70).await;
    let fault = async {
        rush.lets_in_and_serves(10).await;
        rush.lets_in(10);
        redis.stop().await;
        says_that_redis_is_away(house).await;
        let leaver = house.somebody().await;
        let _ended = leaver.post("/v1/auth/logout", &json!({})).await.expect(204);
        rush.lets_in_and_serves(5).await;
        redis.start().await;
        rush.lets_in(10);
        house.is_well().await;
        is_logged_out_everywhere(house, &leaver).await;
        rush.lets_in(10);
        redis.pause().await;
        says_that_redis_is_away(house).await;
        rush.lets_in_and_serves(5).await;
        redis.resume().await;
        rush.lets_all_in();
    };
    let bought = rush.buys_undisturbed_during(AT_ONCE, fault).await;
    house.judge(&rush, &bought).await;
}

/// Waits until no replica of orders knows the person any more.
async fn is_logged_out_everywhere(house: &House, person: &Person) {
    for node in house.sandbox.nodes_of("orders") {
        let orders = person.at(node.public_url());
        within(PATIENCE, "the session's end to be known", || async {
            let reply = orders.get("/v1/orders").await;
            if reply.status() == 401 { Ok(()) } else { Err(reply) }
        })
        .await;
    }
}

/// Waits until every node says so, and that it is ready all the same.
async fn says_that_redis_is_away(house: &House) {
    for node in house.sandbox.nodes() {
        let admin = house.client().at(node.admin_url());
        within(PATIENCE, format!("{} to do without Redis", node.name()), || async {
            let report = admin.get("/readyz").await.expect(200).value();
            let degraded = report["degraded"].to_string();
            let says_so = degraded.contains("Redis at") && degraded.contains("is away");
            if says_so { Ok(()) } else { Err(degraded) }
        })
        .await;
    }
}
