//! An aggregate's store: loads states, and executes commands through the [`Committer`].

use std::{
    fmt,
    future::IntoFuture,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use runtime::Context;
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use crate::{
    Aggregate, Answer, Committer, IdempotencyKey, Json, Loaded, Recorded, StoreError, View,
    cache::{Cache, Place},
    job::{Executing, Finish},
    log::{self, SnapshotRow, Wanted},
};

/// Why a command had no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecuteError<R> {
    /// The aggregate would not.
    Rejected(R),
    /// The aggregate is at another version than the command was meant for.
    Stale {
        /// Its version now.
        current: u64,
    },
    /// The store could not; see there for whether anything was written.
    Store(StoreError),
}

impl<R> ExecuteError<R> {
    /// The same error with another rejection.
    pub fn map_rejection<S>(self, map: impl FnOnce(R) -> S) -> ExecuteError<S> {
        match self {
            Self::Rejected(rejection) => ExecuteError::Rejected(map(rejection)),
            Self::Stale { current } => ExecuteError::Stale { current },
            Self::Store(error) => ExecuteError::Store(error),
        }
    }
}

impl<R> From<StoreError> for ExecuteError<R> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<R> From<sqlx::Error> for ExecuteError<R> {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl<R: fmt::Display> fmt::Display for ExecuteError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Stale { current } => {
                write!(f, "it was changed meanwhile and is at version {current} now")
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl<R: fmt::Display + fmt::Debug> std::error::Error for ExecuteError<R> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Rejected(_) | Self::Stale { .. } => None,
        }
    }
}

/// The store of one kind of aggregate. Cheap to clone. Make one for each kind and share it: states
/// are remembered in it.
pub struct Events<A: Aggregate>(pub(crate) Arc<Inner<A>>);

pub(crate) struct Inner<A: Aggregate> {
    pub(crate) committer: Committer,
    pub(crate) view: Box<dyn View<A>>,
    cache: Mutex<Cache<Cached<A>>>,
    /// Tells whenever states that a commit worked on are back.
    returned: Notify,
}

/// How long a reader waits for a state that a commit works on, before it reads the log instead.
const LONGEST_WORK: Duration = Duration::from_millis(250);

/// A state of the log that was committed, maybe not the newest.
#[derive(Clone)]
pub(crate) struct Cached<A> {
    pub(crate) loaded: Loaded<A>,
    /// The version of the newest snapshot that is known of.
    pub(crate) snapshot_at: u64,
}

impl<A: Aggregate> Clone for Events<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Aggregate> Events<A> {
    /// The store of `A` in the committer's database. `view` is written with the events; `()` for
    /// none.
    pub fn new(committer: &Committer, view: impl View<A>) -> Self {
        let capacity = committer.database().settings().cached_aggregates;
        Self(Arc::new(Inner {
            committer: committer.clone(),
            view: Box::new(view),
            cache: Mutex::new(Cache::new(capacity)),
            returned: Notify::new(),
        }))
    }

    /// What commits its events.
    pub fn committer(&self) -> &Committer {
        &self.0.committer
    }

    /// A copy of the aggregate as it is now; `None` when nothing has ever happened to it. On hot
    /// paths, and where the state is large, [`read`](Self::read) it instead.
    ///
    /// # Errors
    /// When the database does not answer, or its events cannot be read.
    pub async fn load(&self, id: Uuid) -> Result<Option<Loaded<A>>, StoreError> {
        self.read(id, Loaded::clone).await
    }

    /// What `look` takes from the aggregate as it is now; `None` when nothing has ever happened to
    /// it. `look` may run more than once, and others wait until it is done: it looks, and no more.
    ///
    /// # Errors
    /// As [`Events::load`].
    pub async fn read<T>(
        &self,
        id: Uuid,
        look: impl Fn(&Loaded<A>) -> T + Send + Sync,
    ) -> Result<Option<T>, StoreError> {
        let is_alone = self.0.committer.database().is_alone();
        let known = self.0.look_once_returned(id, |cached| {
            let version = cached.loaded.version;
            (version, is_alone.then(|| look(&cached.loaded)))
        });
        let known_version = match known.await {
            Some((_, Some(seen))) => return Ok(Some(seen)),
            Some((version, None)) => version,
            None => 0,
        };
        let is_known = known_version > 0;
        // What is not remembered is mostly new, where everything that is in use is remembered.
        if is_alone && !is_known && !log::exists::<A>(self.0.committer.database(), id).await? {
            return Ok(None);
        }
        let mut state = if is_known { Cached::default() } else { self.load_snapshot(id).await? };
        let version = if is_known { known_version } else { state.loaded.version };
        let wanted = [Wanted::of::<A>(id, version)];
        let database = self.0.committer.database();
        let rows = log::read_events(&mut database.connection().await?, &wanted).await?;
        if is_known {
            // It may have moved on, or may have been forgotten, since its version was seen.
            let is_current =
                |cached: &Cached<A>| rows.is_empty() && cached.loaded.version >= version;
            match self.0.look(id, |cached| {
                if is_current(cached) { Ok(look(&cached.loaded)) } else { Err(cached.clone()) }
            }) {
                Some(Ok(seen)) => return Ok(Some(seen)),
                Some(Err(cached)) if cached.loaded.version == version => state = cached,
                Some(Err(_)) | None => return self.read_anew(id, look).await,
            }
        }
        let has_news = !rows.is_empty();
        for row in rows {
            state.take_in(&row.decode::<A>()?)?;
        }
        if state.loaded.version == 0 {
            return Ok(None);
        }
        let seen = look(&state.loaded);
        if has_news || !is_known {
            self.0.offer(id, state);
        }
        Ok(Some(seen))
    }

