//! Taking in what comes over Kafka: each replica takes the partitions it is given, and one of them,
//! under the lease, tries again what was put aside.

use std::{sync::Arc, time::Duration};

use runtime::{CancellationToken, async_trait};
use store::{Committer, HeldLease, Inbox, LeaseError, Mark};
use tokio::time::timeout;

use super::{Consumer, Interruption, PartitionPlace, Progress, TROUBLE};
use crate::{
    Entry, Envelope, Source,
    kafka::{Group, GroupStanding, Taker},
};

impl Consumer {
    /// Takes in what comes over Kafka, until `stop`. `feed` is where the publisher can be asked
    /// about an event that it could not translate, if it can.
    pub async fn run_on_kafka(self, feed: Option<Arc<dyn Source>>, stop: CancellationToken) {
        let standing = self.group_standing();
        Arc::new(self).run_as_group(standing, feed, stop).await;
    }

    pub(crate) fn group_standing(&self) -> Arc<GroupStanding> {
        let topic = self.settings.kafka.topic(self.publisher);
        Arc::new(GroupStanding::new(self.name, self.publisher, topic))
    }

    pub(crate) async fn run_as_group(
        self: Arc<Self>,
        standing: Arc<GroupStanding>,
        feed: Option<Arc<dyn Source>>,
        stop: CancellationToken,
    ) {
        let kafka = &self.settings.kafka;
        let name = kafka.group(self.name, self.publisher);
        let taker: Arc<dyn Taker> = Arc::clone(&self) as _;
        let group = Group::new(kafka, name, taker, Arc::clone(&self.random), standing);
        let retrying = self.retry_aside(feed.as_deref(), &stop);
        tokio::join!(group.run(stop.clone()), retrying);
    }

    /// Tries what was put aside whenever it is this replica's turn.
    async fn retry_aside(&self, feed: Option<&dyn Source>, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let Some(held) = stop.run_until_cancelled(self.lease().acquire()).await else {
                return;
            };
            self.note_begin(&held);
            let lost = tokio::select! {
                () = stop.cancelled() => None,
                lost = held.keep() => Some(lost),
                lost = self.look_aside(&held, feed) => Some(lost),
            };
            self.measures.active(false);
            match lost {
                None => self.leave(held).await,
                Some(error) => self.step_back(&error, stop).await,
            }
        }
    }

    async fn look_aside(&self, held: &HeldLease, feed: Option<&dyn Source>) -> LeaseError {
        let mut failures = 0;
        loop {
            let wait = match self.look_aside_once(held, feed).await {
                Ok(wait) => {
                    self.go_on(&mut failures);
                    wait
                }
                Err(Interruption::Lost(error)) => return error,
                Err(Interruption::Overtaken) => Duration::ZERO,
                Err(Interruption::Trouble(reason)) => {
                    failures += 1;
                    self.report(failures, &reason);
                    TROUBLE.pause(failures, self.random.as_ref())
                }
            };
            let _told = timeout(wait, self.put_aside.notified()).await;
        }
    }

    /// The answer says when to look again. Nobody else measures what was put aside: a replica that only
    /// takes events in would not hear of what is decided about them later.
    async fn look_aside_once(
        &self,
        held: &HeldLease,
        feed: Option<&dyn Source>,
    ) -> Result<Duration, Interruption> {
        let aside = self.inbox.aside(self.database()).await?;
        self.measures.aside(aside);
        if aside.events == 0 {
            return Ok(super::feed::LONGEST_LOOK);
        }
        let tried = self.try_aside(held, feed).await?;
        self.measures.aside(self.inbox.aside(self.database()).await?);
        if tried > 0 { Ok(Duration::ZERO) } else { Ok(self.next_look().await?) }
    }
}

#[async_trait]
impl Taker for Consumer {
    fn committer(&self) -> &Committer {
        &self.committer
    }

    fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    fn batch(&self) -> usize {
        usize::try_from(self.settings.batch).unwrap_or(1).max(1)
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        self.concerns(envelope)
    }

    async fn take(
        &self,
        place: &PartitionPlace,
        stretch: &[(Option<Mark>, Entry)],
        end: Option<Mark>,
        progress: &mut Progress<Option<Mark>>,
    ) -> Result<(), Interruption> {
        self.take(place, stretch, end, progress).await
    }

    async fn step_over(
        &self,
        place: &PartitionPlace,
        to: Option<Mark>,
        progress: &mut Progress<Option<Mark>>,
    ) -> Result<(), Interruption> {
        self.step_over(place, to, progress).await
    }

    fn report(&self, failures: u32, reason: &str) {
        self.report(failures, reason);
    }

    fn go_on(&self, failures: &mut u32) {
        self.go_on(failures);
    }

    fn note_age(&self, last: Option<&Envelope>, is_all: bool) {
        let now = self.now();
        let oldest = last.filter(|_| !is_all).map_or(now, |envelope| envelope.time);
        self.measures.age(oldest, now);
    }
}
