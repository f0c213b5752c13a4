//! `POST /v1/check-ins`: somebody stands at the door.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use contracts::{seating::Seat, tickets::ScanKind};
use edge::{IDEMPOTENCY_KEY, Json, Problem};
use garde::Validate;
use runtime::{Context, Role, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::{ExecuteError, Loaded};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    App,
    refusals::{self, RefusalProblems},
    text,
};
use crate::{
    code::Claim,
    domain::{
        OrderTickets,
        door::ShowUnknown,
        order::{Command, Verdict},
        scan::{Passage, Scan},
    },
    doors::Post,
    service::Service,
};

/// A code that somebody shows at a door.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "code": "BX2.ZmFrZQ",
    "list_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "kind": "entry",
    "entrance": "north",
    "nonce": "1f0c4e0a-6f0e-4b3e-8a5e-2b1d9c7f0001",
}))]
pub(super) struct NewCheckIn {
    /// What is in the QR code.
    #[garde(length(max = 1_000))]
    #[schema(max_length = 1_000)]
    code: String,
    /// The check-in list that is worked by; the event's default list when left out.
    #[garde(skip)]
    #[serde(default)]
    list_id: Option<Uuid>,
    /// The event this door is for; tickets for others are refused. That of the list, or else any event,
    /// when left out.
    #[garde(skip)]
    #[serde(default)]
    event_id: Option<Uuid>,
    /// Which way the bearer goes. Nobody is kept from leaving.
    #[garde(skip)]
    #[serde(default)]
    kind: ScanKind,
    /// Which door, for whoever asks later.
    #[garde(length(chars, min = 1, max = 100), inner(custom(text::line)))]
    #[schema(min_length = 1, max_length = 100)]
    #[serde(default)]
    entrance: Option<String>,
    /// Which of the account's devices, when several are logged in with one account.
    #[garde(length(chars, min = 1, max = 100), inner(custom(text::line)))]
    #[schema(min_length = 1, max_length = 100)]
    #[serde(default)]
    device: Option<String>,
    /// The scan's own mark, different for each scan of a device: the same scan sent again with it is
    /// no second one, and gets the same answer. Where it is left out, an `Idempotency-Key` stands for
    /// it.
    #[garde(length(min = 1, max = 100), inner(custom(text::line)))]
    #[schema(min_length = 1, max_length = 100)]
    #[serde(default)]
    nonce: Option<String>,
}

/// The bearer may pass.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "ticket_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5f001",
    "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "event_name": "Quartet by the river",
    "ticket_type_name": "Stalls",
    "seat": {"section": "Stalls", "row": "A", "number": "12"},
    "admitted_at": "2027-06-18T17:30:00Z",
    "entrance": "north",
    "list_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
}))]
pub(super) struct PassageResource {
    ticket_id: Uuid,
    order_id: Uuid,
    event_id: Uuid,
    event_name: String,
    ticket_type_name: String,
    /// Absent in general admission.
    #[serde(skip_serializing_if = "Option::is_none")]
    seat: Option<Seat>,
    /// On the way in: when the bearer was let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    admitted_at: Option<Timestamp>,
    /// On the way out: when the bearer left.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrance: Option<String>,
    list_id: Uuid,
}

