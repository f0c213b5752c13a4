//! Events take effect once each, in the order of their keys.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use bus::{Entry, Envelope, Page, Query, Source, SourceError};
use runtime::{Principal, async_trait};
use serde_json::json;
use store::{CommitObserver, Position};
use testkit::eventually;
use tokio::sync::Notify;

use crate::support::{Clerk, on_both, uuid};

/// Says what it is told to say.
struct Script(Vec<(u128, &'static str, serde_json::Value)>);

impl Script {
    fn envelope(key: u128, event_type: &str, payload: serde_json::Value) -> Envelope {
        Envelope {
            id: uuid(9),
            event_type: event_type.to_owned(),
            schema_version: 1,
            key: uuid(key),
            time: "2026-11-20T19:00:00Z".parse().unwrap(),
            correlation_id: "req-1".to_owned(),
            causation_id: None,
            traceparent: "not a trace".to_owned(),
            payload,
            fault: None,
        }
    }
}

#[async_trait]
impl Source for Script {
    async fn read(&self, query: &Query) -> Result<Page, SourceError> {
        let entries: Vec<Entry> = self
            .0
            .iter()
            .enumerate()
            .map(|(index, (key, name, payload))| Entry {
                position: Position { txn: 0, seq: i64::try_from(index).unwrap() + 1 },
                envelope: Self::envelope(*key, name, payload.clone()),
            })
            .filter(|entry| entry.position > query.after)
            .collect();
        if entries.is_empty() {
            let _passed = tokio::time::timeout(query.wait, std::future::pending::<()>()).await;
        }
        let reached = entries.last().map_or(query.after, |entry| entry.position);
        Ok(Page { entries, reached, behind: 0 })
    }
}

/// A source that is not always there.
struct Flaky {
    inner: Arc<dyn Source>,
    is_down: AtomicBool,
    refusals: AtomicU32,
}

#[async_trait]
impl Source for Flaky {
    async fn read(&self, query: &Query) -> Result<Page, SourceError> {
        if self.is_down.load(Ordering::Relaxed) {
            self.refusals.fetch_add(1, Ordering::Relaxed);
            return Err(SourceError::Unavailable("it rains".to_owned()));
        }
        self.inner.read(query).await
    }
}

on_both! {
    async fn each_event_takes_effect_once_and_in_order(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        for till in 1..=5 {
            shop.sell(till, 30).await;
        }
        office.read(shop.feed(), &clerk);
        for till in 1..=5 {
            office.has_booked(till, 1..=30).await;
        }
        // What is sold from now on, too.
        shop.sell(3, 5).await;
        office.has_booked(3, 1..=35).await;
        assert_eq!(clerk.calls(), 155);
    }

    async fn a_backlog_takes_effect_in_few_transactions(town: Town) {
        let (shop, clerk) = (town.shop().await, Clerk::default());
        shop.sell(1, 200).await;
        let commits = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&commits);
        let mut office = town
            .office_with(Some(CommitObserver::new(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                Box::pin(async {})
            })))
            .await;
        office.read(shop.feed(), &clerk);
        office.has_booked(1, 1..=200).await;
        let commits = commits.load(Ordering::Relaxed);
        assert!(commits <= 200 / 64 + 1, "{commits} commits");
    }

    async fn the_handler_gets_what_is_known_and_carries_it_on(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        shop.sell(1, 1).await;
        office.read(shop.feed(), &clerk);
        office.has_booked(1, [1]).await;

        let sold = shop.tills.history(uuid(1)).await.unwrap().remove(0);
        let (event, cx) = clerk.with(|mood| mood.last.clone()).unwrap();
        assert_eq!((event.id, event.key, event.at), (sold.id, uuid(1), sold.recorded_at));
        assert_eq!(event.traceparent, sold.traceparent);
        assert_eq!(cx.correlation_id(), sold.correlation_id);
        assert_eq!(cx.causation_id(), Some(sold.id));
        assert_eq!(cx.principal(), &Principal::Service { name: "ledger".to_owned() });
        assert!(sold.traceparent.contains(&cx.trace().trace_id()));

        let booked = office.accounts.history(uuid(1)).await.unwrap().remove(0);
        assert_eq!(booked.causation_id, Some(sold.id));
        assert_eq!(booked.correlation_id, sold.correlation_id);
        assert_eq!(booked.actor, "service:ledger");
    }

    async fn a_consumer_killed_between_effect_and_reply_does_it_once(town: Town) {
        let (shop, clerk) = (town.shop().await, Clerk::default());
        shop.sell(1, 10).await;
        let committed = Arc::new(Notify::new());
        let heard = Arc::clone(&committed);
        let mut doomed = town
            .office_with(Some(CommitObserver::new(move |_| {
                // Durable, but nobody will ever hear of it.
                heard.notify_one();
                Box::pin(std::future::pending())
            })))
            .await;
        doomed.read(shop.feed(), &clerk);
        committed.notified().await;
        doomed.kill().await;

        let mut office = town.office().await;
        assert_eq!(office.booked(1).await, (1..=10).collect::<Vec<_>>());
        shop.sell(1, 1).await;
        office.read(shop.feed(), &clerk);
        office.has_booked(1, 1..=11).await;
    }

    async fn a_consumer_killed_again_and_again_does_each_once(town: Town) {
        let (shop, clerk) = (town.shop().await, Clerk::default());
        for round in 1..=5_u64 {
            let mut office = town.office().await;
            office.read(shop.feed(), &clerk);
            let before = clerk.calls();
            shop.sell(1, 20).await;
            shop.sell(2, 20).await;
            // Killed wherever it then is.
            eventually("some work to be under way", || async { clerk.calls() > before }).await;
            office.kill().await;
            let office = town.office().await;
            for till in [1, 2] {
                let booked = office.booked(till).await;
                let once: Vec<u64> = (1..=booked.len() as u64).collect();
                assert_eq!(booked, once, "round {round}, till {till}");
            }
            office.kill().await;
        }
        let mut office = town.office().await;
        office.read(shop.feed(), &clerk);
        office.has_booked(1, 1..=100).await;
        office.has_booked(2, 1..=100).await;
    }

    async fn events_that_only_a_newer_publisher_knows_are_skipped(town: Town) {
        let (mut office, clerk) = (town.office().await, Clerk::default());
        let script = Script(vec![
            (1, "sales.drawer_stolen", json!({ "type": "drawer_stolen" })),
            (1, "sales.sale_made", json!({ "type": "sale_made", "till_id": uuid(1), "number": 1 })),
        ]);
        office.read(Arc::new(script), &clerk);
        office.has_booked(1, [1]).await;
        assert_eq!(office.dead_letters().await, []);
    }

    async fn an_event_that_cannot_be_read_becomes_a_dead_letter_at_once(town: Town) {
        let (mut office, clerk) = (town.office().await, Clerk::default());
        let sale = |till: u128, number: serde_json::Value| {
            json!({ "type": "sale_made", "till_id": uuid(till), "number": number })
        };
        let script = Script(vec![
            (1, "sales.sale_made", sale(1, json!("one"))),
            (1, "sales.sale_made", sale(1, json!(2))),
            (2, "sales.sale_made", sale(2, json!(1))),
        ]);
        office.read(Arc::new(script), &clerk);
        office.has_booked(2, [1]).await;
        assert_eq!(office.booked(1).await, [] as [u64; 0]);
        let letters = office.dead_letters().await;
        assert_eq!(letters.len(), 1);
        assert_eq!((letters[0].attempts, letters[0].waiting), (1, 1));
        let error = letters[0].error.as_ref().unwrap();
        assert!(error.contains("sales.sale_made") && !error.contains("one\""), "{letters:?}");
        assert_eq!(letters[0].event["payload"], sale(1, json!("one")));
    }

    async fn a_publisher_that_is_away_is_waited_for(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        let source = Arc::new(Flaky {
            inner: shop.feed(),
            is_down: AtomicBool::new(true),
            refusals: AtomicU32::new(0),
        });
        shop.sell(1, 3).await;
        office.read(Arc::clone(&source) as Arc<dyn Source>, &clerk);
        eventually("some attempts", || async { source.refusals.load(Ordering::Relaxed) > 2 }).await;
        source.is_down.store(false, Ordering::Relaxed);
        office.has_booked(1, 1..=3).await;
    }

    async fn a_consumer_that_reacts_to_nothing_it_hears_comes_forward_all_the_same(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        let page = shop
            .feed()
            .read(&Query {
                types: vec!["sales.refund_made".to_owned()],
                after: Position::START,
                limit: 10,
                wait: Duration::from_millis(10),
            })
            .await
            .unwrap();
        assert_eq!((page.entries.len(), page.reached), (0, Position::START));
        shop.sell(1, 2).await;
        office.read(shop.feed(), &clerk);
        office.has_booked(1, 1..=2).await;
    }
}
