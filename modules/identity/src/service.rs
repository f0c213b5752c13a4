//! What identity does: registers accounts, opens and ends sessions, and answers other services.

use std::{sync::Arc, time::Duration};

use cache::Cache;
use contracts::identity::{AdmitGuest, FindUser, GuestAccess, Identity, IdentityError, User};
use edge::{
    Network,
    token::{KeyFault, TokenKeySet, TokenKeys, TokenKeysError, TokenKeysRequest},
};
use runtime::{Clock, Context, Fault, Ids, Role, Secret, async_trait};
use store::{Database, Events, ExecuteError, Loaded, StoreError, Work};
use uuid::Uuid;

use crate::{
    domain::{
        account::{
            Account, AccountCommand, AccountRejection, EmailAddress, Person, Registered, Roles,
        },
        session::{Session, SessionCommand, SessionRejection},
    },
    keys::SigningKeys,
    passwords::{PasswordFault, Passwords},
    throttle::Throttle,
    tokens::{TokenHash, Tokens},
    views::{self, AccountRow},
};

/// Everything identity works with.
pub(crate) struct Service {
    pub(crate) database: Database,
    pub(crate) accounts: Events<Account>,
    pub(crate) sessions: Events<Session>,
    pub(crate) passwords: Passwords,
    pub(crate) tokens: Tokens,
    pub(crate) keys: Arc<SigningKeys>,
    /// A key does not sign sooner than so long after it was first given out.
    pub(crate) keys_are_fresh_for: Duration,
    pub(crate) throttle: Throttle,
    /// Tells everybody whose sessions have ended.
    pub(crate) cache: Arc<Cache>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
}

/// What somebody says who wants an account.
pub(crate) struct Registration {
    pub(crate) person: Person,
    pub(crate) password: Secret,
    pub(crate) roles: Roles,
}

/// The two tokens of a session, as they are given out.
pub(crate) struct TokenPair {
    pub(crate) access: Secret,
    pub(crate) refresh: Secret,
    pub(crate) access_seconds: u64,
}

