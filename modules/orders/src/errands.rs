//! What is to be done at once because something came from outside: a purchase that was paid goes
//! on, a cancelled event is undone. Whoever takes the news in leaves an errand; should it be lost,
//! the timer that was written with the news does the same a few seconds later.

use std::{sync::Arc, time::Duration};

use runtime::{CancellationToken, Context, DEFAULT_DEADLINE};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use uuid::Uuid;

use crate::{job, saga::Purchases};

/// Errands that may wait; further ones are left to the timers.
const QUEUE: usize = 4096;
/// Errands that are run at the same time.
const AT_ONCE: usize = 128;
/// How long errands that are under way at stop may take to end.
const LAST_CALL: Duration = Duration::from_secs(3);

/// Something to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Drive this order on.
    Order(Uuid),
    /// Undo the orders of this event.
    CancelledEvent(Uuid),
}

/// Where errands are left.
pub(crate) struct Errands(mpsc::Sender<(Context, Errand)>);

/// Where they are found.
pub(crate) struct ErrandQueue(mpsc::Receiver<(Context, Errand)>);

/// Both ends.
pub(crate) fn errands() -> (Errands, ErrandQueue) {
    let (left, found) = mpsc::channel(QUEUE);
    (Errands(left), ErrandQueue(found))
}

impl Errands {
    /// Leaves an errand that carries on `cx`, with time of its own. What it is about may be part of
    /// a commit that is still being written: the errand's first command is carried out after it.
    pub(crate) fn leave(&self, cx: &Context, errand: Errand) {
        let deadline = Instant::now() + DEFAULT_DEADLINE;
        let mut own =
            Context::new(cx.principal().clone(), deadline, cx.correlation_id(), *cx.trace());
        if let Some(cause) = cx.causation_id() {
            own = own.caused_by(cause);
        }
        if self.0.try_send((own, errand)).is_err() {
            tracing::debug!(?errand, "an errand is left to the timer");
        }
    }
}

/// Runs errands until `stop`; then lets those that are under way end.
pub(crate) async fn run(
    purchases: Arc<Purchases>,
    ErrandQueue(mut queue): ErrandQueue,
    stop: CancellationToken,
) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_ended) = running.join_next(), if !running.is_empty() => {}
            Some((cx, errand)) = queue.recv(), if running.len() < AT_ONCE => {
                let purchases = Arc::clone(&purchases);
                running.spawn(async move { do_errand(&purchases, &cx, errand).await });
            }
        }
    }
    let ended = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_CALL, ended).await.is_err() {
        tracing::info!("errands were left to the timers at stop");
    }
}

async fn do_errand(purchases: &Arc<Purchases>, cx: &Context, errand: Errand) {
    match errand {
        Errand::Order(order_id) => {
            if let Err(stuck) = purchases.wake(cx, order_id).await {
                tracing::info!(order = %order_id, %stuck, "an order waits and will be tried again");
            }
        }
        Errand::CancelledEvent(event_id) => {
            if let Err(error) = job::undo_orders(purchases, cx, event_id).await {
                tracing::info!(event = %event_id, %error, "undoing orders waits and goes on later");
            }
        }
    }
}
