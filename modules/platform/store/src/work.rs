//! Several aggregates and statements of one's own in one commit.

use runtime::Context;
use uuid::Uuid;

use crate::{
    Aggregate, Answer, Events, ExecuteError, IdempotencyKey, Loaded, StoreError, Tx, batch::Batch,
};

/// What [`Committer::transact`](crate::Committer::transact) hands to the work it runs: everything
/// done through it is committed together, or not at all.
///
/// The work shares its transaction with others, so it awaits nothing but what is here and the
/// statements on [`Work::tx`]. Events and views are written when all work of the commit is done:
/// statements on [`Work::tx`] do not see them.
pub struct Work<'a> {
    batch: &'a mut Batch,
    cx: &'a Context,
}

impl<'a> Work<'a> {
    pub(crate) fn new(batch: &'a mut Batch, cx: &'a Context) -> Self {
        Self { batch, cx }
    }

    /// The context the work is done in.
    pub fn cx(&self) -> &Context {
        self.cx
    }

    /// The same work in another context, for who does things on behalf of several.
    pub fn within<'b>(&'b mut self, cx: &'b Context) -> Work<'b> {
        Work { batch: self.batch, cx }
    }

    /// The transaction, for statements of one's own.
    pub fn tx(&mut self) -> &mut Tx {
        self.batch.tx()
    }

    /// Gives an aggregate a command, and yields it as it then is.
    ///
    /// # Errors
    /// As an [`Execution`](crate::Execution). The work may go on after a rejection; what it did so
    /// far is committed unless it fails itself.
    pub async fn execute<A: Aggregate>(
        &mut self,
        events: &Events<A>,
        id: Uuid,
        command: A::Command,
    ) -> Result<&Loaded<A>, ExecuteError<A::Rejection>> {
        self.batch.decide(events, self.cx, id, None, command).await
    }

    /// The aggregate as it is with everything that this commit did so far; `None` when nothing has
    /// ever happened to it.
    ///
    /// # Errors
    /// As [`Events::load`].
    pub async fn load<A: Aggregate>(
        &mut self,
        events: &Events<A>,
        id: Uuid,
    ) -> Result<Option<&Loaded<A>>, StoreError> {
        let loaded = self.batch.load(events, id).await?;
        Ok((loaded.version > 0).then_some(loaded))
    }

    /// Stores the answer to the request that claimed `key` with everything else.
    pub fn answer(&mut self, key: &IdempotencyKey, answer: &Answer) {
        self.batch.answer(key, answer);
    }
}
