//! `GET /v1/notifications`.

use axum::extract::State;
use edge::{FieldFault, Json, Listing, Page, Problem, Query, RequestPart};
use garde::Validate;
use runtime::{Context, Role};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{App, NotificationResource};
use crate::{
    domain::mail::MailState,
    views::{self, NotificationRow, Whose},
};

/// Which notifications to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NotificationFilter {
    /// Those of this account, for admins.
    #[garde(skip)]
    user_id: Option<Uuid>,
    /// Those about this organizer's events, for its members.
    #[garde(skip)]
    organizer_id: Option<Uuid>,
    /// Those about this order; with `organizer_id`.
    #[garde(skip)]
    order_id: Option<Uuid>,
    /// Those in this state.
    #[garde(skip)]
    state: Option<MailState>,
}

/// List notifications
///
/// One's own, newest first; with `organizer_id` those about that organizer's events, for its
/// members; with `user_id` those of that account, for admins. What became of each, and why it was
/// not sent yet, but nothing about the person. A notification appears a moment after what it tells
/// of.
#[utoipa::path(
    get,
    path = "/v1/notifications",
    params(NotificationFilter, Page),
    responses((
        status = 200,
        description = "A page of notifications",
        body = Listing<NotificationResource>,
    )),
    security(("bearer" = [])),
)]
pub(super) async fn list_notifications(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<NotificationFilter>,
    page: Page,
) -> Result<Json<Listing<NotificationResource>>, Problem> {
    let whose = app.whose(&cx, &filter).await?;
    let (after, limit) = (page.after()?, page.fetch());
    let rows = views::list(&app.database, whose, filter.state, after, limit).await?;
    Ok(Json(Listing::of(rows, &page, NotificationRow::key).map(Into::into)))
}

impl App {
    async fn whose(&self, cx: &Context, filter: &NotificationFilter) -> Result<Whose, Problem> {
        let caller = edge::user(cx)?;
        let fault = |pointer: &str, detail: &str| {
            Problem::invalid([FieldFault::new(RequestPart::Query, pointer, detail)])
        };
        match (filter.organizer_id, filter.user_id) {
            (Some(_), Some(_)) => Err(fault("/user_id", "cannot be combined with organizer_id")),
            (Some(organizer_id), None) => {
                self.require_member(cx, organizer_id).await?;
                Ok(match filter.order_id {
                    None => Whose::Organizer(organizer_id),
                    Some(order_id) => Whose::Order { organizer_id, order_id },
                })
            }
            (None, _) if filter.order_id.is_some() => {
                Err(fault("/order_id", "goes with organizer_id only"))
            }
            (None, user_id) => {
                let user_id = user_id.unwrap_or(caller);
                if user_id != caller {
                    edge::require(cx, Role::Admin)?;
                }
                Ok(Whose::User(user_id))
            }
        }
    }
}
