//! The tokens by which services know each other: JSON Web Tokens signed with the caller's own key,
//! for one callee, for a minute at most.
//!
//! What a caller may call is not in the token: the callee knows it from the registry.

use std::{
    collections::HashMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use super::{
    complaints::Complaints,
    keys::{KeyError, KeyPair, public_key_of},
};
use crate::{Clock, Faults, Random};

/// How long a token is valid, in seconds. A callee accepts no longer one.
const LIFETIME: i64 = 60;
/// A token with less than this left, in seconds, is not sent any more: it must not expire on the
/// way.
const RENEWAL: i64 = 15;
/// How far two machines' clocks may be apart, in seconds.
const LEEWAY: i64 = 5;
/// Reads of the key directory, besides the first, within any [`READ_WINDOW`].
const READS_PER_WINDOW: u32 = 10;
const READ_WINDOW: std::time::Duration = std::time::Duration::from_secs(10);
/// Verified tokens that are remembered. Each caller has one or two at a time.
const REMEMBERED: usize = 1024;

const PRIVATE_SUFFIX: &str = ".pem";
const PUBLIC_SUFFIX: &str = ".pub.pem";

/// Where service keys are, and who issues tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlaces {
    /// Holds `<service>.pem` of each service that is hosted here.
    pub private_dir: PathBuf,
    /// Holds `<service>.pub.pem` of every service.
    pub public_dir: PathBuf,
    /// The issuer: the same name in every process of an installation.
    pub issuer: String,
    /// Whether a service's missing key pair is made; otherwise it is a fault.
    pub generate: bool,
}

impl KeyPlaces {
    /// Makes the key pair of `service`, unless there is one.
    pub fn make_pair(&self, service: &str, random: &dyn Random) -> Result<(), KeyError> {
        self.read_or_make(service, random).map(|_| ())
    }

    /// What keeps [`ServiceTokens::open`] from succeeding, as far as that can be known without
    /// making anything.
    pub(crate) fn faults(&self, services: impl IntoIterator<Item = &'static str>) -> Vec<String> {
        if self.generate {
            return Vec::new();
        }
        let private = services.into_iter().filter_map(|service| {
            let error = KeyPair::read(&self.private_path(service)).err()?;
            Some(about_private(service, &error))
        });
        let public = fs::read_dir(&self.public_dir).err().map(|error| {
            about_public(&KeyError::File { path: self.public_dir.clone(), source: error })
        });
        private.chain(public).collect()
    }

    fn private_path(&self, service: &str) -> PathBuf {
        self.private_dir.join(format!("{service}{PRIVATE_SUFFIX}"))
    }

    fn read_or_make(&self, service: &str, random: &dyn Random) -> Result<KeyPair, KeyError> {
        let pair = KeyPair::read_or_generate(&self.private_path(service), random)?;
        let public = self.public_dir.join(format!("{service}{PUBLIC_SUFFIX}"));
        pair.write_public(&public, random)?;
        Ok(pair)
    }
}

fn about_private(service: &str, error: &KeyError) -> String {
    format!("the key of service {service}: {error}")
}

fn about_public(error: &KeyError) -> String {
    format!("the public keys of services: {error}")
}

/// Makes tokens for the services that are hosted here, and verifies everybody's.
pub struct ServiceTokens {
    issuer: String,
    clock: Arc<dyn Clock>,
    private: HashMap<&'static str, EncodingKey>,
    public: PublicKeys,
    verified: RwLock<HashMap<Box<str>, Verified>>,
    complaints: Complaints,
}

