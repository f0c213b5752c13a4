//! Reading a publisher's feed, under a lease: one replica reads.

use std::{sync::Arc, time::Duration};

use runtime::{CancellationToken, pause};
use store::{HeldLease, LeaseError, Position, StoreError};

use super::{Consumer, FeedPlace, Interruption, Progress, TROUBLE, UNNOTED};
use crate::{Page, Query, Source};

/// How often a consumer that has put events aside looks whether somebody decided about them.
pub(super) const LONGEST_LOOK: Duration = Duration::from_secs(1);
const SHORTEST_LOOK: Duration = Duration::from_millis(10);

/// Where the reader of a feed is.
struct Reading {
    place: FeedPlace,
    progress: Progress<Position>,
    /// How far the feed was read. Between that and what is stored there is nothing for this
    /// consumer.
    read: Position,
    /// How often the database had moved before this was read from it.
    moves: u64,
}

impl Consumer {
    /// Reads from `source` whenever it is this replica's turn, until `stop`.
    pub async fn run(self, source: Arc<dyn Source>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let Some(held) = stop.run_until_cancelled(self.lease().acquire()).await else {
                break;
            };
            self.note_begin(&held);
            let lost = tokio::select! {
                () = stop.cancelled() => None,
                lost = held.keep() => Some(lost),
                lost = self.follow(&held, source.as_ref()) => Some(lost),
            };
            self.measures.active(false);
            match lost {
                None => self.leave(held).await,
                Some(error) => self.step_back(&error, &stop).await,
            }
        }
    }

    /// Reads until the lease is lost.
    async fn follow(&self, held: &HeldLease, source: &dyn Source) -> LeaseError {
        let mut failures = 0;
        loop {
            match self.follow_undisturbed(held, source, &mut failures).await {
                Interruption::Lost(error) => return error,
                Interruption::Overtaken => {}
                Interruption::Trouble(reason) => {
                    failures += 1;
                    self.report(failures, &reason);
                    pause(TROUBLE.pause(failures, self.random.as_ref())).await;
                }
            }
        }
    }

    async fn follow_undisturbed(
        &self,
        held: &HeldLease,
        source: &dyn Source,
        failures: &mut u32,
    ) -> Interruption {
        let mut reading = match self.reading(held).await {
            Ok(reading) => reading,
            Err(error) => return error.into(),
        };
        loop {
            if let Err(interruption) = self.step(source, &mut reading).await {
                return interruption;
            }
            self.go_on(failures);
        }
    }

    async fn reading(&self, held: &HeldLease) -> Result<Reading, StoreError> {
        let moves = self.database().moves();
        let passed = self.inbox.passed(self.database()).await?;
        let aside = self.inbox.aside(self.database()).await?;
        self.measures.aside(aside);
        let stored = passed.feed();
        let (held, inbox, passed) = (held.clone(), self.inbox.clone(), Arc::new(passed));
        let place = FeedPlace { held, inbox, passed };
        Ok(Reading { place, progress: Progress { stored, aside }, read: stored, moves })
    }

    /// Tries what was put aside and is due, then takes in what the feed has next.
    async fn step(&self, source: &dyn Source, reading: &mut Reading) -> Result<(), Interruption> {
        if self.database().moves() != reading.moves {
            // It may have gone back, and what came since has to come again.
            return Err(Interruption::Overtaken);
        }
        let mut wait = self.settings.wait;
        if reading.progress.aside.events > 0 {
            let tried = self.try_aside(&reading.place.held, Some(source)).await?;
            reading.progress.aside = self.inbox.aside(self.database()).await?;
            self.measures.aside(reading.progress.aside);
            let next = if tried > 0 { Duration::ZERO } else { self.next_look().await? };
            wait = wait.min(next);
        }
        let query = self.query(reading.read, self.settings.batch, wait);
        let page = source.read(&query).await?;
        self.measures.arrived(&page, self.now());
        self.take_page(&page, reading).await?;
        self.measures.taken(&page, self.now());
        Ok(())
    }

    pub(super) fn query(&self, after: Position, limit: u32, wait: Duration) -> Query {
        let types = self.types.iter().map(|name| (*name).to_owned()).collect();
        Query { types, after, limit, wait }
    }

    /// When to look again at what was put aside.
    pub(super) async fn next_look(&self) -> Result<Duration, StoreError> {
        let due = self.inbox.next_due(self.database()).await?;
        let until = due.map(|due| due.duration_since(self.now()));
        let wait = until.and_then(|until| Duration::try_from(until).ok()).unwrap_or(LONGEST_LOOK);
        Ok(wait.clamp(SHORTEST_LOOK, LONGEST_LOOK))
    }

    async fn take_page(&self, page: &Page, reading: &mut Reading) -> Result<(), Interruption> {
        let passed = &reading.place.passed;
        let entries = page.entries.iter();
        let relevant: Vec<_> = entries
            .filter(|entry| !passed.contains(entry.envelope.key, entry.position))
            .filter(|entry| self.concerns(&entry.envelope))
            .map(|entry| (entry.position, entry.clone()))
            .collect();
        let (place, progress) = (&reading.place, &mut reading.progress);
        if !relevant.is_empty() {
            let was_anything_aside = progress.aside.events > 0;
            self.take(place, &relevant, page.reached, progress).await?;
            if was_anything_aside || progress.aside.events > 0 {
                self.measures.aside(progress.aside);
            }
        } else if page.reached.seq.saturating_sub(progress.stored.seq) >= UNNOTED {
            self.step_over(place, page.reached, progress).await?;
        }
        reading.read = page.reached;
        Ok(())
    }
}
