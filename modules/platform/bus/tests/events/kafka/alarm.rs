//! The alert of dead letters, where several replicas take events in.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use testkit::{Client, Shape, Storage, eventually, kafka};

use super::{settings, strange::put_into};
use crate::{
    measures::value,
    nodes,
    support::{ATTEMPTS, Clerk, Town},
};

const TILLS: std::ops::RangeInclusive<u128> = 1..=6;

fn alert(recorder: &PrometheusRecorder) -> f64 {
    value(recorder, "bus_dead_letters_alert", None).unwrap_or(0.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_alert_ends_in_every_replica_once_everything_is_decided() {
    let town = Town::on_postgres().await;
    let settings = settings(&kafka::fresh().await);
    let mut shop = town.shop().await;
    shop.publish(&settings);
    let (mut one, mut other) = (town.office().await, town.office().await);
    let (by_one, by_other) = (Clerk::default(), Clerk::default());
    let recorders = [(); 2].map(|()| PrometheusBuilder::new().build_recorder());
    let [of_one, of_other] = &recorders;
    metrics::with_local_recorder(of_one, || one.read_topic(&settings, &by_one));
    metrics::with_local_recorder(of_other, || other.read_topic(&settings, &by_other));
    let mut sold = 0;
    while by_one.calls() == 0 || by_other.calls() == 0 {
        sold += 1;
        for till in TILLS {
            shop.sell(till, 1).await;
        }
        for till in TILLS {
            one.has_booked(till, 1..=sold).await;
        }
    }

    for till in TILLS {
        by_one.stumble(till, sold + 1, u32::MAX);
        by_other.stumble(till, sold + 1, u32::MAX);
        shop.sell(till, 1).await;
    }
    let letters = eventually("a dead letter of each till", || async {
        let letters = one.dead_letters().await;
        let is_each_dead = letters.len() == 6 && letters.iter().all(|it| it.attempts == ATTEMPTS);
        if is_each_dead { Ok(letters) } else { Err(format!("{letters:?}")) }
    })
    .await;
    eventually("an alert", || async { recorders.iter().any(|it| alert(it) > 0.0) }).await;
    for letter in letters {
        one.letters.discard(letter.id, "spoiled", "the manager").await.unwrap();
    }
    eventually("no alert anywhere", || async {
        let alerts = [of_one, of_other].map(alert);
        if alerts.iter().all(|it| *it < 0.5) { Ok(()) } else { Err(format!("{alerts:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_waits_for_as_many_dead_letters_as_are_asked_for() {
    let place = kafka::fresh().await;
    let more = [("bus.dead_letters_alert", "2")];
    let mut town =
        nodes::Town::over_kafka_with(Shape::Monolith, Storage::Sqlite, &place, &more).await;
    town.sell(1, 1).await;
    town.books_are_right().await;
    put_into(&place, [0], "no JSON at all", &[]).await;
    let readiness = Client::new(town.sandbox.node("ledger").admin_url());
    let report = eventually("a dead letter", || async {
        let report = readiness.get("/readyz").await.expect(200).value();
        let about = &report["modules"]["ledger"]["details"]["events of sales for ledger"];
        if about["dead"] == 1 { Ok(report) } else { Err(report.to_string()) }
    })
    .await;
    assert!(!report["degraded"].to_string().contains("dead letter"), "{report}");
    put_into(&place, [1], "no JSON at all", &[]).await;
    town.says("ledger", "2 dead letters of the consumer ledger from sales").await;
}
