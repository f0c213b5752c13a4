//! The public HTTP stack: what surrounds every public endpoint, and what endpoints are written with.
//!
//! - errors: [`Problem`], [`ProblemType`], [`problems`];
//! - what handlers take: [`Json`], [`Query`], [`Path`], [`Page`], [`IfMatch`], [`Caller`],
//!   [`IdempotencyKey`], [`Network`], and `runtime::Context`;
//! - what they give: [`Json`], [`Tagged`], [`Listing`], [`Answered`], [`Shown`] out of [`Pages`];
//! - what texts of clients must look like: [`text`];
//! - how much at the same time: [`ConcurrencyLimit`];
//! - who may: [`user`], [`require`], [`owner`]; tokens: [`token`], [`Authenticator`];
//! - events that a service could not take in: [`dead_letters`];
//! - documentation: [`openapi`], [`docs()`];
//! - around it all: [`public_stack`] and its [`EdgeSettings`].
//!
//! Nothing here knows of tickets. Calls between services are the runtime's.

mod answer;
mod authenticate;
mod authorize;
mod concurrency;
mod conditional;
pub mod dead_letters;
mod docs;
mod extract;
mod idempotency;
mod network;
pub mod openapi;
mod page;
mod pages;
mod problem;
pub mod problems;
mod settings;
pub mod stack;
pub mod text;
pub mod token;
mod verified;

pub use answer::{Answered, created, ok, respond};
pub use authenticate::Authenticator;
pub use authorize::{Caller, owner, require, require_any, user};
pub use concurrency::{ConcurrencyLimit, ConcurrencyPermit, LimitReached};
pub use conditional::{IfMatch, Tagged, etag};
pub use docs::docs;
pub use extract::{Json, Path, Query};
pub use idempotency::{
    IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, Idempotency, IdempotencyKey, idempotent,
    idempotent_for_everybody, optionally_idempotent,
};
pub use network::Network;
pub use page::{Listing, Page};
pub use pages::{Known, Pages, Shown};
pub use problem::{FieldFault, PROBLEM_JSON, Problem, ProblemType, RequestPart};
pub use settings::EdgeSettings;
pub use stack::public_stack;
pub use utoipa::IntoResponses;
pub use utoipa_axum::{router::OpenApiRouter as Routes, routes};

/// What `IntoResponses` gives for each status.
pub type ResponseOrRef = utoipa::openapi::RefOr<utoipa::openapi::Response>;
