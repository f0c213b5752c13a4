//! What identity tells everybody who verifies access tokens: whose sessions have ended.
//!
//! It says so after the end was committed. That a refresh token is worth nothing is in the database;
//! only the access tokens that were given out before depend on who has heard of it.

use cache::{Bearer, Revocation, Revoked};
use edge::token::LEEWAY;
use uuid::Uuid;

use crate::{
    domain::epoch::{Admitted, Epoch},
    service::Service,
};

impl Service {
    /// One session has ended.
    pub(crate) async fn revoke_session(&self, session: Uuid) {
        self.revoke(Revoked::Session(session)).await;
    }

    /// All sessions of the account have ended but those that are `admitted`.
    pub(crate) async fn revoke_sessions(&self, account: Uuid, admitted: Admitted) {
        let Admitted { epoch, spared } = admitted;
        self.revoke(Revoked::Sessions { account, epoch: epoch.number(), spared }).await;
    }

    /// Whether this process knows already that the session has ended. Whoever has said so told all
    /// others, and need not say it again; who crashed before that does not know it.
    pub(crate) fn is_revoked(&self, account: Uuid, session: Uuid, epoch: Epoch) -> bool {
        let bearer = Bearer { account, session, epoch: epoch.number() };
        self.cache.is_revoked(bearer, self.clock.now())
    }

    async fn revoke(&self, revoked: Revoked) {
        let now = self.clock.now();
        let life = self.tokens.access_life().saturating_add(LEEWAY);
        let until = now.checked_add(life).unwrap_or(runtime::Timestamp::MAX);
        self.cache.revoke(Revocation { revoked, until }, now).await;
    }
}
