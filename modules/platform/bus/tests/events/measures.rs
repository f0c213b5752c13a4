//! What the metrics say of consumers.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use testkit::eventually;

use crate::support::{ATTEMPTS, Clerk, on_both};

/// The value of a metric of the ledger's consumer.
pub(crate) fn value(
    recorder: &PrometheusRecorder,
    name: &str,
    outcome: Option<&str>,
) -> Option<f64> {
    let outcome = outcome.map(|outcome| format!(r#",outcome="{outcome}""#)).unwrap_or_default();
    let line = format!(r#"{name}{{consumer="ledger",publisher="sales"{outcome}}} "#);
    let text = recorder.handle().render();
    text.lines().find_map(|it| it.strip_prefix(&line)?.parse().ok())
}

async fn becomes(recorder: &PrometheusRecorder, name: &str, outcome: Option<&str>, wanted: f64) {
    eventually(format!("{name} {outcome:?} to be {wanted}"), || async {
        match value(recorder, name, outcome) {
            Some(seen) if (seen - wanted).abs() < f64::EPSILON => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
}

on_both! {
    async fn what_becomes_of_events_is_counted(town: Town) {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        shop.sell(1, 10).await;
        shop.sell(2, 3).await;
        clerk.stumble(2, 1, u32::MAX);
        metrics::with_local_recorder(&recorder, || office.read(shop.feed(), &clerk));

        becomes(&recorder, "bus_events_total", Some("handled"), 10.0).await;
        becomes(&recorder, "bus_events_total", Some("dead"), 1.0).await;
        becomes(&recorder, "bus_events_total", Some("failed"), f64::from(ATTEMPTS)).await;
        becomes(&recorder, "bus_dead_letters", None, 1.0).await;
        becomes(&recorder, "bus_dead_letters_alert", None, 1.0).await;
        becomes(&recorder, "bus_events_aside", None, 3.0).await;
        becomes(&recorder, "bus_consumer_lag_events", None, 0.0).await;
        becomes(&recorder, "bus_consumer_lag_seconds", None, 0.0).await;
        becomes(&recorder, "bus_consumer_active", None, 1.0).await;

        clerk.stumble(2, 1, 0);
        let letter = office.dead_letters().await.remove(0);
        office.letters.retry(letter.id).await.unwrap();
        becomes(&recorder, "bus_events_total", Some("redelivered"), 3.0).await;
        becomes(&recorder, "bus_dead_letters", None, 0.0).await;
        becomes(&recorder, "bus_dead_letters_alert", None, 0.0).await;
        becomes(&recorder, "bus_events_aside", None, 0.0).await;
        office.stop.cancel();
        becomes(&recorder, "bus_consumer_active", None, 0.0).await;
    }

    async fn a_consumer_that_cannot_keep_up_shows_how_far_it_is_behind(town: Town) {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        clerk.with(|mood| mood.is_helpless = true);
        shop.sell(1, 100).await;
        town.clock.advance(jiff::SignedDuration::from_mins(5));
        metrics::with_local_recorder(&recorder, || office.read(shop.feed(), &clerk));
        eventually("a lag of five minutes", || async {
            let events = value(&recorder, "bus_consumer_lag_events", None).unwrap_or(0.0);
            let seconds = value(&recorder, "bus_consumer_lag_seconds", None).unwrap_or(0.0);
            if events >= 100.0 && seconds >= 300.0 { Ok(()) } else { Err(format!("{events} {seconds}")) }
        })
        .await;
    }
}
