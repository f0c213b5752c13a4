//! The one connection of a process to Redis, and whether it can be used.
//!
//! A call that fails makes the link unusable at once: others are not even tried. One task looks
//! again, with backoff, and says when Redis is away and when it is back: one log line for each
//! change, and the state in `/readyz`. So at most the calls that are under way when Redis goes wait,
//! and no longer than `cache.timeout`.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    Client, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use runtime::{CancellationToken, Clock, Random, Timestamp};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use crate::{CacheSettings, measures};

/// How often a Redis that answers is looked after.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// The first wait before looking again for one that is away; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long what a look writes stays. A look writes, so that a server that takes no writes (a
/// replica, one that is full) counts as away.
const PROBE_LIVES_MS: u32 = 10_000;

/// Where Redis stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody has looked yet.
    Unknown,
    Up,
    Away {
        since: Timestamp,
        reason: String,
    },
}

pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) prefix: String,
    /// Host and port, without the password.
    pub(crate) address: String,
    connect_timeout: Duration,
    timeout: Duration,
    manager: Mutex<ConnectionManager>,
    is_usable: AtomicBool,
    state: watch::Sender<State>,
    in_doubt: Notify,
    clock: Arc<dyn Clock>,
}

impl Link {
    /// A link that is not connected yet. Needs a runtime around it.
    pub(crate) fn new(
        client: Client,
        settings: &CacheSettings,
        clock: Arc<dyn Clock>,
    ) -> RedisResult<Self> {
        let manager = manager(&client, settings.connect_timeout, settings.timeout)?;
        Ok(Self {
            address: client.get_connection_info().addr().to_string(),
            prefix: settings.prefix.clone(),
            connect_timeout: settings.connect_timeout,
            timeout: settings.timeout,
            manager: Mutex::new(manager),
            is_usable: AtomicBool::new(false),
            state: watch::Sender::new(State::Unknown),
            in_doubt: Notify::new(),
            client,
            clock,
        })
    }

    /// The answer to `ask`; `None` when there is none, or nobody was asked because Redis is away.
    /// `what` is for the metrics.
    pub(crate) async fn call<T, F>(
        &self,
        what: &'static str,
        ask: impl FnOnce(ConnectionManager) -> F,
    ) -> Option<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        if !self.is_usable.load(Ordering::Relaxed) {
            measures::call(what, "skipped");
            return None;
        }
        let answer = timeout(self.timeout, ask(self.manager())).await;
        let Ok(Ok(answer)) = answer else {
            measures::call(what, "failed");
            self.doubt();
            return None;
        };
        measures::call(what, "answered");
        Some(answer)
    }

    /// A key of this installation.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Tells of each change of the state.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Looks after Redis until `stop`.
    pub(crate) async fn keep(&self, random: &dyn Random, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            let wait = match self.probe().await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    self.came_back();
                    PROBE_EVERY
                }
                Err(reason) => {
                    self.went_away(reason);
                    self.renew();
                    let jittered = pause.mul_f64(0.5 + random.fraction() / 2.0);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    jittered
                }
            };
            let doubts = timeout(wait, self.in_doubt.notified());
            if stop.run_until_cancelled(doubts).await.is_none() {
                return;
            }
        }
    }

    fn doubt(&self) {
        self.is_usable.store(false, Ordering::Relaxed);
        self.in_doubt.notify_one();
    }

    async fn probe(&self) -> Result<(), String> {
        let mut manager = self.manager();
        let mut write = redis::cmd("SET");
        write.arg(self.key("probe")).arg(1).arg("PX").arg(PROBE_LIVES_MS);
        let limit = self.connect_timeout + self.timeout;
        match timeout(limit, write.query_async::<()>(&mut manager)).await {
            Ok(outcome) => outcome.map_err(|error| words_of(&error)),
            Err(_) => Err(format!("no answer within {limit:?}")),
        }
    }

    fn came_back(&self) {
        self.is_usable.store(true, Ordering::Relaxed);
        let former = self.state.borrow().clone();
        let address = &self.address;
        match former {
            State::Up => return,
            State::Unknown => tracing::info!(%address, "connected to Redis"),
            State::Away { since, .. } => {
                let away_for = self.clock.now().duration_since(since);
                tracing::info!(%address, seconds = away_for.as_secs(), "Redis is back");
            }
        }
        measures::up(true);
        self.state.send_replace(State::Up);
    }

    fn went_away(&self, reason: String) {
        self.is_usable.store(false, Ordering::Relaxed);
        if matches!(*self.state.borrow(), State::Away { .. }) {
            return;
        }
        let address = &self.address;
        tracing::warn!(%address, %reason, "Redis is away; memory takes over until it is back");
        measures::up(false);
        self.state.send_replace(State::Away { since: self.clock.now(), reason });
    }

    /// Gives up the connection: one to a machine that is gone would never say so.
    fn renew(&self) {
        match manager(&self.client, self.connect_timeout, self.timeout) {
            Ok(fresh) => *self.manager.lock().unwrap_or_else(PoisonError::into_inner) = fresh,
            Err(error) => tracing::debug!(%error, "the connection to Redis stays as it was"),
        }
    }

    fn manager(&self) -> ConnectionManager {
        self.manager.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One that connects when it is first used and tries once: waiting is the business of
/// [`Link::keep`].
fn manager(
    client: &Client,
    connect_timeout: Duration,
    response_timeout: Duration,
) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(connect_timeout))
        .set_response_timeout(Some(response_timeout));
    client.get_connection_manager_lazy(config)
}

fn words_of(error: &RedisError) -> String {
    if error.is_timeout() { "no answer in time".to_owned() } else { error.to_string() }
}
