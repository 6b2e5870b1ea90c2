//! Health and metrics, on a port of their own.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Metrics, Readiness,
    exposition::{CLASSIC, OPEN_METRICS, classic, wants_open_metrics},
};

/// A listener; `flag` is where the address comes from.
///
/// # Errors
/// When the address cannot be had.
pub async fn bind(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} ({flag})"))
}

/// Serves `/livez`, `/readyz` and `/metrics` until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    tracing::info!("admin listening on {}", listener.local_addr()?);
    let app = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(expose))
        .with_state((readiness, metrics));
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn readyz(State((readiness, _)): State<(Readiness, Arc<Metrics>)>) -> impl IntoResponse {
    match readiness.why_not() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn expose(
    State((_, metrics)): State<(Readiness, Arc<Metrics>)>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, (StatusCode, String)> {
    let text = metrics.encode().map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    Ok(match wants_open_metrics(accept) {
        true => ([(header::CONTENT_TYPE, OPEN_METRICS)], text),
        false => ([(header::CONTENT_TYPE, CLASSIC)], classic(&text)),
    })
}
