//! A publisher that cannot be asked about what was put aside.

use std::sync::Arc;

use bus::{Page, Query, Source, SourceError};
use runtime::async_trait;
use store::{DeadLetter, DeadLetterState};
use testkit::{eventually, kafka};

use super::settings;
use crate::support::{Clerk, Office, TillCommand, UNSPEAKABLE, context, on_both, uuid};

/// A publisher whose internal listener is away.
struct Silent;

#[async_trait]
impl Source for Silent {
    async fn read(&self, _query: &Query) -> Result<Page, SourceError> {
        Err(SourceError::Unavailable("nobody answers".to_owned()))
    }
}

async fn dead_letters(office: &Office) -> Vec<DeadLetter> {
    eventually("two dead letters", || async {
        let letters = office.dead_letters().await;
        let dead = letters.iter().filter(|it| it.state == DeadLetterState::Dead).count();
        if dead == 2 { Ok(letters) } else { Err(format!("{letters:?}")) }
    })
    .await
}

on_both! {
    async fn what_it_must_be_asked_about_holds_up_nothing_else(town: Town) {
        let settings = settings(&kafka::fresh().await);
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        let clerk = Clerk::default();
        clerk.stumble(2, 1, u32::MAX);
        shop.publish(&settings);
        office.read_topic_of(Arc::new(Silent), &settings, &clerk);
        let unspeakable = TillCommand::SellAs(UNSPEAKABLE);
        shop.tills.execute(&context(), uuid(1), unspeakable).await.unwrap();
        shop.sell(2, 2).await;
        let letters = dead_letters(&office).await;
        clerk.stumble(2, 1, 0);
        for letter in letters {
            office.letters.retry(letter.id).await.unwrap();
        }
        office.has_booked(2, 1..=2).await;

        // The other waits until there is an answer, and says for what.
        let waiting = eventually("one letter", || async {
            let letters = office.dead_letters().await;
            if let [letter] = &letters[..] { Ok(letter.clone()) } else { Err(format!("{letters:?}")) }
        })
        .await;
        assert_eq!((waiting.state, waiting.attempts), (DeadLetterState::Retrying, 0));
        let error = waiting.error.unwrap();
        assert_eq!(error, "sales cannot be asked again: nobody answers");
    }
}
