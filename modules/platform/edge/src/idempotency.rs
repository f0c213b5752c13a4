//! `Idempotency-Key`: a repeated request is answered with the first one's outcome.

use axum::http::HeaderName;

/// The request header that tells a repeated request from a second one.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The response header that says `true` when the answer is that of an earlier request.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
