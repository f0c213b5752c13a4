//! Organizers and their members.

use runtime::async_trait;
use serde::Serialize;
use store::{At, Change, Database, Json, Sql, StoreError, Tx, View};
use uuid::Uuid;

use super::{Names, UnknownValue, name_key};
use crate::domain::{
    Organizer,
    organizer::{Fact, MemberRole},
};

const PUT: Sql = store::sql!(
    "INSERT INTO organizer_view (id, version, name, name_key, description) \
     SELECT id, version, name, name_key, description FROM ",
    rows("$1", id uuid, version bigint, name text, name_key text, description text),
    " WHERE true ON CONFLICT (id) DO UPDATE SET version = excluded.version, \
     name = excluded.name, name_key = excluded.name_key, description = excluded.description",
);
const PUT_MEMBERS: Sql = store::sql!(
    "INSERT INTO organizer_member (organizer_id, user_id, role, since) \
     SELECT organizer_id, user_id, role, since FROM ",
    rows("$1", organizer_id uuid, user_id uuid, role text, since instant),
    " WHERE true ON CONFLICT (organizer_id, user_id) DO UPDATE SET role = excluded.role",
);
const DROP_MEMBERS: Sql = store::sql!(
    "DELETE FROM organizer_member WHERE (organizer_id, user_id) IN \
     (SELECT organizer_id, user_id FROM ",
    rows("$1", organizer_id uuid, user_id uuid),
    ")",
);

const FIND: &str = "SELECT id, version, name, description FROM organizer_view WHERE id = $1";
const LIST: &str = "SELECT id, version, name, description FROM organizer_view \
     WHERE (name_key, id) > ($1, $2) AND name_key >= $3 AND name_key < $4 \
     ORDER BY name_key, id LIMIT $5";
const LIST_OF_USER: &str = "SELECT id, version, name, description FROM organizer_view \
     WHERE id IN (SELECT organizer_id FROM organizer_member WHERE user_id = $6) \
     AND (name_key, id) > ($1, $2) AND name_key >= $3 AND name_key < $4 \
     ORDER BY name_key, id LIMIT $5";

const FIND_MEMBER: &str = "SELECT user_id, role, since FROM organizer_member \
     WHERE organizer_id = $1 AND user_id = $2";
const LIST_MEMBERS: &str = "SELECT user_id, role, since FROM organizer_member \
     WHERE organizer_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3";

pub(super) const STATEMENTS: &[(&str, Sql)] = store::statements![
    PUT,
    PUT_MEMBERS,
    DROP_MEMBERS,
    FIND,
    LIST,
    LIST_OF_USER,
    FIND_MEMBER,
    LIST_MEMBERS,
];

/// An organizer as everybody may see it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct OrganizerRow {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) description: String,
}

impl OrganizerRow {
    /// Where it is in a list: what the next page starts after.
    pub(crate) fn key(&self) -> (String, Uuid) {
        (name_key(&self.name), self.id)
    }
}

/// A member of an organizer.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct MemberRow {
    pub(crate) user_id: Uuid,
    #[sqlx(try_from = "String")]
    pub(crate) role: MemberRole,
    pub(crate) since: At,
}

impl TryFrom<String> for MemberRole {
    type Error = UnknownValue;

    fn try_from(value: String) -> Result<Self, UnknownValue> {
        match value.as_str() {
            "owner" => Ok(Self::Owner),
            "member" => Ok(Self::Member),
            _ => Err(UnknownValue { what: "the role", value }),
        }
    }
}

pub(crate) async fn find(
    database: &Database,
    id: Uuid,
) -> Result<Option<OrganizerRow>, StoreError> {
    Ok(store::fetch_optional!(database, OrganizerRow, FIND, id).await?)
}

/// Which organizers to list.
pub(crate) struct Wanted<'a> {
    /// Those that this account belongs to; all when absent.
    pub(crate) member: Option<Uuid>,
    pub(crate) name_prefix: Option<&'a str>,
    pub(crate) after: Option<(String, Uuid)>,
    pub(crate) limit: i64,
}

