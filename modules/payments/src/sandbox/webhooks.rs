//! The webhooks of the sandbox: signed hints that it sends to an address of ours, so that what a real
//! provider does can be tried out. One that cannot be delivered is tried twice more and then given up;
//! payments finds out by itself.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    http::{Request, header},
};
use runtime::{CancellationToken, Clock, Ids, WebClient};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::reference;
use crate::{
    provider::{Hint, UnreadableHint},
    signature::Secrets,
};

/// More webhooks than this do not wait to be sent; payments does not depend on them.
const MOST_WAITING: usize = 1024;
const ATTEMPTS: usize = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// How long the receiver may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The body of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// The same when it is sent again.
    id: String,
    #[serde(rename = "type")]
    kind: String,
    order_id: Uuid,
    attempt_id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refund_id: Option<Uuid>,
}

impl Notice {
    /// Something happened to a charge.
    pub(crate) fn charge(order_id: Uuid, attempt_id: Uuid) -> Self {
        let kind = "charge.updated".to_owned();
        Self { id: String::new(), kind, order_id, attempt_id, refund_id: None }
    }

    /// Something happened to a refund of a charge.
    pub(crate) fn refund(order_id: Uuid, attempt_id: Uuid, refund_id: Uuid) -> Self {
        let kind = "refund.updated".to_owned();
        Self { id: String::new(), kind, order_id, attempt_id, refund_id: Some(refund_id) }
    }
}

/// What the body of a webhook is about.
pub(crate) fn read(body: &[u8]) -> Result<Hint, UnreadableHint> {
    let notice: Notice =
        serde_json::from_slice(body).map_err(|error| UnreadableHint(error.to_string()))?;
    Ok(Hint {
        event_id: notice.id,
        kind: notice.kind,
        order_id: Some(notice.order_id),
        attempt_id: Some(notice.attempt_id),
        charge: Some(reference(notice.attempt_id)),
    })
}

/// Hands notices to whoever sends them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Notifier(mpsc::Sender<Notice>);

impl Notifier {
    /// Has it sent, soon.
    pub(crate) fn tell(&self, notice: Notice) {
        if self.0.try_send(notice).is_err() {
            tracing::warn!("too many webhooks of the sandbox wait: one was left out");
        }
    }
}

/// Sends notices.
pub(crate) struct Sender {
    pub(crate) client: WebClient,
    pub(crate) url: String,
    pub(crate) secrets: Secrets,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
}

/// A notifier and what waits to be sent.
pub(crate) fn channel() -> (Notifier, mpsc::Receiver<Notice>) {
    let (sender, waiting) = mpsc::channel(MOST_WAITING);
    (Notifier(sender), waiting)
}

impl Sender {
    /// Sends what comes until `stop`.
    pub(crate) async fn run(self, mut waiting: mpsc::Receiver<Notice>, stop: CancellationToken) {
        while let Some(Some(notice)) = stop.run_until_cancelled(waiting.recv()).await {
            let id = format!("evt_{}", self.ids.next().simple());
            let sending = self.deliver(Notice { id, ..notice });
            if stop.run_until_cancelled(sending).await.is_none() {
                return;
            }
        }
    }

    async fn deliver(&self, notice: Notice) {
        let Ok(body) = serde_json::to_vec(&notice) else { return };
        for attempt in 1..=ATTEMPTS {
            match self.send(&body).await {
                Ok(status) if (200..300).contains(&status) => return,
                Ok(status) => tracing::warn!(status, attempt, "a sandbox webhook was not taken"),
                Err(error) => tracing::warn!(%error, attempt, "a sandbox webhook did not arrive"),
            }
            self.clock.sleep_until(self.clock.now() + PAUSE).await;
        }
    }

    async fn send(&self, body: &[u8]) -> Result<u16, String> {
        let signature = self.secrets.sign(body, self.clock.now()).unwrap_or_default();
        let request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("sandbox-signature", signature)
            .body(Bytes::copy_from_slice(body))
            .map_err(|error| error.to_string())?;
        let answer = self.client.send(request, LIMIT).await.map_err(|error| error.to_string())?;
        Ok(answer.status().as_u16())
    }
}
