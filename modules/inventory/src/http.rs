//! Inventory's public endpoints, one file each. This is their table of contents, with what several
//! of them share.

mod create_hold;
mod delete_hold;
mod get_availability;
mod get_hold;
mod get_seats;
mod stream_availability;

use contracts::inventory::{Hold, HoldState, Places};
use edge::{Problem, Routes, Shown, optionally_idempotent, routes};
use runtime::{Context, Timestamp};
use serde::Serialize;
use store::Database;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

pub(crate) use self::get_availability::render;
use crate::{service::Service, shown, streams::Streams, views};

/// What the endpoints work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) service: Service,
    pub(crate) database: Database,
    pub(crate) ids: runtime::Ids,
    pub(crate) streams: Streams,
    /// Cancelled when streams are to end.
    pub(crate) draining: CancellationToken,
}

pub(crate) fn routes() -> Routes<App> {
    Routes::new()
        .routes(routes!(get_availability::get_availability))
        .routes(routes!(get_seats::get_seats))
        .routes(routes!(stream_availability::stream_availability))
        .routes(optionally_idempotent(routes!(create_hold::create_hold)))
        .routes(routes!(get_hold::get_hold))
        .routes(routes!(delete_hold::delete_hold))
}

/// Places kept for somebody.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Hold, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5d001",
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "order_id": null,
    "items": [{
        "ticket_type_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
        "quantity": 2,
        "seats": [
            {"section": "Stalls", "row": "C", "number": "7"},
            {"section": "Stalls", "row": "C", "number": "8"},
        ],
    }],
    "state": "held",
    "expires_at": "2027-05-02T10:15:00Z",
}))]
pub(crate) struct HoldResource {
    id: Uuid,
    event_id: Uuid,
    /// The order that was placed with it, if one was.
    order_id: Option<Uuid>,
    /// With the seats that were chosen, where there are seats.
    items: Vec<Places>,
    state: HoldState,
    /// When the places stop being kept, unless they are bought before.
    expires_at: Timestamp,
}

impl From<Hold> for HoldResource {
    fn from(hold: Hold) -> Self {
        Self {
            id: hold.hold_id,
            event_id: hold.event_id,
            order_id: hold.order_id,
            items: hold.items,
            state: hold.state,
            expires_at: hold.expires_at,
        }
    }
}

impl App {
    /// What is available of the event now; `None` when nobody knows the event.
    async fn page(&self, event_id: Uuid) -> Result<Option<Shown>, Problem> {
        let Service { pages, stocks, clock, .. } = &self.service;
        shown::page(pages, stocks, event_id, clock.now()).await
    }

    /// The hold, for its holder or an admin. To others it does not exist.
    async fn own_hold(&self, cx: &Context, hold_id: Uuid) -> Result<Hold, Problem> {
        edge::user(cx)?;
        let event_id = views::event_of_hold(&self.database, hold_id).await?;
        let event_id = event_id.ok_or_else(Problem::not_found)?;
        let hold = self.service.find(event_id, hold_id).await?.ok_or_else(Problem::not_found)?;
        edge::owner(cx, hold.holder_id)?;
        Ok(hold)
    }
}
