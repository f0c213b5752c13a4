//! `POST /v1/check-in-lists/{list_id}/scans`: what a door decided while it had no network.

use std::sync::Arc;

use axum::extract::State;
use contracts::tickets::ScanKind;
use edge::{Json, Path, Problem};
use futures_util::future::join_all;
use garde::Validate;
use runtime::{Context, Timestamp};
use serde::{Deserialize, Serialize};
use store::{ExecuteError, Loaded};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, text};
use crate::{
    domain::{
        OrderTickets,
        order::{Command, Verdict},
        scan::{Passage, Refusal, RefusalReason, Scan},
    },
    doors::Post,
    service::Service,
};

/// The most scans of one upload.
const MOST_SCANS: usize = 500;

/// What a door decided while it had no network.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "device": "south 2",
    "scans": [{
        "code": "BX2.ZmFrZQ",
        "kind": "entry",
        "at": "2027-06-18T17:31:00Z",
        "entrance": "south",
        "nonce": "1f0c4e0a-6f0e-4b3e-8a5e-2b1d9c7f0001",
    }],
}))]
pub(super) struct ScanUpload {
    /// Which of the account's devices, when several are logged in with one account.
    #[garde(length(chars, min = 1, max = 100), inner(custom(text::line)))]
    #[schema(min_length = 1, max_length = 100)]
    #[serde(default)]
    device: Option<String>,
    /// The scans, in any order.
    #[garde(length(min = 1, max = MOST_SCANS), dive)]
    #[schema(min_items = 1, max_items = 500)]
    scans: Vec<UploadedScan>,
}

/// One scan.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct UploadedScan {
    /// What was in the QR code.
    #[garde(length(max = 1_000))]
    #[schema(max_length = 1_000)]
    code: String,
    /// Which way the bearer went.
    #[garde(skip)]
    #[serde(default)]
    kind: ScanKind,
    /// When, by the device's clock. A time that has not come yet counts as the moment of the upload.
    #[garde(skip)]
    at: Timestamp,
    /// Which door.
    #[garde(length(chars, min = 1, max = 100), inner(custom(text::line)))]
    #[schema(min_length = 1, max_length = 100)]
    #[serde(default)]
    entrance: Option<String>,
    /// The scan's own mark, different for each scan of the device: sent again with it, it is no second
    /// one.
    #[garde(length(min = 1, max = 100), custom(text::line))]
    #[schema(min_length = 1, max_length = 100)]
    nonce: String,
    /// Why the device refused the bearer; left out when it let him pass.
    #[garde(skip)]
    #[serde(default)]
    refused: Option<RefusalReason>,
}

/// What became of the scans of an upload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"results": [{
    "nonce": "1f0c4e0a-6f0e-4b3e-8a5e-2b1d9c7f0001",
    "ticket_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5f001",
    "conflict": "already_admitted",
}]}))]
pub(super) struct UploadResult {
    /// One for each scan, in the order of the upload.
    results: Vec<ScanResult>,
}

/// What became of one scan. It is recorded, now or by an earlier upload.
#[derive(Debug, Serialize, ToSchema)]
struct ScanResult {
    nonce: String,
    /// The ticket; absent when the code is not ours, or of another organizer's ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_id: Option<Uuid>,
    /// Why the bearer would have been refused, had the device known what we know. Such conflicts are
    /// listed at `/v1/check-in-lists/{list_id}/conflicts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<RefusalReason>,
}

/// Upload scans
///
/// What a device decided while it had no network, with the times at which it did. Nothing of it is
/// rejected: what would have been refused is recorded as a conflict. An entry with a revoked code, a
/// worthless ticket or one for another event is a conflict and nothing else: it admits nobody. Upload
/// the same scans again until this is answered; each is recorded once. For those who may scan there.
#[utoipa::path(
    post,
    path = "/v1/check-in-lists/{list_id}/scans",
    params(("list_id" = Uuid, Path)),
    request_body = ScanUpload,
    responses((status = 200, description = "All are recorded", body = UploadResult)),
    security(("bearer" = [])),
)]
pub(super) async fn upload_scans(
    State(app): State<App>,
    cx: Context,
    Path(list_id): Path<Uuid>,
    Json(upload): Json<ScanUpload>,
) -> Result<Json<UploadResult>, Problem> {
    let by = edge::user(&cx)?;
    let post = app.worked_post(&cx, list_id).await?;
    let mut scans: Vec<(usize, UploadedScan)> = upload.scans.into_iter().enumerate().collect();
    // In the order in which they happened, the earlier ones speak against the later ones.
    scans.sort_by_key(|(_, scan)| scan.at);
    let received = app.clock.now();
    let recorded = scans.into_iter().map(|(index, scan)| {
        let UploadedScan { code, kind, at, entrance, nonce, refused } = scan;
        let passage = Passage {
            at,
            device_at: None,
            entrance,
            nonce: Some(nonce.clone()),
            list_id: Some(post.rules.list_id),
            by: Some(by),
            device: upload.device.clone(),
            offline: true,
        };
        let shown = Shown { code, kind, nonce, passage: passage.told_at(received), refused };
        let (app, cx, post) = (&app, &cx, &post);
        async move { (index, app.take_down(cx, post, shown).await) }
    });
    // Together in the queue, they share a commit.
    let mut results = join_all(recorded).await;
    results.sort_by_key(|(index, _)| *index);
    let results = results.into_iter().map(|(_, result)| result).collect::<Result<_, _>>()?;
    Ok(Json(UploadResult { results }))
}

/// A code as it was shown at the door of the upload.
struct Shown {
    code: String,
    kind: ScanKind,
    nonce: String,
    passage: Passage,
    refused: Option<RefusalReason>,
}

impl Service {
    async fn take_down(
        &self,
        cx: &Context,
        post: &Post,
        shown: Shown,
    ) -> Result<ScanResult, Problem> {
        let Shown { code, kind, nonce, passage, refused } = shown;
        let unknown = ScanResult { nonce, ticket_id: None, conflict: None };
        let Some(claim) = self.codes.read(&code) else {
            self.note_unknown(cx, post, passage).await?;
            return Ok(unknown);
        };
        let (ticket_id, serial) = (claim.ticket_id, claim.serial);
        let scan = Scan { ticket_id, serial, kind, passage };
        let rules = Arc::clone(&post.rules);
        let (told, passage) = (scan.clone(), scan.passage.clone());
        let command = match refused {
            Some(reason) => Command::NoteRefusal { scan, refusal: Refusal::from(reason), rules },
            None => Command::Scan { scan, rules },
        };
        let conflict = move |after: &Loaded<OrderTickets>| match after.state.verdict(&told) {
            Some(Verdict::LetThrough { conflict, .. }) => conflict,
            Some(Verdict::Refused(_)) | None => None,
        };
        match self.tickets.execute(cx, claim.order_id, command).read(conflict).await {
            Ok(conflict) => Ok(ScanResult { ticket_id: Some(ticket_id), conflict, ..unknown }),
            Err(ExecuteError::Rejected(_)) => {
                self.note_unknown(cx, post, passage).await?;
                Ok(unknown)
            }
            Err(ExecuteError::Stale { current }) => Err(Problem::stale(current)),
            Err(ExecuteError::Store(error)) => Err(error.into()),
        }
    }
}
