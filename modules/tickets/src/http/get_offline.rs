//! `GET /v1/check-in-lists/{list_id}/offline`: everything that a door needs to work without a network.
//! `docs/offline-check-in.md` says what a device does with it.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use contracts::{seating::Seat, tickets::TicketState};
use edge::{Path, Problem};
use runtime::{Context, Timestamp};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    App,
    get_keys::{self, TicketKey},
};
use crate::{
    domain::{list::Terms, scan::RefusalReason},
    service::Service,
    views::{
        lists::ListResource,
        tickets::{self, TicketContent, Whose},
    },
};

/// How many tickets are read at once.
const STRETCH: i64 = 1_000;

/// What a door needs to work without a network.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "list": {
        "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
        "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
        "is_default": true,
        "name": "All tickets",
        "ticket_type_ids": [],
        "allows_reentry": false,
    },
    "keys": [{
        "id": "5f1c09ae",
        "algorithm": "Ed25519",
        "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    }],
    "revocations": [{
        "ticket_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5f002",
        "up_to_serial": 1,
        "reason": "transferred",
    }],
    "tickets": [{
        "ticket_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5f001",
        "serial": 1,
        "ticket_type_name": "Stalls",
        "seat": {"section": "Stalls", "row": "A", "number": "12"},
        "used": {"at": "2027-06-18T17:30:00Z", "entrance": "north", "is_inside": true},
    }],
}))]
pub(super) struct OfflineList {
    /// The rules.
    list: ListResource,
    /// What signs codes.
    keys: Vec<TicketKey>,
    /// Genuine codes that are refused, whatever else is known.
    revocations: Vec<Revocation>,
    /// The tickets that the list admits, for whoever looks one up. A genuine code whose ticket is not
    /// here was sold since.
    tickets: Vec<OfflineTicket>,
}

/// Genuine codes that are refused.
#[derive(Debug, Serialize, ToSchema)]
struct Revocation {
    ticket_id: Uuid,
    /// Codes of this ticket with this serial, or a lower one.
    up_to_serial: u32,
    reason: RefusalReason,
}

/// A ticket that the list admits.
#[derive(Debug, Serialize, ToSchema)]
struct OfflineTicket {
    ticket_id: Uuid,
    /// Of the code that is the good one now.
    serial: u32,
    ticket_type_name: String,
    /// Absent in general admission.
    #[serde(skip_serializing_if = "Option::is_none")]
    seat: Option<Seat>,
    /// When its holder was last let in on this list, if he was: entries with revoked codes are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<LastUse>,
}

/// The last entry of a ticket on a list.
#[derive(Debug, Serialize, ToSchema)]
struct LastUse {
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrance: Option<String>,
    /// Whether its bearer has not left since.
    is_inside: bool,
}

/// Download a check-in list
///
/// Everything that a door needs to work without a network: the keys that codes are verified with, the
/// codes that are revoked, the list's rules, and its tickets. For those who may scan there. Come back
/// with `If-None-Match` while there is a network. What the device decides is uploaded afterwards to
/// `/v1/check-in-lists/{list_id}/scans`.
#[utoipa::path(
    get,
    path = "/v1/check-in-lists/{list_id}/offline",
    params(("list_id" = Uuid, Path)),
    responses((
        status = 200,
        description = "The list",
        body = OfflineList,
        headers(("etag" = String, description = "Changes with what is in it; for `If-None-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(super) async fn get_offline_list(
    State(app): State<App>,
    cx: Context,
    Path(list_id): Path<Uuid>,
) -> Result<Response, Problem> {
    edge::user(&cx)?;
    app.forget_post(list_id);
    let post = app.worked_post(&cx, list_id).await?;
    if post.is_removed {
        return Err(Problem::not_found());
    }
    let rules = &post.rules;
    let (mut revocations, mut listed) = (Vec::new(), Vec::new());
    for ticket in app.tickets_of_event(rules.event_id).await? {
        revocations.extend(revoked(&ticket));
        listed.extend(offline(ticket, list_id, &rules.terms));
    }
    let keys = get_keys::keys_of(&app.codes);
    let list = OfflineList { list: rules.as_ref().into(), keys, revocations, tickets: listed };
    let body = serde_json::to_vec(&list).map_err(Problem::internal)?;
    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::ETAG, HeaderValue::try_from(etag).map_err(Problem::internal)?),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    Ok((headers, body).into_response())
}

impl Service {
    async fn tickets_of_event(&self, event_id: Uuid) -> Result<Vec<TicketContent>, Problem> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let whose = Whose::Event(event_id);
            let rows = tickets::list(&self.database, whose, None, after, STRETCH).await?;
            after = rows.last().map(|row| row.content.shown.id);
            all.extend(rows.into_iter().map(|row| row.content.0));
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}

/// Its older codes were revoked when it was passed on; a ticket that is worthless or blocked has no good
/// one.
fn revoked(ticket: &TicketContent) -> Vec<Revocation> {
    let (ticket_id, serial) = (ticket.shown.id, ticket.serial);
    let of = |up_to_serial, reason| Revocation { ticket_id, up_to_serial, reason };
    let is_unpaid = ticket.shown.blocked.as_ref().is_some_and(|block| block.unpaid);
    let all = match ticket.shown.state {
        TicketState::Voided => Some(of(serial, RefusalReason::Voided)),
        TicketState::Blocked if is_unpaid => Some(of(serial, RefusalReason::Unpaid)),
        TicketState::Blocked => Some(of(serial, RefusalReason::Blocked)),
        TicketState::Valid | TicketState::Admitted => None,
    };
    let older = (serial > 1).then(|| of(serial - 1, RefusalReason::Transferred));
    older.into_iter().chain(all).collect()
}

fn offline(ticket: TicketContent, list_id: Uuid, terms: &Terms) -> Option<OfflineTicket> {
    let TicketContent { shown, serial, uses } = ticket;
    if !terms.admits_type(shown.ticket_type_id) {
        return None;
    }
    let used = uses.into_iter().find(|used| used.list_id == list_id).map(|used| LastUse {
        at: used.entry.at,
        entrance: used.entry.entrance,
        is_inside: used.is_inside,
    });
    Some(OfflineTicket {
        ticket_id: shown.id,
        serial,
        ticket_type_name: shown.ticket_type_name,
        seat: shown.seat,
        used,
    })
}
