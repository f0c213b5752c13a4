//! Lists in pages: the client asks for so many, and goes on from an opaque cursor.

use axum::{extract::FromRequestParts, http::request::Parts};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use garde::Validate;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use crate::{FieldFault, Problem, RequestPart, extract::read_query};

/// How many items a page has when the client does not say.
pub const DEFAULT_LIMIT: u32 = 50;
/// How many items a page has at most.
pub const MAX_LIMIT: u32 = 200;

/// The query parameters that belong to [`Page`], whatever else an endpoint filters by.
pub(crate) const PARAMETERS: [&str; 2] = ["limit", "cursor"];

/// Marks a request to an operation that is documented to give pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paged;

/// Which page the client wants. A handler's argument, beside its own [`crate::Query`].
///
/// Rejection: `invalid-input`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// How many items to give.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[garde(range(min = 1, max = MAX_LIMIT))]
    limit: u32,
    /// Where to go on: the `next_cursor` of the page before. Absent for the first page.
    #[garde(skip)]
    cursor: Option<String>,
}

fn default_limit() -> u32 {
    DEFAULT_LIMIT
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, cursor: None }
    }
}

impl Page {
    /// How many rows to read: one more than the page holds, which tells whether there is another.
    pub fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The key of the last item of the page before, as the service gave it to [`Listing::of`];
    /// `None` on the first page. An `invalid-input` problem when the client made the cursor up.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let key = URL_SAFE_NO_PAD
            .decode(cursor)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| refused("/cursor", "not a cursor of this list"))?;
        Ok(Some(key))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        read_query(parts.uri.query().unwrap_or_default(), &[])
    }
}

fn refused(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::invalid([FieldFault::new(RequestPart::Query, pointer, detail)])
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Listing<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Send it as `cursor` to get the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Listing<T> {
    /// The page out of `rows`, which are up to [`Page::fetch`] many in the list's order. `key` is
    /// what the next page starts after: the columns the list is ordered by.
    pub fn of<K: Serialize>(mut rows: Vec<T>, page: &Page, key: impl Fn(&T) -> K) -> Self {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows
            .last()
            .filter(|_| has_more)
            .and_then(|last| Some(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&key(last)).ok()?)));
        Self { items: rows, next_cursor }
    }

    /// The same page of what `convert` makes of each item.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Listing<U> {
        Listing {
            items: self.items.into_iter().map(convert).collect(),
            next_cursor: self.next_cursor,
        }
    }
}
