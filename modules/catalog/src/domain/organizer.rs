//! An organizer: who runs events, and which accounts may act for it.

use std::collections::BTreeMap;

use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use utoipa::ToSchema;
use uuid::Uuid;

/// So many accounts may belong to one organizer.
pub(crate) const MOST_MEMBERS: usize = 100;

/// An organizer as its facts have made it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Organizer {
    founded: bool,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) members: BTreeMap<Uuid, Member>,
}

/// An account that belongs to an organizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) role: MemberRole,
    pub(crate) since: Timestamp,
}

/// What an account may do for an organizer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MemberRole {
    /// Does what a member does, and decides who belongs to the organizer.
    Owner,
    /// Runs the organizer's venues and events.
    #[default]
    Member,
}

/// Who asks for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A person; what it may do is for the organizer to know.
    Account(Uuid),
    /// Whoever runs the installation, and may do everything.
    Admin,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Found { name: String, description: String, owner: Uuid, now: Timestamp },
    Change { name: String, description: String, by: Asker },
    PutMember { user_id: Uuid, role: MemberRole, by: Asker, now: Timestamp },
    RemoveMember { user_id: Uuid, by: Asker },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Fact {
    Founded { name: String, description: String, owner: Uuid, at: Timestamp },
    Changed { name: String, description: String },
    MemberPut { user_id: Uuid, role: MemberRole, at: Timestamp },
    MemberRemoved { user_id: Uuid },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("no organizer has this id")]
    Unknown,
    #[error("an organizer has this id already")]
    Exists,
    #[error("only members of the organizer may do this: ask one of its owners to be added")]
    NotAMember,
    #[error("only owners of the organizer may decide who belongs to it: ask one of them")]
    NotAnOwner,
    #[error("the account is not a member of the organizer")]
    MemberUnknown,
    #[error("an organizer needs an owner: make another member an owner first")]
    LastOwner,
    #[error("an organizer has at most {MOST_MEMBERS} members: remove one first")]
    TooManyMembers,
}

impl Organizer {
    fn known_to(&self, by: Asker) -> Result<(), Rejection> {
        match by {
            Asker::Admin => Ok(()),
            Asker::Account(id) if self.members.contains_key(&id) => Ok(()),
            Asker::Account(_) => Err(Rejection::NotAMember),
        }
    }

    fn owned_by(&self, by: Asker) -> Result<(), Rejection> {
        self.known_to(by)?;
        match by {
            Asker::Account(id) if !self.is_owner(id) => Err(Rejection::NotAnOwner),
            Asker::Account(_) | Asker::Admin => Ok(()),
        }
    }

    fn is_owner(&self, user_id: Uuid) -> bool {
        self.members.get(&user_id).is_some_and(|member| member.role == MemberRole::Owner)
    }

    fn is_last_owner(&self, user_id: Uuid) -> bool {
        let owners = self.members.keys().filter(|id| self.is_owner(**id)).count();
        owners == 1 && self.is_owner(user_id)
    }

    fn put_member(
        &self,
        user_id: Uuid,
        role: MemberRole,
        at: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match self.members.get(&user_id) {
            Some(member) if member.role == role => return Ok(Vec::new()),
            Some(_) if self.is_last_owner(user_id) => return Err(Rejection::LastOwner),
            None if self.members.len() >= MOST_MEMBERS => return Err(Rejection::TooManyMembers),
            Some(_) | None => {}
        }
        Ok(vec![Fact::MemberPut { user_id, role, at }])
    }

    fn remove_member(&self, user_id: Uuid, by: Asker) -> Result<Vec<Fact>, Rejection> {
        let leaves = by == Asker::Account(user_id);
        if leaves {
            self.known_to(by)?;
        } else {
            self.owned_by(by)?;
        }
        if !self.members.contains_key(&user_id) {
            return Err(Rejection::MemberUnknown);
        }
        if self.is_last_owner(user_id) {
            return Err(Rejection::LastOwner);
        }
        Ok(vec![Fact::MemberRemoved { user_id }])
    }
}

