//! A command line client. It stores its tokens in a file, and renews them when the access token has expired.
//!
//! ```text
//! cargo run -p demo                                                 # in one terminal; in another:
//! cargo run -p demo --example native_client -- login alice          # type alice-password
//! cargo run -p demo --example native_client -- me                   # {…,"sub":"alice"}
//! sleep 15                                                          # the access token expires
//! cargo run -p demo --example native_client -- me                   # renewed; {…,"sub":"alice"}
//! cargo run -p demo --example native_client -- logout
//! cargo run -p demo --example native_client -- me                   # error: not logged in
//! ```
//!
//! `NATIVE_CLIENT_URL` sets another server, `NATIVE_CLIENT_FILE` another file than `native_client.json`. Only its owner can
//! read the file (mode 0600). A keychain of the operating system is a better place. A real client uses HTTPS; this one is built
//! without TLS.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use reqwest::{RequestBuilder, Response, StatusCode, header::RETRY_AFTER, redirect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How many times a refresh is sent while the server is unavailable (503).
const MAX_TRIES: u32 = 3;
/// In seconds.
const MAX_WAIT: u64 = 10;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let mut client = Client::new()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["login", user] => client.log_in(user, &read_password()?).await,
        ["me"] => {
            println!("{}", client.get("/me").await?);
            Ok(())
        }
        ["logout"] => client.log_out().await,
        _ => bail!("usage: native_client login USER | me | logout"),
    }
}

struct Client {
    http: reqwest::Client,
    url: String,
    file: PathBuf,
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
struct Login {
    /// The server that issued the tokens. They are sent to no other server.
    url: String,
    access_token: String,
    refresh_token: String,
}

/// The response of a login and a refresh (RFC 6749 §5.1).
#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    /// `None`: the previous one is still valid.
    refresh_token: Option<String>,
}

impl Client {
    fn new() -> Result<Self> {
        // A redirect could send the tokens to another server.
        let http = reqwest::Client::builder().redirect(redirect::Policy::none());
        Ok(Self {
            http: http.timeout(Duration::from_secs(30)).build()?,
            url: env::var("NATIVE_CLIENT_URL").unwrap_or_else(|_| "http://127.0.0.1:3000".to_owned()),
            file: env::var_os("NATIVE_CLIENT_FILE").unwrap_or_else(|| "native_client.json".into()).into(),
        })
    }

    async fn log_in(&self, username: &str, password: &str) -> Result<()> {
        let form = json!({ "username": username, "password": password });
        let response = self.http.post(format!("{}/token-login", self.url)).json(&form).send().await?;
        if !response.status().is_success() {
            bail!("the login was rejected: {}", response.status());
        }
        let tokens: Tokens = response.json().await?;
        let refresh_token = tokens.refresh_token.context("the response contains no refresh token")?;
        let login = Login { url: self.url.clone(), access_token: tokens.access_token, refresh_token };
        self.write_login(&login)
    }

    /// Sends a request with the access token. On 401 the token has most likely expired: it is renewed, and the request is sent
    /// once more.
    async fn get(&mut self, path: &str) -> Result<String> {
        let mut login = self.read_login()?;
        let request =
            |login: &Login| self.http.get(format!("{}{path}", self.url)).bearer_auth(&login.access_token);
        let mut response = request(&login).send().await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.refresh(&mut login).await?;
            response = request(&login).send().await?;
        }
        if !response.status().is_success() {
            bail!("{path} was rejected: {}", response.status());
        }
        Ok(response.text().await?)
    }

    /// Exchanges the refresh token (RFC 6749 §6).
    ///
    /// If the response is lost, the exchange can be repeated with the same token and returns the same successor, also if
    /// another process sends the same exchange at the same time.
    async fn refresh(&self, login: &mut Login) -> Result<()> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", &login.refresh_token)];
        let request = self.http.post(format!("{}/auth/token", self.url)).form(&form);
        let response = send_with_retry(request).await?;
        if response.status().is_success() {
            let tokens: Tokens = response.json().await?;
            login.access_token = tokens.access_token;
            if let Some(refresh_token) = tokens.refresh_token {
                login.refresh_token = refresh_token;
            }
            // Before the new tokens are used: a token that is two generations old would end the session.
            self.write_login(login)?;
            eprintln!("renewed");
            return Ok(());
        }
        let status = response.status();
        let error: Value = response.json().await.unwrap_or_default();
        if error["error"] == "invalid_grant" {
            self.delete_login()?;
            bail!("the session has ended: log in again");
        }
        bail!("the login could not be renewed: {status} {error}");
    }

    async fn log_out(&self) -> Result<()> {
        let login = self.read_login()?;
        // The server also accepts an expired access token here.
        let url = format!("{}/auth/logout", self.url);
        let response = self.http.post(url).bearer_auth(&login.access_token).send().await?;
        if !response.status().is_success() {
            bail!("still logged in: {}", response.status());
        }
        self.delete_login()
    }

    fn read_login(&self) -> Result<Login> {
        let text = match fs::read(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!("not logged in: run `login` first"),
            Err(error) => return Err(error).with_context(|| self.file.display().to_string()),
        };
        let login: Login = serde_json::from_slice(&text).context("invalid login file")?;
        if login.url != self.url {
            bail!("not logged in: the stored login is for {}; run `login` first", login.url);
        }
        Ok(login)
    }

    /// Replaces the file atomically, so that a crash leaves either the old or the new one.
    fn write_login(&self, login: &Login) -> Result<()> {
        let new = self.file.with_extension("new");
        write_private(&new, &serde_json::to_vec(login)?)
            .and_then(|()| fs::rename(&new, &self.file))
            .with_context(|| self.file.display().to_string())
    }

    fn delete_login(&self) -> Result<()> {
        fs::remove_file(&self.file).with_context(|| self.file.display().to_string())
    }
}

/// Sends a request, and repeats it after `Retry-After` while the server is unavailable (503).
async fn send_with_retry(request: RequestBuilder) -> Result<Response> {
    let mut tries = 1;
    loop {
        let once = request.try_clone().context("the request cannot be repeated")?;
        let response = once.send().await?;
        if response.status() != StatusCode::SERVICE_UNAVAILABLE || tries == MAX_TRIES {
            return Ok(response);
        }
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        tokio::time::sleep(Duration::from_secs(seconds.unwrap_or(1).min(MAX_WAIT))).await;
        tries += 1;
    }
}

/// Writes a file that only its owner can read, also while it is written.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A file that a crash left behind may have another owner or mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn read_password() -> Result<String> {
    eprint!("password: ");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
