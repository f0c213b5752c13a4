//! [`Cache`]: what the rest of a process sees of what replicas share.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{Client, TlsCertificates};
use runtime::{Boot, Clock, Random, Standing, StartError, Tasks, Timestamp};
use serde_json::json;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    Bearer, CacheKind, CacheSettings, Counted, News, Revocation, Window, counters,
    follower::Follower,
    link::{Link, State},
    measures,
    news::Board,
    revoked::List,
    telling,
    trouble::{Ongoing, Trouble},
};

/// What replicas share. One for each process: give it to `Launch::extension`, and
/// [`start`](Cache::start) it once there is a runtime. Until then, and without Redis, everything is
/// in the memory of this process.
pub struct Cache {
    settings: CacheSettings,
    shared: Arc<Shared>,
    counters: counters::Memory,
    link: OnceLock<Arc<Link>>,
}

/// What the tasks of a cache work with.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) board: Board,
    pub(crate) revoked: List,
    pub(crate) is_following: AtomicBool,
    /// Other replicas have not been heard for a while, although Redis answers.
    pub(crate) deaf: Trouble,
    /// Sessions have ended here, and Redis answers but does not take that.
    pub(crate) mute: Trouble,
    /// Something that ended here could not be told.
    pub(crate) is_untold: Notify,
}

impl Cache {
    /// A cache with these settings.
    pub fn new(settings: CacheSettings) -> Self {
        Self {
            settings,
            shared: Arc::default(),
            counters: counters::Memory::default(),
            link: OnceLock::new(),
        }
    }

    /// The cache of the process that the module starts in; one of the module's own where it has none.
    pub fn of(boot: &Boot) -> Arc<Self> {
        let own = || Arc::new(Self::new(CacheSettings::default()));
        boot.extension::<Self>().unwrap_or_else(own)
    }

