//! The read models: organizers with their members, venues, events. The SQL, and nothing but the
//! SQL.

pub(crate) mod events;
pub(crate) mod organizers;
pub(crate) mod venues;

use runtime::Timestamp;

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
    use store::{Database, DatabaseSettings};

    use super::*;

    async fn prepare_all_on(settings: DatabaseSettings) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let database = Database::connect(&settings, "catalog", directory.path()).await;
        let database = database.expect("the database answers");
        crate::SCHEMA.up_on(&database).await.expect("the migrations run");
        let all = [organizers::STATEMENTS, venues::STATEMENTS, events::STATEMENTS].concat();
        store::prepare_all(&database, &all).await.expect("every statement is understood");
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
