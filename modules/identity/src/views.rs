//! Identity's read models: accounts by id and by address, and refresh tokens by their hash.

use runtime::{Timestamp, async_trait};
use serde::Serialize;
use sqlx::types::Json;
use store::{At, Change, Database, Sql, Tx, View, fetch_all, fetch_optional, sql};
use uuid::Uuid;

use crate::{
    domain::{
        account::{Account, EmailAddress, PasswordHash, Roles},
        epoch::{Admitted, Epoch},
        session::{Session, SessionEvent},
    },
    tokens::TokenHash,
};

/// Every statement of this service.
pub(crate) const STATEMENTS: &[(&str, Sql)] = store::statements![
    SAVE_ACCOUNTS,
    ACCOUNT_BY_ID,
    ACCOUNT_BY_EMAIL,
    KEEP_ACCOUNT,
    ACCOUNTS_AFTER,
    SAVE_TOKENS,
    FORGET_EXPIRED_TOKENS,
    SESSION_BY_TOKEN,
];

const SAVE_ACCOUNTS: Sql = sql!(
    "INSERT INTO accounts (id, email, name, password, roles, version, registered_at,
                           session_epoch, spared_session)
     SELECT id, email, name, password, roles, version, registered_at,
            session_epoch, spared_session FROM ",
    rows(
        "$1", id uuid, email text, name text, password text, roles json, version bigint,
        registered_at instant, session_epoch bigint, spared_session uuid
    ),
    " WHERE true ON CONFLICT (id) DO UPDATE SET
        email = excluded.email, name = excluded.name, password = excluded.password,
        roles = excluded.roles, version = excluded.version,
        session_epoch = excluded.session_epoch, spared_session = excluded.spared_session",
);

const ACCOUNT_BY_ID: &str = "
    SELECT id, email, name, password, roles, version, registered_at, session_epoch,
           spared_session
    FROM accounts WHERE id = $1";

const ACCOUNT_BY_EMAIL: &str = "
    SELECT id, email, name, password, roles, version, registered_at, session_epoch,
           spared_session
    FROM accounts WHERE email = $1";

const KEEP_ACCOUNT: Sql = sql!("SELECT id FROM accounts WHERE id = $1", for_share);

const ACCOUNTS_AFTER: &str = "
    SELECT id, email, name, password, roles, version, registered_at, session_epoch,
           spared_session
    FROM accounts WHERE id > $1 ORDER BY id LIMIT $2";

const SAVE_TOKENS: Sql = sql!(
    "INSERT INTO refresh_tokens (hash, session_id, expires_at)
     SELECT hash, session_id, expires_at FROM ",
    rows("$1", hash text, session_id uuid, expires_at instant),
);

/// Of the sessions that are given; what others forget is theirs.
const FORGET_EXPIRED_TOKENS: Sql = sql!(
    "DELETE FROM refresh_tokens WHERE hash IN (SELECT token.hash FROM ",
    rows("$1", session_id uuid, now instant),
    " JOIN refresh_tokens AS token ON token.session_id = given.session_id
      WHERE token.expires_at <= given.now)",
);

const SESSION_BY_TOKEN: &str = "SELECT session_id FROM refresh_tokens WHERE hash = $1";

/// An account as it is kept.
#[derive(sqlx::FromRow)]
pub(crate) struct AccountRow {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) name: String,
    password: String,
    roles: Json<Roles>,
    version: i64,
    registered_at: At,
    session_epoch: i64,
    spared_session: Option<Uuid>,
}

impl AccountRow {
    pub(crate) fn address(&self) -> EmailAddress {
        EmailAddress::normalise(&self.email)
    }

    /// Which of its sessions may go on.
    pub(crate) fn sessions(&self) -> Admitted {
        Admitted {
            epoch: Epoch::new(self.session_epoch.unsigned_abs()),
            spared: self.spared_session,
        }
    }

    pub(crate) fn password(&self) -> PasswordHash {
        PasswordHash::new(self.password.clone())
    }

    pub(crate) fn roles(&self) -> &Roles {
        &self.roles
    }

    pub(crate) fn version(&self) -> u64 {
        self.version.unsigned_abs()
    }

