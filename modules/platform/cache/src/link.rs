//! The one connection of a process to Redis, and whether it can be used.
//!
//! A call that fails makes the link unusable at once: others are not even tried. One task looks
//! again, with backoff, and says when Redis is away and when it is back: one log line for each
//! change, and the state in `/readyz`. So at most the calls that are under way when Redis goes wait,
//! and no longer than `cache.timeout`.
//!
//! An answer that takes longer does not mean that Redis is away: a busy machine holds one up now and
//! then. Whoever looks has more patience than whoever calls, and until an answer comes in time the
//! link stays unusable. Only when that goes on, or nothing is answered at all, Redis counts as away.

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
    time::{Instant, timeout},
};

use crate::{CacheSettings, measures};

/// How often a Redis that answers is looked after.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// The first wait before looking again for one that is away; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Answers in a row that come too late before Redis counts as away.
const LATE_ANSWERS: u32 = 5;
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

/// Why there is no answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// Nobody was asked: the last call went wrong, and nobody has looked since.
    Skipped,
    /// This is what went wrong.
    Failed(String),
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
        let manager = manager(&client, settings.connect_timeout)?;
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
        self.try_call(what, ask).await.ok()
    }

    /// As [`Link::call`], for who wants to know why there is no answer.
    pub(crate) async fn try_call<T, F>(
        &self,
        what: &'static str,
        ask: impl FnOnce(ConnectionManager) -> F,
    ) -> Result<T, Unanswered>
    where
        F: Future<Output = RedisResult<T>>,
    {
        if !self.is_usable.load(Ordering::Relaxed) {
            measures::call(what, "skipped");
            return Err(Unanswered::Skipped);
        }
        let reason = match timeout(self.timeout, ask(self.manager())).await {
            Ok(Ok(answer)) => {
                measures::call(what, "answered");
                return Ok(answer);
            }
            Ok(Err(error)) => words_of(&error),
            Err(_) => format!("no answer within {:?}", self.timeout),
        };
        measures::call(what, "failed");
        self.doubt();
        Err(Unanswered::Failed(reason))
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
        let mut late = 0;
        loop {
            let mut jittered = || {
                let jittered = pause.mul_f64(0.5 + random.fraction() / 2.0);
                pause = (pause * 2).min(LONGEST_PAUSE);
                jittered
            };
            let wait = match self.probe().await {
                Ok(took) if took <= self.timeout => {
                    (pause, late) = (FIRST_PAUSE, 0);
                    self.came_back();
                    PROBE_EVERY
                }
                Ok(took) => {
                    late += 1;
                    self.is_late(took, late);
                    jittered()
                }
                Err(reason) => {
                    self.went_away(reason);
                    self.renew();
                    jittered()
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

    /// How long an answer takes. The first on a new connection is asked for twice, for connecting is
    /// none of it.
    async fn probe(&self) -> Result<Duration, String> {
        let mut manager = self.manager();
        let mut write = redis::cmd("SET");
        write.arg(self.key("probe")).arg(1).arg("PX").arg(PROBE_LIVES_MS);
        let limit = self.connect_timeout + self.timeout;
        let mut took = Duration::MAX;
        for _ in 0..2 {
            let asked = Instant::now();
            match timeout(limit, write.query_async::<()>(&mut manager)).await {
                Ok(outcome) => outcome.map_err(|error| words_of(&error))?,
                Err(_) => return Err(format!("no answer within {limit:?}")),
            }
            took = took.min(asked.elapsed());
            if took <= self.timeout {
                break;
            }
        }
        Ok(took)
    }

    fn is_late(&self, took: Duration, late: u32) {
        self.is_usable.store(false, Ordering::Relaxed);
        if late >= LATE_ANSWERS {
            let limit = self.timeout;
            self.went_away(format!("answers take {took:?}, and cache.timeout is {limit:?}"));
        } else {
            tracing::debug!(address = self.address, ?took, "an answer of Redis came late");
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
        match manager(&self.client, self.connect_timeout) {
            Ok(fresh) => *self.manager.lock().unwrap_or_else(PoisonError::into_inner) = fresh,
            Err(error) => tracing::debug!(%error, "the connection to Redis stays as it was"),
        }
    }

    fn manager(&self) -> ConnectionManager {
        self.manager.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One that connects when it is first used and tries once: waiting is the business of
/// [`Link::keep`]. How long an answer may take is for whoever asks to say; nobody waits for one
/// longer than for a connection.
fn manager(client: &Client, connect_timeout: Duration) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(connect_timeout))
        .set_response_timeout(Some(connect_timeout));
    client.get_connection_manager_lazy(config)
}

pub(crate) fn words_of(error: &RedisError) -> String {
    if error.is_timeout() { "no answer in time".to_owned() } else { error.to_string() }
}
