//! Access tokens: their format, how identity signs them, and the public keys that verify them.
//!
//! Verifying a request's token is the work of `authenticate.rs`.

use std::{fmt, time::Duration};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use runtime::{
    Context, ContractError, Fault, Principal, Random, Role, Timestamp, Unrecognised, service,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

/// The `iss` claim of every access token.
pub const ISSUER: &str = "boxoffice-identity";
/// The `aud` claim of every access token.
pub const AUDIENCE: &str = "boxoffice";
/// The media type in the header of every access token (RFC 9068), which keeps other kinds of tokens
/// from passing for one.
pub const TOKEN_TYPE: &str = "at+jwt";
/// How far the clocks of two machines may differ before a token is refused too early, or for being
/// too early.
pub const LEEWAY: Duration = Duration::from_secs(5);

/// What an access token says. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who signed it: always [`ISSUER`].
    pub iss: String,
    /// Whom it is for: always [`AUDIENCE`].
    pub aud: String,
    /// The account.
    pub sub: Uuid,
    /// What the account may do.
    pub roles: Vec<Role>,
    /// The session it belongs to; it ends when the session is logged out.
    pub sid: Uuid,
    /// When it was signed.
    pub iat: i64,
    /// Before when it is worth nothing; none: from when it was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// From when on it is worth nothing.
    pub exp: i64,
    /// The token's own id.
    pub jti: Uuid,
    /// Whether it speaks for a guest: somebody who buys without an account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guest: bool,
    /// How often all sessions of the account had ended when this one was opened.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub epoch: u64,
}

impl AccessClaims {
    /// The claims of a token for `user` with `roles` in `session`, good from `now` for `lifetime`
    /// (whole seconds).
    pub fn new(
        user: Uuid,
        roles: Vec<Role>,
        session: Uuid,
        token: Uuid,
        now: Timestamp,
        lifetime: Duration,
    ) -> Self {
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        Self {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            roles,
            sid: session,
            iat: now.as_second(),
            exp: now.as_second().saturating_add(seconds),
            nbf: None,
            jti: token,
            guest: false,
            epoch: 0,
        }
    }

    /// The same claims in a session that was opened after all of the account had ended so often.
    #[must_use]
    pub fn in_epoch(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }

    /// The same claims for somebody without an account.
    #[must_use]
    pub fn of_guest(self) -> Self {
        Self { guest: true, ..self }
    }

    /// The account it speaks for.
    pub(crate) fn principal(&self) -> Principal {
        Principal::User { id: self.sub, roles: self.roles.clone() }
    }

    /// Whether its time is over at `now`, the leeway included.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        now.as_second() >= self.exp.saturating_add(leeway())
    }

    /// Whether its time has not begun at `now`, the leeway included: it is not good yet, or was
    /// signed in the future.
    pub(crate) fn is_early(&self, now: Timestamp) -> bool {
        let begins = self.nbf.map_or(self.iat, |not_before| not_before.max(self.iat));
        now.as_second() < begins.saturating_sub(leeway())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde's skip_serializing_if wants it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn leeway() -> i64 {
    i64::try_from(LEEWAY.as_secs()).unwrap_or(0)
}

/// A key pair that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// The text is not a private key of the right kind.
    #[error("not an Ed25519 private key in PKCS#8 PEM: {0}")]
    Unreadable(String),
    /// The claims could not be signed.
    #[error("cannot sign a token: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// Signs access tokens. For identity only; cheap to share behind an `Arc`.
pub struct TokenSigner {
    key: EncodingKey,
    public: TokenKey,
}

impl TokenSigner {
    /// A signer with the Ed25519 private key in this PKCS#8 PEM. Its key id follows from the key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyFault> {
        let key = EncodingKey::from_ed_pem(pem.as_bytes())
            .map_err(|error| KeyFault::Unreadable(error.to_string()))?;
        let pair = Ed25519KeyPair::from_pkcs8(key.as_bytes())
            .map_err(|error| KeyFault::Unreadable(error.to_string()))?;
        let public = TokenKey::of(pair.public_key().as_ref());
        Ok(Self { key, public })
    }

    /// The key that verifies what this signs.
    pub fn public_key(&self) -> &TokenKey {
        &self.public
    }

    /// The signed token.
    pub fn sign(&self, claims: &AccessClaims) -> Result<String, KeyFault> {
        let mut token_header = Header::new(Algorithm::EdDSA);
        token_header.typ = Some(TOKEN_TYPE.to_owned());
        token_header.kid = Some(self.public.kid.clone());
        Ok(jsonwebtoken::encode(&token_header, claims, &self.key)?)
    }
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner").field("kid", &self.public.kid).finish_non_exhaustive()
    }
}