impl Aggregate for Organizer {
    const NAME: &'static str = "organizer";
    type Command = Command;
    type Event = Fact;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Fact>, Rejection> {
        if let Command::Found { name, description, owner, now } = command {
            if self.founded {
                return Err(Rejection::Exists);
            }
            return Ok(vec![Fact::Founded { name, description, owner, at: now }]);
        }
        if !self.founded {
            return Err(Rejection::Unknown);
        }
        match command {
            Command::Found { .. } => Err(Rejection::Exists),
            Command::Change { name, description, by } => {
                self.known_to(by)?;
                if name == self.name && description == self.description {
                    return Ok(Vec::new());
                }
                Ok(vec![Fact::Changed { name, description }])
            }
            Command::PutMember { user_id, role, by, now } => {
                self.owned_by(by)?;
                self.put_member(user_id, role, now)
            }
            Command::RemoveMember { user_id, by } => self.remove_member(user_id, by),
        }
    }

    fn evolve(&mut self, fact: &Fact) {
        match fact {
            Fact::Founded { name, description, owner, at } => {
                self.founded = true;
                self.name.clone_from(name);
                self.description.clone_from(description);
                self.members.insert(*owner, Member { role: MemberRole::Owner, since: *at });
            }
            Fact::Changed { name, description } => {
                self.name.clone_from(name);
                self.description.clone_from(description);
            }
            Fact::MemberPut { user_id, role, at } => {
                let since = self.members.get(user_id).map_or(*at, |member| member.since);
                self.members.insert(*user_id, Member { role: *role, since });
            }
            Fact::MemberRemoved { user_id } => {
                self.members.remove(user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANNA: Uuid = Uuid::from_u128(1);
    const BEN: Uuid = Uuid::from_u128(2);
    const CARA: Uuid = Uuid::from_u128(3);
    const NOON: Timestamp = Timestamp::UNIX_EPOCH;

    fn annas() -> Organizer {
        let mut organizer = Organizer::default();
        give(
            &mut organizer,
            Command::Found {
                name: "Anna's".to_owned(),
                description: String::new(),
                owner: ANNA,
                now: NOON,
            },
        )
        .expect("a new organizer can be founded");
        organizer
    }

    fn give(organizer: &mut Organizer, command: Command) -> Result<Vec<Fact>, Rejection> {
        let facts = organizer.decide(command)?;
        for fact in &facts {
            organizer.evolve(fact);
        }
        Ok(facts)
    }

    fn put(user_id: Uuid, role: MemberRole, by: Uuid) -> Command {
        Command::PutMember { user_id, role, by: Asker::Account(by), now: NOON }
    }

    fn remove(user_id: Uuid, by: Uuid) -> Command {
        Command::RemoveMember { user_id, by: Asker::Account(by) }
    }

    #[test]
    fn whoever_founds_an_organizer_owns_it() {
        assert!(annas().is_owner(ANNA));
    }

    #[test]
    fn nothing_can_be_done_to_an_organizer_that_was_never_founded() {
        let command = remove(ANNA, ANNA);
        assert_eq!(Organizer::default().decide(command), Err(Rejection::Unknown));
    }

    #[test]
    fn a_member_may_change_the_organizer_and_a_stranger_may_not() {
        let mut organizer = annas();
        give(&mut organizer, put(BEN, MemberRole::Member, ANNA)).expect("an owner adds a member");
        let change = |by| Command::Change {
            name: "Ours".to_owned(),
            description: String::new(),
            by: Asker::Account(by),
        };
        assert!(organizer.decide(change(BEN)).is_ok());
        assert_eq!(organizer.decide(change(CARA)), Err(Rejection::NotAMember));
    }

    #[test]
    fn only_an_owner_decides_who_belongs_to_it() {
        let mut organizer = annas();
        give(&mut organizer, put(BEN, MemberRole::Member, ANNA)).expect("an owner adds a member");
        let by_member = organizer.decide(put(CARA, MemberRole::Member, BEN));
        assert_eq!(by_member, Err(Rejection::NotAnOwner));
        assert_eq!(organizer.decide(remove(ANNA, BEN)), Err(Rejection::NotAnOwner));
    }

    #[test]
    fn an_admin_may_do_what_an_owner_may() {
        let command = Command::PutMember {
            user_id: BEN,
            role: MemberRole::Owner,
            by: Asker::Admin,
            now: NOON,
        };
        assert!(annas().decide(command).is_ok());
    }

    #[test]
    fn a_member_may_leave() {
        let mut organizer = annas();
        give(&mut organizer, put(BEN, MemberRole::Member, ANNA)).expect("an owner adds a member");
        give(&mut organizer, remove(BEN, BEN)).expect("a member may leave");
        assert!(!organizer.members.contains_key(&BEN));
    }

    #[test]
    fn the_last_owner_can_neither_leave_nor_become_a_member() {
        let organizer = annas();
        assert_eq!(organizer.decide(remove(ANNA, ANNA)), Err(Rejection::LastOwner));
        let demotion = organizer.decide(put(ANNA, MemberRole::Member, ANNA));
        assert_eq!(demotion, Err(Rejection::LastOwner));
    }

    #[test]
    fn putting_a_member_twice_changes_nothing() {
        let mut organizer = annas();
        give(&mut organizer, put(BEN, MemberRole::Member, ANNA)).expect("an owner adds a member");
        let again = organizer.decide(put(BEN, MemberRole::Member, ANNA));
        assert_eq!(again, Ok(Vec::new()));
    }

    #[test]
    fn removing_somebody_who_is_no_member_is_told_so() {
        assert_eq!(annas().decide(remove(BEN, ANNA)), Err(Rejection::MemberUnknown));
    }

    #[test]
    fn there_is_a_limit_to_its_members() {
        let mut organizer = annas();
        for n in 1..MOST_MEMBERS {
            let user_id = Uuid::from_u128(100 + n as u128);
            give(&mut organizer, put(user_id, MemberRole::Member, ANNA)).expect("there is room");
        }
        let one_more = organizer.decide(put(BEN, MemberRole::Member, ANNA));
        assert_eq!(one_more, Err(Rejection::TooManyMembers));
    }

    fn any_command() -> impl Strategy<Value = Command> {
        let person = prop::sample::select(vec![ANNA, BEN, CARA]);
        let role = prop::sample::select(vec![MemberRole::Owner, MemberRole::Member]);
        prop_oneof![
            (person.clone(), role, person.clone()).prop_map(|(who, role, by)| put(who, role, by)),
            (person.clone(), person).prop_map(|(who, by)| remove(who, by)),
        ]
    }

    proptest! {
        #[test]
        fn an_organizer_always_has_an_owner(commands in prop::collection::vec(any_command(), 0..40)) {
            let mut organizer = annas();
            for command in commands {
                let _ = give(&mut organizer, command);
                prop_assert!(organizer.members.keys().any(|id| organizer.is_owner(*id)));
            }
        }

        #[test]
        fn the_facts_alone_give_the_same_organizer(commands in prop::collection::vec(any_command(), 0..40)) {
            let mut organizer = Organizer::default();
            let founding = Command::Found {
                name: "Anna's".to_owned(), description: String::new(), owner: ANNA, now: NOON,
            };
            let mut facts = give(&mut organizer, founding).expect("a new organizer can be founded");
            for command in commands {
                facts.extend(give(&mut organizer, command).unwrap_or_default());
            }
            let mut replayed = Organizer::default();
            for fact in &facts {
                replayed.evolve(fact);
            }
            prop_assert_eq!(replayed, organizer);
        }
    }
}
