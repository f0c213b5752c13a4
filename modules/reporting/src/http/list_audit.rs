//! `GET /v1/audit`.

use axum::extract::State;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::{Context, Role, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::App;
use crate::views::audit::{AuditRow, Wanted};

/// Which records to list: those that fulfil every condition.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditFilter {
    /// Who was behind it: `user:<id>`, `service:<name>` or `anonymous`.
    #[serde(default)]
    #[garde(length(chars, max = 200), custom(plain))]
    #[param(
        required = false,
        max_length = 200,
        example = "user:01980e4c-8f5c-7b1e-a7c4-51d2f2a5a001"
    )]
    actor: String,
    /// The thing that changed: an order, an event, an account.
    #[garde(skip)]
    aggregate_id: Option<Uuid>,
    /// The kind of thing that changed.
    #[serde(default)]
    #[garde(length(chars, max = 100), custom(plain))]
    #[param(required = false, max_length = 100, example = "order")]
    aggregate: String,
    /// The service it happened in.
    #[serde(default)]
    #[garde(length(chars, max = 100), custom(plain))]
    #[param(required = false, max_length = 100, example = "orders")]
    service: String,
    /// What happened.
    #[serde(default, rename = "type")]
    #[garde(length(chars, max = 100), custom(plain))]
    #[param(required = false, max_length = 100, example = "called_off")]
    event_type: String,
    /// What ties together everything that one request caused: its `x-request-id`.
    #[serde(default)]
    #[garde(length(chars, max = 200), custom(plain))]
    #[param(required = false, max_length = 200)]
    correlation_id: String,
    /// From this instant on.
    #[garde(skip)]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before this instant.
    #[garde(skip)]
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// What no name contains.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes the context like this")]
fn plain(text: &str, _context: &()) -> garde::Result {
    if text.chars().any(char::is_control) {
        return Err(garde::Error::new("has a control character"));
    }
    Ok(())
}

/// One change of one thing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5d001",
    "recorded_at": "2027-05-02T10:01:00Z",
    "service": "orders",
    "aggregate": "order",
    "aggregate_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "version": 7,
    "type": "called_off",
    "actor": "user:01980e4c-8f5c-7b1e-a7c4-51d2f2a5a001",
    "correlation_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5d000",
    "reason": "organizer_cancelled",
}))]
pub(super) struct AuditEntry {
    /// The change's own id.
    id: Uuid,
    /// When.
    recorded_at: Timestamp,
    /// In which service.
    service: String,
    /// What kind of thing changed.
    aggregate: String,
    /// Which one.
    aggregate_id: Uuid,
    /// How many changes it has seen with this one.
    version: i64,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    event_type: String,
    /// Who was behind it: `user:<id>`, `service:<name>` or `anonymous`.
    actor: String,
    /// What ties together everything that one request caused: its `x-request-id`.
    correlation_id: String,
    /// The change that caused it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<Uuid>,
    /// Why, where it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.record_id,
            recorded_at: row.recorded_at.0,
            service: row.service,
            aggregate: row.aggregate,
            aggregate_id: row.aggregate_id,
            version: row.version,
            event_type: row.event_type,
            actor: row.actor,
            correlation_id: row.correlation_id,
            causation_id: row.causation_id,
            reason: row.reason,
        }
    }
}

/// List what changed
///
/// For admins: every change of state of every service, newest first: who did what to which thing,
/// when, and why where it was said. Never what the change holds, and no personal data but accounts'
/// ids. A change appears a moment after it happened.
#[utoipa::path(
    get,
    path = "/v1/audit",
    params(AuditFilter, Page),
    responses((status = 200, description = "A page of changes", body = Listing<AuditEntry>)),
    security(("bearer" = [])),
)]
pub(super) async fn list_audit(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<AuditFilter>,
    page: Page,
) -> Result<Json<Listing<AuditEntry>>, Problem> {
    edge::require(&cx, Role::Admin)?;
    let AuditFilter {
        actor,
        aggregate_id,
        aggregate,
        service,
        event_type,
        correlation_id,
        from,
        until,
    } = filter;
    let wanted =
        Wanted { service, aggregate, aggregate_id, event_type, actor, correlation_id, from, until };
    let rows = wanted.list(&app.database, page.after()?, page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, AuditRow::key).map(AuditEntry::from)))
}
