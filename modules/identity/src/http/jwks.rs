//! `GET /.well-known/jwks.json`

use std::sync::Arc;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use edge::{Json, token::TokenKeySet};

use crate::service::Service;

/// The keys that verify access tokens
///
/// A JSON Web Key Set (RFC 7517): the key that signs now, and others whose tokens are still good or
/// that will sign soon.
#[utoipa::path(
    get, path = "/.well-known/jwks.json",
    responses((status = 200, description = "The keys.", body = TokenKeySet)),
)]
pub(crate) async fn get_token_keys(State(service): State<Arc<Service>>) -> Response {
    let caching = format!("public, max-age={}", service.keys_are_fresh_for.as_secs());
    ([(header::CACHE_CONTROL, caching)], Json(service.keys.public_keys())).into_response()
}