/// Check a ticket in, or out
///
/// For members of the organizer with the role organizer or staff. A ticket lets its bearer in once on
/// each check-in list; where the list allows re-entry, once more after each scan on the way out. Exits
/// are never refused. Every refusal has a problem type of its own, and is recorded. At the doors of one
/// organizer the tickets of another are unknown codes, on the way in and out.
#[utoipa::path(
    post,
    path = "/v1/check-ins",
    request_body = NewCheckIn,
    responses(
        (status = 201, description = "Let the bearer pass", body = PassageResource),
        RefusalProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn check_in(
    State(app): State<App>,
    cx: Context,
    headers: HeaderMap,
    Json(new): Json<NewCheckIn>,
) -> Result<(StatusCode, Json<PassageResource>), Problem> {
    let by = edge::require_any(&cx, &[Role::Staff, Role::Organizer])?;
    let claim = app.codes.read(&new.code);
    let Some(post) = app.post_of(&cx, &new, claim.as_ref()).await? else {
        return Err(refusals::unknown("not signed by us"));
    };
    // A scan without a mark is a scan of its own.
    let mark = || key_as_mark(&headers).unwrap_or_else(|| app.ids.next().to_string());
    let passage = Passage {
        at: app.clock.now(),
        device_at: None,
        entrance: new.entrance,
        nonce: Some(new.nonce.unwrap_or_else(mark)),
        list_id: Some(post.rules.list_id),
        by: Some(by),
        device: new.device,
        offline: false,
    };
    if let Some(claim) = claim {
        return app.judge(&cx, &claim, &post, new.kind, passage).await;
    }
    app.note_unknown(&cx, &post, passage).await?;
    Err(refusals::unknown("not signed by us"))
}

impl Service {
    /// The list that the scan belongs to, when the caller may scan there; `None` when the code is not
    /// ours and nothing else tells.
    async fn post_of(
        &self,
        cx: &Context,
        new: &NewCheckIn,
        claim: Option<&Claim>,
    ) -> Result<Option<Arc<Post>>, Problem> {
        let named = new.list_id.or(new.event_id);
        let Some(list_id) = named.or(claim.map(|claim| claim.event_id)) else { return Ok(None) };
        let found = self.post(cx, list_id).await?.filter(|post| !post.is_removed);
        let post = match found {
            Some(post) => post,
            None if new.list_id.is_some() => return Err(no_such("/list_id", "check-in list")),
            None if named.is_some() => return Err(no_such("/event_id", "event")),
            None => return Ok(None),
        };
        if !self.works_at_doors_of(cx, post.rules.organizer_id).await? {
            return Err(Problem::new(&edge::problems::FORBIDDEN).detail(
                "only members of the event's organizer with the role organizer or staff may scan",
            ));
        }
        if new.event_id.is_some_and(|event_id| event_id != post.rules.event_id) {
            return Err(Problem::invalid_field("/event_id", "is not the event of the list"));
        }
        Ok(Some(post))
    }

    async fn judge(
        &self,
        cx: &Context,
        claim: &Claim,
        post: &Post,
        kind: ScanKind,
        passage: Passage,
    ) -> Result<(StatusCode, Json<PassageResource>), Problem> {
        let (order_id, ticket_id) = (claim.order_id, claim.ticket_id);
        let scan = Scan { ticket_id, serial: claim.serial, kind, passage };
        let rules = Arc::clone(&post.rules);
        let command = Command::Scan { scan: scan.clone(), rules: Arc::clone(&rules) };
        let told = scan.clone();
        let answer = move |after: &Loaded<OrderTickets>| match after.state.verdict(&told) {
            Some(Verdict::LetThrough { passage, .. }) => {
                Ok(let_through(order_id, &told, passage, rules.list_id, &after.state))
            }
            Some(Verdict::Refused(refusal)) => {
                Err(refusals::problem(&after.state, &told, refusal, &rules))
            }
            None => Err(Problem::internal("a scan was decided on, and nobody knows how")),
        };
        match self.tickets.execute(cx, order_id, command).read(answer).await {
            Ok(Ok(Some(passage))) => Ok((StatusCode::CREATED, Json(passage))),
            Ok(Ok(None)) => Err(Problem::internal("a scan was decided on without a ticket")),
            Ok(Err(problem)) => Err(problem),
            Err(ExecuteError::Rejected(_)) => {
                self.note_unknown(cx, post, scan.passage).await?;
                Err(refusals::unknown("of no ticket"))
            }
            Err(ExecuteError::Stale { current }) => Err(Problem::stale(current)),
            Err(ExecuteError::Store(error)) => Err(error.into()),
        }
    }

    /// Records that a code was shown that belongs to no ticket.
    pub(super) async fn note_unknown(
        &self,
        cx: &Context,
        post: &Post,
        passage: Passage,
    ) -> Result<(), Problem> {
        let sight = ShowUnknown { event_id: post.rules.event_id, passage };
        let noted = self.doors.execute(cx, post.rules.list_id, sight).read(|_| ()).await;
        noted.map_err(|error| match error {
            ExecuteError::Store(error) => error.into(),
            ExecuteError::Stale { current } => Problem::stale(current),
            ExecuteError::Rejected(never) => match never {},
        })
    }
}

/// The mark that an idempotency key stands for: a scan knows itself again by its mark, in the commit of
/// its effect, so a key needs none of its own. Keys are kept by their hash.
fn key_as_mark(headers: &HeaderMap) -> Option<String> {
    let key = headers.get(IDEMPOTENCY_KEY)?;
    Some(URL_SAFE_NO_PAD.encode(Sha256::digest(key.as_bytes())))
}

fn no_such(pointer: &str, what: &str) -> Problem {
    Problem::invalid_field(pointer, format!("no {what} has this id"))
}

fn let_through(
    order_id: Uuid,
    scan: &Scan,
    passage: &Passage,
    list_id: Uuid,
    tickets: &OrderTickets,
) -> Option<PassageResource> {
    let (issue, ticket) = tickets.issue.as_ref().zip(tickets.ticket(scan.ticket_id))?;
    let is_entry = scan.kind == ScanKind::Entry;
    Some(PassageResource {
        ticket_id: ticket.id,
        order_id,
        event_id: issue.event_id,
        event_name: issue.event_name.clone(),
        ticket_type_name: ticket.position.ticket_type_name.clone(),
        seat: ticket.position.seat.clone(),
        admitted_at: is_entry.then_some(passage.at),
        left_at: (!is_entry).then_some(passage.at),
        entrance: passage.entrance.clone(),
        list_id,
    })
}