    /// From the log, whatever is remembered.
    async fn read_anew<T>(
        &self,
        id: Uuid,
        look: impl Fn(&Loaded<A>) -> T + Send + Sync,
    ) -> Result<Option<T>, StoreError> {
        let mut state = self.load_snapshot(id).await?;
        let wanted = [Wanted::of::<A>(id, state.loaded.version)];
        let database = self.0.committer.database();
        for row in log::read_events(&mut database.connection().await?, &wanted).await? {
            state.take_in(&row.decode::<A>()?)?;
        }
        Ok((state.loaded.version > 0).then(|| look(&state.loaded)))
    }

    async fn load_snapshot(&self, id: Uuid) -> Result<Cached<A>, StoreError> {
        let database = self.0.committer.database();
        let wanted = [Wanted::of::<A>(id, 0)];
        let rows = log::read_snapshots(&mut database.connection().await?, &wanted).await?;
        Ok(rows.into_iter().find_map(Cached::from_snapshot).unwrap_or_default())
    }

    /// Everything that happened to the aggregate, oldest first.
    ///
    /// # Errors
    /// As [`Events::load`].
    pub async fn history(&self, id: Uuid) -> Result<Vec<Recorded<A::Event>>, StoreError> {
        let database = self.0.committer.database();
        let wanted = [Wanted::of::<A>(id, 0)];
        let rows = log::read_events(&mut database.connection().await?, &wanted).await?;
        rows.into_iter().map(crate::RawRecorded::decode::<A>).collect()
    }

    /// Gives the aggregate a command; its first command makes it. Await it: then what it did is
    /// durable. Dropping the future does not take back a command that was already handed over.
    pub fn execute(&self, cx: &Context, id: Uuid, command: A::Command) -> Execution<A> {
        Execution {
            events: self.clone(),
            cx: cx.clone(),
            id,
            command,
            expected: None,
            finish: Finish::returning(Loaded::clone),
        }
    }
}

impl<A: Aggregate> Inner<A> {
    /// Takes the state out; it comes back by [`Inner::give_back`], or is read again from the log.
    pub(crate) fn take(&self, id: Uuid) -> Option<Cached<A>> {
        self.cache().take(id)
    }

    /// Puts back what was taken out; `None` for what is not to be remembered.
    pub(crate) fn give_back(&self, states: impl IntoIterator<Item = (Uuid, Option<Cached<A>>)>) {
        let mut cache = self.cache();
        for (id, state) in states {
            match state {
                Some(state) => cache.put_newer(id, state),
                None => cache.dismiss(id),
            }
        }
        drop(cache);
        self.returned.notify_waiters();
    }

    /// What `look` says of the state, when it is remembered and nobody works on it.
    pub(crate) fn look<T>(&self, id: Uuid, look: impl FnOnce(&Cached<A>) -> T) -> Option<T> {
        match self.cache().find(id) {
            Place::Here(cached) => Some(look(cached)),
            Place::AtWork | Place::Nowhere => None,
        }
    }

    /// As [`Inner::look`], but waits for a state that a commit works on.
    async fn look_once_returned<T>(
        &self,
        id: Uuid,
        look: impl Fn(&Cached<A>) -> T + Send,
    ) -> Option<T> {
        loop {
            let mut returned = std::pin::pin!(self.returned.notified());
            returned.as_mut().enable();
            match self.cache().find(id) {
                Place::Here(cached) => return Some(look(cached)),
                Place::Nowhere => return None,
                Place::AtWork => {}
            }
            timeout(LONGEST_WORK, returned).await.ok()?;
        }
    }

