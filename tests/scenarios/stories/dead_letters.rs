//! What a service could not take in, and what its operators do about it.

use serde_json::{Value, json};
use store::Database;
use testkit::{Client, eventually};

use crate::{
    house::House,
    people::{ADMIN, PASSWORD, Sale, text},
};

const LETTERS: &str = "/v1/admin/reporting/dead-letters";

/// Reporting without a table that it needs, until it is brought back.
struct Broken {
    database: Database,
}

impl Broken {
    async fn take_a_table_away(house: &House) -> Self {
        let folder = house.sandbox.data_dir();
        let database = Database::connect(&house.database, "reporting", &folder).await;
        let broken = Self { database: database.expect("it can be reached") };
        broken.rename("ALTER TABLE sales_ledger RENAME TO mislaid_ledger").await;
        broken
    }

    async fn bring_it_back(self) {
        self.rename("ALTER TABLE mislaid_ledger RENAME TO sales_ledger").await;
        self.database.close().await;
    }

    async fn rename(&self, statement: &'static str) {
        let mut tx = self.database.begin().await.expect("a transaction");
        store::execute!(&mut tx, statement).await.expect("the table has another name");
        tx.commit().await.expect("it is committed");
    }
}

impl House {
    async fn admin(&self) -> Client {
        self.client().log_in(ADMIN, PASSWORD).await
    }
}

async fn list(admin: &Client, query: &str) -> Vec<Value> {
    let page = admin.get(&format!("{LETTERS}{query}")).await.expect(200).value();
    page["items"].as_array().expect("a list has items").clone()
}

/// The dead letter about this order, once it is dead and so many wait behind it.
async fn dead(admin: &Client, order: &str, waiting: u64) -> Value {
    eventually(format!("{waiting} events to wait behind a dead letter"), || async {
        let letters = list(admin, "?state=dead&consumer=sales").await;
        let found = letters.iter().find(|it| it["key"] == order && it["waiting"] == waiting);
        found.cloned().ok_or_else(|| json!(letters))
    })
    .await
}

/// Waits until nothing is put aside any more.
async fn all_gone(admin: &Client) {
    eventually("no dead letters and nothing behind them", || async {
        let mut letters = list(admin, "").await;
        letters.extend(list(admin, "?state=waiting").await);
        if letters.is_empty() { Ok(()) } else { Err(json!(letters)) }
    })
    .await;
}

/// What the report says was sold and cancelled of the event.
async fn reported(sale: &Sale) -> (Value, Value) {
    let report = sale.organizer.get(&format!("/v1/reports/events/{}/sales", sale.event)).await;
    let report = report.expect(200).value();
    (report["tickets"]["sold"].clone(), report["tickets"]["cancelled"].clone())
}

/// What reporting's processes say is degraded.
async fn degraded(house: &House) -> Vec<String> {
    let mut degraded = Vec::new();
    for node in house.sandbox.nodes_of("reporting") {
        let ready = house.client().at(node.admin_url()).get("/readyz").await.expect(200).value();
        assert_eq!(ready["ready"], true, "{ready}");
        let reasons = ready["degraded"].as_array().expect("a list").iter();
        degraded.extend(reasons.filter_map(|reason| reason.as_str().map(str::to_owned)));
    }
    degraded
}

pub async fn what_could_not_be_taken_in_takes_effect_in_order_once_it_is_mended(house: &House) {
    let (sale, buyer, admin) = (house.sale(10).await, house.somebody().await, house.admin().await);
    let broken = Broken::take_a_table_away(house).await;
    let order = buyer.buy(&sale, 3).await;
    let wish = json!({ "positions": [2], "reason": "one of them is ill" });
    let cancel = format!("/v1/orders/{order}/cancel");
    let _cancelled = sale.organizer.post(&cancel, &wish).await.expect(200);

    let letter = dead(&admin, &order, 2).await;
    assert_eq!(letter["type"], "orders.order_confirmed");
    assert_eq!((&letter["attempts"], &letter["publisher"]), (&json!(5), &json!("orders")));
    assert!(text(&letter, "error").contains("sales_ledger"), "{letter}");
    let letter = format!("{LETTERS}/{}", text(&letter, "id"));
    let shown = admin.get(&letter).await.expect(200).value();
    assert_eq!(shown["event"]["payload"]["order_id"], order.as_str());
    assert!(shown["trace_id"].is_string() && shown["correlation_id"].is_string(), "{shown}");
    let reasons = degraded(house).await;
    assert!(reasons.iter().all(|it| it.contains("1 dead letter of the consumer sales")));
    assert!(!reasons.is_empty());

    let waiting = list(&admin, "?state=waiting").await;
    let [cancelled, _refunded] = waiting.as_slice() else { panic!("two wait: {waiting:?}") };
    let too_early = format!("{LETTERS}/{}/retry", text(cancelled, "id"));
    let refused = admin.post(&too_early, &json!({})).await.expect_problem(409, "dead-letter-waits");
    assert!(letter.ends_with(&refused.field("behind")));
    assert_eq!(list(&admin, "").await.len(), 1, "others are not concerned");

    // As long as nothing is mended, a retry changes nothing.
    let _retried = admin.post(&format!("{letter}/retry"), &json!({})).await.expect(202);
    dead(&admin, &order, 2).await;

    broken.bring_it_back().await;
    let _retried = admin.post(&format!("{letter}/retry"), &json!({})).await.expect(202);
    all_gone(&admin).await;
    assert_eq!(reported(&sale).await, (json!(2), json!(1)));
    let _gone = admin.get(&letter).await.expect_problem(404, "not-found");
    eventually("nothing to be degraded", || async {
        let reasons = degraded(house).await;
        if reasons.is_empty() { Ok(()) } else { Err(json!(reasons)) }
    })
    .await;
}