/// A new Ed25519 private key as PKCS#8 PEM, for [`TokenSigner::from_pem`]. It is a secret: keep it
/// in a file that only the process can read.
pub fn new_private_key_pem(random: &dyn Random) -> String {
    runtime::KeyPair::generate(random)
        .and_then(|pair| pair.private_pem())
        .expect("every 32 bytes are the seed of an Ed25519 key")
}

/// A public key as a JSON Web Key (RFC 7517, RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenKey {
    /// The key's id: its thumbprint (RFC 7638).
    pub kid: String,
    /// The key's family.
    #[schema(example = "OKP")]
    pub kty: String,
    /// The curve.
    #[schema(example = "Ed25519")]
    pub crv: String,
    /// The signature algorithm.
    #[schema(example = "EdDSA")]
    pub alg: String,
    /// What the key is for.
    #[serde(rename = "use")]
    #[schema(rename = "use", example = "sig")]
    pub purpose: String,
    /// The public key, in base64url.
    pub x: String,
}

impl TokenKey {
    fn of(public_key: &[u8]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(public_key);
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        Self {
            kid: URL_SAFE_NO_PAD.encode(Sha256::digest(members)),
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            alg: "EdDSA".to_owned(),
            purpose: "sig".to_owned(),
            x,
        }
    }

    /// The key in the form that verifies; `None` when it is of a kind that we do not sign with.
    fn decoding_key(&self) -> Option<DecodingKey> {
        let is_ours = self.kty == "OKP" && self.crv == "Ed25519" && self.alg == "EdDSA";
        let is_whole = URL_SAFE_NO_PAD.decode(&self.x).is_ok_and(|key| key.len() == 32);
        if !is_ours || !is_whole {
            return None;
        }
        DecodingKey::from_ed_components(&self.x).ok()
    }
}

/// Every key that verifies tokens in use: the present one, the next, and former ones until the last
/// token they signed has expired. Serialised, it is a JSON Web Key Set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenKeySet {
    /// The keys.
    pub keys: Vec<TokenKey>,
}

/// Asks for the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenKeysRequest {}

/// Why the keys could not be had.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum TokenKeysError {
    /// The call got no answer.
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    /// An error of a newer identity.
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}

impl ContractError for TokenKeysError {}

/// Gives out the public keys that verify access tokens. Identity provides it; every module with
/// authenticated routes requires it.
#[service("identity")]
pub trait TokenKeys {
    /// Every key in use. A key is given out well before it signs its first token.
    #[idempotent]
    async fn token_keys(
        &self,
        cx: &Context,
        request: TokenKeysRequest,
    ) -> Result<TokenKeySet, TokenKeysError>;
}

/// The keys in the form that verifies, by id.
#[derive(Default)]
pub(crate) struct KeyRing(std::collections::HashMap<String, DecodingKey>);

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// Not a token of ours, in a way that no other key could mend.
    Invalid,
    /// Signed with a key that is not on the ring.
    UnknownKey,
    /// Genuine, but its time is over.
    Expired,
    /// Genuine, but its time has not begun.
    Early,
}

impl KeyRing {
    pub(crate) fn new(set: &TokenKeySet) -> Self {
        let usable = set.keys.iter().filter_map(|key| Some((key.kid.clone(), key.decoding_key()?)));
        Self(usable.collect())
    }

    /// The claims of a token that is genuine and in its time.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenFault> {
        let token_header = jsonwebtoken::decode_header(token).map_err(|_| TokenFault::Invalid)?;
        let is_access_token = token_header.alg == Algorithm::EdDSA
            && token_header.typ.as_deref() == Some(TOKEN_TYPE)
            && token_header.crit.is_none();
        let kid = token_header.kid.filter(|_| is_access_token).ok_or(TokenFault::Invalid)?;
        let key = self.0.get(&kid).ok_or(TokenFault::UnknownKey)?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        // The library would ask the system's clock; ours is asked below.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims = jsonwebtoken::decode::<AccessClaims>(token, key, &rules)
            .map_err(|_| TokenFault::Invalid)?
            .claims;
        if claims.is_expired(now) {
            return Err(TokenFault::Expired);
        }
        if claims.is_early(now) {
            return Err(TokenFault::Early);
        }
        Ok(claims)
    }
}
