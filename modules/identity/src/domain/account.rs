//! An account: registered once, with roles that an admin changes.

use std::{collections::BTreeSet, fmt};

use runtime::{Role, Timestamp};
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

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
    Registered(Registered),
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
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum AccountEvent {
    Registered(Registered),
    RolesChanged { roles: Roles },
    PasswordRehashed { password: PasswordHash },
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
}

impl Account {
    pub(crate) fn registered(&self) -> Option<&Registered> {
        match self {
            Self::Registered(registered) => Some(registered),
            Self::Unregistered => None,
        }
    }

    fn require(&self) -> Result<&Registered, AccountRejection> {
        self.registered().ok_or(AccountRejection::Unregistered)
    }
}

impl Aggregate for Account {
    const NAME: &'static str = "account";
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
        }
    }

    fn evolve(&mut self, event: &AccountEvent) {
        match (self, event) {
            (account, AccountEvent::Registered(registered)) => {
                *account = Self::Registered(registered.clone());
            }
            (Self::Registered(registered), AccountEvent::RolesChanged { roles }) => {
                registered.roles.clone_from(roles);
            }
            (Self::Registered(registered), AccountEvent::PasswordRehashed { password }) => {
                registered.password = password.clone();
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
    fn nothing_happens_to_an_account_that_is_not_there() {
        let nobody = Account::default();
        let hash = PasswordHash::new(String::new());
        let rehash = AccountCommand::Rehash { former: hash.clone(), password: hash };
        assert_eq!(nobody.decide(rehash), Err(AccountRejection::Unregistered));
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
