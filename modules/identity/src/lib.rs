//! Identity: accounts, sessions, tokens, roles.

mod credentials;
mod domain;
mod first_admin;
mod http;
mod keys;
mod passwords;
mod problems;
mod revoking;
mod service;
mod settings;
mod throttle;
mod tokens;
mod views;

use std::{sync::Arc, time::Duration};

use cache::Cache;
use contracts::identity::{Identity, IdentityEvent};
use edge::token::TokenKeys;
use runtime::{
    Boot, CancellationToken, Clock, Module, Provided, SectionSpec, StartError, Timestamp,
};
use store::{
    Committer, DatabaseSettings, Events, HandlerError, LogView, LogViews, Projection, Recorded,
    Schema,
};

use crate::{
    domain::{
        account::{Account, AccountEvent},
        session::Session,
    },
    keys::SigningKeys,
    passwords::Passwords,
    service::Service,
    settings::IdentitySettings,
    throttle::Throttle,
    tokens::Tokens,
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: "identity",
    about: "accounts, sessions, tokens, roles",
    prefixes: &["/v1/auth", "/v1/users", "/.well-known/jwks.json"],
    provides: &[Provided::of::<dyn Identity>(), Provided::of::<dyn TokenKeys>()],
    requires: &[],
    publishes: &["identity.user_registered", "identity.audit"],
    consumes: &[],
    settings: Some(SectionSpec::of::<IdentitySettings>()),
    schema: Some(&SCHEMA),
    views: Some(&VIEWS),
    openapi: || edge::openapi::describe("identity", http::routes(), problems::ALL),
    start: |boot| Box::pin(start(boot)),
};

static SCHEMA: Schema = store::schema!("identity", &[views::STATEMENTS]);

static VIEWS: LogViews = LogViews {
    schema: &SCHEMA,
    views: &[
        LogView {
            name: "accounts",
            tables: &["accounts"],
            logs: &[&Projection::<Account, views::Accounts>::by(&views::Accounts)],
        },
        LogView {
            name: "refresh_tokens",
            tables: &["refresh_tokens"],
            logs: &[&Projection::<Session, views::RefreshTokens>::by(&views::RefreshTokens)],
        },
    ],
    tells: None,
};

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    let settings: IdentitySettings = boot.settings();
    let keys = Arc::new(open_keys(boot, &settings).await?);
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let service = Arc::new(Service {
        accounts: Events::new(&committer, views::Accounts),
        sessions: Events::new(&committer, views::RefreshTokens),
        passwords: Passwords::new(&settings.password, boot.random())
            .map_err(|error| StartError::new(format!("[identity.password]: {error}")))?,
        tokens: Tokens::new(&settings, Arc::clone(&keys), boot.ids(), boot.random()),
        keys: Arc::clone(&keys),
        keys_are_fresh_for: settings.signing_keys_reread,
        throttle: Throttle::new(settings.login.clone()),
        cache: Cache::of(boot),
        clock: boot.clock(),
        ids: boot.ids(),
        database,
    });
    ensure_admin(boot, &service, &settings).await?;

    boot.provide::<dyn Identity>(Arc::clone(&service) as Arc<dyn Identity>);
    boot.provide::<dyn TokenKeys>(Arc::clone(&service) as Arc<dyn TokenKeys>);
    bus::publish_audit(boot, &committer)?;
    store::check_replay(boot, &VIEWS, &[&service.accounts, &service.sessions]);
    bus::publish::<IdentityEvent, Account>(boot, &service.accounts, translate)?;
    boot.public(http::routes().with_state(Arc::clone(&service)).into());
    let (clock, every) = (boot.clock(), settings.signing_keys_reread);
    boot.spawn("signing keys", move |stop| reread_keys(keys, clock, every, stop));
    let expiring = Arc::clone(&service);
    store::on_wake(boot, &service.sessions, move |cx, session| {
        let service = Arc::clone(&expiring);
        async move { service.expire(&cx, session).await.map_err(HandlerError::from) }
    });
    Ok(())
}

/// From the directory that is configured. Embedded databases are for those who want to configure
/// nothing: for them, and for nobody else, the directory may be left out, and a key is made.
async fn open_keys(boot: &Boot, settings: &IdentitySettings) -> Result<SigningKeys, StartError> {
    let opened = if let Some(directory) = &settings.signing_keys_dir {
        SigningKeys::open(directory.clone()).await
    } else {
        let directory = boot.config().node().data_dir.join("keys/tokens");
        SigningKeys::open_or_make(directory, boot.random(), boot.clock().now()).await
    };
    opened.map_err(|error| StartError::because("the keys that sign access tokens", error))
}

async fn ensure_admin(
    boot: &Boot,
    service: &Service,
    settings: &IdentitySettings,
) -> Result<(), StartError> {
    let (email, password) = match settings.first_admin() {
        Some((email, password)) => (email, password.clone()),
        None if is_embedded(boot) => match first_admin::make_up(boot, service).await? {
            Some(made_up) => made_up,
            None => return Ok(()),
        },
        None => return Ok(()),
    };
    let registered = service.ensure_admin(&boot.context(), email, password).await;
    registered.map_err(|error| StartError::because("the first admin", error))
}

/// Embedded databases are for those who want to configure nothing.
fn is_embedded(boot: &Boot) -> bool {
    boot.settings::<DatabaseSettings>().url.is_empty()
}

/// Notices keys that operators add and take away.
async fn reread_keys(
    keys: Arc<SigningKeys>,
    clock: Arc<dyn Clock>,
    every: Duration,
    stop: CancellationToken,
) {
    loop {
        let next = clock.now().checked_add(every).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep_until(next) => {}
        }
        if let Err(error) = keys.reread().await {
            tracing::error!(%error, "the keys that sign access tokens stay as they were");
        }
    }
}

/// What others are told.
fn translate(recorded: &Recorded<AccountEvent>) -> Option<IdentityEvent> {
    match recorded.event {
        AccountEvent::Registered(_) => {
            Some(IdentityEvent::UserRegistered { user_id: recorded.stream })
        }
        AccountEvent::RolesChanged { .. }
        | AccountEvent::PasswordRehashed { .. }
        | AccountEvent::PasswordChanged { .. }
        | AccountEvent::PasswordReset { .. }
        | AccountEvent::SessionsEnded => None,
    }
}
