//! Idempotency keys: one effect for each, and the same answer for ever after.
//!
//! A request claims its key before anything happens: durably where several processes may get it, in
//! memory where one has the database to itself. The answer is stored in the transaction of the
//! effect, which fails when the key was answered before: whatever happens between, no key has two
//! effects. What requests and responses look like, the edge knows.

mod in_flight;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use runtime::{Context, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

pub(crate) use self::in_flight::InFlight;
use crate::{
    At, Committer, Json, Sql, StoreError, Tx, Work,
    batch::Batch,
    job::{Job, Reply, Verdict},
};

/// How long a claim lasts that is neither answered nor released, because its process died.
/// Longer than any request may take.
const CLAIM_LASTS: Duration = Duration::from_mins(1);
/// Rows that one commit forgets at most.
const FORGET_AT_ONCE: i64 = 1_000;

/// A key that a client chose, and where it is valid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, FromRow)]
pub struct IdempotencyKey {
    /// Who may use it for what: the account and the route.
    pub scope: String,
    /// What the client sent.
    pub key: String,
}

/// An HTTP answer as it is stored and replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers that belong to the answer, such as `location` and `etag`; names in lowercase.
    pub headers: Vec<(String, String)>,
    /// The body: JSON, or nothing.
    pub body: String,
}

impl Answer {
    /// An answer with `body` as JSON and without headers of its own. A body that is no JSON is
    /// left empty.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).unwrap_or_default();
        Self { status, headers: Vec::new(), body }
    }

    /// The same with a header more; `name` in lowercase.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// What came of claiming a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is the caller's: do it, and store the answer, or release the key.
    Claimed,
    /// It was done; this was the answer.
    Replay(Answer),
    /// The key was used with another body.
    OtherBody,
    /// The same request is being executed right now.
    InFlight,
}

/// The idempotency keys of one database. Cheap to clone.
#[derive(Clone)]
pub struct Idempotency {
    committer: Committer,
}

impl Idempotency {
    /// The keys in the committer's database.
    pub fn new(committer: &Committer) -> Self {
        Self { committer: committer.clone() }
    }

    /// Claims the key for a request whose body has this hash. No other process gets it, either.
    ///
    /// # Errors
    /// When the database does not answer; then the key may be claimed for a minute.
    pub async fn claim(
        &self,
        cx: &Context,
        key: &IdempotencyKey,
        body_hash: &str,
    ) -> Result<Claim, StoreError> {
        if self.committer.database().is_alone() {
            return self.claim_in_memory(key, body_hash).await;
        }
        let job = |reply| {
            Box::new(Claiming {
                cx: cx.clone(),
                key: key.clone(),
                body_hash: body_hash.to_owned(),
                slot: ClaimSlot::default(),
                reply,
            }) as Box<dyn Job>
        };
        self.committer.submit(cx, job).await
    }

    async fn claim_in_memory(
        &self,
        key: &IdempotencyKey,
        body_hash: &str,
    ) -> Result<Claim, StoreError> {
        let (database, now) = (self.committer.database(), self.committer.clock().now());
        if let Err(claim) = database.in_flight().enter(key, body_hash, now) {
            return Ok(claim);
        }
        let claim = ClaimRow::new(key, body_hash, now);
        let found: Result<Option<StoredKey>, sqlx::Error> =
            crate::fetch_optional!(database, StoredKey, FIND, Json([key])).await;
        let seen = match found {
            Ok(None) => return Ok(Claim::Claimed),
            Ok(Some(stored)) => Ok(stored.seen_by(&claim)),
            Err(error) => Err(error.into()),
        };
        // Whoever left it in flight has died.
        if seen == Ok(Claim::InFlight) {
            return Ok(Claim::Claimed);
        }
        database.in_flight().leave([key]);
        seen
    }

