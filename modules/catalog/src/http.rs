//! The public endpoints: `/v1/organizers`, `/v1/venues`, `/v1/events`.

mod events;
mod members;
mod organizers;
mod quotas;
mod seating;
mod text;
mod ticket_types;
mod venues;

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use edge::{Answered, IdempotencyKey, IfMatch, Problem, Routes, optionally_idempotent, routes};
use store::{Aggregate, Answer, ExecuteError, Execution};
use utoipa::IntoParams;

use crate::service::Programme;

/// What handlers work with.
pub(crate) type App = Arc<Programme>;

/// Every route with its description.
pub(crate) fn routes() -> Routes<App> {
    Routes::new()
        .routes(optionally_idempotent(routes!(
            organizers::create::create_organizer,
            organizers::list::list_organizers
        )))
        .routes(routes!(organizers::get::get_organizer, organizers::change::change_organizer))
        .routes(routes!(members::list::list_members))
        .routes(routes!(members::put::put_member, members::remove::remove_member))
        .routes(optionally_idempotent(routes!(
            venues::create::create_venue,
            venues::list::list_venues
        )))
        .routes(routes!(venues::get::get_venue, venues::change::change_venue))
        .routes(routes!(seating::get_seating, seating::put_seating))
        .routes(optionally_idempotent(routes!(
            events::create::create_event,
            events::list::list_events
        )))
        .routes(routes!(
            events::get::get_event,
            events::change::change_event,
            events::delete::delete_event
        ))
        .routes(routes!(events::publish::publish_event))
        .routes(routes!(events::open_sales::open_sales))
        .routes(routes!(events::close_sales::close_sales))
        .routes(routes!(events::cancel::cancel_event))
        .routes(optionally_idempotent(routes!(ticket_types::create::create_ticket_type)))
        .routes(routes!(
            ticket_types::get::get_ticket_type,
            ticket_types::change::change_ticket_type,
            ticket_types::delete::delete_ticket_type
        ))
        .routes(optionally_idempotent(routes!(
            quotas::create::create_quota,
            quotas::list::list_quotas
        )))
        .routes(routes!(
            quotas::get::get_quota,
            quotas::change::change_quota,
            quotas::delete::delete_quota
        ))
}

/// Executes what creates something; the answer, made from the new version, is kept under the key
/// when the request has one.
async fn created<A>(
    execution: Execution<A>,
    key: Option<IdempotencyKey>,
    answer: impl Fn(u64) -> Answer + Send + Sync + 'static,
) -> Result<Answered, Problem>
where
    A: Aggregate,
    Problem: From<ExecuteError<A::Rejection>>,
{
    let answered = match key {
        Some(key) => execution.answer(&key, move |_, after| answer(after.version)).await,
        None => execution.read(move |after| answer(after.version)).await,
    };
    Ok(Answered(answered?))
}

/// The version that the client has seen, when it says so.
struct OptionalIfMatch(Option<IfMatch>);

impl<S: Sync> FromRequestParts<S> for OptionalIfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        if !parts.headers.contains_key(header::IF_MATCH) {
            return Ok(Self(None));
        }
        IfMatch::from_request_parts(parts, state).await.map(|seen| Self(Some(seen)))
    }
}

/// The `If-Match` header where it may be left out.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the derive only")]
struct OptionalIfMatchHeader {
    /// The `ETag` of the resource as you have read it, if nothing is to be done should it have
    /// changed since.
    #[param(rename = "If-Match", example = "\"3\"")]
    if_match: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems;

    #[test]
    fn every_operation_is_described_and_every_problem_of_ours_is_documented() {
        let document = routes().into_openapi();
        let text = document.to_json().expect("the document is JSON");
        let undocumented: Vec<&str> = problems::ALL
            .iter()
            .map(|kind| kind.slug)
            .filter(|slug| !text.contains(&format!("`{slug}`")))
            .collect();
        assert!(undocumented.is_empty(), "no operation answers with {undocumented:?}");

        for (path, item) in &document.paths.paths {
            for operation in [&item.get, &item.put, &item.post, &item.delete].into_iter().flatten()
            {
                let summary = operation.summary.as_deref().unwrap_or_default();
                assert!(!summary.is_empty(), "an operation at {path} has no summary");
            }
        }
    }
}
