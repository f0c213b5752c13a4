//! The read models: organizers with their members, venues, events. The SQL, and nothing but the
//! SQL.

pub(crate) mod events;
pub(crate) mod organizers;
pub(crate) mod venues;

use runtime::Timestamp;
use store::Sql;

/// Every statement of this service.
pub(crate) const STATEMENTS: &[&[(&str, Sql)]] =
    &[organizers::STATEMENTS, venues::STATEMENTS, events::STATEMENTS];

/// The form in which names are searched and sorted.
fn name_key(name: &str) -> String {
    name.to_lowercase()
}

/// The names that begin with a prefix, as a half-open range of keys; without a prefix all names.
struct Names {
    from: String,
    before: String,
}

impl Names {
    fn beginning_with(prefix: Option<&str>) -> Self {
        let from = name_key(prefix.unwrap_or_default().trim());
        let before = format!("{from}{}", char::MAX);
        Self { from, before }
    }
}

/// What is stored differs from what this build can have written.
#[derive(Debug, thiserror::Error)]
#[error("{what} {value:?} is not known")]
pub(crate) struct UnknownValue {
    what: &'static str,
    value: String,
}

/// The earliest instant that an event can have; both databases keep it.
pub(crate) const EARLIEST: Timestamp = Timestamp::UNIX_EPOCH;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use store::{At, Database, DatabaseSettings, Json};
    use uuid::Uuid;

    use super::*;

    async fn prepare_all_on(settings: DatabaseSettings) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let database = Database::connect(&settings, "catalog", directory.path()).await;
        let database = database.expect("the database answers");
        crate::SCHEMA.up_on(&database).await.expect("the migrations run");
        store::prepare_all(&database, &STATEMENTS.concat())
            .await
            .expect("every statement is understood");
        crate::SCHEMA.down_on(&database, 2).await.expect("and can be taken back");
        database.close().await;
    }

    #[tokio::test]
    async fn sqlite_understands_every_statement() {
        prepare_all_on(DatabaseSettings::default()).await;
    }

    #[tokio::test]
    async fn postgres_understands_every_statement() {
        let url = testkit::postgres::fresh_database().await;
        let url = runtime::Secret::from(url.as_str().to_owned());
        prepare_all_on(DatabaseSettings { url, ..DatabaseSettings::default() }).await;
    }

    /// How events were written before there were quotas.
    const INSERT_OF_OLD: Sql = store::sql!(
        "INSERT INTO event_view (id, version, organizer_id, venue_id, name, name_key, description, \
         phase, starts_at, ends_at, currency, ticket_types, cancellation) \
         SELECT id, version, organizer_id, venue_id, name, name_key, description, \
         phase, starts_at, ends_at, currency, ticket_types, cancellation FROM ",
        rows(
            "$1", id uuid, version bigint, organizer_id uuid, venue_id uuid, name text,
            name_key text, description text, phase text, starts_at instant, ends_at instant,
            currency text, ticket_types json, cancellation text
        ),
    );
    const READ_TYPES: &str = "SELECT ticket_types AS value FROM event_view";
    const READ_QUOTAS: &str = "SELECT quotas AS value FROM event_view";

    #[derive(sqlx::FromRow)]
    struct Column {
        value: Json<Value>,
    }

    async fn read(database: &Database, statement: &'static str) -> Value {
        let rows = store::fetch_all!(database, Column, statement).await.expect("it can be read");
        rows.into_iter().next().expect("the event is there").value.0
    }

    /// What ticket types had to themselves becomes quotas of their own, and back.
    async fn migrate_on(settings: DatabaseSettings) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let database = Database::connect(&settings, "catalog", directory.path()).await;
        let database = database.expect("the database answers");
        crate::SCHEMA.up_on(&database).await.expect("the migrations run");
        crate::SCHEMA.down_on(&database, 1).await.expect("and can be taken back");
        let (stalls, lawn) = (Uuid::from_u128(3), Uuid::from_u128(4));
        let (limited, unlimited) =
            (json!({"kind": "limited", "places": 3}), json!({"kind": "unlimited"}));
        let price = json!({"amount": 1, "currency": "EUR"});
        let before = json!([
            {"id": stalls, "name": "Stalls", "price": price, "capacity": limited},
            {"id": lawn, "name": "Lawn", "price": price, "capacity": unlimited},
        ]);
        let event = json!([{
            "id": Uuid::from_u128(1), "version": 2, "organizer_id": Uuid::nil(),
            "venue_id": Uuid::nil(), "name": "Quartet", "name_key": "quartet", "description": "",
            "phase": "published", "starts_at": At(EARLIEST),
            "ends_at": At(Timestamp::from_second(1).expect("in range")), "currency": "EUR",
            "ticket_types": before, "cancellation": null,
        }]);
        let mut tx = database.begin().await.expect("a transaction begins");
        store::execute!(&mut tx, INSERT_OF_OLD, Json(&event)).await.expect("it is written");
        tx.commit().await.expect("and kept");

        crate::SCHEMA.up_on(&database).await.expect("the migration runs");
        let quota = |id, name, capacity: &Value| json!({"quota_id": id, "name": name, "capacity": capacity, "ticket_type_ids": [id]});
        let quotas = json!([quota(stalls, "Stalls", &limited), quota(lawn, "Lawn", &unlimited)]);
        assert_eq!(read(&database, READ_QUOTAS).await, quotas);
        let types = json!([
            {"id": stalls, "name": "Stalls", "price": price},
            {"id": lawn, "name": "Lawn", "price": price},
        ]);
        assert_eq!(read(&database, READ_TYPES).await, types);
        crate::SCHEMA.down_on(&database, 1).await.expect("it can be taken back");
        assert_eq!(read(&database, READ_TYPES).await, before);
        database.close().await;
    }

    #[tokio::test]
    async fn sqlite_turns_capacities_into_quotas() {
        migrate_on(DatabaseSettings::default()).await;
    }

    #[tokio::test]
    async fn postgres_turns_capacities_into_quotas() {
        let url = testkit::postgres::fresh_database().await;
        let url = runtime::Secret::from(url.as_str().to_owned());
        migrate_on(DatabaseSettings { url, ..DatabaseSettings::default() }).await;
    }

    #[test]
    fn a_prefix_covers_names_in_any_case() {
        let names = Names::beginning_with(Some("Jazz"));
        let covers = |name: &str| {
            let key = name_key(name);
            names.from <= key && key < names.before
        };
        assert!(covers("Jazz"));
        assert!(covers("JAZZ at noon"));
        assert!(!covers("Jaz"));
        assert!(!covers("Blues"));
    }
}
