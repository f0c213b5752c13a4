//! What the admin listener serves: probes, metrics, and the standing check. It is there before anything else and goes
//! last.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{check::Checks, readiness::Readiness};

/// Renders all metrics in the text format of Prometheus.
pub type MetricsRender = Arc<dyn Fn() -> String + Send + Sync>;

/// `/livez`: the process runs; touches nothing else. `/startupz`: every module has started.
/// `/readyz`: it should get traffic, with a reason for each module that says no, and with what is
/// degraded while it does. `/metrics`.
/// `/check`: makes the standing check and says what it found.
pub(crate) fn router(
    readiness: Arc<Readiness>,
    checks: Arc<Checks>,
    metrics: Option<MetricsRender>,
) -> Router {
    let standing =
        Router::new().route("/check", get(check)).with_state((Arc::clone(&readiness), checks));
    let probes = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/startupz", get(startup))
        .route("/readyz", get(ready))
        .with_state(readiness)
        .merge(standing);
    let Some(render) = metrics else {
        return probes;
    };
    probes.route(
        "/metrics",
        get(move || async move {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render())
        }),
    )
}

async fn startup(State(readiness): State<Arc<Readiness>>) -> Response {
    if readiness.is_open() {
        return "started\n".into_response();
    }
    let report = readiness.report().await;
    (StatusCode::SERVICE_UNAVAILABLE, Json(report)).into_response()
}

async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    let report = readiness.report().await;
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

/// A report is an answer, whatever it says.
async fn check(State((readiness, checks)): State<(Arc<Readiness>, Arc<Checks>)>) -> Response {
    if !readiness.is_open() {
        return startup(State(readiness)).await;
    }
    Json(checks.run().await).into_response()
}