pub(crate) async fn list(
    database: &Database,
    wanted: Wanted<'_>,
) -> Result<Vec<OrganizerRow>, StoreError> {
    let Names { from, before } = Names::beginning_with(wanted.name_prefix);
    let (name, id) = wanted.after.unwrap_or_default();
    let limit = wanted.limit;
    let rows = match wanted.member {
        None => {
            store::fetch_all!(database, OrganizerRow, LIST, &name, id, &from, &before, limit).await
        }
        Some(user) => {
            store::fetch_all!(
                database,
                OrganizerRow,
                LIST_OF_USER,
                &name,
                id,
                &from,
                &before,
                limit,
                user
            )
            .await
        }
    };
    Ok(rows?)
}

pub(crate) async fn find_member(
    database: &Database,
    organizer_id: Uuid,
    user_id: Uuid,
) -> Result<Option<MemberRow>, StoreError> {
    Ok(store::fetch_optional!(database, MemberRow, FIND_MEMBER, organizer_id, user_id).await?)
}

pub(crate) async fn list_members(
    database: &Database,
    organizer_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<MemberRow>, StoreError> {
    let after = after.unwrap_or_default();
    Ok(store::fetch_all!(database, MemberRow, LIST_MEMBERS, organizer_id, after, limit).await?)
}

/// Keeps organizers and their members.
pub(crate) struct OrganizerView;

#[derive(Serialize)]
struct Put<'a> {
    id: Uuid,
    version: u64,
    name: &'a str,
    name_key: String,
    description: &'a str,
}

#[derive(Serialize)]
struct PutMember {
    organizer_id: Uuid,
    user_id: Uuid,
    role: MemberRole,
    since: At,
}

#[derive(Serialize)]
struct DropMember {
    organizer_id: Uuid,
    user_id: Uuid,
}

#[async_trait]
impl View<Organizer> for OrganizerView {
    async fn apply(
        &self,
        tx: &mut Tx,
        changes: &[Change<'_, Organizer>],
    ) -> Result<(), sqlx::Error> {
        let organizers: Vec<_> = changes.iter().map(organizer).collect();
        store::execute!(tx, PUT, Json(&organizers)).await?;
        let gone: Vec<_> = changes.iter().flat_map(members_gone).collect();
        if !gone.is_empty() {
            store::execute!(tx, DROP_MEMBERS, Json(&gone)).await?;
        }
        let members: Vec<_> = changes.iter().flat_map(members).collect();
        if !members.is_empty() {
            store::execute!(tx, PUT_MEMBERS, Json(&members)).await?;
        }
        Ok(())
    }
}

fn organizer<'a>(change: &'a Change<'_, Organizer>) -> Put<'a> {
    let Organizer { name, description, .. } = change.state;
    Put { id: change.id, version: change.version, name, name_key: name_key(name), description }
}

/// The members as they are now, when the change is about any.
fn members<'a>(change: &'a Change<'_, Organizer>) -> impl Iterator<Item = PutMember> + 'a {
    let concerned = change.events.iter().any(|recorded| match recorded.event {
        Fact::Founded { .. } | Fact::MemberPut { .. } => true,
        Fact::Changed { .. } | Fact::MemberRemoved { .. } => false,
    });
    let all = concerned.then(|| change.state.members.iter());
    all.into_iter().flatten().map(|(user_id, member)| PutMember {
        organizer_id: change.id,
        user_id: *user_id,
        role: member.role,
        since: member.since.into(),
    })
}

fn members_gone<'a>(change: &'a Change<'_, Organizer>) -> impl Iterator<Item = DropMember> + 'a {
    change.events.iter().filter_map(|recorded| match recorded.event {
        Fact::MemberRemoved { user_id } if !change.state.members.contains_key(&user_id) => {
            Some(DropMember { organizer_id: change.id, user_id })
        }
        _ => None,
    })
}