    pub(crate) fn registered_at(&self) -> Timestamp {
        self.registered_at.0
    }
}

pub(crate) async fn account(
    database: &Database,
    id: Uuid,
) -> Result<Option<AccountRow>, sqlx::Error> {
    fetch_optional!(database, AccountRow, ACCOUNT_BY_ID, id).await
}

pub(crate) async fn account_of(
    database: &Database,
    email: &EmailAddress,
) -> Result<Option<AccountRow>, sqlx::Error> {
    fetch_optional!(database, AccountRow, ACCOUNT_BY_EMAIL, email.as_str()).await
}

/// Sees to it that nobody else changes the account before this transaction ends, and that nobody has
/// since it began: PostgreSQL then lets it start over. Many may rely on the same account at once.
pub(crate) async fn keep_account_as_it_is(tx: &mut Tx, id: Uuid) -> Result<(), sqlx::Error> {
    store::execute!(tx, KEEP_ACCOUNT, id).await?;
    Ok(())
}

/// Accounts in the order in which they were registered, from the one after `after`.
pub(crate) async fn accounts(
    database: &Database,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<AccountRow>, sqlx::Error> {
    fetch_all!(database, AccountRow, ACCOUNTS_AFTER, after.unwrap_or_default(), limit).await
}

/// The session that `token` is or once was a refresh token of.
pub(crate) async fn session_of(
    database: &Database,
    token: TokenHash,
) -> Result<Option<Uuid>, sqlx::Error> {
    let row = fetch_optional!(database, (Uuid,), SESSION_BY_TOKEN, String::from(token)).await?;
    Ok(row.map(|(session,)| session))
}

/// One row an account.
pub(crate) struct Accounts;

#[derive(Serialize)]
struct SavedAccount<'a> {
    id: Uuid,
    email: &'a str,
    name: &'a str,
    password: &'a str,
    roles: &'a Roles,
    version: u64,
    registered_at: At,
    session_epoch: u64,
    spared_session: Option<Uuid>,
}

#[async_trait]
impl View<Account> for Accounts {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Account>]) -> Result<(), sqlx::Error> {
        let rows: Vec<SavedAccount<'_>> = changes
            .iter()
            .filter_map(|change| {
                let account = change.state.registered()?;
                Some(SavedAccount {
                    id: change.id,
                    email: account.person.email.as_str(),
                    name: &account.person.name,
                    password: account.password.as_str(),
                    roles: &account.roles,
                    version: change.version,
                    registered_at: account.since.into(),
                    session_epoch: change.state.sessions().epoch.number(),
                    spared_session: change.state.sessions().spared,
                })
            })
            .collect();
        store::execute!(tx, SAVE_ACCOUNTS, Json(&rows)).await?;
        Ok(())
    }
}

/// One row a refresh token, until it has expired.
pub(crate) struct RefreshTokens;

#[derive(Serialize)]
struct SavedToken {
    hash: TokenHash,
    session_id: Uuid,
    expires_at: At,
}

#[derive(Serialize)]
struct Tidied {
    session_id: Uuid,
    now: At,
}

