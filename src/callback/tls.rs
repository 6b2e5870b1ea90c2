//! Serves the routes, with TLS where a certificate is given; a renewed certificate is picked up.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use axum::Router;
use axum_server::{Handle, tls_rustls::RustlsConfig};
use tokio_util::sync::CancellationToken;

use super::args::CallbackArgs;

/// How often the certificate's files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How long open connections may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// A certificate with its key, and where to look for the next.
pub struct Certificate {
    config: RustlsConfig,
    cert: PathBuf,
    key: PathBuf,
}

impl Certificate {
    /// The one that the flags name; `None`: plain HTTP.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn load(args: &CallbackArgs) -> anyhow::Result<Option<Self>> {
        let (Some(cert), Some(key)) = (args.tls_cert.clone(), args.tls_key.clone()) else { return Ok(None) };
        let config = RustlsConfig::from_pem_file(&cert, &key).await.map_err(|e| {
            anyhow::anyhow!("the certificate {} or its key {} cannot be read: {e}", cert.display(), key.display())
        })?;
        Ok(Some(Self { config, cert, key }))
    }
}

/// Serves until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    certificate: Option<Certificate>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let handle = Handle::<SocketAddr>::new();
    let (stopping, ending) = (stop.clone(), handle.clone());
    tokio::spawn(async move {
        stopping.cancelled().await;
        ending.graceful_shutdown(Some(GRACE));
    });
    let service = router.into_make_service();
    match certificate {
        Some(certificate) => {
            let config = certificate.config.clone();
            let stop = stop.clone();
            tokio::spawn(async move { stop.run_until_cancelled(reload(certificate)).await });
            axum_server::from_tcp_rustls(listener, config)?.handle(handle).serve(service).await?;
        }
        None => axum_server::from_tcp(listener)?.handle(handle).serve(service).await?,
    }
    Ok(())
}

async fn reload(Certificate { config, cert, key }: Certificate) {
    let mut seen = (modified(&cert), modified(&key));
    loop {
        tokio::time::sleep(LOOK).await;
        let now = (modified(&cert), modified(&key));
        if now == seen {
            continue;
        }
        match config.reload_from_pem_file(&cert, &key).await {
            Ok(()) => {
                seen = now;
                tracing::info!("the certificate was renewed");
            }
            // Half of a renewal may be there: the old pair serves until the new one is whole.
            Err(error) => tracing::warn!(%error, "the new certificate cannot be read yet; the old one serves on"),
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}
