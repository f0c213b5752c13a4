//! The two tokens of a session: the access token that every service verifies, and the refresh token
//! that only identity understands.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use contracts::identity::AccessToken;
use edge::token::{AccessClaims, KeyFault};
use runtime::{Ids, Random, Role, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    domain::{account::Roles, epoch::Epoch},
    keys::SigningKeys,
    settings::IdentitySettings,
};

/// What is kept of a refresh token. The token has 256 random bits, so that its hash needs neither
/// salt nor cost.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    pub(crate) fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// As it is stored.
impl From<TokenHash> for String {
    fn from(hash: TokenHash) -> Self {
        BASE64_URL_SAFE_NO_PAD.encode(hash.0)
    }
}

impl TryFrom<String> for TokenHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes =
            BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| "a token's hash is base64url")?;
        bytes.try_into().map(Self).map_err(|_| "a token's hash has 32 bytes")
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(<hidden>)")
    }
}

/// Makes the tokens of sessions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tokens {
    keys: Arc<SigningKeys>,
    ids: Ids,
    random: Arc<dyn Random>,
    access_life: Duration,
    refresh_life: Duration,
}

/// A refresh token that is about to be given out.
pub(crate) struct RefreshToken {
    pub(crate) secret: Secret,
    pub(crate) hash: TokenHash,
    pub(crate) expires_at: Timestamp,
}

impl Tokens {
    pub(crate) fn new(
        settings: &IdentitySettings,
        keys: Arc<SigningKeys>,
        ids: Ids,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            keys,
            ids,
            random,
            access_life: settings.access_token_life,
            refresh_life: settings.refresh_token_life,
        }
    }

    /// A signed access token for a session that was opened in `epoch`.
    pub(crate) fn access(
        &self,
        account: Uuid,
        roles: &Roles,
        session: Uuid,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<Secret, KeyFault> {
        let roles = roles.iter().copied().collect();
        let claims =
            AccessClaims::new(account, roles, session, self.ids.next(), now, self.access_life);
        Ok(self.keys.sign(&claims.in_epoch(epoch.number()))?.into())
    }

    /// A signed access token for somebody without an account, and until when it is good.
    pub(crate) fn guest(
        &self,
        guest: Uuid,
        now: Timestamp,
    ) -> Result<(AccessToken, Timestamp), KeyFault> {
        let roles = vec![Role::Customer];
        let claims = AccessClaims::new(guest, roles, guest, self.ids.next(), now, self.access_life);
        let token = self.keys.sign(&claims.of_guest())?;
        Ok((token.into(), now.checked_add(self.access_life).unwrap_or(Timestamp::MAX)))
    }

    /// How long an access token is good.
    pub(crate) fn access_life(&self) -> Duration {
        self.access_life
    }

    /// A new refresh token.
    pub(crate) fn refresh(&self, now: Timestamp) -> RefreshToken {
        let secret = BASE64_URL_SAFE_NO_PAD.encode(self.random.bytes::<32>());
        let hash = TokenHash::of(secret.as_bytes());
        let expires_at = now.checked_add(self.refresh_life).unwrap_or(Timestamp::MAX);
        RefreshToken { secret: secret.into(), hash, expires_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_as_text_and_read_back() {
        let hash = TokenHash::of(b"a token");
        let text = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<TokenHash>(&text).unwrap(), hash);
        assert!(serde_json::from_str::<TokenHash>(r#""c2hvcnQ""#).is_err());
        assert!(serde_json::from_str::<TokenHash>(r#""not base64!""#).is_err());
    }

    #[test]
    fn a_hash_cannot_be_printed() {
        assert_eq!(format!("{:?}", TokenHash::of(b"a token")), "TokenHash(<hidden>)");
    }
}
