//! Fetches the application's public keys.

use std::{io, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use ureq::Agent;

const TIMEOUT: Duration = Duration::from_secs(4);
const LARGEST: u64 = 64 * 1024;

/// The document at `url`, with a time limit, a size limit and without redirects.
pub(super) async fn fetch(url: Arc<str>) -> io::Result<Vec<u8>> {
    let fetched = tokio::task::spawn_blocking(move || get(&url)).await?;
    fetched.map_err(|error| io::Error::other(format!("{error:#}")))
}

fn get(url: &str) -> Result<Vec<u8>> {
    let config = Agent::config_builder().max_redirects(0).timeout_global(Some(TIMEOUT));
    let mut response = Agent::from(config.build()).get(url).call()?;
    ensure!(response.status() == 200, "the status is {}", response.status());
    Ok(response.body_mut().with_config().limit(LARGEST).read_to_vec()?)
}
