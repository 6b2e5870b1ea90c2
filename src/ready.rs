//! `euicc-operator ready`: asks processes whether they are ready, for pods that have neither shell nor curl.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, StatusCode};

const PAUSE: Duration = Duration::from_secs(1);

/// Returns when each of the URLs has answered 200.
///
/// # Errors
/// When one has not after `timeout`, with what it said last.
pub async fn wait(urls: &[String], timeout: Duration) -> anyhow::Result<()> {
    let http = Client::builder().no_proxy().timeout(PAUSE).build()?;
    let mut why = String::new();
    let asking = async {
        for url in urls {
            while let Err(error) = ask(&http, url).await {
                why = format!("{error:#}");
                tokio::time::sleep(PAUSE).await;
            }
            println!("{url} is ready");
        }
    };
    if tokio::time::timeout(timeout, asking).await.is_err() {
        bail!("not ready after {timeout:?}: {why}");
    }
    Ok(())
}

async fn ask(http: &Client, url: &str) -> anyhow::Result<()> {
    let answer = http.get(url).send().await.context("nobody answers")?;
    let status = answer.status();
    if status != StatusCode::OK {
        bail!("{url} says {}: {}", status.as_u16(), answer.text().await.unwrap_or_default().trim());
    }
    Ok(())
}
