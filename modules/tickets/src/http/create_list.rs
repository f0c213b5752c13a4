//! `POST /v1/check-in-lists`.

use axum::extract::State;
use contracts::catalog::{CatalogError, FindSaleTerms};
use edge::{Answered, FieldFault, IdempotencyKey, Json, Problem, RequestPart};
use garde::Validate;
use runtime::{Context, Timestamp};
use serde::Deserialize;
use store::{ExecuteError, Loaded};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, text};
use crate::{
    domain::{
        CheckInList,
        list::{Command, MOST_TICKET_TYPES, Rejection, Terms},
    },
    service::Service,
    views::lists::ListResource,
};

/// What a check-in list admits.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Balcony, Friday",
    "ticket_type_ids": ["01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004"],
    "valid_from": "2027-06-18T16:00:00Z",
    "valid_until": "2027-06-18T22:00:00Z",
    "allows_reentry": true,
}))]
pub(super) struct ListInput {
    /// An entrance, a day: what those who scan call it.
    #[garde(length(chars, min = 1, max = 100), custom(text::line))]
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Which types of tickets it admits; all when left out or empty.
    #[garde(length(max = MOST_TICKET_TYPES))]
    #[schema(max_items = 100)]
    #[serde(default)]
    ticket_type_ids: Vec<Uuid>,
    /// From when it admits; from the beginning when left out.
    #[garde(skip)]
    #[serde(default)]
    valid_from: Option<Timestamp>,
    /// Until when it admits; for ever when left out.
    #[garde(skip)]
    #[serde(default)]
    valid_until: Option<Timestamp>,
    /// Whether whoever has left, and was scanned on the way out, may come in again.
    #[garde(skip)]
    #[serde(default)]
    allows_reentry: bool,
}

/// A check-in list to be added.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[schema(example = json!({
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "name": "Balcony, Friday",
    "ticket_type_ids": ["01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004"],
    "valid_from": "2027-06-18T16:00:00Z",
    "valid_until": "2027-06-18T22:00:00Z",
    "allows_reentry": true,
}))]
#[serde(deny_unknown_fields)]
pub(super) struct NewList {
    /// The event, which is published; the caller must be a member of its organizer.
    #[garde(skip)]
    event_id: Uuid,
    /// An entrance, a day: what those who scan call it.
    #[garde(length(chars, min = 1, max = 100), custom(text::line))]
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Which types of tickets it admits; all when left out or empty.
    #[garde(length(max = MOST_TICKET_TYPES))]
    #[schema(max_items = 100)]
    #[serde(default)]
    ticket_type_ids: Vec<Uuid>,
    /// From when it admits; from the beginning when left out.
    #[garde(skip)]
    #[serde(default)]
    valid_from: Option<Timestamp>,
    /// Until when it admits; for ever when left out.
    #[garde(skip)]
    #[serde(default)]
    valid_until: Option<Timestamp>,
    /// Whether whoever has left, and was scanned on the way out, may come in again.
    #[garde(skip)]
    #[serde(default)]
    allows_reentry: bool,
}

/// Add a check-in list
///
/// Only members of the organizer may do this. Every event has a list from the beginning, its default,
/// which admits all tickets once.
#[utoipa::path(
    post,
    path = "/v1/check-in-lists",
    request_body = NewList,
    responses((
        status = 201,
        description = "The list",
        body = ListResource,
        headers(
            ("location" = String, description = "Where it is."),
            ("etag" = String, description = "Its version, for `If-Match`."),
        ),
    )),
    security(("bearer" = [])),
)]
pub(super) async fn create_list(
    State(app): State<App>,
    cx: Context,
    key: Option<IdempotencyKey>,
    Json(new): Json<NewList>,
) -> Result<Answered, Problem> {
    edge::user(&cx)?;
    let event_id = new.event_id;
    let no_event = || Problem::invalid_field("/event_id", "no event has this id");
    let default = app.post(&cx, event_id).await?;
    // The id of a list that is no default is none of an event.
    let post = default.filter(|post| post.rules.event_id == event_id).ok_or_else(no_event)?;
    if !app.acts_for(&cx, post.rules.organizer_id).await? {
        return Err(Problem::new(&edge::problems::FORBIDDEN)
            .detail("only members of the event's organizer may add check-in lists"));
    }
    let NewList { name, ticket_type_ids, valid_from, valid_until, allows_reentry, .. } = new;
    let input = ListInput { name, ticket_type_ids, valid_from, valid_until, allows_reentry };
    let terms = app.terms(&cx, event_id, input).await?;
    let organizer_id = post.rules.organizer_id;
    let id = key.as_ref().map_or_else(|| app.ids.next(), IdempotencyKey::id);
    let command = Command::Put { event_id, organizer_id, terms };
    let execution = app.lists.execute(&cx, id, command);
    let executed = match &key {
        Some(key) => execution.answer(key, created).await,
        None => execution.read(move |after| created(id, after)).await,
    };
    executed.map(Answered).map_err(unkept)
}

fn created(id: Uuid, after: &Loaded<CheckInList>) -> store::Answer {
    let shown = after.state.kept.as_ref();
    let shown = shown.map(|kept| ListResource::of(id, kept.event_id, &kept.terms));
    edge::created(format!("/v1/check-in-lists/{id}"), after.version, &shown)
}

/// Why a list was not added or changed.
pub(super) fn unkept(error: ExecuteError<Rejection>) -> Problem {
    match error {
        ExecuteError::Rejected(Rejection::Unknown) => Problem::not_found(),
        ExecuteError::Stale { current } => Problem::stale(current),
        ExecuteError::Store(error) => error.into(),
    }
}

impl Service {
    /// What the list is to admit, when it makes sense for the event. All faults are told together.
    pub(super) async fn terms(
        &self,
        cx: &Context,
        event_id: Uuid,
        input: ListInput,
    ) -> Result<Terms, Problem> {
        let mut faults = Vec::new();
        let mut fault = |pointer: String, detail: &str| {
            faults.push(FieldFault::new(RequestPart::Body, pointer, detail));
        };
        if let Some((from, until)) = input.valid_from.zip(input.valid_until)
            && until <= from
        {
            fault("/valid_until".to_owned(), "is not later than valid_from");
        }
        let types = &input.ticket_type_ids;
        if !types.is_empty() {
            let sold = self.ticket_types_of(cx, event_id).await?;
            for (index, id) in types.iter().enumerate() {
                if !sold.contains(id) {
                    fault(format!("/ticket_type_ids/{index}"), "is no ticket type of the event");
                } else if types.iter().take(index).any(|earlier| earlier == id) {
                    fault(format!("/ticket_type_ids/{index}"), "is named twice");
                }
            }
        }
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        let ListInput { name, ticket_type_ids, valid_from, valid_until, allows_reentry } = input;
        let name = name.trim().to_owned();
        Ok(Terms { name, ticket_type_ids, valid_from, valid_until, allows_reentry })
    }

    async fn ticket_types_of(&self, cx: &Context, event_id: Uuid) -> Result<Vec<Uuid>, Problem> {
        match self.catalog.sale_terms(cx, FindSaleTerms { event_id }).await {
            Ok(terms) => Ok(terms.ticket_types.iter().map(|it| it.ticket_type_id).collect()),
            Err(CatalogError::EventUnknown { .. }) => Ok(Vec::new()),
            Err(CatalogError::Fault(fault)) => Err(fault.into()),
            Err(error) => Err(Problem::internal(error)),
        }
    }
}
