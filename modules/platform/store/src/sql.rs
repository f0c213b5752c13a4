//! SQL that is written once and runs on both databases.
//!
//! Statements are constants with `$1`, `$2`… for what is bound. The macros run them natively on
//! whichever database they are given. [`sql!`](crate::sql!) adds the one thing that the dialects do
//! not share and every hot path needs: a whole set of rows as one parameter.

use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};

use crate::{
    Connection, Database, database, dead_letters, feed, idempotency, inbox, lease, log, origin,
    partitions, rebuild, relays, replay, timers,
};

/// One statement, as each database wants to read it. Most are the same text for both and are
/// written as `&'static str`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sql {
    sqlite: &'static str,
    postgres: &'static str,
}

impl Sql {
    /// A statement with a text for each database. Only the store's own macros need it.
    pub const fn new(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }

    /// The text for SQLite.
    pub const fn sqlite(self) -> &'static str {
        self.sqlite
    }

    /// The text for PostgreSQL.
    pub const fn postgres(self) -> &'static str {
        self.postgres
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::new(text, text)
    }
}

/// The store's own statements, which every service's database understands.
pub(crate) const OWN: &[&[(&str, Sql)]] = &[
    database::STATEMENTS,
    dead_letters::STATEMENTS,
    feed::STATEMENTS,
    idempotency::STATEMENTS,
    inbox::STATEMENTS,
    lease::STATEMENTS,
    log::STATEMENTS,
    origin::STATEMENTS,
    partitions::STATEMENTS,
    relays::STATEMENTS,
    rebuild::STATEMENTS,
    rebuild::TOLD_STATEMENTS,
    replay::STATEMENTS,
    timers::STATEMENTS,
];