    /// Gives a claimed key back, as if it had not been used: nothing happened, and the client may
    /// send the request again, changed even. An answered key stays answered.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn release(&self, cx: &Context, key: &IdempotencyKey) -> Result<(), StoreError> {
        let database = self.committer.database();
        if database.is_alone() {
            database.in_flight().leave([key]);
            return Ok(());
        }
        let key = key.clone();
        self.committer
            .transact(cx, move |work: &mut Work<'_>| {
                let key = key.clone();
                Box::pin(async move {
                    crate::execute!(work.tx(), RELEASE, &key.scope, &key.key).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Stores the answer to a request that had no effect: a refusal, a failure.
    ///
    /// # Errors
    /// [`StoreError::NotClaimed`] when the key has an answer already, or is not claimed.
    pub async fn store_answer(
        &self,
        cx: &Context,
        key: &IdempotencyKey,
        answer: &Answer,
    ) -> Result<(), StoreError> {
        let (key, answer) = (key.clone(), answer.clone());
        self.committer
            .transact(cx, move |work: &mut Work<'_>| {
                work.answer(&key, &answer);
                Box::pin(async { Ok(()) })
            })
            .await
    }

    /// Forgets keys that were claimed before `before`, and answers with how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget(&self, cx: &Context, before: Timestamp) -> Result<u64, StoreError> {
        self.committer.database().in_flight().forget(before);
        let mut forgotten = 0;
        loop {
            let gone: u64 = self
                .committer
                .transact(cx, move |work: &mut Work<'_>| {
                    Box::pin(async move {
                        let gone = crate::execute!(work.tx(), FORGET, At(before), FORGET_AT_ONCE);
                        Ok::<_, StoreError>(gone.await?)
                    })
                })
                .await?;
            forgotten += gone;
            if i64::try_from(gone).is_ok_and(|gone| gone < FORGET_AT_ONCE) {
                return Ok(forgotten);
            }
        }
    }
}

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, Sql)] =
    crate::statements![CLAIM, FIND, WRITE_ANSWERS, WRITE_WITH_CLAIMS, RELEASE, FORGET];

const CLAIM: Sql = crate::sql!(
    "INSERT INTO idempotency_keys (scope, key, body_hash, claimed_until) \
     SELECT scope, key, body_hash, claimed_until FROM ",
    rows("$1", scope text, key text, body_hash text, claimed_until instant),
    " WHERE true ON CONFLICT (scope, key) DO UPDATE SET claimed_until = excluded.claimed_until \
     WHERE idempotency_keys.answered_at IS NULL AND idempotency_keys.claimed_until < $2 \
     AND idempotency_keys.body_hash = excluded.body_hash RETURNING scope, key",
);
const FIND: Sql = crate::sql!(
    "SELECT k.scope, k.key, k.body_hash, k.status, k.headers, k.body FROM ",
    rows("$1", scope text, key text),
    " CROSS JOIN idempotency_keys k WHERE k.scope = given.scope AND k.key = given.key",
);
const WRITE_ANSWERS: Sql = crate::sql!(
    "UPDATE idempotency_keys SET status = given.status, headers = given.headers, \
     body = given.body, answered_at = given.answered_at FROM ",
    rows("$1",
        scope text, key text, status bigint, headers json, body text, answered_at instant),
    " WHERE idempotency_keys.scope = given.scope AND idempotency_keys.key = given.key \
     AND idempotency_keys.answered_at IS NULL",
);
const WRITE_WITH_CLAIMS: Sql = crate::sql!(
    "INSERT INTO idempotency_keys \
     (scope, key, body_hash, claimed_until, status, headers, body, answered_at) \
     SELECT scope, key, body_hash, claimed_until, status, headers, body, answered_at FROM ",
    rows("$1",
        scope text, key text, body_hash text, claimed_until instant, status bigint, headers json,
        body text, answered_at instant),
    " WHERE true ON CONFLICT (scope, key) DO UPDATE SET status = excluded.status, \
     headers = excluded.headers, body = excluded.body, answered_at = excluded.answered_at \
     WHERE idempotency_keys.answered_at IS NULL \
     AND idempotency_keys.body_hash = excluded.body_hash",
);
const RELEASE: &str =
    "DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND answered_at IS NULL";
const FORGET: &str = "DELETE FROM idempotency_keys WHERE (scope, key) IN \
     (SELECT scope, key FROM idempotency_keys WHERE claimed_until < $1 LIMIT $2)";

/// A claim on its way into the database.
#[derive(Debug, Serialize)]
pub(crate) struct ClaimRow {
    #[serde(flatten)]
    pub(crate) id: IdempotencyKey,
    body_hash: String,
    claimed_until: At,
}

impl ClaimRow {
    pub(crate) fn new(key: &IdempotencyKey, body_hash: &str, now: Timestamp) -> Self {
        Self {
            id: key.clone(),
            body_hash: body_hash.to_owned(),
            claimed_until: At(now + CLAIM_LASTS),
        }
    }
}

/// An answer on its way into the database.
#[derive(Debug, Serialize)]
pub(crate) struct AnswerRow {
    #[serde(flatten)]
    pub(crate) id: IdempotencyKey,
    /// Where the claim is in memory.
    body_hash: Option<String>,
    claimed_until: Option<At>,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    answered_at: At,
}

