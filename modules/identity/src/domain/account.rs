//! An account: registered once, with roles that an admin changes and a password that its owner does.

use std::{collections::BTreeSet, fmt};

use runtime::{Role, Timestamp};
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

use crate::domain::epoch::{Admitted, Epoch};

/// What an account may do. Never empty.
pub(crate) type Roles = BTreeSet<Role>;

/// A person's address in the one spelling that is stored and compared.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EmailAddress(String);

impl EmailAddress {
    /// Capital letters do not make another address.
    pub(crate) fn normalise(address: &str) -> Self {
        Self(address.trim().to_lowercase())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// All the personal data there is of an account, in one place.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) email: EmailAddress,
    pub(crate) name: String,
}

/// An argon2id hash in PHC string format.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PasswordHash(String);

impl PasswordHash {
    pub(crate) fn new(phc: String) -> Self {
        Self(phc)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Kept out of logs and failed assertions.
macro_rules! hide {
    ($($type:ident),+) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(<hidden>)"))
            }
        }
    )+};
}
hide!(EmailAddress, Person, PasswordHash);

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum Account {
    #[default]
    Unregistered,
    Registered {
        #[serde(flatten)]
        registered: Registered,
        sessions: Admitted,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) person: Person,
    pub(crate) password: PasswordHash,
    pub(crate) roles: Roles,
    pub(crate) since: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) enum AccountCommand {
    /// That the address is free, the view's unique index sees to.
    Register(Registered),
    /// `by`: the account of whoever asks for it.
    ChangeRoles { roles: Roles, by: Uuid, account_id: Uuid },
    /// The password behind `former`, hashed with the settings of today.
    Rehash { former: PasswordHash, password: PasswordHash },
    /// By its owner, who knew the password behind `former` and keeps the session that asks for it,
    /// known by its id and by when it was opened.
    ChangePassword { former: PasswordHash, password: PasswordHash, session: Option<(Uuid, Epoch)> },
    /// `by`: the account of the admin who does it.
    ResetPassword { password: PasswordHash, by: Uuid, account_id: Uuid },
    /// `asker`: the session from which its owner asks, by its id and by when it was opened. None for
    /// somebody else.
    EndSessions { asker: Option<(Uuid, Epoch)> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum AccountEvent {
    Registered(Registered),
    RolesChanged {
        roles: Roles,
    },
    PasswordRehashed {
        password: PasswordHash,
    },
    PasswordChanged {
        password: PasswordHash,
        /// The one session that did not end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spared_session: Option<Uuid>,
    },
    PasswordReset {
        password: PasswordHash,
    },
    SessionsEnded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccountRejection {
    #[error("the account is registered already; use an id that is not taken")]
    RegisteredAlready,
    #[error("there is no such account; register it first")]
    Unregistered,
    #[error("an account needs at least one role; name the roles it is to have")]
    NoRole,
    #[error("admins cannot give up their own admin role; let another admin take it away")]
    OwnAdminRole,
    #[error("the account has another password by now; send that one as the old one")]
    PasswordDiffers,
    #[error("admins change their own password with the old one; ask another admin")]
    OwnPassword,
}

impl Account {
    pub(crate) fn registered(&self) -> Option<&Registered> {
        match self {
            Self::Registered { registered, .. } => Some(registered),
            Self::Unregistered => None,
        }
    }

    /// Which of its sessions may go on.
    pub(crate) fn sessions(&self) -> Admitted {
        match self {
            Self::Registered { sessions, .. } => *sessions,
            Self::Unregistered => Admitted::default(),
        }
    }

    fn admits(&self, (session, epoch): (Uuid, Epoch)) -> bool {
        self.sessions().admits(session, epoch)
    }

    fn require(&self) -> Result<&Registered, AccountRejection> {
        self.registered().ok_or(AccountRejection::Unregistered)
    }
}

impl Aggregate for Account {
    const NAME: &'static str = "account";
    const STATE_SCHEMA: u16 = 2;
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Rejection = AccountRejection;

    fn decide(&self, command: AccountCommand) -> Result<Vec<AccountEvent>, AccountRejection> {
        match command {
            AccountCommand::Register(registration) => {
                if self.registered().is_some() {
                    return Err(AccountRejection::RegisteredAlready);
                }
                if registration.roles.is_empty() {
                    return Err(AccountRejection::NoRole);
                }
                Ok(vec![AccountEvent::Registered(registration)])
            }
            AccountCommand::ChangeRoles { roles, by, account_id } => {
                let registered = self.require()?;
                if roles.is_empty() {
                    return Err(AccountRejection::NoRole);
                }
                if registered.roles == roles {
                    return Ok(vec![]);
                }
                // Whoever takes the role away keeps it: so somebody always has it.
                if by == account_id && !roles.contains(&Role::Admin) {
                    return Err(AccountRejection::OwnAdminRole);
                }
                Ok(vec![AccountEvent::RolesChanged { roles }])
            }
            AccountCommand::Rehash { former, password } => {
                let is_current = self.require()?.password == former;
                Ok(if is_current {
                    vec![AccountEvent::PasswordRehashed { password }]
                } else {
                    vec![]
                })
            }
            AccountCommand::ChangePassword { former, password, session } => {
                if self.require()?.password != former {
                    return Err(AccountRejection::PasswordDiffers);
                }
                let spared_session = session.filter(|it| self.admits(*it)).map(|(id, _)| id);
                Ok(vec![AccountEvent::PasswordChanged { password, spared_session }])
            }
            AccountCommand::ResetPassword { password, by, account_id } => {
                self.require()?;
                if by == account_id {
                    return Err(AccountRejection::OwnPassword);
                }
                Ok(vec![AccountEvent::PasswordReset { password }])
            }
            AccountCommand::EndSessions { asker } => {
                self.require()?;
                // Whoever asks from a session that has ended with all others asks for nothing new.
                let goes_on = asker.is_none_or(|it| self.admits(it));
                Ok(if goes_on { vec![AccountEvent::SessionsEnded] } else { vec![] })
            }
        }
    }

    fn evolve(&mut self, event: &AccountEvent) {
        match (self, event) {
            (account, AccountEvent::Registered(registered)) => {
                let registered = registered.clone();
                *account = Self::Registered { registered, sessions: Admitted::default() };
            }
            (Self::Registered { registered, .. }, AccountEvent::RolesChanged { roles }) => {
                registered.roles.clone_from(roles);
            }
            (Self::Registered { registered, .. }, AccountEvent::PasswordRehashed { password }) => {
                registered.password = password.clone();
            }
            (
                Self::Registered { registered, sessions },
                AccountEvent::PasswordChanged { password, spared_session },
            ) => {
                registered.password = password.clone();
                sessions.end_all_but(*spared_session);
            }
            (
                Self::Registered { registered, sessions },
                AccountEvent::PasswordReset { password },
            ) => {
                registered.password = password.clone();
                sessions.end_all_but(None);
            }
            (Self::Registered { sessions, .. }, AccountEvent::SessionsEnded) => {
                sessions.end_all_but(None);
            }
            (Self::Unregistered, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(roles: &[Role]) -> Registered {
        Registered {
            person: Person {
                email: EmailAddress::normalise("Ada@Example.org"),
                name: "Ada".to_owned(),
            },
            password: PasswordHash::new("$argon2id$...".to_owned()),
            roles: roles.iter().copied().collect(),
            since: Timestamp::UNIX_EPOCH,
        }
    }

    fn registered(roles: &[Role]) -> Account {
        let mut account = Account::default();
        account.evolve(&AccountEvent::Registered(registration(roles)));
        account
    }

    fn change(roles: &[Role], by: Uuid) -> AccountCommand {
        AccountCommand::ChangeRoles {
            roles: roles.iter().copied().collect(),
            by,
            account_id: Uuid::from_u128(1),
        }
    }

    #[test]
    fn events_are_read_and_written_as_they_ever_were() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("golden/account.v1.json")).unwrap();
        let events: Vec<AccountEvent> = serde_json::from_value(golden.clone()).unwrap();
        assert_eq!(serde_json::to_value(events).unwrap(), golden);
    }

    #[test]
    fn an_address_is_the_same_in_capital_letters() {
        let shouted = EmailAddress::normalise(" ADA@EXAMPLE.ORG ");
        assert_eq!(shouted, EmailAddress::normalise("ada@example.org"));
    }

    #[test]
    fn an_account_is_registered_once() {
        let command = AccountCommand::Register(registration(&[Role::Customer]));
        let account = registered(&[Role::Customer]);
        assert!(Account::default().decide(command.clone()).is_ok());
        assert_eq!(account.decide(command), Err(AccountRejection::RegisteredAlready));
    }

    #[test]
    fn an_account_always_has_a_role() {
        let command = AccountCommand::Register(registration(&[]));
        assert_eq!(Account::default().decide(command), Err(AccountRejection::NoRole));
        let refused = registered(&[Role::Customer]).decide(change(&[], Uuid::from_u128(2)));
        assert_eq!(refused, Err(AccountRejection::NoRole));
    }

    #[test]
    fn roles_change_only_when_they_differ() {
        let mut account = registered(&[Role::Customer]);
        let to_organizer = change(&[Role::Organizer, Role::Customer], Uuid::from_u128(2));
        let events = account.decide(to_organizer.clone()).unwrap();
        assert_eq!(events.len(), 1);
        account.evolve(&events[0]);
        assert_eq!(account.decide(to_organizer), Ok(vec![]));
    }

    #[test]
    fn admins_keep_their_own_admin_role_and_may_take_that_of_others() {
        let admin = registered(&[Role::Admin]);
        let own = admin.decide(change(&[Role::Customer], Uuid::from_u128(1)));
        assert_eq!(own, Err(AccountRejection::OwnAdminRole));
        assert!(admin.decide(change(&[Role::Customer], Uuid::from_u128(2))).is_ok());
    }

    #[test]
    fn a_password_is_hashed_anew_only_while_it_is_the_one_that_was_checked() {
        let hash = |text: &str| PasswordHash::new(text.to_owned());
        let mut account = registered(&[Role::Customer]);
        let former = account.registered().unwrap().password.clone();
        let rehash = |former| AccountCommand::Rehash { former, password: hash("$argon2id$new") };
        assert_eq!(account.decide(rehash(hash("$argon2id$another"))), Ok(vec![]));
        let events = account.decide(rehash(former)).unwrap();
        account.evolve(&events[0]);
        assert_eq!(account.registered().unwrap().password, hash("$argon2id$new"));
    }

    #[test]
    fn a_password_is_changed_by_whoever_knew_the_one_that_it_still_is() {
        let hash = |text: &str| PasswordHash::new(text.to_owned());
        let mut account = registered(&[Role::Customer]);
        let former = account.registered().unwrap().password.clone();
        let epoch = account.sessions().epoch;
        let own = Uuid::from_u128(8);
        let change = |former, password| AccountCommand::ChangePassword {
            former,
            password: hash(password),
            session: Some((own, epoch)),
        };
        let events = account.decide(change(former.clone(), "$argon2id$new")).unwrap();
        account.evolve(&events[0]);
        assert_eq!(account.registered().unwrap().password, hash("$argon2id$new"));
        assert!(account.sessions().admits(own, epoch));
        assert!(!account.sessions().admits(Uuid::from_u128(9), epoch));
        let late = account.decide(change(former, "$argon2id$newer"));
        assert_eq!(late, Err(AccountRejection::PasswordDiffers));
    }

    #[test]
    fn changing_the_password_brings_no_session_back() {
        let mut account = registered(&[Role::Customer]);
        let (session, epoch) = (Uuid::from_u128(8), account.sessions().epoch);
        account.evolve(&AccountEvent::SessionsEnded);
        let former = account.registered().unwrap().password.clone();
        let password = PasswordHash::new("$argon2id$new".to_owned());
        let change =
            AccountCommand::ChangePassword { former, password, session: Some((session, epoch)) };
        account.evolve(&account.decide(change).unwrap()[0]);
        assert!(!account.sessions().admits(session, epoch));
    }

    #[test]
    fn an_admin_resets_the_passwords_of_others_and_ends_all_their_sessions() {
        let mut account = registered(&[Role::Admin]);
        let (session, epoch) = (Uuid::from_u128(8), account.sessions().epoch);
        let password = PasswordHash::new("$argon2id$new".to_owned());
        let reset = |by| AccountCommand::ResetPassword {
            password: password.clone(),
            by: Uuid::from_u128(by),
            account_id: Uuid::from_u128(1),
        };
        assert_eq!(account.decide(reset(1)), Err(AccountRejection::OwnPassword));
        account.evolve(&account.decide(reset(2)).unwrap()[0]);
        assert_eq!(account.registered().unwrap().password, password);
        assert!(!account.sessions().admits(session, epoch));
    }

    #[test]
    fn sessions_end_and_the_password_stays() {
        let mut account = registered(&[Role::Customer]);
        let (session, epoch) = (Uuid::from_u128(8), account.sessions().epoch);
        let end = |asker| AccountCommand::EndSessions { asker };
        account.evolve(&account.decide(end(Some((session, epoch)))).unwrap()[0]);
        assert_eq!(account.registered(), registered(&[Role::Customer]).registered());
        assert!(!account.sessions().admits(session, epoch));
        assert_eq!(account.decide(end(Some((session, epoch)))), Ok(vec![]), "they have ended");
        assert_eq!(account.decide(end(None)), Ok(vec![AccountEvent::SessionsEnded]));
    }

    #[test]
    fn a_state_is_stored_and_read_back() {
        let mut account = registered(&[Role::Customer]);
        account.evolve(&AccountEvent::SessionsEnded);
        let stored = serde_json::to_string(&account).unwrap();
        assert_eq!(serde_json::from_str::<Account>(&stored).unwrap(), account);
    }

    #[test]
    fn nothing_happens_to_an_account_that_is_not_there() {
        let nobody = Account::default();
        let hash = PasswordHash::new(String::new());
        let id = Uuid::from_u128(1);
        for command in [
            AccountCommand::Rehash { former: hash.clone(), password: hash.clone() },
            AccountCommand::ChangePassword {
                former: hash.clone(),
                password: hash.clone(),
                session: None,
            },
            AccountCommand::ResetPassword { password: hash, by: id, account_id: id },
            AccountCommand::EndSessions { asker: None },
        ] {
            assert_eq!(nobody.decide(command), Err(AccountRejection::Unregistered));
        }
        let roles = nobody.decide(change(&[Role::Staff], Uuid::from_u128(2)));
        assert_eq!(roles, Err(AccountRejection::Unregistered));
    }

    #[test]
    fn neither_person_nor_password_can_be_printed() {
        let printed = format!("{:?}", AccountEvent::Registered(registration(&[Role::Customer])));
        for secret in ["ada", "Ada", "argon2id"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