/// Prepares each statement, so that a test can check all of them on both databases. Takes what
/// [`statements!`](crate::statements) gives.
///
/// # Errors
/// A line for each statement that the database does not understand: its name and why.
pub async fn prepare_all(database: &Database, statements: &[(&str, Sql)]) -> Result<(), String> {
    let mut faults = Vec::new();
    for (name, sql) in statements {
        if let Err(error) = prepare(database, *sql).await {
            faults.push(format!("{name}: {error}"));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

async fn prepare(database: &Database, sql: Sql) -> Result<(), sqlx::Error> {
    match database.connection().await? {
        Connection::Sqlite(mut connection) => {
            connection.prepare(AssertSqlSafe(sql.sqlite()).into_sql_str()).await?;
        }
        Connection::Postgres(mut connection) => {
            connection.prepare(AssertSqlSafe(sql.postgres()).into_sql_str()).await?;
        }
    }
    Ok(())
}

/// Lets [`statements!`](crate::statements) take both kinds of statements in constants.
#[doc(hidden)]
pub struct Statement<S>(pub &'static str, pub S);

impl Statement<&'static str> {
    #[doc(hidden)]
    pub const fn named(self) -> (&'static str, Sql) {
        (self.0, Sql::new(self.1, self.1))
    }
}

impl Statement<Sql> {
    #[doc(hidden)]
    pub const fn named(self) -> (&'static str, Sql) {
        (self.0, self.1)
    }
}

/// Names statements for [`prepare_all`]: `statements![INSERT, LIST]`.
#[macro_export]
macro_rules! statements {
    ($($statement:expr),* $(,)?) => {
        &[$($crate::__Statement(stringify!($statement), $statement).named()),*]
    };
}

/// All rows of a statement: `fetch_all!(on, Row, STATEMENT, bind, bind).await?`.
///
/// `on` is a `&Database`, which reads outside of any transaction, or a `&mut Tx`. `Row` derives
/// `sqlx::FromRow`, or is a tuple. The error is a `sqlx::Error`.
#[macro_export]
macro_rules! fetch_all {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::__fetch!(fetch_all, $on, $row, $sql $(, $bind)*)
    };
}

/// The first row of a statement, if there is any; otherwise as [`fetch_all!`].
#[macro_export]
macro_rules! fetch_optional {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::__fetch!(fetch_optional, $on, $row, $sql $(, $bind)*)
    };
}

/// The first row of a statement; `sqlx::Error::RowNotFound` when there is none. Otherwise as
/// [`fetch_all!`].
#[macro_export]
macro_rules! fetch_one {
    ($on:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::__fetch!(fetch_one, $on, $row, $sql $(, $bind)*)
    };
}

/// Runs a statement and yields how many rows it changed: `execute!(on, STATEMENT, bind).await?`.
///
/// `on` as in [`fetch_all!`]. On SQLite a `&Database` cannot write; give it a `&mut Tx`.
#[macro_export]
macro_rules! execute {
    ($on:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        async {
            let outcome = match ($on).connection().await {
                Err(error) => Err(error),
                Ok($crate::Connection::Sqlite(mut connection)) => {
                    $crate::sqlx::query::<$crate::sqlx::Sqlite>($crate::Sql::from($sql).sqlite())
                        $(.bind($bind))*
                        .execute(&mut *connection)
                        .await
                        .map(|done| done.rows_affected())
                }
                Ok($crate::Connection::Postgres(mut connection)) => {
                    $crate::sqlx::query::<$crate::sqlx::Postgres>(
                        $crate::Sql::from($sql).postgres(),
                    )
                    $(.bind($bind))*
                    .execute(&mut *connection)
                    .await
                    .map(|done| done.rows_affected())
                }
            };
            if let Err(error) = &outcome {
                ($on).failed(error);
            }
            outcome
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __fetch {
    ($fetch:ident, $on:expr, $row:ty, $sql:expr $(, $bind:expr)*) => {
        async {
            let outcome = match ($on).connection().await {
                Err(error) => Err(error),
                Ok($crate::Connection::Sqlite(mut connection)) => {
                    $crate::sqlx::query_as::<$crate::sqlx::Sqlite, $row>(
                        $crate::Sql::from($sql).sqlite(),
                    )
                    $(.bind($bind))*
                    .$fetch(&mut *connection)
                    .await
                }
                Ok($crate::Connection::Postgres(mut connection)) => {
                    $crate::sqlx::query_as::<$crate::sqlx::Postgres, $row>(
                        $crate::Sql::from($sql).postgres(),
                    )
                    $(.bind($bind))*
                    .$fetch(&mut *connection)
                    .await
                }
            };
            if let Err(error) = &outcome {
                ($on).failed(error);
            }
            outcome
        }
    };
}

/// A statement that takes a set of rows as one parameter, so that many rows cost one statement.
///
/// The text is given in pieces; `rows("$1", …)` stands, in a `FROM`, for the rows that are bound
/// there as `store::Json(&rows)`, under the name `given`. `rows` is a slice or `Vec` of anything
/// that serialises to objects with these fields. Column types: `uuid`, `text`, `bigint`, `double`,
/// `boolean`, `instant` (an [`At`](crate::At)), `json`.
///
/// ```
/// const SEAT: store::Sql = store::sql!(
///     "INSERT INTO seats (id, row_name, taken_at) SELECT id, row_name, taken_at FROM ",
///     rows("$1", id uuid, row_name text, taken_at instant),
///     " WHERE true ON CONFLICT (id) DO UPDATE SET taken_at = excluded.taken_at",
/// );
/// ```
///
/// The `WHERE true` is for SQLite, whose parser takes an `ON` right after a `FROM` for a join's.
/// `UPDATE seats SET taken_at = given.taken_at FROM rows(…) WHERE seats.id = given.id` works too, and
/// `DELETE FROM seats WHERE id IN (SELECT id FROM rows(…))`. Two things keep SQLite from reading the
/// whole table: one column, no row value, in such an `IN`; and `FROM rows(…) CROSS JOIN seats WHERE …`
/// where a `SELECT` joins.
///
/// `for_share` at the end of a `SELECT` keeps the rows that it finds as they are until the
/// transaction ends: others may keep them, too, and who wants to change them waits. When somebody has
/// changed them already, all of it starts over. SQLite has one writer, and needs nothing for that.
#[macro_export]
macro_rules! sql {
    ($($piece:tt)*) => {
        $crate::Sql::new(
            $crate::__sql!(sqlite [] $($piece)*),
            $crate::__sql!(postgres [] $($piece)*),
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __sql {
    ($dialect:ident [$($done:expr),*]) => { concat!($($done),*) };
    ($dialect:ident [$($done:expr),*] , $($rest:tt)*) => {
        $crate::__sql!($dialect [$($done),*] $($rest)*)
    };
    (sqlite [$($done:expr),*] for_share $($rest:tt)*) => {
        $crate::__sql!(sqlite [$($done),*] $($rest)*)
    };
    (postgres [$($done:expr),*] for_share $($rest:tt)*) => {
        $crate::__sql!(postgres [$($done,)* " FOR SHARE"] $($rest)*)
    };
    ($dialect:ident [$($done:expr),*] $text:literal $($rest:tt)*) => {
        $crate::__sql!($dialect [$($done,)* $text] $($rest)*)
    };
    (sqlite [$($done:expr),*]
        rows($parameter:literal, $first:ident $first_type:ident $(, $name:ident $type:ident)* $(,)?)
        $($rest:tt)*) => {
        $crate::__sql!(sqlite [
            $($done,)*
            "(SELECT ",
            $crate::__column!(sqlite $first $first_type),
            $(", ", $crate::__column!(sqlite $name $type),)*
            " FROM json_each(", $parameter, ")) AS given"
        ] $($rest)*)
    };
    (postgres [$($done:expr),*]
        rows($parameter:literal, $first:ident $first_type:ident $(, $name:ident $type:ident)* $(,)?)
        $($rest:tt)*) => {
        $crate::__sql!(postgres [
            $($done,)*
            "(SELECT ",
            $crate::__column!(postgres $first $first_type),
            $(", ", $crate::__column!(postgres $name $type),)*
            " FROM jsonb_to_recordset(", $parameter, ") AS raw (",
            $crate::__column!(raw $first $first_type),
            $(", ", $crate::__column!(raw $name $type),)*
            ")) AS given"
        ] $($rest)*)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __column {
    (sqlite $name:ident uuid) => {
        concat!("unhex(value ->> '", stringify!($name), "', '-') AS ", stringify!($name))
    };
    (sqlite $name:ident json) => {
        concat!("nullif(value -> '", stringify!($name), "', 'null') AS ", stringify!($name))
    };
    (sqlite $name:ident $type:ident) => {
        concat!("value ->> '", stringify!($name), "' AS ", stringify!($name))
    };
    (postgres $name:ident instant) => {
        concat!(
            "timestamptz 'epoch' + ",
            stringify!($name),
            " * interval '1 microsecond' AS ",
            stringify!($name)
        )
    };
    (postgres $name:ident json) => {
        concat!("nullif(", stringify!($name), ", 'null'::jsonb) AS ", stringify!($name))
    };
    (postgres $name:ident $type:ident) => {
        stringify!($name)
    };
    (raw $name:ident uuid) => {
        concat!(stringify!($name), " uuid")
    };
    (raw $name:ident text) => {
        concat!(stringify!($name), " text")
    };
    (raw $name:ident bigint) => {
        concat!(stringify!($name), " bigint")
    };
    (raw $name:ident double) => {
        concat!(stringify!($name), " double precision")
    };
    (raw $name:ident boolean) => {
        concat!(stringify!($name), " boolean")
    };
    (raw $name:ident instant) => {
        concat!(stringify!($name), " bigint")
    };
    (raw $name:ident json) => {
        concat!(stringify!($name), " jsonb")
    };
}

#[cfg(test)]
mod tests {
    use testkit::postgres;

    use super::*;
    use crate::{DatabaseSettings, Schema};

    static NOTHING_MORE: Schema =
        Schema::new("prepared", sqlx::migrate::Migrator::DEFAULT, sqlx::migrate::Migrator::DEFAULT);

    async fn prepare_the_stores_own(url: &str) {
        let directory = tempfile::tempdir().unwrap();
        let settings =
            DatabaseSettings { url: url.to_owned().into(), ..DatabaseSettings::default() };
        let database =
            Database::connect(&settings, NOTHING_MORE.name(), directory.path()).await.unwrap();
        NOTHING_MORE.up_on(&database).await.unwrap();
        for statements in OWN {
            assert_eq!(prepare_all(&database, statements).await, Ok(()));
        }
    }

    #[tokio::test]
    async fn every_statement_of_the_store_is_understood_by_sqlite() {
        prepare_the_stores_own("").await;
    }

    #[tokio::test]
    async fn every_statement_of_the_store_is_understood_by_postgres() {
        prepare_the_stores_own(postgres::fresh_database().await.as_str()).await;
    }

    #[test]
    fn a_set_of_rows_is_written_in_each_dialect() {
        const PUT: Sql = crate::sql!("SELECT id, at FROM ", rows("$1", id uuid, at instant));
        assert_eq!(
            PUT.sqlite(),
            "SELECT id, at FROM (SELECT unhex(value ->> 'id', '-') AS id, value ->> 'at' AS at \
             FROM json_each($1)) AS given"
        );
        assert_eq!(
            PUT.postgres(),
            "SELECT id, at FROM (SELECT id, timestamptz 'epoch' + at * interval '1 microsecond' \
             AS at FROM jsonb_to_recordset($1) AS raw (id uuid, at bigint)) AS given"
        );
    }
}
