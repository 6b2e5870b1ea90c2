//! `euicc-operator ready`: asks processes whether they are ready, for pods that have neither shell nor curl.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, StatusCode, Url};

const PAUSE: Duration = Duration::from_secs(1);

/// Reads the URL of a process.
///
/// # Errors
/// When nothing can be asked at it, however long one waits.
pub fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
    url.ok_or_else(|| "it must be whole, such as http://127.0.0.1:8081/readyz".into())
}

/// Returns when each of the URLs has answered 200.
///
/// # Errors
/// When one has not after `timeout`, with what it said last.
pub async fn wait(urls: &[Url], timeout: Duration) -> anyhow::Result<()> {
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

async fn ask(http: &Client, url: &Url) -> anyhow::Result<()> {
    let answer = http.get(url.clone()).send().await.context("nobody answers")?;
    let status = answer.status();
    if status != StatusCode::OK {
        bail!("{url} says {}: {}", status.as_u16(), answer.text().await.unwrap_or_default().trim());
    }
    Ok(())
}