impl AnswerRow {
    pub(crate) fn new(
        key: &IdempotencyKey,
        answer: &Answer,
        now: Timestamp,
        in_flight: &InFlight,
    ) -> Self {
        let claim = in_flight.find(key);
        Self {
            id: key.clone(),
            claimed_until: claim.as_ref().map(|claim| At(claim.claimed_until)),
            body_hash: claim.map(|claim| claim.body_hash),
            status: answer.status,
            headers: answer.headers.clone(),
            body: answer.body.clone(),
            answered_at: At(now),
        }
    }
}

/// A key that somebody claimed before.
#[derive(Debug, FromRow)]
pub(crate) struct StoredKey {
    #[sqlx(flatten)]
    id: IdempotencyKey,
    body_hash: String,
    status: Option<i64>,
    headers: Option<Json<Vec<(String, String)>>>,
    body: Option<String>,
}

impl StoredKey {
    /// What `claim`, which came later, is to be told.
    pub(crate) fn seen_by(&self, claim: &ClaimRow) -> Claim {
        if self.body_hash != claim.body_hash {
            return Claim::OtherBody;
        }
        let answer = self.status.and_then(|status| {
            Some(Answer {
                status: u16::try_from(status).ok()?,
                headers: self.headers.clone().unwrap_or_default().0,
                body: self.body.clone().unwrap_or_default(),
            })
        });
        answer.map_or(Claim::InFlight, Claim::Replay)
    }
}

/// What `claim` is to be told when one of `made` got the same key in the same moment.
pub(crate) fn beside(claim: &ClaimRow, made: &[&ClaimRow]) -> Claim {
    let has_same_body = |other: &ClaimRow| other.body_hash == claim.body_hash;
    match made.iter().find(|other| other.id == claim.id) {
        Some(other) if !has_same_body(other) => Claim::OtherBody,
        _ => Claim::InFlight,
    }
}

/// Claims the keys, each at most once among `claims`, and answers with those that were not free.
pub(crate) async fn write_claims(
    tx: &mut Tx,
    claims: &[&ClaimRow],
    now: Timestamp,
) -> Result<HashMap<IdempotencyKey, StoredKey>, StoreError> {
    let claimed = crate::fetch_all!(tx, IdempotencyKey, CLAIM, Json(claims), At(now)).await?;
    if claimed.len() == claims.len() {
        return Ok(HashMap::new());
    }
    let others: Vec<&IdempotencyKey> =
        claims.iter().map(|claim| &claim.id).filter(|id| !claimed.contains(id)).collect();
    let stored = crate::fetch_all!(tx, StoredKey, FIND, Json(&others)).await?;
    Ok(stored.into_iter().map(|stored| (stored.id.clone(), stored)).collect())
}

/// Stores the answers; fails when one of the keys is not claimed or has an answer.
pub(crate) async fn write_answers(
    tx: &mut Tx,
    answers: &[AnswerRow],
    is_alone: bool,
) -> Result<(), StoreError> {
    let are_claimed = !is_alone || answers.iter().all(|answer| answer.body_hash.is_some());
    let stored = match are_claimed {
        true if is_alone => crate::execute!(tx, WRITE_WITH_CLAIMS, Json(answers)).await?,
        true => crate::execute!(tx, WRITE_ANSWERS, Json(answers)).await?,
        false => 0,
    };
    if usize::try_from(stored).is_ok_and(|stored| stored == answers.len()) {
        return Ok(());
    }
    let reason = "it was answered already, or the claim was released";
    Err(StoreError::NotClaimed(reason.to_owned()))
}

/// Where the outcome of a claim is put.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClaimSlot(Arc<Mutex<Option<Claim>>>);

impl ClaimSlot {
    pub(crate) fn set(&self, claim: Claim) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(claim);
    }

    fn take(&self) -> Option<Claim> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A claim in the queue.
struct Claiming {
    cx: Context,
    key: IdempotencyKey,
    body_hash: String,
    slot: ClaimSlot,
    reply: Reply<Claim>,
}

impl Job for Claiming {
    fn cx(&self) -> &Context {
        &self.cx
    }

    fn announce(&self, _batch: &mut Batch) {}

    fn run<'a>(&'a mut self, batch: &'a mut Batch) -> BoxFuture<'a, Verdict> {
        batch.claim(&self.key, &self.body_hash, self.slot.clone());
        Box::pin(async { Verdict::Done })
    }

    fn reply(self: Box<Self>) {
        let missing = || StoreError::Failed("a claim had no outcome".to_owned());
        drop(self.reply.send(self.slot.take().ok_or_else(missing)));
    }

    fn fail(self: Box<Self>, error: StoreError) {
        drop(self.reply.send(Err(error)));
    }
}
