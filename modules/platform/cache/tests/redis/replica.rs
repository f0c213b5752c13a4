//! A process of an installation, as far as the cache goes.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cache::{Bearer, Cache, CacheKind, CacheSettings, News, Revocation, Revoked};
use runtime::{Clock, Random, SystemClock, SystemRandom, Tasks, Timestamp};
use testkit::{eventually, redis::RedisPlace};
use uuid::Uuid;

pub(crate) const ADA: Uuid = Uuid::from_u128(1);
pub(crate) const PHONE: Uuid = Uuid::from_u128(2);
pub(crate) const LAPTOP: Uuid = Uuid::from_u128(3);
pub(crate) const EVENT: Uuid = Uuid::from_u128(4);
const CONNECT: Duration = Duration::from_millis(300);

/// A process of an installation.
pub(crate) struct Replica {
    pub(crate) cache: Arc<Cache>,
    pub(crate) heard: Arc<AtomicUsize>,
    tasks: Tasks,
}

fn settings(place: &RedisPlace) -> CacheSettings {
    CacheSettings {
        kind: CacheKind::Redis,
        url: place.url.clone().into(),
        prefix: place.prefix.clone(),
        ..CacheSettings::default()
    }
}

/// Starts a process; it may not be connected yet.
pub(crate) fn start(place: &RedisPlace) -> Replica {
    start_with(place, CONNECT)
}

/// As [`start`]; whoever looks after Redis waits for its answers for so long.
pub(crate) fn start_with(place: &RedisPlace, connect_timeout: Duration) -> Replica {
    run(CacheSettings { connect_timeout, ..settings(place) })
}

/// As [`start`], trusting only servers that this authority vouches for.
pub(crate) fn start_trusting(place: &RedisPlace, authority: PathBuf) -> Replica {
    run(CacheSettings { ca_file: Some(authority), ..settings(place) })
}

fn run(settings: CacheSettings) -> Replica {
    let cache = Arc::new(Cache::new(settings));
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    cache.listen("events", move |news| {
        if matches!(news, News::Written(keys) if keys.contains(&EVENT)) {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let tasks = Tasks::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom::default());
    cache.start(&tasks, &clock, &random).expect("the settings are sound");
    Replica { cache, heard, tasks }
}

impl Replica {
    pub(crate) async fn connected(self) -> Self {
        until("a connection to Redis", || self.is_well()).await;
        self
    }

    pub(crate) fn is_well(&self) -> bool {
        let standing = self.cache.standing();
        standing.degraded.is_none()
            && standing.details.get("hears_other_replicas") == Some(&true.into())
    }

    pub(crate) fn is_degraded(&self) -> bool {
        self.says("is away since")
    }

    /// Whether this is among what `/readyz` calls degraded.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.cache.standing().degraded.is_some_and(|reason| reason.contains(words))
    }

    pub(crate) async fn log_out(&self, session: Uuid) {
        self.log_out_for(session, Duration::from_mins(15)).await;
    }

    /// Ends a session whose tokens live so long.
    pub(crate) async fn log_out_for(&self, session: Uuid, life: Duration) {
        let now = SystemClock.now();
        let revocation = Revocation { revoked: Revoked::Session(session), until: now + life };
        self.cache.revoke(revocation, now).await;
    }

    pub(crate) fn refuses(&self, session: Uuid) -> bool {
        let bearer = Bearer { account: ADA, session, epoch: 0 };
        self.cache.is_revoked(bearer, SystemClock.now())
    }
}

pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    eventually(what, || std::future::ready(holds())).await;
}

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.tasks.stopping().cancel();
    }
}
