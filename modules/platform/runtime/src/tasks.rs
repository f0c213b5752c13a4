//! Work that outlives the call that started it, and is waited for when the process stops.

use std::{
    any::Any,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Starts work that a client's leaving does not interrupt and that a stop waits for. Cheap to
/// clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Tasks {
    /// A new group of tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts `future`. Dropping the answer does not stop it.
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let killed = self.kill.clone();
        Task(self.tracker.spawn(killed.run_until_cancelled_owned(future)))
    }

    /// Resolves when the process wants to stop. Long waits should end then.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Asks all to stop and waits until they have. Those that are still there after `limit` are
    /// dropped where they wait; the answer says how many.
    pub(crate) async fn stop(&self, limit: Duration) -> usize {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(limit, self.tracker.wait()).await.is_ok() {
            return 0;
        }
        let left = self.tracker.len();
        self.kill().await;
        left
    }

    /// Drops all where they wait, as if the process had been killed.
    pub(crate) async fn kill(&self) {
        self.cut();
        self.tracker.wait().await;
    }

    /// Begins to drop all where they wait, for those who cannot wait.
    pub(crate) fn cut(&self) {
        self.kill.cancel();
        self.tracker.close();
    }
}

/// The outcome of a [`Tasks::spawn`] that may still be on its way.
#[derive(Debug)]
pub struct Task<T>(JoinHandle<Option<T>>);

impl<T> Future for Task<T> {
    type Output = Result<T, TaskFault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|joined| match joined {
            Ok(Some(output)) => Ok(output),
            Ok(None) => Err(TaskFault::Killed),
            Err(error) => match error.try_into_panic() {
                Ok(payload) => Err(TaskFault::Panicked(panic_message(payload.as_ref()))),
                Err(_) => Err(TaskFault::Killed),
            },
        })
    }
}

/// Why a task has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskFault {
    /// It panicked, saying this.
    #[error("panicked: {0}")]
    Panicked(String),
    /// The process stopped before it was finished.
    #[error("was dropped because the process stopped")]
    Killed,
}

/// What a panic said.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(words) = payload.downcast_ref::<&str>() {
        return (*words).to_owned();
    }
    payload.downcast_ref::<String>().cloned().unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_task_goes_on_when_nobody_waits_for_it() {
        let (tasks, (sender, receiver)) = (Tasks::new(), tokio::sync::oneshot::channel());
        drop(tasks.spawn(async { sender.send(5) }));
        assert_eq!(receiver.await, Ok(5));
    }

    #[tokio::test]
    async fn a_stop_waits_for_what_was_started_even_while_it_waits() {
        let tasks = Tasks::new();
        let (inner, stop) = (tasks.clone(), tasks.stopping());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        drop(tasks.spawn(async move {
            stop.cancelled().await;
            drop(inner.spawn(async { sender.send(5) }));
        }));
        assert_eq!(tasks.stop(LONG).await, 0);
        assert_eq!(receiver.await, Ok(5));
    }

    #[tokio::test]
    async fn what_does_not_stop_in_time_is_dropped_and_counted() {
        let tasks = Tasks::new();
        let stuck = tasks.spawn(pending::<()>());
        let done = tasks.spawn(async { 5 });
        assert_eq!(tasks.stop(Duration::from_millis(20)).await, 1);
        assert_eq!(stuck.await, Err(TaskFault::Killed));
        assert_eq!(done.await, Ok(5));
    }

    #[tokio::test]
    async fn a_panic_is_an_outcome() {
        let panicked = Tasks::new().spawn(async { panic!("no coffee") }).await;
        assert_eq!(panicked, Err::<(), _>(TaskFault::Panicked("no coffee".to_owned())));
    }
}
