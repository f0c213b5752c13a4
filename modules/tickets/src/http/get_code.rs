//! `GET /v1/tickets/{ticket_id}/code`: the ticket's code, to be shown at the door.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use contracts::tickets::TicketState;
use edge::{Path, Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::App;
use crate::{problems, qr, views::tickets::TicketContent};

/// In which form the code is wanted.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CodeForm {
    /// Before `Accept`, which otherwise decides; text when neither says.
    #[garde(skip)]
    format: Option<CodeFormat>,
}

/// The forms of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CodeFormat {
    /// What is in the QR code.
    Text,
    /// A QR code that can be printed at any size.
    Svg,
    /// A QR code as a picture.
    Png,
}

edge::problem_responses! {
    /// Why a code may not be had.
    pub(super) CodeProblems: problems::TICKET_VOIDED
}

/// Read a ticket's code
///
/// For its holder alone: whoever has the code gets in. As text, or as a QR code in SVG or PNG.
#[utoipa::path(
    get,
    path = "/v1/tickets/{ticket_id}/code",
    params(("ticket_id" = Uuid, Path), CodeForm),
    responses(
        (status = 200, description = "The code", content(
            (String = "text/plain"), (String = "image/svg+xml"), (Vec<u8> = "image/png"),
        )),
        CodeProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn get_ticket_code(
    State(app): State<App>,
    cx: Context,
    Path(ticket_id): Path<Uuid>,
    Query(form): Query<CodeForm>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let TicketContent { shown, serial, .. } = app.own_ticket(&cx, ticket_id).await?.content.0;
    if shown.state == TicketState::Voided {
        return Err(app.worthless(shown.order_id, ticket_id).await);
    }
    let code = app.code_of(&shown, serial);
    let (content_type, body) = match form.format.unwrap_or_else(|| accepted(&headers)) {
        CodeFormat::Text => ("text/plain; charset=utf-8", code.into_bytes()),
        CodeFormat::Svg => {
            ("image/svg+xml", qr::svg(&code).map_err(Problem::internal)?.into_bytes())
        }
        CodeFormat::Png => ("image/png", qr::png(&code).map_err(Problem::internal)?),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((headers, body).into_response())
}

fn accepted(headers: &HeaderMap) -> CodeFormat {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let mut wanted = accept
        .unwrap_or_default()
        .split(',')
        .map(|range| range.split(';').next().unwrap_or_default().trim());
    let known = wanted.find_map(|media_type| match media_type {
        "image/svg+xml" => Some(CodeFormat::Svg),
        "image/png" => Some(CodeFormat::Png),
        "text/plain" => Some(CodeFormat::Text),
        _ => None,
    });
    known.unwrap_or(CodeFormat::Text)
}
