//! `PUT /v1/organizers/{organizer_id}/members/{user_id}`

use axum::extract::State;
use edge::{Json, Path, Problem};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::MemberResource;
use crate::{
    domain::organizer::{Command, MemberRole},
    http::App,
    problems,
    service::asker,
};

/// What an account may do for an organizer.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"role": "member"}))]
pub(in crate::http) struct MemberInput {
    /// `member` when absent.
    #[garde(skip)]
    #[serde(default)]
    #[schema(default = "member")]
    role: MemberRole,
}

edge::problem_responses! {
    /// What deciding who is a member may be refused with.
    pub(super) MemberProblems: problems::LAST_OWNER, problems::TOO_MANY_MEMBERS
}

/// Make an account a member of an organizer
///
/// Or give a member another role. Only owners may do this. Doing it twice changes nothing.
#[utoipa::path(
    put,
    path = "/v1/organizers/{organizer_id}/members/{user_id}",
    params(
        ("organizer_id" = Uuid, Path, description = "The organizer."),
        ("user_id" = Uuid, Path, description = "The account."),
    ),
    request_body = MemberInput,
    responses(
        (status = 200, description = "The member", body = MemberResource),
        MemberProblems,
    ),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn put_member(
    State(app): State<App>,
    cx: Context,
    Path((organizer_id, user_id)): Path<(Uuid, Uuid)>,
    Json(input): Json<MemberInput>,
) -> Result<Json<MemberResource>, Problem> {
    let (by, now) = (asker(&cx)?, app.clock.now());
    let command = Command::PutMember { user_id, role: input.role, by, now };
    let organizer = app.organizers.execute(&cx, organizer_id, command).await?.state;
    let member = organizer.members.get(&user_id).ok_or_else(Problem::not_found)?;
    Ok(Json(MemberResource { user_id, role: member.role, since: member.since }))
}