    fn offer(&self, id: Uuid, state: Cached<A>) {
        self.cache().put_newer(id, state);
    }

    fn cache(&self) -> MutexGuard<'_, Cache<Cached<A>>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.follow(self.committer.database().moves());
        cache
    }
}

impl<A: Aggregate> Cache<Cached<A>> {
    fn put_newer(&mut self, id: Uuid, state: Cached<A>) {
        let is_news = match self.find(id) {
            Place::Here(known) => known.loaded.version < state.loaded.version,
            Place::AtWork | Place::Nowhere => true,
        };
        if is_news {
            self.put(id, state);
        }
    }
}

impl<A: Aggregate> Default for Cached<A> {
    fn default() -> Self {
        Self { loaded: Loaded { state: A::default(), version: 0 }, snapshot_at: 0 }
    }
}

impl<A: Aggregate> Cached<A> {
    /// `None` when the snapshot is of another schema or cannot be read: then the events tell.
    pub(crate) fn from_snapshot(row: SnapshotRow) -> Option<Self> {
        if row.state_schema != A::STATE_SCHEMA {
            return None;
        }
        match serde_json::from_value(row.state.0) {
            Ok(state) => Some(Self {
                loaded: Loaded { state, version: row.version },
                snapshot_at: row.version,
            }),
            Err(_quotes_the_value) => {
                let (category, stream) = (row.category, row.stream);
                tracing::warn!(category, %stream, "a snapshot cannot be read and is ignored");
                None
            }
        }
    }

    /// Takes in the next event of the stream.
    pub(crate) fn take_in(&mut self, recorded: &Recorded<A::Event>) -> Result<(), StoreError> {
        let next = self.loaded.version + 1;
        if recorded.version != next {
            return Err(StoreError::Corrupt(format!(
                "{} {} has event {} where event {next} should be",
                A::NAME,
                recorded.stream,
                recorded.version
            )));
        }
        crate::job::contain(A::NAME, || self.loaded.state.evolve(&recorded.event))?;
        self.loaded.version = next;
        Ok(())
    }

    pub(crate) fn snapshot(&self, id: Uuid) -> Result<SnapshotRow, StoreError> {
        let state = serde_json::to_value(&self.loaded.state).map_err(|error| {
            StoreError::Failed(format!("the state of {} {id} is no JSON: {error}", A::NAME))
        })?;
        Ok(SnapshotRow {
            category: A::NAME.to_owned(),
            stream: id,
            version: self.loaded.version,
            state_schema: A::STATE_SCHEMA,
            state: Json(state),
        })
    }
}

/// A command on its way. Await it.
#[must_use = "a command is not executed until it is awaited"]
pub struct Execution<A: Aggregate, T = Loaded<A>> {
    pub(crate) events: Events<A>,
    pub(crate) cx: Context,
    pub(crate) id: Uuid,
    pub(crate) command: A::Command,
    pub(crate) expected: Option<u64>,
    pub(crate) finish: Finish<A, T>,
}

impl<A: Aggregate, T: Send + 'static> Execution<A, T> {
    /// Executes only when the aggregate is at `version`, as its entity tag says; otherwise the
    /// outcome is [`ExecuteError::Stale`].
    pub fn expect_version(mut self, version: u64) -> Self {
        self.expected = Some(version);
        self
    }

    /// Yields what `read` takes from the aggregate as the command leaves it, instead of a copy of
    /// the whole of it. For large states on hot paths. `read` may run more than once.
    pub fn read<U: Send + 'static>(
        self,
        read: impl Fn(&Loaded<A>) -> U + Send + Sync + 'static,
    ) -> Execution<A, U> {
        self.with(Finish::returning(read))
    }

    /// Stores the answer to the request with the events, under the key that the request claimed,
    /// and yields it. `answer` may run more than once.
    pub fn answer(
        self,
        key: &IdempotencyKey,
        answer: impl Fn(Uuid, &Loaded<A>) -> Answer + Send + Sync + 'static,
    ) -> Execution<A, Answer> {
        let id = self.id;
        self.with(Finish::answering(key.clone(), move |after| answer(id, after)))
    }

    fn with<U>(self, finish: Finish<A, U>) -> Execution<A, U> {
        Execution {
            events: self.events,
            cx: self.cx,
            id: self.id,
            command: self.command,
            expected: self.expected,
            finish,
        }
    }
}

impl<A: Aggregate, T: Send + 'static> IntoFuture for Execution<A, T> {
    type Output = Result<T, ExecuteError<A::Rejection>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let committer = self.events.committer().clone();
            let cx = self.cx.clone();
            committer.submit(&cx, |reply| Box::new(Executing::new(self, reply))).await?
        })
    }
}