    /// Connects to Redis, if the settings say so, and goes on doing that until `tasks` stop. A Redis
    /// that is not there is no error; a certificate that cannot be read is one.
    pub fn start(
        &self,
        tasks: &Tasks,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> Result<(), StartError> {
        if self.settings.kind == CacheKind::Memory {
            return Ok(());
        }
        let client = self.client()?;
        let link = Link::new(client, &self.settings, Arc::clone(clock))
            .map_err(|error| StartError::because("[cache]", error))?;
        let link = Arc::new(link);
        if self.link.set(Arc::clone(&link)).is_err() {
            return Ok(());
        }
        measures::following(false);
        let stop = tasks.stopping();
        let follower = Arc::new(Follower {
            shared: Arc::clone(&self.shared),
            link: Arc::clone(&link),
            clock: Arc::clone(clock),
            origin: Uuid::from_u128(u128::from_be_bytes(random.bytes())),
        });
        drop(tasks.spawn(Arc::clone(&follower).follow(stop.clone())));
        drop(tasks.spawn(Arc::clone(&follower).tell_news(stop.clone())));
        drop(tasks.spawn(follower.tell_own(stop.clone())));
        let random = Arc::clone(random);
        drop(tasks.spawn(async move { link.keep(&*random, stop).await }));
        Ok(())
    }

    fn client(&self) -> Result<Client, StartError> {
        let url = self.settings.url.expose();
        let opened = match &self.settings.ca_file {
            None => Client::open(url),
            Some(path) => {
                let root_cert = fs::read(path).map_err(|error| {
                    StartError::new(format!("cache.ca_file: {}: {error}", path.display()))
                })?;
                let certificates = TlsCertificates { client_tls: None, root_cert: Some(root_cert) };
                Client::build_with_tls(url, certificates)
            }
        };
        opened.map_err(|error| StartError::because("[cache]", error))
    }

    /// How old an answer from memory may be where another replica has written and could not say so.
    pub fn staleness(&self) -> Duration {
        self.settings.staleness
    }

    /// Whether replicas share anything here.
    pub fn is_shared(&self) -> bool {
        self.settings.kind == CacheKind::Redis
    }

    /// How it stands, for `/readyz`.
    pub fn standing(&self) -> Standing {
        let Some(link) = self.link.get() else { return Standing::good() };
        let address = &link.address;
        let details = json!({
            "kind": "redis",
            "address": address,
            "hears_other_replicas": self.shared.is_following.load(Ordering::Relaxed),
            "ended_sessions": self.shared.revoked.len(),
        });
        let standing = match link.state() {
            State::Up => self.standing_beside(address),
            State::Unknown => Standing::degraded(format!("looking for Redis at {address}")),
            State::Away { since, reason } => Standing::degraded(format!(
                "Redis at {address} is away since {since} ({reason}): memory has taken over, other \
                 replicas learn of ended sessions when it is back, and what is shown may be {:?} old",
                self.settings.staleness
            )),
        };
        standing.with_details(details)
    }

    /// How it stands while Redis answers.
    fn standing_beside(&self, address: &str) -> Standing {
        let Shared { deaf, mute, revoked, .. } = &*self.shared;
        let deaf = deaf.now().map(|Ongoing { since, reason }| {
            format!(
                "hears nothing of other replicas since {since} ({reason}): sessions that ended \
                 elsewhere go on here, and what is shown may be {:?} old",
                self.settings.staleness
            )
        });
        let mute = mute.now().map(|Ongoing { since, reason }| {
            format!("cannot tell other replicas since {since} which sessions ended here ({reason})")
        });
        let overflow = revoked.is_overflowing().then(|| {
            "has no room for more sessions that ended elsewhere; find out who writes that many"
                .to_owned()
        });
        let reasons: Vec<String> = [deaf, mute, overflow].into_iter().flatten().collect();
        if reasons.is_empty() {
            return Standing::good();
        }
        Standing::degraded(format!("Redis at {address} answers, but {}", reasons.join("; it ")))
    }

    /// Makes the tokens of ended sessions worthless: here at once, in other processes within
    /// milliseconds, or, when Redis does not answer, soon after it does. After the end was committed.
    /// Takes no longer than `cache.timeout`.
    pub async fn revoke(&self, revocation: Revocation, now: Timestamp) {
        let number = self.shared.revoked.add_own(revocation.clone(), now);
        let Some(link) = self.link.get() else { return };
        match telling::tell_revocation(link, &revocation, now).await {
            Ok(()) => {
                self.shared.revoked.told(number);
                self.shared.tells();
            }
            Err(_) => self.shared.is_untold.notify_one(),
        }
    }

    /// Whether the token of `bearer` is worth nothing at `now`, although it has not expired. Asks
    /// nobody but the memory of this process.
    pub fn is_revoked(&self, bearer: Bearer, now: Timestamp) -> bool {
        self.shared.revoked.has(bearer, now)
    }

    /// Counts once more what `key` names; the key must not tell who somebody is. All replicas count
    /// together; while Redis is away, each for itself.
    pub async fn count(&self, key: &str, window: Window, now: Timestamp) -> Counted {
        if let Some(link) = self.link.get()
            && let Some(counted) = counters::count(link, key, window).await
        {
            return counted;
        }
        self.counters.count(key, window, now)
    }

    /// What `key` shows in `topic` was written and is committed: whoever listens here has heard when
    /// this returns, other replicas soon after.
    pub fn written(&self, topic: &str, key: Uuid) {
        self.tell(topic, News::Written(BTreeSet::from([key])));
    }

    /// As [`Cache::written`], for something that everything in `topic` may show.
    pub fn all_written(&self, topic: &str) {
        self.tell(topic, News::Everything);
    }

    fn tell(&self, topic: &str, news: News) {
        self.shared.board.hear(topic, &news);
        if self.link.get().is_some() {
            self.shared.board.post(topic, news);
        }
    }

    /// Calls `listener` with all news of `topic`, whoever wrote it. It must not wait.
    pub fn listen(&self, topic: &str, listener: impl Fn(&News) + Send + Sync + 'static) {
        self.shared.board.listen(topic, Arc::new(listener));
    }
}
