//! Notifications' public endpoints, one file each. This is their table of contents, with what
//! several of them share.

mod get_notification;
mod list_notifications;
mod organizers;
mod resend_notification;

use std::sync::Arc;

use contracts::catalog::{Catalog, CatalogError, FindMembership};
use edge::{Problem, Routes, routes};
use runtime::{Clock, Context, Role, Timestamp};
use serde::Serialize;
use store::{Database, Events};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    domain::{
        mail::{Mail, MailState, Rejection},
        notice::Message,
        stationery::Stationery,
    },
    views::{self, NotificationRow},
};

/// What the endpoints work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) mails: Events<Mail>,
    pub(crate) stationery: Events<Stationery>,
    pub(crate) catalog: Arc<dyn Catalog>,
    /// Beside the sender's address where an organizer has chosen nothing else.
    pub(crate) sender_name: Arc<str>,
    pub(crate) clock: Arc<dyn Clock>,
}

pub(crate) fn routes() -> Routes<App> {
    Routes::new()
        .routes(routes!(list_notifications::list_notifications))
        .routes(routes!(get_notification::get_notification))
        .routes(routes!(resend_notification::resend_notification))
        .routes(routes!(organizers::list_templates::list_mail_templates))
        .routes(routes!(
            organizers::get_template::get_mail_template,
            organizers::put_template::put_mail_template,
            organizers::reset_template::reset_mail_template
        ))
        .routes(routes!(organizers::preview_template::preview_mail_template))
        .routes(routes!(
            organizers::get_sender::get_mail_sender,
            organizers::put_sender::put_mail_sender
        ))
}

impl App {
    /// Whether the caller is an admin or a member of the organizer.
    async fn acts_for(&self, cx: &Context, organizer_id: Uuid) -> Result<bool, Problem> {
        let user_id = edge::user(cx)?;
        if cx.principal().has_role(Role::Admin) {
            return Ok(true);
        }
        if !cx.principal().has_role(Role::Organizer) {
            return Ok(false);
        }
        let asked = self.catalog.membership(cx, FindMembership { organizer_id, user_id }).await;
        Ok(asked.map_err(from_catalog)?.is_member)
    }

    /// Refuses callers who are neither admins nor members of the organizer.
    async fn require_member(&self, cx: &Context, organizer_id: Uuid) -> Result<(), Problem> {
        if self.acts_for(cx, organizer_id).await? {
            return Ok(());
        }
        Err(Problem::new(&edge::problems::FORBIDDEN)
            .detail("only members of the organizer may see or change how it writes"))
    }

    /// The notification, for members of the organizer whose words it has, and for admins; with
    /// `is_told_enough` for whoever is told, too. To others it does not exist.
    async fn visible(
        &self,
        cx: &Context,
        id: Uuid,
        is_told_enough: bool,
    ) -> Result<NotificationRow, Problem> {
        let caller = edge::user(cx)?;
        let row = views::find(&self.database, id).await?.ok_or_else(Problem::not_found)?;
        let is_own = is_told_enough && row.user_id == caller;
        if is_own || cx.principal().has_role(Role::Admin) {
            return Ok(row);
        }
        if self.acts_for(cx, row.organizer_id).await? { Ok(row) } else { Err(Problem::not_found()) }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unknown => Self::not_found(),
        }
    }
}

/// What a call to catalog failed with.
fn from_catalog(error: CatalogError) -> Problem {
    match error {
        CatalogError::EventUnknown { .. } => Problem::not_found(),
        CatalogError::Fault(fault) => fault.into(),
        CatalogError::Unrecognised(_) => Problem::internal(error),
    }
}

/// Something that somebody is told by mail.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Notification, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5a701",
    "user_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5a001",
    "organizer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "state": "queued",
    "queued_at": "2027-05-02T10:01:00Z",
    "attempts": 2,
    "last_error": "the mail server answered 451",
    "next_attempt_at": "2027-05-02T10:01:40Z",
    "message": {
        "kind": "order_confirmation",
        "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
        "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    },
}))]
struct NotificationResource {
    /// Its id: that of the event it tells of.
    id: Uuid,
    /// Who is told.
    user_id: Uuid,
    /// In whose words.
    organizer_id: Uuid,
    state: MailState,
    /// When what it tells of happened.
    queued_at: Timestamp,
    /// How often it was tried to send it.
    attempts: i64,
    /// Why it was not sent, the last time. Without anything about a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    /// When it was sent, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<Timestamp>,
    message: Message,
}

impl From<NotificationRow> for NotificationResource {
    fn from(row: NotificationRow) -> Self {
        Self {
            id: row.notification_id,
            user_id: row.user_id,
            organizer_id: row.organizer_id,
            state: row.state,
            queued_at: row.queued_at.0,
            attempts: row.attempts,
            last_error: row.last_error,
            next_attempt_at: row.next_attempt_at.map(|at| at.0),
            sent_at: row.sent_at.map(|at| at.0),
            message: row.message.0,
        }
    }
}
