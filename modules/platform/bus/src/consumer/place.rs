//! Where a reader stands in what it reads, and how it moves on in the transaction of the effects.

use std::sync::Arc;

use runtime::async_trait;
use store::{HeldLease, Inbox, Mark, Partition, Passed, Position, Tx};

use super::Setback;

/// Where events are taken from, with the right to take them.
#[async_trait]
pub(crate) trait Place: Clone + Send + Sync + 'static {
    /// A point between two events.
    type Mark: Copy + Send + Sync + 'static;

    /// Lets the transaction commit only while events may be taken from here.
    async fn enter(&self, tx: &mut Tx) -> Result<(), Setback>;

    /// Lets the transaction commit only if this is where the consumer stands, and moves it on.
    async fn advance(&self, tx: &mut Tx, from: Self::Mark, to: Self::Mark) -> Result<(), Setback>;
}

/// A publisher's whole feed, for whoever holds the lease, as long as nothing comes over a broker.
#[derive(Clone)]
pub(crate) struct FeedPlace {
    pub(crate) held: HeldLease,
    pub(crate) inbox: Inbox,
    /// What was passed when the reader began.
    pub(crate) passed: Arc<Passed>,
}

#[async_trait]
impl Place for FeedPlace {
    type Mark = Position;

    async fn enter(&self, tx: &mut Tx) -> Result<(), Setback> {
        Ok(self.held.fence(tx).await?)
    }

    async fn advance(&self, tx: &mut Tx, from: Position, to: Position) -> Result<(), Setback> {
        let moved = self.inbox.advance(tx, &self.passed, from, to).await?;
        if moved { Ok(()) } else { Err(Setback::Overtaken) }
    }
}

/// A partition of a topic, for whoever it was assigned to, as long as nobody reads the feed. Should
/// two believe that it is theirs, only one of them moves on from where both stand.
#[derive(Clone)]
pub(crate) struct PartitionPlace {
    pub(crate) partition: Partition,
    /// How far the feed was read, as far as is known.
    pub(crate) feed: Position,
}

#[async_trait]
impl Place for PartitionPlace {
    /// `None`: nothing was ever taken from it.
    type Mark = Option<Mark>;

    async fn enter(&self, _tx: &mut Tx) -> Result<(), Setback> {
        Ok(())
    }

    async fn advance(
        &self,
        tx: &mut Tx,
        from: Option<Mark>,
        to: Option<Mark>,
    ) -> Result<(), Setback> {
        let Some(to) = to else {
            return Ok(());
        };
        let moved = self.partition.advance(tx, self.feed, from, to).await?;
        if moved { Ok(()) } else { Err(Setback::Overtaken) }
    }
}