impl ServiceTokens {
    /// Reads the private keys of `services`, and all public keys. Reports every key that is
    /// missing or unusable.
    pub fn open(
        places: &KeyPlaces,
        services: impl IntoIterator<Item = &'static str>,
        clock: Arc<dyn Clock>,
        random: &dyn Random,
    ) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let mut private = HashMap::new();
        for service in services {
            match own_key(places, service, random) {
                Ok(key) => {
                    private.insert(service, key);
                }
                Err(error) => faults.push(about_private(service, &error)),
            }
        }
        let public = PublicKeys::open(&places.public_dir).unwrap_or_else(|error| {
            faults.push(about_public(&error));
            PublicKeys::default()
        });
        Faults::check(faults)?;
        Ok(Self {
            issuer: places.issuer.clone(),
            clock,
            private,
            public,
            verified: RwLock::default(),
            complaints: Complaints::default(),
        })
    }

    /// For a process that hosts every service: it calls nobody elsewhere, and nobody calls it.
    pub(crate) fn without_keys(clock: Arc<dyn Clock>) -> Self {
        Self {
            issuer: String::new(),
            clock,
            private: HashMap::new(),
            public: PublicKeys::default(),
            verified: RwLock::default(),
            complaints: Complaints::default(),
        }
    }

    /// Who sent `token`, when it is valid for a call to the service `audience`.
    pub async fn verify(&self, token: &str, audience: &str) -> Result<Arc<str>, TokenRefusal> {
        let now = self.clock.now().as_second();
        let known = self.recall(token);
        let verified = match known {
            Some(verified) => verified,
            None => self.check(token, now).await?,
        };
        if verified.expires.saturating_add(LEEWAY) <= now {
            return Err(TokenRefusal::Expired);
        }
        if &*verified.audience != audience {
            return Err(TokenRefusal::OtherAudience);
        }
        Ok(verified.caller)
    }

    /// Takes note that a call was refused whose token claims to be from `claimed`; see
    /// [`Complaints::note`].
    pub(super) fn complain(
        &self,
        claimed: Option<&'static str>,
        refusal: TokenRefusal,
    ) -> Option<u64> {
        self.complaints.note(claimed, refusal, self.clock.now().as_second())
    }

    async fn check(&self, token: &str, now: i64) -> Result<Verified, TokenRefusal> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenRefusal::Malformed)?;
        if header.alg != Algorithm::EdDSA {
            return Err(TokenRefusal::OtherAlgorithm);
        }
        let key_id = header.kid.ok_or(TokenRefusal::Malformed)?;
        let claims = match self.open_sealed(token, &key_id) {
            // The key is new here, or was replaced.
            Err(TokenRefusal::UnknownKey | TokenRefusal::BadSignature)
                if self.public.reread().await =>
            {
                self.open_sealed(token, &key_id)?
            }
            opened => opened?,
        };
        let lasts = claims.exp.checked_sub(claims.iat);
        if claims.iss != self.issuer {
            return Err(TokenRefusal::OtherIssuer);
        }
        if claims.sub != key_id {
            return Err(TokenRefusal::OtherSubject);
        }
        if claims.exp.saturating_add(LEEWAY) <= now {
            return Err(TokenRefusal::Expired);
        }
        if claims.iat > now.saturating_add(LEEWAY) {
            return Err(TokenRefusal::NotYetValid);
        }
        if !lasts.is_some_and(|seconds| (0..=LIFETIME).contains(&seconds)) {
            return Err(TokenRefusal::ValidTooLong);
        }
        let verified = Verified {
            caller: claims.sub.into(),
            audience: claims.aud.into(),
            expires: claims.exp,
        };
        self.remember(token, &verified, now);
        Ok(verified)
    }

    fn open_sealed(&self, token: &str, key_id: &str) -> Result<Claims, TokenRefusal> {
        let keys = self.public.keys.load();
        let key = keys.get(key_id).ok_or(TokenRefusal::UnknownKey)?;
        // Times are judged by our clock, the rest where it can be named.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        decode::<Claims>(token, key, &validation).map(|token| token.claims).map_err(|error| {
            match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenRefusal::BadSignature,
                _ => TokenRefusal::Malformed,
            }
        })
    }

    fn recall(&self, token: &str) -> Option<Verified> {
        self.verified.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    fn remember(&self, token: &str, verified: &Verified, now: i64) {
        let mut remembered = self.verified.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, other| other.expires > now);
        }
        if remembered.len() < REMEMBERED {
            remembered.insert(token.into(), verified.clone());
        }
    }
}

impl fmt::Debug for ServiceTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenRefusal {
    /// There is none.
    #[error("the call carries no service token")]
    Missing,
    /// It is not a token of this form.
    #[error("the service token is malformed")]
    Malformed,
    /// It is signed in a way that is not allowed.
    #[error("the service token is not signed with EdDSA")]
    OtherAlgorithm,
    /// There is no public key of that name.
    #[error("the service token's key is unknown here")]
    UnknownKey,
    /// It was not signed by the key it names.
    #[error("the service token's signature is wrong")]
    BadSignature,
    /// It comes from another installation.
    #[error("the service token has another issuer")]
    OtherIssuer,
    /// It is for a call to another service.
    #[error("the service token is for another service")]
    OtherAudience,
    /// It speaks for another service than the one whose key signed it.
    #[error("the service token speaks for another service than its key's")]
    OtherSubject,
    /// Its time is over.
    #[error("the service token has expired")]
    Expired,
    /// It is from the future.
    #[error("the service token is not valid yet; are the clocks apart?")]
    NotYetValid,
    /// It lasts longer than a token may.
    #[error("the service token is valid for longer than {LIFETIME} seconds")]
    ValidTooLong,
}

impl TokenRefusal {
    /// What whoever runs the processes can do about it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::UnknownKey | Self::BadSignature => {
                "both processes need the same public keys: one service_auth.public_keys_dir, or one \
                 node.data_dir on one machine; `boxoffice keys DIR` makes them"
            }
            Self::OtherIssuer => "service_auth.issuer has to be the same in both processes",
            Self::Expired | Self::NotYetValid => "set the clocks of both machines",
            Self::Missing
            | Self::Malformed
            | Self::OtherAlgorithm
            | Self::OtherAudience
            | Self::OtherSubject
            | Self::ValidTooLong => "no service calls like this; find out who does",
        }
    }
}

