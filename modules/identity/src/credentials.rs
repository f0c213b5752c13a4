//! What identity does when a password has become known, or unknown: changes it, replaces it, and ends
//! the sessions of the account.

use edge::Network;
use runtime::{Context, Secret};
use store::Work;
use uuid::Uuid;

use crate::{
    domain::account::AccountCommand,
    service::{Refusal, Service, require_admin},
};

/// What somebody says who wants another password.
pub(crate) struct PasswordChange {
    /// Whose it is.
    pub(crate) account_id: Uuid,
    /// The session that asks for it.
    pub(crate) session_id: Uuid,
    pub(crate) old: Secret,
    pub(crate) new: Secret,
}

impl Service {
    /// Changes a password for whoever knows the old one, and ends every session of the account but
    /// the one that asks. Wrong old passwords count as those of logins do: otherwise whoever has
    /// stolen an access token could guess here.
    pub(crate) async fn change_password(
        &self,
        cx: &Context,
        change: PasswordChange,
        from: Network,
    ) -> Result<(), Refusal> {
        let PasswordChange { account_id, session_id, old, new } = change;
        let account = self.account(account_id).await?;
        let attempt = self.throttle.begin(&account.address(), from, self.clock.now());
        let attempt = attempt.map_err(|wait| Refusal::Throttled { wait })?;
        let former = account.password();
        match self.passwords.matches(old, Some(former.clone()), from).await {
            Ok(true) => attempt.succeeded(),
            Ok(false) => {
                tracing::info!(account = %account_id, "a change of password was refused");
                return Err(Refusal::WrongPassword);
            }
            Err(fault) => {
                attempt.was_none();
                return Err(fault.into());
            }
        }
        let password = self.passwords.hash(new, from).await?;
        let session = self.sessions.load(session_id).await?;
        let session = session
            .as_ref()
            .and_then(|session| session.state.opened())
            .filter(|session| session.account_id == account_id)
            .map(|session| (session_id, session.epoch));
        let command = AccountCommand::ChangePassword { former, password, session };
        let account = self.accounts.execute(cx, account_id, command).await?;
        self.revoke_sessions(account_id, account.state.sessions()).await;
        tracing::info!(account = %account_id, "password changed");
        Ok(())
    }

    /// Gives the account another password and ends all its sessions. `by` must be an admin now, and
    /// another account.
    pub(crate) async fn reset_password(
        &self,
        cx: &Context,
        id: Uuid,
        password: Secret,
        by: Uuid,
        from: Network,
    ) -> Result<(), Refusal> {
        let _exists = self.account(id).await?;
        let password = self.passwords.hash(password, from).await?;
        let accounts = self.accounts.clone();
        let reset = self.accounts.committer().transact(cx, move |work: &mut Work<'_>| {
            let (accounts, password) = (accounts.clone(), password.clone());
            Box::pin(async move {
                require_admin(work, &accounts, by).await?;
                let command = AccountCommand::ResetPassword { password, by, account_id: id };
                let account = work.execute(&accounts, id, command).await?;
                Ok::<_, Refusal>(account.state.sessions())
            })
        });
        self.revoke_sessions(id, reset.await?).await;
        tracing::info!(account = %id, %by, "password reset");
        Ok(())
    }

    /// Ends all sessions of the account. `by` is its owner, or must be an admin now, and asks from
    /// `session`. An owner whose session has ended has ended them before: nothing happens again.
    pub(crate) async fn end_sessions(
        &self,
        cx: &Context,
        id: Uuid,
        by: Uuid,
        session: Uuid,
    ) -> Result<(), Refusal> {
        let (accounts, sessions) = (self.accounts.clone(), self.sessions.clone());
        let ended = self.accounts.committer().transact(cx, move |work: &mut Work<'_>| {
            let (accounts, sessions) = (accounts.clone(), sessions.clone());
            Box::pin(async move {
                let asker = if by == id {
                    let opened = work.load(&sessions, session).await?;
                    let opened = opened.and_then(|opened| opened.state.opened());
                    opened.map(|opened| (session, opened.epoch))
                } else {
                    require_admin(work, &accounts, by).await?;
                    None
                };
                let before = work.load(&accounts, id).await?.map(|before| before.version);
                let command = AccountCommand::EndSessions { asker };
                let account = work.execute(&accounts, id, command).await?;
                let have_ended_before = before == Some(account.version);
                Ok::<_, Refusal>((account.state.sessions(), asker.filter(|_| have_ended_before)))
            })
        });
        let (admitted, ended_before) = ended.await?;
        let is_told =
            ended_before.is_some_and(|(session, epoch)| self.is_revoked(id, session, epoch));
        if !is_told {
            self.revoke_sessions(id, admitted).await;
        }
        tracing::info!(account = %id, %by, "all sessions ended");
        Ok(())
    }
}
