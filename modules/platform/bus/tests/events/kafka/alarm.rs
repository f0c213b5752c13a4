//! The alert of dead letters, where several replicas take events in.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use testkit::{eventually, kafka};

use super::settings;
use crate::{
    measures::value,
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