/// The service that `token` claims to be from. Nothing of it is proven.
pub(super) fn claimed_caller(token: &str) -> Option<String> {
    jsonwebtoken::decode_header(token).ok()?.kid
}

/// Signs one service's calls to another, with one token for many calls.
pub(super) struct Signer {
    tokens: Arc<ServiceTokens>,
    caller: &'static str,
    callee: &'static str,
    current: ArcSwapOption<Signed>,
}

struct Signed {
    bearer: http::HeaderValue,
    expires: i64,
}

impl Signer {
    pub(super) fn new(
        tokens: Arc<ServiceTokens>,
        caller: &'static str,
        callee: &'static str,
    ) -> Self {
        Self { tokens, caller, callee, current: ArcSwapOption::empty() }
    }

    /// The value of the `authorization` header.
    pub(super) fn bearer(&self) -> Result<http::HeaderValue, String> {
        let now = self.tokens.clock.now().as_second();
        let fresh = |signed: &Signed| {
            // A clock that jumped back makes a token of the future, which nobody accepts.
            let left = signed.expires.saturating_sub(now);
            (RENEWAL..=LIFETIME).contains(&left)
        };
        if let Some(signed) = self.current.load().as_deref().filter(|signed| fresh(signed)) {
            return Ok(signed.bearer.clone());
        }
        let signed = self.sign(now)?;
        let bearer = signed.bearer.clone();
        self.current.store(Some(Arc::new(signed)));
        Ok(bearer)
    }

    fn sign(&self, now: i64) -> Result<Signed, String> {
        let key = self
            .tokens
            .private
            .get(self.caller)
            .ok_or_else(|| format!("service {} has no key here", self.caller))?;
        let expires = now.saturating_add(LIFETIME);
        let claims = Claims {
            iss: self.tokens.issuer.clone(),
            sub: self.caller.to_owned(),
            aud: self.callee.to_owned(),
            iat: now,
            exp: expires,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.caller.to_owned());
        let token = encode(&header, &claims, key)
            .map_err(|error| format!("the service token cannot be signed: {error}"))?;
        let mut bearer = http::HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|error| format!("the service token is no header: {error}"))?;
        bearer.set_sensitive(true);
        Ok(Signed { bearer, expires })
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
}

#[derive(Clone)]
struct Verified {
    caller: Arc<str>,
    audience: Arc<str>,
    expires: i64,
}

/// Every service's public key, by the service's name.
#[derive(Default)]
struct PublicKeys {
    dir: PathBuf,
    keys: ArcSwap<HashMap<String, DecodingKey>>,
    reads: Mutex<Reads>,
}

struct Reads {
    window_began: tokio::time::Instant,
    count: u32,
}

impl Default for Reads {
    fn default() -> Self {
        Self { window_began: tokio::time::Instant::now(), count: 0 }
    }
}

impl PublicKeys {
    fn open(dir: &Path) -> Result<Self, KeyError> {
        let keys = ArcSwap::from_pointee(read_public_keys(dir)?);
        Ok(Self { dir: dir.to_owned(), keys, reads: Mutex::default() })
    }

    /// Reads the directory again, unless that was done too often lately. Whether it was done.
    async fn reread(&self) -> bool {
        if !self.may_read() {
            return false;
        }
        let dir = self.dir.clone();
        match tokio::task::spawn_blocking(move || read_public_keys(&dir)).await {
            Ok(Ok(keys)) => {
                self.keys.store(Arc::new(keys));
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the public keys of services cannot be read");
                false
            }
            Err(_) => false,
        }
    }

    fn may_read(&self) -> bool {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if reads.window_began.elapsed() >= READ_WINDOW {
            *reads = Reads::default();
        }
        reads.count += 1;
        reads.count <= READS_PER_WINDOW
    }
}

/// A file that holds no key is left out with a warning: one service's bad file must not keep all
/// others from talking.
fn read_public_keys(dir: &Path) -> Result<HashMap<String, DecodingKey>, KeyError> {
    let failed = |source: io::Error| KeyError::File { path: dir.to_owned(), source };
    let mut keys = HashMap::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(service) = name.and_then(|name| name.strip_suffix(PUBLIC_SUFFIX)) else {
            continue;
        };
        let read = fs::read_to_string(&path)
            .map_err(|source| KeyError::File { path: path.clone(), source })
            .and_then(|pem| public_key_of(&pem).map_err(|error| error.in_file(&path)));
        match read {
            Ok(key) => {
                keys.insert(service.to_owned(), DecodingKey::from_ed_der(&key));
            }
            Err(error) => tracing::warn!(%error, "a public key of a service was left out"),
        }
    }
    Ok(keys)
}

fn own_key(
    places: &KeyPlaces,
    service: &str,
    random: &dyn Random,
) -> Result<EncodingKey, KeyError> {
    let pair = if places.generate {
        places.read_or_make(service, random)?
    } else {
        KeyPair::read(&places.private_path(service))?
    };
    Ok(EncodingKey::from_ed_der(&pair.private_der()?))
}
