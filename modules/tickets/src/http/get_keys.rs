//! `GET /v1/tickets/keys`: what doors verify codes with.

use axum::extract::State;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use edge::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use crate::code::Codes;

/// The keys that codes are signed with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"keys": [{
    "id": "5f1c09ae",
    "algorithm": "Ed25519",
    "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
}]}))]
pub(super) struct TicketKeys {
    keys: Vec<TicketKey>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TicketKey {
    /// The first four bytes of a code, in hexadecimal digits.
    id: String,
    algorithm: &'static str,
    /// In base64.
    public_key: String,
}

/// Read the keys of ticket codes
///
/// For everybody: with these a door tells genuine codes from forged ones without a network.
#[utoipa::path(
    get,
    path = "/v1/tickets/keys",
    responses((status = 200, description = "The keys", body = TicketKeys)),
    security((), ("bearer" = [])),
)]
pub(super) async fn get_ticket_keys(State(app): State<App>) -> Json<TicketKeys> {
    Json(TicketKeys { keys: keys_of(&app.codes) })
}

/// The public halves of the keys that codes are signed with.
pub(super) fn keys_of(codes: &Codes) -> Vec<TicketKey> {
    let keys = codes.public_keys().into_iter().map(|(id, key)| TicketKey {
        id: id.shown(),
        algorithm: "Ed25519",
        public_key: STANDARD.encode(key),
    });
    keys.collect()
}
