//! Undoes all orders of an event that was cancelled, a stretch at a time. What it has done, it never
//! does again, wherever it stopped: orders that are called off are no longer live.

use std::sync::Arc;

use runtime::Context;
use store::{ExecuteError, Loaded, StoreError};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    cancellation::{CancellationCommand, NotBegun},
    domain::{Cancel, Cause, Command, Order, Rejection},
    saga::Purchases,
    views,
};

/// Orders that are called off together, in one commit if they can, and undone at the same time.
const STRETCH: i64 = 32;
/// Stretches until the job is left to its timer, so that none takes for ever.
const STRETCHES: u32 = 64;

/// Why a job stopped for now. It goes on by its timer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no time left for now")]
    OutOfTime,
}

impl From<ExecuteError<NotBegun>> for JobError {
    fn from(error: ExecuteError<NotBegun>) -> Self {
        match error {
            ExecuteError::Store(error) => Self::Store(error),
            other => Self::Store(StoreError::Failed(other.to_string())),
        }
    }
}

/// Goes on with undoing the orders of the event, until nothing is left to do, or to wait for.
pub(crate) async fn undo_orders(
    purchases: &Arc<Purchases>,
    cx: &Context,
    event_id: Uuid,
) -> Result<(), JobError> {
    // It may have been begun by a commit that is still being written: this is carried out after it.
    let mut job = tell(purchases, cx, event_id, CancellationCommand::Look).await?;
    for _ in 0..STRETCHES {
        let Some(begun) = job.state.begun().filter(|it| it.finished_at.is_none()) else {
            return Ok(());
        };
        let live = views::live_orders(&purchases.database, event_id, begun.cursor, STRETCH).await?;
        let at = purchases.clock.now();
        let Some(last) = live.last().copied() else {
            let is_first_look = begun.cursor.is_none();
            let command = CancellationCommand::EndPass { at };
            if !is_first_look {
                job = tell(purchases, cx, event_id, command).await?;
                continue;
            }
            if views::count_under_way(&purchases.database, event_id).await? == 0 {
                tell(purchases, cx, event_id, CancellationCommand::Finish { at }).await?;
            }
            return Ok(());
        };
        if cx.remaining().is_zero() {
            return Err(JobError::OutOfTime);
        }
        let reason = begun.reason.clone();
        undo_stretch(purchases, cx, &live, &reason).await?;
        job = tell(purchases, cx, event_id, CancellationCommand::Advance { cursor: last, at })
            .await?;
    }
    Err(JobError::OutOfTime)
}

async fn tell(
    purchases: &Purchases,
    cx: &Context,
    event_id: Uuid,
    command: CancellationCommand,
) -> Result<Loaded<crate::cancellation::Cancellation>, JobError> {
    Ok(purchases.cancellations.execute(cx, event_id, command).await?)
}

/// Calls these orders off and undoes each as far as it goes for now. The rest is up to their own
/// timers.
async fn undo_stretch(
    purchases: &Arc<Purchases>,
    cx: &Context,
    order_ids: &[Uuid],
    reason: &str,
) -> Result<(), JobError> {
    let mut running = JoinSet::new();
    for &order_id in order_ids {
        let (purchases, cx, reason) = (Arc::clone(purchases), cx.clone(), reason.to_owned());
        running.spawn(async move { undo(&purchases, &cx, order_id, reason).await });
    }
    while let Some(undone) = running.join_next().await {
        undone.map_err(|error| StoreError::Failed(error.to_string()))??;
    }
    Ok(())
}

async fn undo(
    purchases: &Purchases,
    cx: &Context,
    order_id: Uuid,
    reason: String,
) -> Result<(), StoreError> {
    let wish = Cancel::whole(Cause::EventCancelled, reason, purchases.clock.now());
    let called_off: Loaded<Order> =
        match purchases.orders.execute(cx, order_id, Command::Cancel(wish)).await {
            Ok(order) => order,
            // Somebody was faster.
            Err(ExecuteError::Rejected(Rejection::Ended)) => return Ok(()),
            Err(ExecuteError::Store(error)) => return Err(error),
            Err(error) => return Err(StoreError::Failed(error.to_string())),
        };
    if let Err(stuck) = purchases.advance(cx, order_id, called_off, None).await {
        tracing::info!(order = %order_id, %stuck, "an order waits and will be tried again");
    }
    Ok(())
}
