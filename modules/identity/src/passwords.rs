//! Hashing and checking passwords: argon2id, a bounded number at a time, of which one network has a
//! bounded share, away from the threads that serve requests.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, PasswordHasher, PasswordVerifier, Version, password_hash::phc};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use edge::{ConcurrencyLimit, LimitReached, Network};
use runtime::{Random, Secret};
use tokio::sync::{AcquireError, Semaphore};

use crate::{domain::account::PasswordHash, settings::PasswordSettings};

/// Hashes and checks passwords. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Passwords(Arc<Inner>);

struct Inner {
    argon2: Argon2<'static>,
    random: Arc<dyn Random>,
    /// A place for every hash that is computed or waits, of which one network has only so many.
    places: ConcurrencyLimit<Network>,
    /// A turn for every hash that is computed.
    turns: Arc<Semaphore>,
    /// Of no password: what is checked when there is no account, to take as long as if there was.
    decoy: PasswordHash,
}

/// Why a password was neither hashed nor checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordFault {
    #[error("too many passwords are waiting to be checked; try again")]
    Busy,
    #[error("the password's hash could not be computed: {0}")]
    Hashing(#[from] argon2::password_hash::Error),
    #[error("the stored hash of the password cannot be read: {0}")]
    Damaged(#[from] phc::Error),
    #[error("the thread that hashes the password ended early")]
    Died(#[from] tokio::task::JoinError),
}

impl From<AcquireError> for PasswordFault {
    fn from(_: AcquireError) -> Self {
        Self::Busy
    }
}

impl From<LimitReached> for PasswordFault {
    fn from(_: LimitReached) -> Self {
        Self::Busy
    }
}

impl Passwords {
    pub(crate) fn new(
        settings: &PasswordSettings,
        random: Arc<dyn Random>,
    ) -> Result<Self, argon2::Error> {
        let params = settings.params()?;
        let decoy = decoy(&params, random.as_ref());
        Ok(Self(Arc::new(Inner {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            random,
            places: ConcurrencyLimit::new(
                settings.turns().saturating_add(settings.waiting),
                settings.turns().saturating_add(settings.waiting_per_network),
            ),
            turns: Arc::new(Semaphore::new(settings.turns())),
            decoy,
        })))
    }

    /// For somebody in the network `from`.
    pub(crate) async fn hash(
        &self,
        password: Secret,
        from: Network,
    ) -> Result<PasswordHash, PasswordFault> {
        self.in_turn(from, move |inner| {
            let salt: [u8; 16] = inner.random.bytes();
            let hash: phc::PasswordHash =
                inner.argon2.hash_password_with_salt(password.expose().as_bytes(), &salt)?;
            Ok(PasswordHash::new(hash.to_string()))
        })
        .await
    }

    /// Whether `password` is the one that was hashed. Without a hash it never is, and finding that
    /// out takes as long.
    pub(crate) async fn matches(
        &self,
        password: Secret,
        hash: Option<PasswordHash>,
        from: Network,
    ) -> Result<bool, PasswordFault> {
        self.in_turn(from, move |inner| {
            let exists = hash.is_some();
            let phc = phc::PasswordHash::new(hash.as_ref().unwrap_or(&inner.decoy).as_str())?;
            match inner.argon2.verify_password(password.expose().as_bytes(), &phc) {
                Ok(()) => Ok(exists),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Whether the hash was computed with other settings than today's.
    pub(crate) fn is_outdated(&self, hash: &PasswordHash) -> bool {
        let params = phc::PasswordHash::new(hash.as_str())
            .ok()
            .and_then(|phc| argon2::Params::try_from(&phc).ok());
        params.as_ref() != Some(self.0.argon2.params())
    }

    /// Place and turn stay with the work when the caller goes away, so that leaving does not let
    /// others in.
    async fn in_turn<T: Send + 'static>(
        &self,
        from: Network,
        work: impl FnOnce(&Inner) -> Result<T, PasswordFault> + Send + 'static,
    ) -> Result<T, PasswordFault> {
        let inner = Arc::clone(&self.0);
        let place = inner.places.acquire(from)?;
        let turn = Arc::clone(&inner.turns).acquire_owned().await?;
        tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work(&inner)
        })
        .await?
    }
}

/// A well-formed hash that no password has: its output is drawn, not computed.
fn decoy(params: &argon2::Params, random: &dyn Random) -> PasswordHash {
    let salt: [u8; 16] = random.bytes();
    let output: [u8; argon2::Params::DEFAULT_OUTPUT_LEN] = random.bytes();
    PasswordHash::new(format!(
        "$argon2id$v=19$m={},t={},p={}${}${}",
        params.m_cost(),
        params.t_cost(),
        params.p_cost(),
        BASE64_STANDARD_NO_PAD.encode(salt),
        BASE64_STANDARD_NO_PAD.encode(output),
    ))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use runtime::SystemRandom;
    use tokio::task::JoinSet;

    use super::*;

    /// As cheap as argon2 allows.
    fn settings() -> PasswordSettings {
        PasswordSettings { memory_kib: 8, iterations: 1, ..PasswordSettings::default() }
    }

    fn passwords(settings: &PasswordSettings) -> Passwords {
        Passwords::new(settings, Arc::new(SystemRandom::default())).unwrap()
    }

    const HERE: &str = "192.0.2.1";

    fn network(address: &str) -> Network {
        Network::of(Some(address.parse().unwrap()))
    }

    fn secret(password: &str) -> Secret {
        password.to_owned().into()
    }

    #[tokio::test]
    async fn the_right_password_matches_and_no_other() {
        let passwords = passwords(&settings());
        let hash = passwords.hash(secret("correct horse battery"), network(HERE)).await.unwrap();
        let other = passwords.hash(secret("correct horse battery"), network(HERE)).await.unwrap();
        assert_ne!(hash, other, "each hash has a salt of its own");
        let is_it = |guess| passwords.matches(secret(guess), Some(hash.clone()), network(HERE));
        assert!(is_it("correct horse battery").await.unwrap());
        assert!(!is_it("correct horse batterY").await.unwrap());
    }

    #[tokio::test]
    async fn an_unknown_account_costs_a_real_check_and_never_matches() {
        let passwords = passwords(&settings());
        assert!(
            !passwords.matches(secret("correct horse battery"), None, network(HERE)).await.unwrap()
        );
        assert!(!passwords.is_outdated(&passwords.0.decoy), "it costs what others cost");
        let mut stronger = settings();
        stronger.iterations = 3;
        assert!(self::passwords(&stronger).is_outdated(&passwords.0.decoy));
    }

    #[tokio::test]
    async fn the_default_settings_are_those_that_owasp_recommends() {
        let passwords = passwords(&PasswordSettings::default());
        let hash = passwords.hash(secret("correct horse battery"), network(HERE)).await.unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[tokio::test]
    async fn whoever_would_wait_too_long_is_refused_at_once() {
        let mut one_place = settings();
        (one_place.at_once, one_place.waiting) = (NonZeroUsize::new(1), 0);
        let passwords = passwords(&one_place);
        let taken = passwords.0.places.acquire(network("192.0.2.2")).unwrap();
        let refused = passwords.hash(secret("correct horse battery"), network(HERE)).await;
        assert!(matches!(refused, Err(PasswordFault::Busy)));
        drop(taken);
        assert!(passwords.hash(secret("correct horse battery"), network(HERE)).await.is_ok());
    }

    #[tokio::test]
    async fn a_crowd_from_one_network_leaves_room_for_others() {
        let mut one_at_a_time = settings();
        one_at_a_time.at_once = NonZeroUsize::new(1);
        let passwords = passwords(&one_at_a_time);
        let turn = passwords.0.turns.clone().try_acquire_owned().unwrap();
        let ask = |address: &str| {
            let (passwords, from) = (passwords.clone(), network(address));
            async move { passwords.matches(secret("a guess of somebody's"), None, from).await }
        };
        let mut crowd: JoinSet<_> = (0..100).map(|_| ask(HERE)).collect();
        let waiting = 1 + one_at_a_time.waiting_per_network;
        for _ in waiting..100 {
            let refused = crowd.join_next().await.unwrap().unwrap();
            assert!(matches!(refused, Err(PasswordFault::Busy)));
        }
        let mut other: JoinSet<_> = [ask("192.0.2.2")].into_iter().collect();
        drop(turn);
        let looked_at = other.join_next().await.unwrap().unwrap();
        assert!(!looked_at.unwrap(), "it is nobody's password");
        for admitted in crowd.join_all().await {
            assert!(!admitted.unwrap());
        }
        assert!(ask(HERE).await.is_ok(), "what was done has left");
    }

    #[tokio::test]
    async fn a_damaged_hash_is_a_fault_and_no_match() {
        let damaged = PasswordHash::new("not a hash".to_owned());
        let outcome =
            passwords(&settings()).matches(secret("anything"), Some(damaged), network(HERE)).await;
        assert!(matches!(outcome, Err(PasswordFault::Damaged(_))));
    }
}
