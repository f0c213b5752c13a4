//! What a service's operators do about events that it could not take in: list, show, retry,
//! discard. The same endpoints in every service that consumes events, below `/v1/admin/<service>`,
//! for admins alone. This is their table of contents, with what they share.
//!
//! What dead letters are, and what becomes of them, is the store's. `boxoffice dead-letters` does
//! the same without a running service.

mod discard;
mod list;
mod mistaken;
mod resource;
mod retry;
mod retry_all;
mod show;

use runtime::{Boot, Context, Role};
use store::{Database, DeadLetters, LetterError};
use utoipa::openapi::{OpenApi, path::PathItem};
use uuid::Uuid;

pub use self::{
    mistaken::{is_foreign, mistaken_names, of_event},
    resource::{DeadLetterDetails, DeadLetterResource, DeadLetterStateName},
};
use crate::{Problem, ProblemType, Routes, openapi, problems, routes};

/// What the endpoints work with.
#[derive(Clone)]
struct Desk {
    service: &'static str,
    letters: DeadLetters,
}

/// Serves the dead letters of the module's `database`. The module owns `/v1/admin/<its name>`, and
/// its document comes from [`describe`].
pub fn serve(boot: &mut Boot, database: &Database) {
    let service = boot.module().name;
    let desk = Desk { service, letters: DeadLetters::new(database, boot.clock()) };
    boot.public(endpoints(service).with_state(desk).into());
}

/// As [`openapi::describe`], for a service that also [serves](serve) its dead letters.
pub fn describe<S>(
    service: &'static str,
    routes: Routes<S>,
    own_problems: &[&ProblemType],
) -> OpenApi
where
    S: Send + Sync + Clone + 'static,
{
    let mut document = openapi::describe(service, routes, own_problems);
    document.merge(endpoints(service).into_openapi());
    document
}

fn endpoints(service: &'static str) -> Routes<Desk> {
    let endpoints = Routes::new()
        .routes(routes!(list::list_dead_letters))
        .routes(routes!(retry_all::retry_dead_letters))
        .routes(routes!(show::get_dead_letter))
        .routes(routes!(retry::retry_dead_letter))
        .routes(routes!(discard::discard_dead_letter));
    let mut nested = Routes::new().nest(&format!("/v1/admin/{service}"), endpoints);
    for item in nested.get_openapi_mut().paths.paths.values_mut() {
        name_after(service, item);
    }
    nested
}

/// Operations of different services have different names.
fn name_after(service: &str, item: &mut PathItem) {
    for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
        let name = operation.operation_id.take();
        operation.operation_id = name.map(|name| format!("{name}_of_{service}"));
    }
}

impl Desk {
    /// Who decides, as it is kept: `user:<id>`. A problem for everybody but admins.
    fn admin(cx: &Context) -> Result<String, Problem> {
        crate::require(cx, Role::Admin)?;
        Ok(cx.principal().actor())
    }

    /// Why what was decided about the letter `id` was not done.
    async fn refusal(&self, id: Uuid, error: LetterError) -> Problem {
        match error {
            LetterError::Unknown => self.unknown(id).await,
            error => error.into(),
        }
    }

    /// No letter is called `id`; an event may be.
    async fn unknown(&self, id: Uuid) -> Problem {
        match of_event(&self.letters, id).await {
            Ok(letters) if letters.is_empty() => unknown(),
            Ok(letters) => Problem::not_found()
                .detail(
                    "this is the id of an event; those of its dead letters are in `dead_letters`",
                )
                .with("dead_letters", letters.iter().map(|it| it.id).collect::<Vec<_>>()),
            Err(error) => error.into(),
        }
    }
}

impl From<LetterError> for Problem {
    fn from(error: LetterError) -> Self {
        match error {
            LetterError::Unknown => unknown(),
            LetterError::Waiting { behind: Some(first) } => Self::new(&problems::DEAD_LETTER_WAITS)
                .detail("an earlier event about the same thing comes first; see `behind`")
                .with("behind", first),
            LetterError::Waiting { behind: None } => Self::new(&problems::DEAD_LETTER_WAITS)
                .detail("its turn has come: it is tried within a second, by itself"),
            LetterError::Discarded(letter) => {
                let discarded = DeadLetterResource::from(*letter).discarded;
                Self::new(&problems::DEAD_LETTER_DISCARDED).with("discarded", discarded)
            }
            LetterError::Store(error) => error.into(),
        }
    }
}

fn unknown() -> Problem {
    Problem::not_found()
        .detail("no dead letter of this service has this id; one that took effect is gone")
}

/// What no name contains.
fn plain<C>(text: &str, _: &C) -> garde::Result {
    if text.chars().any(char::is_control) {
        return Err(garde::Error::new("has a control character"));
    }
    Ok(())
}

/// Words that can be read in a table.
fn line<C>(text: &str, context: &C) -> garde::Result {
    if text.trim().is_empty() {
        return Err(garde::Error::new("is blank"));
    }
    plain(text, context)
}
