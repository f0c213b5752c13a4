//! In what a table that is shown differs from what was made anew.

use std::cmp::Ordering;

use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use sqlx::AssertSqlSafe;

use super::table::Table;
use crate::{Connection, StoreError};

/// What is wrong with a row that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// No event made it.
    Superfluous,
    /// Events made it, and it is not there.
    Missing,
    /// Events made it otherwise.
    Different,
}

/// A row that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The row's primary key, as a JSON object.
    pub(crate) key: String,
    pub(crate) wrong: Wrong,
}

/// A row's key, and its content in a form that can be compared.
type Row = (String, String);

/// The rows of `table` that differ, in the order of their keys; at most so many.
pub(crate) async fn differences(
    table: &Table,
    shown: &mut Connection<'_>,
    made: &mut Connection<'_>,
    most: usize,
) -> Result<Vec<Difference>, StoreError> {
    between(rows(shown, table.shown.clone()), rows(made, table.made.clone()), most).await
}

fn rows<'c>(on: &'c mut Connection<'_>, text: String) -> BoxStream<'c, Result<Row, sqlx::Error>> {
    match on {
        Connection::Sqlite(connection) => {
            sqlx::query_as(AssertSqlSafe(text)).fetch(&mut **connection).boxed()
        }
        Connection::Postgres(connection) => {
            sqlx::query_as(AssertSqlSafe(text)).fetch(&mut **connection).boxed()
        }
    }
}

/// Both are in the order of their keys.
async fn between(
    mut shown: BoxStream<'_, Result<Row, sqlx::Error>>,
    mut made: BoxStream<'_, Result<Row, sqlx::Error>>,
    most: usize,
) -> Result<Vec<Difference>, StoreError> {
    let mut differences = Vec::new();
    let (mut left, mut right) = (shown.try_next().await?, made.try_next().await?);
    while differences.len() < most {
        let order = match (&left, &right) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        let (was_left, was_right) = match order {
            Ordering::Less => (left.take(), None),
            Ordering::Greater => (None, right.take()),
            Ordering::Equal => (left.take(), right.take()),
        };
        if was_left.is_some() {
            left = shown.try_next().await?;
        }
        if was_right.is_some() {
            right = made.try_next().await?;
        }
        let wrong = match (&was_left, &was_right) {
            (Some(_), None) => Wrong::Superfluous,
            (None, _) => Wrong::Missing,
            (Some(left), Some(right)) if left != right => Wrong::Different,
            (Some(_), Some(_)) => continue,
        };
        if let Some((key, _)) = was_left.or(was_right) {
            differences.push(Difference { key, wrong });
        }
    }
    Ok(differences)
}
