//! `POST /v1/check-ins`: somebody stands at the door.

use axum::extract::State;
use edge::{Answered, IdempotencyKey, Json, Problem};
use garde::Validate;
use runtime::{Context, Role, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Answer, ExecuteError, Loaded};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{
    code::Claim,
    domain::{Command, Issue, OrderTickets, RefusalReason, Rejection, Scan},
    problems,
    service::Service,
};

/// A code that somebody shows at a door.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "code": "BX1.ZmFrZQ",
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "entrance": "north",
}))]
pub(super) struct NewCheckIn {
    /// What is in the QR code.
    #[garde(length(max = 1_000))]
    #[schema(max_length = 1_000)]
    code: String,
    /// The event this door is for; tickets for others are refused. Any event when left out.
    #[garde(skip)]
    #[serde(default)]
    event_id: Option<Uuid>,
    /// Which door, for whoever asks later.
    #[garde(length(chars, max = 100))]
    #[schema(max_length = 100)]
    #[serde(default)]
    entrance: Option<String>,
    /// The scan's own mark, different for each scan at an entrance: the same scan sent again with it
    /// is no second one.
    #[garde(length(min = 1, max = 100))]
    #[schema(min_length = 1, max_length = 100)]
    #[serde(default)]
    nonce: Option<String>,
}

/// The bearer may go in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "ticket_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5f001",
    "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "event_name": "Quartet by the river",
    "ticket_type_name": "Stalls",
    "admitted_at": "2027-06-18T17:30:00Z",
    "entrance": "north",
}))]
pub(super) struct AdmissionResource {
    ticket_id: Uuid,
    order_id: Uuid,
    event_id: Uuid,
    event_name: String,
    ticket_type_name: String,
    admitted_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrance: Option<String>,
}

edge::problem_responses! {
    /// Why the bearer is not let in.
    pub(super) CheckInProblems:
        problems::UNKNOWN_CODE,
        problems::TICKET_VOIDED,
        problems::OTHER_EVENT,
        problems::ALREADY_ADMITTED,
}

/// Check a ticket in
///
/// For staff, and members of the organizer. A ticket lets its bearer in once; every refusal has a
/// problem type of its own, and is recorded.
#[utoipa::path(
    post,
    path = "/v1/check-ins",
    request_body = NewCheckIn,
    responses(
        (status = 201, description = "Let the bearer in", body = AdmissionResource),
        CheckInProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn check_in(
    State(app): State<App>,
    cx: Context,
    key: Option<IdempotencyKey>,
    Json(new): Json<NewCheckIn>,
) -> Result<Answered, Problem> {
    edge::require_any(&cx, &[Role::Staff, Role::Organizer])?;
    let claim = app.codes.read(&new.code).ok_or_else(|| unknown("not signed by us"))?;
    let issue = app.issue_of(&claim).await?;
    if !app.works_at_doors_of(&cx, issue.organizer_id).await? {
        return Err(Problem::new(&edge::problems::FORBIDDEN)
            .detail("only staff and members of the event's organizer may check tickets in"));
    }
    let scan = Scan {
        ticket_id: claim.ticket_id,
        serial: claim.serial,
        entrance: new.entrance,
        nonce: new.nonce,
        at: app.clock.now(),
    };
    if new.event_id.is_some_and(|expected| expected != issue.event_id) {
        app.record_refusal(&cx, claim.order_id, scan, RefusalReason::OtherEvent).await?;
        return Err(Problem::new(&problems::OTHER_EVENT)
            .with("event_id", issue.event_id)
            .with("event_name", issue.event_name));
    }
    app.admit(&cx, &claim, scan, key).await
}

impl Service {
    async fn issue_of(&self, claim: &Claim) -> Result<Issue, Problem> {
        let tickets = self.tickets.load(claim.order_id).await?;
        let issue = tickets.and_then(|tickets| tickets.state.issue);
        issue.ok_or_else(|| unknown("of an order without tickets"))
    }

    async fn admit(
        &self,
        cx: &Context,
        claim: &Claim,
        scan: Scan,
        key: Option<IdempotencyKey>,
    ) -> Result<Answered, Problem> {
        let (order_id, ticket_id) = (claim.order_id, claim.ticket_id);
        let execution = self.tickets.execute(cx, order_id, Command::Admit(scan.clone()));
        let answer =
            move |after: &Loaded<OrderTickets>| admitted(order_id, ticket_id, &after.state);
        let executed = match key {
            Some(key) => execution.answer(&key, move |_, after| answer(after)).await,
            None => execution.read(answer).await,
        };
        let refusal = match executed {
            Ok(answer) => return Ok(Answered(answer)),
            Err(ExecuteError::Rejected(rejection)) => rejection,
            Err(ExecuteError::Stale { current }) => return Err(Problem::stale(current)),
            Err(ExecuteError::Store(error)) => return Err(error.into()),
        };
        let (reason, problem) = refused(refusal);
        self.record_refusal(cx, order_id, scan, reason).await?;
        Err(problem)
    }

    async fn record_refusal(
        &self,
        cx: &Context,
        order_id: Uuid,
        scan: Scan,
        reason: RefusalReason,
    ) -> Result<(), Problem> {
        let command = Command::RecordRefusal { scan, reason };
        let recorded = self.tickets.execute(cx, order_id, command).read(|_| ()).await;
        recorded.map_err(|error| match error {
            ExecuteError::Store(error) => error.into(),
            other => Problem::internal(format!("a refused scan was not recorded: {other:?}")),
        })
    }
}

fn admitted(order_id: Uuid, ticket_id: Uuid, tickets: &OrderTickets) -> Answer {
    let ticket = tickets.ticket(ticket_id);
    let admission = ticket.and_then(|ticket| ticket.admission.as_ref());
    let resource =
        tickets.issue.as_ref().zip(ticket).zip(admission).map(|((issue, ticket), admission)| {
            AdmissionResource {
                ticket_id,
                order_id,
                event_id: issue.event_id,
                event_name: issue.event_name.clone(),
                ticket_type_name: ticket.position.ticket_type_name.clone(),
                admitted_at: admission.at,
                entrance: admission.entrance.clone(),
            }
        });
    Answer::json(201, &resource)
}

fn refused(rejection: Rejection) -> (RefusalReason, Problem) {
    match rejection {
        Rejection::Voided(voiding) => (
            RefusalReason::Voided,
            Problem::new(&problems::TICKET_VOIDED)
                .with("voided_at", voiding.at)
                .with("reason", voiding.reason),
        ),
        Rejection::AlreadyAdmitted(before) => (
            RefusalReason::AlreadyAdmitted,
            Problem::new(&problems::ALREADY_ADMITTED)
                .with("admitted_at", before.at)
                .with("entrance", before.entrance),
        ),
        Rejection::UnknownTicket | Rejection::NoPositions | Rejection::TooManyPositions => {
            (RefusalReason::Unknown, unknown("of no ticket, or replaced by another"))
        }
    }
}

fn unknown(detail: &str) -> Problem {
    tracing::info!(reason = detail, "a ticket code was refused");
    Problem::new(&problems::UNKNOWN_CODE).detail(format!("the code is {detail}"))
}