pub async fn what_is_discarded_never_takes_effect_and_what_is_behind_it_does(house: &House) {
    let (sale, admin) = (house.sale(10).await, house.admin().await);
    let (ada, bob) = (house.somebody().await, house.somebody().await);
    let broken = Broken::take_a_table_away(house).await;
    let (first, second) = (ada.buy(&sale, 2).await, bob.buy(&sale, 1).await);
    let (first, second) = (dead(&admin, &first, 0).await, dead(&admin, &second, 0).await);
    broken.bring_it_back().await;

    let discard = format!("{LETTERS}/{}/discard", text(&first, "id"));
    let _blank = admin.post(&discard, &json!({})).await.expect_problem(422, "invalid-input");
    let reason = json!({ "reason": "entered by hand" });
    let discarded = admin.post(&discard, &reason).await.expect(200).value();
    assert_eq!(discarded["discarded"]["reason"], "entered by hand");
    assert!(text(&discarded["discarded"], "by").starts_with("user:"));
    let left = list(&admin, "").await;
    assert_eq!(left.iter().map(|it| &it["id"]).collect::<Vec<_>>(), [&second["id"]]);

    let all = json!({ "consumer": "sales" });
    let retried = admin.post(&format!("{LETTERS}/retry"), &all).await.expect(202).value();
    assert_eq!(retried["retried"], 1);
    all_gone(&admin).await;
    assert_eq!(reported(&sale).await, (json!(1), json!(0)));
    let kept = list(&admin, "?state=discarded").await;
    assert_eq!(kept.iter().map(|it| &it["id"]).collect::<Vec<_>>(), [&first["id"]]);
}

pub async fn nobody_but_admins_sees_what_services_could_not_take_in(house: &House) {
    let sale = house.sale(10).await;
    let (buyer, staff) = (house.somebody().await, house.staff().await);
    let letter = "01980e4c-8f5c-7b1e-a7c4-51d2f2a5d001";
    for service in ["inventory", "orders", "notifications", "reporting"] {
        let all = format!("/v1/admin/{service}/dead-letters");
        let (one, retry) = (format!("{all}/{letter}"), format!("{all}/{letter}/retry"));
        let (discard, retry_all) = (format!("{all}/{letter}/discard"), format!("{all}/retry"));
        let (reason, consumer) = (json!({ "reason": "spoiled" }), json!({ "consumer": service }));
        let nobody = house.client();
        let strangers: [(&Client, u16, &str); 4] = [
            (&nobody, 401, "unauthenticated"),
            (&buyer, 403, "forbidden"),
            (&staff, 403, "forbidden"),
            (&sale.organizer, 403, "forbidden"),
        ];
        for (stranger, status, slug) in strangers {
            let _refused = stranger.get(&all).await.expect_problem(status, slug);
            let _refused = stranger.get(&one).await.expect_problem(status, slug);
            let _refused = stranger.post(&retry, &json!({})).await.expect_problem(status, slug);
            let _refused = stranger.post(&discard, &reason).await.expect_problem(status, slug);
            let _refused = stranger.post(&retry_all, &consumer).await.expect_problem(status, slug);
        }
        let admin = house.admin().await;
        let _list = admin.get(&all).await.expect(200);
        let _unknown = admin.get(&one).await.expect_problem(404, "not-found");
        let _unknown = admin.post(&retry, &json!({})).await.expect_problem(404, "not-found");
        let _unknown = admin.post(&discard, &reason).await.expect_problem(404, "not-found");
    }
}
