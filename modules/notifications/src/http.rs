//! Notifications' public endpoints, one file each. This is their table of contents, with what
//! several of them share.

mod get_notification;
mod list_notifications;

use edge::{Routes, routes};
use runtime::Timestamp;
use serde::Serialize;
use store::Database;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    domain::{Message, NotificationState},
    views::NotificationRow,
};

/// What the endpoints work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) database: Database,
}

pub(crate) fn routes() -> Routes<App> {
    Routes::new()
        .routes(routes!(list_notifications::list_notifications))
        .routes(routes!(get_notification::get_notification))
}

/// Something that somebody is told.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Notification, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5a701",
    "user_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5a001",
    "state": "queued",
    "queued_at": "2027-05-02T10:01:00Z",
    "message": {
        "kind": "order_confirmation",
        "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
        "order_code": "K7MPX2QA",
        "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
        "event_name": "Quartet by the river",
        "items": [{
            "ticket_type_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
            "name": "Stalls",
            "quantity": 2,
            "unit_price": {"amount": 2500, "currency": "EUR"},
        }],
        "total": {"amount": 5000, "currency": "EUR"},
        "confirmed_at": "2027-05-02T10:01:00Z",
    },
}))]
struct NotificationResource {
    /// Its id: that of the event it tells of.
    id: Uuid,
    /// Who is told.
    user_id: Uuid,
    state: NotificationState,
    /// When what it tells of happened.
    queued_at: Timestamp,
    message: Message,
}

impl From<NotificationRow> for NotificationResource {
    fn from(row: NotificationRow) -> Self {
        Self {
            id: row.notification_id,
            user_id: row.user_id,
            state: row.state,
            queued_at: row.queued_at.0,
            message: row.message.0,
        }
    }
}