#[async_trait]
impl View<Session> for RefreshTokens {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Session>]) -> Result<(), sqlx::Error> {
        let (mut saved, mut tidied) = (Vec::new(), Vec::new());
        for change in changes {
            for recorded in change.events {
                match recorded.event {
                    SessionEvent::Opened { token, expires_at, .. }
                    | SessionEvent::Rotated { token, expires_at } => saved.push(SavedToken {
                        hash: token,
                        session_id: change.id,
                        expires_at: expires_at.into(),
                    }),
                    SessionEvent::ReuseDetected
                    | SessionEvent::LoggedOut
                    | SessionEvent::Expired => {}
                }
                if matches!(recorded.event, SessionEvent::Rotated { .. } | SessionEvent::Expired) {
                    tidied.push(Tidied { session_id: change.id, now: recorded.recorded_at.into() });
                }
            }
        }
        if !saved.is_empty() {
            store::execute!(tx, SAVE_TOKENS, Json(&saved)).await?;
        }
        if !tidied.is_empty() {
            store::execute!(tx, FORGET_EXPIRED_TOKENS, Json(&tidied)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use jiff::SignedDuration;
    use runtime::{Clock, Context, Ids, Principal, TraceContext};
    use store::{Committer, DatabaseSettings, Events};
    use testkit::{SeededRandom, TestClock};
    use tokio::{task::JoinSet, time::Instant};

    use super::*;
    use crate::domain::session::SessionCommand;

    const SESSION: Uuid = Uuid::from_u128(7);

    async fn sqlite() -> (Database, tempfile::TempDir) {
        migrated(DatabaseSettings::default()).await
    }

    async fn postgres() -> (Database, tempfile::TempDir) {
        let url = testkit::postgres::fresh_database().await.as_str().to_owned().into();
        migrated(DatabaseSettings { url, ..DatabaseSettings::default() }).await
    }

    async fn migrated(settings: DatabaseSettings) -> (Database, tempfile::TempDir) {
        let data = tempfile::tempdir().unwrap();
        let database = Database::connect(&settings, "identity", data.path()).await.unwrap();
        crate::SCHEMA.up_on(&database).await.unwrap();
        (database, data)
    }

    async fn prepare_every_statement(database: Database) {
        store::prepare_all(&database, STATEMENTS).await.unwrap();
        let gone = crate::SCHEMA.down_on(&database, 2).await.unwrap();
        assert_eq!(gone.len(), 2);
    }

    #[tokio::test]
    async fn sqlite_understands_every_statement() {
        let (database, _data) = sqlite().await;
        prepare_every_statement(database).await;
    }

    #[tokio::test]
    async fn postgres_understands_every_statement() {
        let (database, _data) = postgres().await;
        prepare_every_statement(database).await;
    }

    async fn keep_tokens_until_they_expire(database: Database) {
        let clock = TestClock::at("2026-11-20T19:00:00Z");
        let random = SeededRandom::new(1);
        let trace = TraceContext::start(&random);
        let ids = Ids::new(Arc::new(clock.clone()), Arc::new(random));
        let (committer, work) = Committer::new(&database, Arc::new(clock.clone()), ids, None);
        let mut running = JoinSet::new();
        running.spawn(work.run());
        let sessions = Events::new(&committer, RefreshTokens);
        let deadline = Instant::now() + Duration::from_mins(1);
        let cx = Context::new(Principal::Anonymous, deadline, "test", trace);
        let [first, second, third] = [1, 2, 3].map(|number: u8| TokenHash::of(&[number]));
        let known = async || {
            let mut known = Vec::new();
            for token in [first, second, third] {
                known.push(session_of(&database, token).await.unwrap() == Some(SESSION));
            }
            known
        };
        let in_hours = |hours| clock.now() + SignedDuration::from_hours(hours);

        let open = SessionCommand::Open {
            account_id: Uuid::nil(),
            token: first,
            expires_at: in_hours(2),
            epoch: Epoch::default(),
        };
        sessions.execute(&cx, SESSION, open).await.unwrap();
        assert_eq!(known().await, [true, false, false]);

        let rotate = |presented, next, hours| SessionCommand::Rotate {
            presented,
            next,
            now: clock.now(),
            expires_at: in_hours(hours),
        };
        clock.advance(SignedDuration::from_hours(1));
        sessions.execute(&cx, SESSION, rotate(first, second, 2)).await.unwrap();
        assert_eq!(known().await, [true, true, false], "the first is good for telling a reuse");

        clock.advance(SignedDuration::from_hours(1));
        sessions.execute(&cx, SESSION, rotate(second, third, 2)).await.unwrap();
        assert_eq!(known().await, [false, true, true], "the first has expired");

        clock.advance(SignedDuration::from_hours(2));
        let expire = SessionCommand::Expire { now: clock.now() };
        sessions.execute(&cx, SESSION, expire).await.unwrap();
        assert_eq!(known().await, [false, false, false]);
    }

    #[tokio::test]
    async fn sqlite_keeps_tokens_until_they_expire() {
        let (database, _data) = sqlite().await;
        keep_tokens_until_they_expire(database).await;
    }

    #[tokio::test]
    async fn postgres_keeps_tokens_until_they_expire() {
        let (database, _data) = postgres().await;
        keep_tokens_until_they_expire(database).await;
    }
}
