//! A table of a view as a rebuild handles it: its statements, made from what the database says of
//! its columns.

use sqlx::AssertSqlSafe;

use crate::{Connection, StoreError};

const COLUMNS_SQLITE: &str = "SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid";
const SCHEMA_SQLITE: &str =
    "SELECT sql FROM sqlite_master WHERE tbl_name = $1 AND sql IS NOT NULL ORDER BY type DESC";
const KEY_POSTGRES: &str = "SELECT a.attname::text, a.atttypid = 'uuid'::regtype \
     FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) \
     WHERE i.indrelid = to_regclass($1) AND i.indisprimary ORDER BY a.attnum";

/// One table, shown and made anew.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The first column of its primary key.
    pub(crate) first: String,
    /// Makes an empty one of the same shape beside it.
    pub(super) create: Vec<String>,
    /// All rows of what is shown, by key.
    pub(super) shown: String,
    /// All rows of what was made anew, by key.
    pub(super) made: String,
    /// Takes away rows of what is shown, by their keys.
    pub(super) remove: String,
    /// Puts in rows of what was made anew, by their keys.
    pub(super) put: String,
}

/// A column of the primary key.
struct Key {
    name: String,
    /// Whether its text, and so the text of keys made of such columns alone, sorts as it does.
    is_id: bool,
    /// On SQLite.
    is_blob: bool,
}

impl Table {
    /// As the service's database describes it. `schema` is the service's.
    pub(super) async fn describe(
        on: &mut Connection<'_>,
        schema: &str,
        name: &'static str,
    ) -> Result<Self, StoreError> {
        match on {
            Connection::Sqlite(connection) => {
                let columns: Vec<(String, String, i64)> =
                    sqlx::query_as(COLUMNS_SQLITE).bind(name).fetch_all(&mut **connection).await?;
                let create: Vec<(String,)> =
                    sqlx::query_as(SCHEMA_SQLITE).bind(name).fetch_all(&mut **connection).await?;
                let create = create.into_iter().map(|(text,)| text).collect();
                let keys = columns.iter().filter(|(_, _, place)| *place > 0);
                let keys: Vec<Key> = keys
                    .map(|(name, kind, _)| Key {
                        name: quoted(name),
                        is_id: kind == "BLOB",
                        is_blob: kind == "BLOB",
                    })
                    .collect();
                expect_key(name, &keys)?;
                let columns: Vec<String> =
                    columns.iter().map(|(name, _, _)| quoted(name)).collect();
                Ok(Self::sqlite(name, create, &keys, &columns))
            }
            Connection::Postgres(connection) => {
                let shown = format!("{}.{}", quoted(schema), quoted(name));
                let keys: Vec<(String, bool)> =
                    sqlx::query_as(KEY_POSTGRES).bind(&shown).fetch_all(&mut **connection).await?;
                let keys: Vec<Key> = keys
                    .into_iter()
                    .map(|(name, is_id)| Key { name: quoted(&name), is_id, is_blob: false })
                    .collect();
                expect_key(name, &keys)?;
                Ok(Self::postgres(name, &shown, &keys))
            }
        }
    }

    fn sqlite(name: &'static str, create: Vec<String>, keys: &[Key], columns: &[String]) -> Self {
        let key = list(keys, ", ", |key| {
            let value = if key.is_blob { format!("hex({})", key.name) } else { key.name.clone() };
            format!("{}, {value}", literal(&key.name))
        });
        let row = columns.iter().map(|column| format!("quote({column})")).collect::<Vec<_>>();
        let all = |place: &str| {
            format!(
                "SELECT json_object({key}), {row} FROM {place}.{table} ORDER BY {order}",
                row = row.join(" || ',' || "),
                table = quoted(name),
                order = order(keys),
            )
        };
        let given = list(keys, ", ", |key| {
            let value = format!("value ->> {}", literal(&key.name));
            let value = if key.is_blob { format!("unhex({value})") } else { value };
            format!("{value} AS {}", key.name)
        });
        let names = list(keys, ", ", |key| key.name.clone());
        // The first column alone lets SQLite search by the key; a row value makes it read all.
        let first = first(keys);
        let remove = format!(
            "WITH given AS (SELECT {given} FROM json_each($1)) DELETE FROM live.{table} \
             WHERE {first} IN (SELECT {first} FROM given) \
             AND ({names}) IN (SELECT {names} FROM given)",
            table = quoted(name),
        );
        let put = format!(
            "INSERT INTO live.{table} SELECT made.* FROM (SELECT {given} FROM json_each($1)) AS given \
             CROSS JOIN main.{table} AS made WHERE {same}",
            table = quoted(name),
            same = list(keys, " AND ", |key| format!("made.{0} = given.{0}", key.name)),
        );
        let first = plain(first);
        Self { name, first, create, shown: all("main"), made: all("main"), remove, put }
    }

    fn postgres(name: &'static str, shown: &str, keys: &[Key]) -> Self {
        let made = format!("pg_temp.{}", quoted(name));
        let key = list(keys, ", ", |key| format!("{}, {}", literal(&key.name), key.name));
        let all = |table: &str| {
            format!(
                "SELECT json_build_object({key})::text COLLATE \"C\", md5(whole_row::text) \
                 FROM {table} AS whole_row ORDER BY {}",
                order(keys)
            )
        };
        let given = format!("jsonb_populate_recordset(NULL::{shown}, $1::text::jsonb) AS given");
        let same =
            |table: &str| list(keys, " AND ", |key| format!("{table}.{0} = given.{0}", key.name));
        Self {
            name,
            first: plain(first(keys)),
            create: vec![format!(
                "CREATE TEMPORARY TABLE {} (LIKE {shown} INCLUDING ALL)",
                quoted(name)
            )],
            shown: all(shown),
            remove: format!("DELETE FROM {shown} AS gone USING {given} WHERE {}", same("gone")),
            put: format!(
                "INSERT INTO {shown} SELECT made.* FROM {given} JOIN {made} AS made ON {}",
                same("made")
            ),
            made: all(&made),
        }
    }
}

/// Identifiers sort as their texts do, so that the index can be read; anything else is sorted as
/// the text that it is compared by.
fn order(keys: &[Key]) -> String {
    if keys.iter().all(|key| key.is_id) {
        return list(keys, ", ", |key| key.name.clone());
    }
    "1".to_owned()
}

fn expect_key(name: &str, keys: &[Key]) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Err(StoreError::Failed(format!(
            "there is no table {name} with a primary key that could be made anew"
        )));
    }
    Ok(())
}

fn list(keys: &[Key], between: &str, one: impl Fn(&Key) -> String) -> String {
    keys.iter().map(one).collect::<Vec<_>>().join(between)
}

/// A name as SQL has it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted name without its quotes.
fn plain(quoted: &str) -> String {
    quoted.trim_matches('"').replace("\"\"", "\"")
}

/// A quoted name as a text.
fn literal(quoted: &str) -> String {
    format!("'{}'", plain(quoted).replace('\'', "''"))
}

/// The quoted name of the first of them.
fn first(keys: &[Key]) -> &str {
    keys.first().map(|key| key.name.as_str()).unwrap_or_default()
}

/// Runs statements that are made here, of names that the service's own schema has.
pub(super) async fn run(on: &mut Connection<'_>, text: String) -> Result<(), StoreError> {
    match on {
        Connection::Sqlite(connection) => {
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut **connection).await?;
        }
        Connection::Postgres(connection) => {
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut **connection).await?;
        }
    }
    Ok(())
}
