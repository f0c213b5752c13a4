//! Whose tickets are printed when. Printing takes a core for itself, a large order for many milliseconds;
//! those who buy and those at the doors come first, and nobody waits behind another's pile.
//!
//! The mail and those who ask over HTTP have a press each. Who asks for several documents at once gets
//! one after the other, and stands in the queue for the press with one of them only.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{AcquireError, Semaphore},
    task::JoinError,
    time::{Instant, error::Elapsed, timeout_at},
};
use uuid::Uuid;

/// Two presses.
pub(crate) struct Presses {
    mail: Arc<Semaphore>,
    counter: Arc<Semaphore>,
    /// By the account, as long as it prints or waits.
    turns: Mutex<HashMap<Uuid, Weak<Semaphore>>>,
}

/// Why nothing was printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PressFault {
    #[error("no press came free in time")]
    Busy,
    #[error("printing did not come to an end")]
    Broken(#[from] JoinError),
}

impl From<Elapsed> for PressFault {
    fn from(_: Elapsed) -> Self {
        Self::Busy
    }
}

impl From<AcquireError> for PressFault {
    fn from(_: AcquireError) -> Self {
        Self::Busy
    }
}

impl Presses {
    pub(crate) fn new() -> Self {
        let press = || Arc::new(Semaphore::new(1));
        Self { mail: press(), counter: press(), turns: Mutex::default() }
    }

    /// Prints what a mail brings, if a press comes free before the deadline.
    pub(crate) async fn for_mail<T: Send + 'static>(
        &self,
        deadline: Instant,
        print: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PressFault> {
        let press = timeout_at(deadline, Arc::clone(&self.mail).acquire_owned()).await??;
        printed(press, deadline, print).await
    }

    /// Prints what an account asks for. It waits half of the time that is left until the deadline at
    /// most; the other half is for printing.
    pub(crate) async fn for_account<T: Send + 'static>(
        &self,
        account: Uuid,
        deadline: Instant,
        print: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PressFault> {
        let patience = deadline - left_until(deadline) / 2;
        let turn = self.turn_of(account);
        let turn = timeout_at(patience, turn.acquire_owned()).await??;
        let press = timeout_at(patience, Arc::clone(&self.counter).acquire_owned()).await??;
        printed((turn, press), deadline, print).await
    }

    fn turn_of(&self, account: Uuid) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&account).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Semaphore::new(1));
        turns.insert(account, Arc::downgrade(&turn));
        turn
    }
}

/// Prints away from those who serve requests. What is held stays with the work when the caller goes
/// away, so that leaving does not let others in; for a caller whose time is over nothing is printed.
async fn printed<T: Send + 'static>(
    held: impl Send + 'static,
    deadline: Instant,
    print: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PressFault> {
    let work = move || {
        let _held = held;
        if left_until(deadline).is_zero() {
            return Err(PressFault::Busy);
        }
        Ok(print())
    };
    tokio::task::spawn_blocking(work).await?
}

fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::mpsc};

    use futures_util::{future::join_all, poll};

    use super::*;

    const ANNA: Uuid = Uuid::from_u128(0xA);
    const BEN: Uuid = Uuid::from_u128(0xB);

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    /// What is on the press until it is let go, and how to let it go.
    fn long_job() -> (mpsc::Sender<()>, impl FnOnce() -> &'static str + Send) {
        let (end, ended) = mpsc::channel();
        let job = move || {
            ended.recv().expect("it is let go");
            "long"
        };
        (end, job)
    }

    #[tokio::test]
    async fn the_mail_is_printed_whatever_is_printed_over_http() {
        let presses = Presses::new();
        let (end, job) = long_job();
        let mut printing = pin!(presses.for_account(ANNA, soon(), job));
        assert!(poll!(&mut printing).is_pending());
        assert_eq!(presses.for_mail(soon(), || "mail").await.unwrap(), "mail");
        end.send(()).unwrap();
        assert_eq!(printing.await.unwrap(), "long");
    }

    #[tokio::test]
    async fn nobody_waits_behind_a_pile_of_somebody_else() {
        let presses = Presses::new();
        let (order, printed) = mpsc::channel();
        let job = |name: &'static str| {
            let order = order.clone();
            move || order.send(name).unwrap()
        };
        let (end, first) = long_job();
        let mut first = pin!(presses.for_account(ANNA, soon(), first));
        assert!(poll!(&mut first).is_pending());
        let pile = (0..20).map(|_| presses.for_account(ANNA, soon(), job("Anna's")));
        let mut pile = pin!(join_all(pile));
        assert!(poll!(&mut pile).is_pending());
        let mut page = pin!(presses.for_account(BEN, soon(), job("Ben's")));
        assert!(poll!(&mut page).is_pending());
        end.send(()).unwrap();
        let _ended = futures_util::join!(first, pile, page);
        let order: Vec<&str> = printed.try_iter().collect();
        assert_eq!(order.len(), 21, "each is printed in the end");
        assert_eq!(order[0], "Ben's");
    }

    #[tokio::test]
    async fn who_would_wait_too_long_is_refused_and_leaves_the_queue() {
        let presses = Presses::new();
        let taken = presses.counter.clone().try_acquire_owned().unwrap();
        let deadline = Instant::now() + Duration::from_millis(20);
        let refused = presses.for_account(ANNA, deadline, || "late").await;
        assert!(matches!(refused, Err(PressFault::Busy)));
        drop(taken);
        assert_eq!(presses.for_account(ANNA, soon(), || "in time").await.unwrap(), "in time");
    }

    #[tokio::test]
    async fn nothing_is_printed_for_those_whose_time_is_over() {
        let presses = Presses::new();
        let past = Instant::now();
        let late = || -> () { panic!("it is too late") };
        let for_account = presses.for_account(ANNA, past, late).await;
        let for_mail = presses.for_mail(past, late).await;
        for refused in [for_account, for_mail] {
            assert!(matches!(refused, Err(PressFault::Busy)));
        }
    }

    #[tokio::test]
    async fn the_press_stays_taken_when_the_one_who_asked_goes_away() {
        let presses = Presses::new();
        let (end, job) = long_job();
        {
            let mut gone = pin!(presses.for_account(ANNA, soon(), job));
            assert!(poll!(&mut gone).is_pending());
        }
        let mut next = pin!(presses.for_account(ANNA, soon(), || "next"));
        assert!(poll!(&mut next).is_pending());
        end.send(()).unwrap();
        assert_eq!(next.await.unwrap(), "next");
        let _other = presses.turn_of(BEN);
        assert_eq!(presses.turns.lock().unwrap().len(), 1, "who is served is forgotten");
    }
}
