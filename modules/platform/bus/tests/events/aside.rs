//! Events that cannot be taken in: put aside, tried again, decided about.

use std::{sync::Arc, time::Duration};

use bus::{BusSettings, Page, PublishedFeed, Query, Source, SourceError};
use runtime::async_trait;
use store::{DeadLetter, DeadLetterState, Position};
use testkit::{Journal, eventually};
use tracing::instrument::WithSubscriber;

use crate::support::{
    ATTEMPTS, Clerk, Office, TillCommand, UNSPEAKABLE, context, on_both, translator, uuid,
};

/// Tells the same with a NUL in it, as somebody may who keeps his log elsewhere than on PostgreSQL.
struct Nulled(Arc<dyn Source>);

#[async_trait]
impl Source for Nulled {
    async fn read(&self, query: &Query) -> Result<Page, SourceError> {
        let mut page = self.0.read(query).await?;
        for entry in &mut page.entries {
            entry.envelope.payload["note"] = "left \0 right".into();
        }
        Ok(page)
    }
}

const FOREVER: u32 = u32::MAX;

/// The only dead letter, once it is dead and `waiting` events wait behind it.
async fn dead_letter(office: &Office, waiting: u64) -> DeadLetter {
    eventually("one dead letter", || async {
        let letters = office.dead_letters().await;
        match letters.as_slice() {
            [one] if one.state == DeadLetterState::Dead && one.waiting == waiting => {
                Ok(one.clone())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

on_both! {
    async fn an_event_that_fails_for_good_holds_back_its_key_only(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        clerk.stumble(1, 2, FOREVER);
        shop.sell(1, 4).await;
        shop.sell(2, 4).await;
        office.read(shop.feed(), &clerk);
        office.has_booked(2, 1..=4).await;
        let letter = dead_letter(&office, 2).await;
        assert_eq!(office.booked(1).await, [1]);
        assert_eq!((letter.attempts, letter.key), (ATTEMPTS, uuid(1)));
        assert_eq!(letter.error.as_deref(), Some("the ink has run dry"));
        assert_eq!(letter.event["correlation_id"], "req-1");
        assert!(letter.event["traceparent"].as_str().unwrap().starts_with("00-"));

        // What comes later waits as well, and others still go on.
        shop.sell(1, 1).await;
        shop.sell(2, 1).await;
        office.has_booked(2, 1..=5).await;
        dead_letter(&office, 3).await;
        assert_eq!(office.booked(1).await, [1]);
    }

    async fn the_log_names_the_dead_letter_beside_the_event(town: Town) {
        let (journal, subscriber) = Journal::open();
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        clerk.stumble(1, 1, FOREVER);
        shop.sell(1, 1).await;
        let reading = office.consumer("ledger", BusSettings::default(), &clerk);
        let reading = reading.run(shop.feed(), office.stop.clone());
        office.tasks.spawn(reading.with_subscriber(subscriber));
        let letter = dead_letter(&office, 0).await;
        let warned = journal.lines_with("an event could not be taken in");
        let died = journal.lines_with("an event is a dead letter");
        assert_eq!((warned.len(), died.len()), (ATTEMPTS as usize - 1, 1));
        for line in warned.iter().chain(&died) {
            let fields = &line["fields"];
            assert_eq!(fields["dead_letter"], letter.id.to_string(), "{line}");
            assert_eq!(fields["event"], letter.event["id"], "{line}");
        }
    }

    async fn a_retried_dead_letter_and_all_behind_it_take_effect_in_order(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        clerk.stumble(1, 2, FOREVER);
        shop.sell(1, 5).await;
        office.read(shop.feed(), &clerk);
        let letter = dead_letter(&office, 3).await;

        clerk.stumble(1, 2, 0);
        office.letters.retry(letter.id).await.unwrap();
        office.has_booked(1, 1..=5).await;
        eventually("no dead letters", || async {
            office.dead_letters().await.is_empty()
        })
        .await;
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=6).await;
    }

    async fn a_retried_dead_letter_that_fails_again_is_dead_again(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        clerk.stumble(1, 1, FOREVER);
        shop.sell(1, 2).await;
        office.read(shop.feed(), &clerk);
        let letter = dead_letter(&office, 1).await;
        let before = clerk.calls_for(1, 1);
        office.letters.retry(letter.id).await.unwrap();
        eventually("as many attempts again", || async {
            clerk.calls_for(1, 1) >= before + ATTEMPTS as usize
        })
        .await;
        let again = dead_letter(&office, 1).await;
        assert_eq!((again.id, again.attempts), (letter.id, ATTEMPTS));
    }

    async fn behind_a_discarded_dead_letter_the_next_goes_on(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        clerk.stumble(1, 2, FOREVER);
        shop.sell(1, 4).await;
        office.read(shop.feed(), &clerk);
        let letter = dead_letter(&office, 2).await;
        office.letters.discard(letter.id, "spoiled", "the manager").await.unwrap();
        office.has_booked(1, [1, 3, 4]).await;
    }

    async fn an_event_that_no_database_can_keep_as_it_is_is_put_aside_and_retried(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        clerk.stumble(1, 1, FOREVER);
        shop.sell(1, 2).await;
        shop.sell(2, 1).await;
        office.read(Arc::new(Nulled(shop.feed())), &clerk);
        office.has_booked(2, [1]).await;
        let letter = dead_letter(&office, 1).await;
        assert_eq!(letter.error.as_deref(), Some("the ink has run dry"));

        clerk.stumble(1, 1, 0);
        office.letters.retry(letter.id).await.unwrap();
        office.has_booked(1, 1..=2).await;
    }

    async fn an_event_that_fails_twice_takes_effect_in_its_order(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        clerk.stumble(1, 2, ATTEMPTS - 1);
        shop.sell(1, 4).await;
        office.read(shop.feed(), &clerk);
        office.has_booked(1, 1..=4).await;
        assert_eq!(office.dead_letters().await, []);
    }

    async fn attempts_are_counted_across_restarts(town: Town) {
        let (shop, clerk) = (town.shop().await, Clerk::default());
        clerk.stumble(1, 1, FOREVER);
        shop.sell(1, 2).await;
        let mut first = town.office().await;
        first.read(shop.feed(), &clerk);
        dead_letter(&first, 1).await;
        first.kill().await;

        let mut second = town.office().await;
        let before = clerk.calls();
        second.read(shop.feed(), &clerk);
        shop.sell(2, 1).await;
        second.has_booked(2, [1]).await;
        dead_letter(&second, 1).await;
        assert_eq!(clerk.calls() - before, 1, "a dead letter stays dead");
    }

    async fn a_handler_that_panics_fails_like_any_other(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        clerk.with(|mood| mood.panics.insert((1, 1)));
        shop.sell(1, 2).await;
        shop.sell(2, 1).await;
        office.read(shop.feed(), &clerk);
        office.has_booked(2, [1]).await;
        let letter = dead_letter(&office, 1).await;
        assert!(letter.error.unwrap().contains("the clerk has fainted"));
    }

    async fn what_is_nobodys_fault_counts_against_no_event(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        clerk.with(|mood| mood.is_helpless = true);
        shop.sell(1, 2).await;
        office.read(shop.feed(), &clerk);
        let many = ATTEMPTS as usize * 2;
        eventually("many attempts", || async { clerk.calls_for(1, 1) > many }).await;
        assert_eq!(office.dead_letters().await, []);
        assert_eq!(office.booked(1).await, [] as [u64; 0]);

        clerk.with(|mood| mood.is_helpless = false);
        office.has_booked(1, 1..=2).await;
    }

    async fn what_the_publisher_cannot_translate_is_a_dead_letter_of_its_consumers(town: Town) {
        let (shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
        let unspeakable = TillCommand::SellAs(UNSPEAKABLE);
        shop.tills.execute(&context(), uuid(1), unspeakable).await.unwrap();
        shop.sell(1, 1).await;
        shop.sell(2, 1).await;
        office.read(shop.feed(), &clerk);
        office.has_booked(2, [1]).await;
        let letter = dead_letter(&office, 1).await;
        assert!(letter.error.unwrap().contains("has no translation"));
        assert_eq!(letter.event["payload"], serde_json::Value::Null);
        assert!(!letter.event.to_string().contains("words fail"), "what it holds stays there");

        // It is about what its publisher says it is about, even when it says so of the row alone.
        let keyed = translator().keyed_by(|raw| uuid(u128::from(raw.version) + 40));
        let feed = PublishedFeed::new(shop.tills.committer().database(), vec![keyed]);
        let query = Query {
            types: Vec::new(),
            after: Position::START,
            limit: 1,
            wait: Duration::ZERO,
        };
        let untranslated = feed.read(&query).await.unwrap().entries;
        assert_eq!(untranslated[0].envelope.key, uuid(41));

        // As long as the publisher cannot, retrying changes nothing.
        office.letters.retry(letter.id).await.unwrap();
        dead_letter(&office, 1).await;
        office.letters.discard(letter.id, "spoiled", "the manager").await.unwrap();
        office.has_booked(1, [UNSPEAKABLE + 1]).await;
    }
}
