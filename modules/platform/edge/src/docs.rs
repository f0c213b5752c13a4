//! The documentation that the process serves of itself: Swagger UI at `/docs`, the document at
//! `/openapi.json`, a page for each kind of problem under `/problems`.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use sha2::{Digest, Sha256};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use crate::{Path, Problem, openapi, problems::Explanation};

/// What the pages of Swagger UI may do: run the scripts that come with them, style themselves, and
/// call this API.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const A_DAY: &str = "public, max-age=86400";
const ASK_AGAIN: &str = "no-cache";

/// The routes that document `document`.
pub fn docs(document: &OpenApi) -> Router {
    let pages: Arc<BTreeMap<String, Explanation>> = Arc::new(
        openapi::explanations(document).into_iter().map(|it| (it.slug.clone(), it)).collect(),
    );
    let index = Bytes::from(index(&pages));
    let swagger = Arc::new(
        Config::from("/openapi.json")
            .persist_authorization(true)
            .try_it_out_enabled(true)
            .display_request_duration(true)
            .display_operation_id(false)
            .default_models_expand_depth(0)
            .filter(true)
            .validator_url("none"),
    );
    let start = Arc::clone(&swagger);
    let json = Json::of(document);
    Router::new()
        .route("/openapi.json", get(move || async move { json.answer() }))
        .route("/docs", get(|| async { Redirect::permanent("/docs/") }))
        .route("/docs/", get(move || async move { asset("index.html", start) }))
        .route(
            "/docs/{*file}",
            get(move |Path(file): Path<String>| async move { asset(&file, swagger) }),
        )
        .route("/problems", get(move || async move { text(index) }))
        .route(
            "/problems/{slug}",
            get(move |Path(slug): Path<String>| async move { explain(&pages, &slug) }),
        )
}

/// The document as it is sent.
#[derive(Clone)]
struct Json {
    body: Bytes,
    etag: HeaderValue,
}

impl Json {
    fn of(document: &OpenApi) -> Self {
        let body = serde_json::to_vec(document).expect("an OpenAPI document has text keys only");
        let hash = Sha256::digest(&body);
        let hex = hash.iter().take(8).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let etag = HeaderValue::try_from(format!("\"{hex}\"")).expect("hex in quotes is a value");
        Self { body: body.into(), etag }
    }

    fn answer(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CACHE_CONTROL, HeaderValue::from_static(ASK_AGAIN)),
            (header::ETAG, self.etag),
        ];
        (headers, self.body).into_response()
    }
}

/// A file of Swagger UI.
fn asset(file: &str, config: Arc<Config<'static>>) -> Response {
    let found = match utoipa_swagger_ui::serve(file, config) {
        Ok(Some(found)) => found,
        Ok(None) => return Problem::not_found().into_response(),
        Err(error) => return Problem::internal(error).into_response(),
    };
    let changes_with_us = file == "index.html" || file == "swagger-initializer.js";
    let lifetime = if changes_with_us { ASK_AGAIN } else { A_DAY };
    let mut response = found.bytes.into_owned().into_response();
    let headers = response.headers_mut();
    if let Ok(media_type) = HeaderValue::try_from(found.content_type) {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(lifetime));
    let policy: HeaderName = header::CONTENT_SECURITY_POLICY;
    headers.insert(policy, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    response
}

fn explain(pages: &BTreeMap<String, Explanation>, slug: &str) -> Response {
    match pages.get(slug) {
        Some(page) => text(Bytes::from(page.text())),
        None => Problem::not_found().into_response(),
    }
}

fn index(pages: &BTreeMap<String, Explanation>) -> String {
    let mut lines = String::from("The problems this API can answer with:\n\n");
    for (slug, Explanation { status, title, .. }) in pages {
        let _ = writeln!(lines, "{status} /problems/{slug}  {title}");
    }
    lines
}

fn text(body: Bytes) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, A_DAY)];
    (headers, body).into_response()
}