/// Why identity did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("an account has this e-mail address; log in or use another")]
    EmailTaken,
    #[error("the e-mail address or the password is wrong; correct them")]
    WrongCredentials,
    #[error("the old password is wrong; send the one that the account has")]
    WrongPassword,
    #[error("the password was wrong too often; wait {} s", .wait.as_secs())]
    Throttled { wait: Duration },
    #[error("the refresh token is not valid; log in again")]
    TokenInvalid,
    #[error("the refresh token was used before; log in again")]
    TokenReused,
    #[error("there is no such account; look at the list of accounts")]
    NoSuchAccount,
    #[error("only an admin may do this; ask one")]
    NotAnAdmin,
    #[error(transparent)]
    Account(AccountRejection),
    #[error("the account has changed since it was read; read it again")]
    Stale { current: u64 },
    #[error(transparent)]
    Password(#[from] PasswordFault),
    #[error(transparent)]
    Signing(#[from] KeyFault),
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<AccountRejection> for Refusal {
    fn from(rejection: AccountRejection) -> Self {
        match rejection {
            AccountRejection::Unregistered => Self::NoSuchAccount,
            AccountRejection::PasswordDiffers => Self::WrongPassword,
            other => Self::Account(other),
        }
    }
}

impl From<SessionRejection> for Refusal {
    fn from(rejection: SessionRejection) -> Self {
        match rejection {
            SessionRejection::TokenReused => Self::TokenReused,
            SessionRejection::Unknown | SessionRejection::Ended | SessionRejection::OpenAlready => {
                Self::TokenInvalid
            }
        }
    }
}

impl<R: Into<Self>> From<ExecuteError<R>> for Refusal {
    fn from(error: ExecuteError<R>) -> Self {
        match error {
            ExecuteError::Rejected(rejection) => rejection.into(),
            ExecuteError::Stale { current } => Self::Stale { current },
            ExecuteError::Store(error) => error.into(),
        }
    }
}

impl Service {
    /// The account `id`.
    pub(crate) async fn account(&self, id: Uuid) -> Result<AccountRow, Refusal> {
        views::account(&self.database, id).await?.ok_or(Refusal::NoSuchAccount)
    }

    /// Up to `limit` accounts in the order in which they were registered, from the one after
    /// `after`; only the one with `email` when that is given.
    pub(crate) async fn list_accounts(
        &self,
        after: Option<Uuid>,
        email: Option<&EmailAddress>,
        limit: i64,
    ) -> Result<Vec<AccountRow>, Refusal> {
        let Some(email) = email else {
            return Ok(views::accounts(&self.database, after, limit).await?);
        };
        let found = views::account_of(&self.database, email).await?;
        Ok(found.into_iter().filter(|row| after.is_none_or(|after| row.id > after)).collect())
    }

    /// Registers an account under a new id, for somebody in the network `from`.
    pub(crate) async fn register(
        &self,
        cx: &Context,
        registration: Registration,
        from: Network,
    ) -> Result<(Uuid, Loaded<Account>), Refusal> {
        let Registration { person, password, roles } = registration;
        let email = person.email.clone();
        self.require_free(&email).await?;
        let password = self.passwords.hash(password, from).await?;
        let (id, since) = (self.ids.next(), self.clock.now());
        let command = AccountCommand::Register(Registered { person, password, roles, since });
        let registered = self.accounts.execute(cx, id, command).await;
        if let Err(ExecuteError::Store(StoreError::Failed(_))) = registered {
            // The view takes an address once; somebody else may have got it first.
            self.require_free(&email).await?;
        }
        let account = registered?;
        tracing::info!(account = %id, "registered");
        Ok((id, account))
    }

    async fn require_free(&self, email: &EmailAddress) -> Result<(), Refusal> {
        match views::account_of(&self.database, email).await? {
            Some(_) => Err(Refusal::EmailTaken),
            None => Ok(()),
        }
    }

    /// Gives the account exactly these roles, if it is still at `version`. `by` must be an admin
    /// now: access tokens know only who was one when they were signed. Of two admins who take each
    /// other's role away at once one is too late, also where they speak to two replicas.
    pub(crate) async fn change_roles(
        &self,
        cx: &Context,
        id: Uuid,
        roles: Roles,
        by: Uuid,
        version: u64,
    ) -> Result<Loaded<Account>, Refusal> {
        let accounts = self.accounts.clone();
        let committer = self.accounts.committer().clone();
        let account = committer.transact(cx, move |work: &mut Work<'_>| {
            let (accounts, roles) = (accounts.clone(), roles.clone());
            Box::pin(async move {
                require_admin(work, &accounts, by).await?;
                let current = work.load(&accounts, id).await?.ok_or(Refusal::NoSuchAccount)?;
                if current.version != version {
                    return Err(Refusal::Stale { current: current.version });
                }
                let command = AccountCommand::ChangeRoles { roles, by, account_id: id };
                Ok(work.execute(&accounts, id, command).await?.clone())
            })
        });
        let account = account.await?;
        tracing::info!(account = %id, %by, "roles changed");
        Ok(account)
    }

    /// Opens a session for whoever knows the password. Who was wrong too often waits.
    pub(crate) async fn log_in(
        &self,
        cx: &Context,
        email: &EmailAddress,
        password: Secret,
        from: Network,
    ) -> Result<TokenPair, Refusal> {
        let attempt = self.throttle.begin(email, from, self.clock.now());
        let attempt = attempt.map_err(|wait| Refusal::Throttled { wait })?;
        let checked = self.check_password(email, password.clone(), from).await;
        let account = match checked {
            Ok(Some(account)) => account,
            Ok(None) => {
                tracing::info!("a login was refused");
                return Err(Refusal::WrongCredentials);
            }
            Err(refusal) => {
                attempt.was_none();
                return Err(refusal);
            }
        };
        attempt.succeeded();
        self.rehash_if_outdated(cx, &account, password, from).await;

        let (now, session, epoch) = (self.clock.now(), self.ids.next(), account.sessions().epoch);
        let access = self.tokens.access(account.id, account.roles(), session, epoch, now)?;
        let refresh = self.tokens.refresh(now);
        let command = SessionCommand::Open {
            account_id: account.id,
            token: refresh.hash,
            expires_at: refresh.expires_at,
            epoch,
        };
        self.sessions.execute(cx, session, command).await?;
        tracing::info!(account = %account.id, %session, "logged in");
        Ok(self.pair(access, refresh.secret))
    }

    /// The account, when the password is its own.
    async fn check_password(
        &self,
        email: &EmailAddress,
        password: Secret,
        from: Network,
    ) -> Result<Option<AccountRow>, Refusal> {
        let found = views::account_of(&self.database, email).await?;
        let hash = found.as_ref().map(AccountRow::password);
        let matches = self.passwords.matches(password, hash, from).await?;
        Ok(found.filter(|_| matches))
    }

    /// Keeps the session going whose token this is, and ends it when the token was used before.
    pub(crate) async fn refresh(&self, cx: &Context, token: &Secret) -> Result<TokenPair, Refusal> {
        let presented = TokenHash::of(token.expose().as_bytes());
        let id = views::session_of(&self.database, presented).await?;
        let id = id.ok_or(Refusal::TokenInvalid)?;
        let session = self.sessions.load(id).await?.ok_or(Refusal::TokenInvalid)?;
        let opened = session.state.opened().ok_or(Refusal::TokenInvalid)?;
        let (account_id, epoch) = (opened.account_id, opened.epoch);
        let account = views::account(&self.database, account_id).await?;
        let account = account.filter(|account| account.sessions().admits(id, epoch));
        let account = account.ok_or(Refusal::TokenInvalid)?;

        let now = self.clock.now();
        let access = self.tokens.access(account_id, account.roles(), id, epoch, now)?;
        let next = self.tokens.refresh(now);
        let command =
            SessionCommand::Rotate { presented, next: next.hash, now, expires_at: next.expires_at };
        let session = self.sessions.execute(cx, id, command).await?;
        if !session.state.holds(&next.hash) {
            self.revoke_session(id).await;
            tracing::warn!(account = %account_id, session = %id, "a refresh token was used twice");
            return Err(Refusal::TokenReused);
        }
        Ok(self.pair(access, next.secret))
    }

    /// Ends a session. One that has ended, or never was, stays so.
    pub(crate) async fn log_out(&self, cx: &Context, session: Uuid) -> Result<(), Refusal> {
        match self.sessions.execute(cx, session, SessionCommand::LogOut).await {
            Ok(ended) => {
                let is_told = ended
                    .state
                    .opened()
                    .is_some_and(|it| self.is_revoked(it.account_id, session, it.epoch));
                if !is_told {
                    self.revoke_session(session).await;
                }
            }
            Err(ExecuteError::Rejected(SessionRejection::Unknown)) => {}
            Err(error) => return Err(error.into()),
        }
        tracing::info!(%session, "logged out");
        Ok(())
    }

    /// Ends a session whose time has come.
    pub(crate) async fn expire(&self, cx: &Context, session: Uuid) -> Result<(), Refusal> {
        let command = SessionCommand::Expire { now: self.clock.now() };
        self.sessions.execute(cx, session, command).await?;
        Ok(())
    }

    /// Registers the first admin, unless the address has an account.
    pub(crate) async fn ensure_admin(
        &self,
        cx: &Context,
        email: EmailAddress,
        password: Secret,
    ) -> Result<(), Refusal> {
        let registration = Registration {
            person: Person { email, name: "Admin".to_owned() },
            password,
            roles: Roles::from([Role::Admin]),
        };
        match self.register(cx, registration, Network::default()).await {
            Ok(_) | Err(Refusal::EmailTaken) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Hashing settings are changed to protect the passwords there are, too. Whether it works does
    /// not matter to who logs in.
    async fn rehash_if_outdated(
        &self,
        cx: &Context,
        account: &AccountRow,
        password: Secret,
        from: Network,
    ) {
        if !self.passwords.is_outdated(&account.password()) {
            return;
        }
        let rehashed = async {
            let password = self.passwords.hash(password, from).await?;
            let command = AccountCommand::Rehash { former: account.password(), password };
            self.accounts.execute(cx, account.id, command).await?;
            Ok::<(), Refusal>(())
        };
        match rehashed.await {
            Ok(()) => tracing::info!(account = %account.id, "hashed a password anew"),
            Err(error) => tracing::warn!(%error, "a password could not be hashed anew"),
        }
    }

    fn pair(&self, access: Secret, refresh: Secret) -> TokenPair {
        TokenPair { access, refresh, access_seconds: self.tokens.access_life().as_secs() }
    }
}

/// Passes when `by` is an admin now, and stays one until the transaction ends.
pub(crate) async fn require_admin(
    work: &mut Work<'_>,
    accounts: &Events<Account>,
    by: Uuid,
) -> Result<(), Refusal> {
    views::keep_account_as_it_is(work.tx(), by).await?;
    let admin = work.load(accounts, by).await?;
    let is_admin = admin
        .and_then(|admin| admin.state.registered())
        .is_some_and(|admin| admin.roles.contains(&Role::Admin));
    if is_admin { Ok(()) } else { Err(Refusal::NotAnAdmin) }
}

#[async_trait]
impl Identity for Service {
    async fn user(&self, _cx: &Context, request: FindUser) -> Result<User, IdentityError> {
        let user_id = request.user_id;
        let found = views::account(&self.database, user_id)
            .await
            .map_err(|error| StoreError::from(error).into_fault("identity", "user"))?;
        let account = found.ok_or(IdentityError::UserUnknown { user_id })?;
        let roles = account.roles().iter().copied().collect();
        Ok(User { user_id, email: account.email, name: account.name, roles })
    }

    async fn admit_guest(
        &self,
        _cx: &Context,
        request: AdmitGuest,
    ) -> Result<GuestAccess, IdentityError> {
        let signed = self.tokens.guest(request.guest_id, self.clock.now());
        let (access_token, expires_at) = signed.map_err(|error| Fault::Failed {
            service: "identity",
            method: "admit_guest",
            reason: error.to_string(),
        })?;
        Ok(GuestAccess { access_token, expires_at })
    }
}

#[async_trait]
impl TokenKeys for Service {
    async fn token_keys(
        &self,
        _cx: &Context,
        _request: TokenKeysRequest,
    ) -> Result<TokenKeySet, TokenKeysError> {
        Ok(self.keys.public_keys())
    }
}
