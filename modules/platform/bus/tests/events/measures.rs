//! What the metrics say of consumers.

use bus::BusSettings;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde_json::json;
use testkit::{Journal, eventually};
use tracing::instrument::WithSubscriber;

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

pub(crate) async fn becomes(
    recorder: &PrometheusRecorder,
    name: &str,
    outcome: Option<&str>,
    wanted: f64,
) {
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

    async fn the_alert_is_raised_once_by_as_many_dead_letters_as_are_asked_for(town: Town) {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (journal, subscriber) = Journal::open();
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        let settings = BusSettings { dead_letters_alert: 2, ..BusSettings::default() };
        let consumer =
            metrics::with_local_recorder(&recorder, || office.consumer("ledger", settings, &clerk));
        let reading = consumer.run(shop.feed(), office.stop.clone());
        office.tasks.spawn(reading.with_subscriber(subscriber));
        for till in 1..=3 {
            clerk.stumble(till, 1, u32::MAX);
        }

        shop.sell(1, 1).await;
        becomes(&recorder, "bus_dead_letters", None, 1.0).await;
        // Whoever has gone on has looked at it.
        shop.sell(4, 1).await;
        office.has_booked(4, [1]).await;
        assert_eq!(value(&recorder, "bus_dead_letters_alert", None), Some(0.0));
        shop.sell(2, 1).await;
        becomes(&recorder, "bus_dead_letters_alert", None, 1.0).await;
        shop.sell(3, 1).await;
        becomes(&recorder, "bus_dead_letters", None, 3.0).await;
        for letter in office.dead_letters().await {
            office.letters.discard(letter.id, "spoiled", "the manager").await.unwrap();
        }
        becomes(&recorder, "bus_dead_letters_alert", None, 0.0).await;

        let told = journal.lines_with("dead letters wait for a decision");
        let told: Vec<_> = told.iter().map(|it| (&it["level"], &it["fields"]["dead"])).collect();
        assert_eq!(told, [(&json!("ERROR"), &json!(2)), (&json!("INFO"), &json!(0))]);
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
