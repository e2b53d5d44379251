//! Sign in with an OpenID provider, and then have a session of our own.
//!
//! ```text
//! examples/oidc-login/run        # two providers on this machine, and the application
//! ```
//!
//! Or without the script, with providers of yours: `cargo run -p oidc-login -- settings.json`. [README.md](../README.md) says what to
//! look at.
//!
//! The provider says once who the user is. From then on the session is ours: its tokens, its lifetimes, its list. The provider's
//! tokens are not used for requests, and an outage of the provider logs no user out.

mod accounts;
mod attempt;
mod login;
mod logins;
mod logout;
mod pages;
mod provider;
mod settings;

#[cfg(test)]
mod tests;

use std::{env, error::Error, path::PathBuf, str::Utf8Error, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tower_refresh::{
    Auth, Clock, Identity, InvalidLoginPage, KeyRing, MemoryStore, RotationPolicy, SystemClock,
    store::SessionStore,
};

use crate::{
    accounts::Accounts,
    logins::Logins,
    provider::{Http, Provider},
    settings::Settings,
};

/// The claims of a user in the access token, besides the standard ones.
#[derive(Serialize, Deserialize)]
struct User {
    name: String,
    provider: String,
    /// How the user authenticated, in the provider's words.
    acr: Option<String>,
}

#[derive(Clone)]
struct App {
    auth: Auth<User>,
    url: Arc<str>,
    providers: Arc<[Provider]>,
    accounts: Arc<Accounts>,
    logins: Arc<Logins>,
    /// How long a session lives at most.
    longest_session: Duration,
}

/// How old a login may be for something dangerous.
const RECENT: Duration = Duration::from_secs(5 * 60);
/// Far more than the parameters of a callback, or a logout token.
const LARGEST_FORM: usize = 16 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/settings.json");
    let settings = Settings::read(&env::args_os().nth(1).map_or(default.into(), PathBuf::from))?;
    let listener = tokio::net::TcpListener::bind(settings.listen).await?;
    println!("listening on {}", settings.url);
    Ok(axum::serve(listener, router(app(settings, MemoryStore::new(), SystemClock)?)?).await?)
}

fn router(app: App) -> Result<Router, InvalidLoginPage> {
    let recent = app.auth.require_recent_login(RECENT).reauthenticate_page("/confirm")?;
    let pages = Router::new()
        .route("/", get(pages::home))
        .route("/account", get(pages::account))
        .route("/close", get(pages::close).route_layer(recent))
        .route("/login", get(login::choose))
        .route("/login/{provider}", get(login::start))
        .route("/confirm", get(login::confirm))
        .route("/callback/{provider}", get(login::callback).post(login::form_post))
        .route("/logout", post(logout::logout))
        .route("/logged-out", get(logout::logged_out))
        .layer(app.auth.layer());
    // The provider's server calls it, without cookies.
    let backchannel = Router::new().route("/backchannel-logout/{provider}", post(logout::backchannel));
    Ok(pages.merge(backchannel).layer(DefaultBodyLimit::max(LARGEST_FORM)).with_state(app))
}

fn app(settings: Settings, store: impl SessionStore, clock: impl Clock) -> Result<App, Box<dyn Error>> {
    let http = Http::new()?;
    let providers = settings.providers.into_iter();
    let providers = providers.map(|provider| Provider::new(provider, &settings.url, http.clone()));
    let accounts = Arc::<Accounts>::default();
    let policy = RotationPolicy::balanced();
    Ok(App {
        providers: providers.collect::<Result<_, _>>()?,
        longest_session: policy.absolute,
        auth: auth(&settings.url, store, clock, policy, Arc::clone(&accounts))?,
        url: settings.url.into(),
        accounts,
        logins: Arc::default(),
    })
}

fn auth(
    url: &str,
    store: impl SessionStore,
    clock: impl Clock,
    policy: RotationPolicy,
    accounts: Arc<Accounts>,
) -> Result<Auth<User>, Box<dyn Error>> {
    // A real application reads its key from a file that all its servers share, so that users stay logged in after a restart.
    let auth = Auth::builder(KeyRing::ephemeral()?)
        .issuer(url)
        .audience("oidc-login")
        .store(store)
        .clock(clock)
        .policy(policy)
        // Whether the user still exists is this application's question. It does not ask the provider.
        .claims(move |subject, session| {
            let account = accounts.find(&subject);
            async move {
                let Some(account) = account else { return Ok(None) };
                let acr = str::from_utf8(session.data())?;
                let acr = (!acr.is_empty()).then(|| acr.to_owned());
                let user = User { name: account.name, provider: account.provider, acr };
                Ok::<_, Utf8Error>(Some(Identity::new(user)))
            }
        })
        // All clients are pages with cookies. No script, injected or not, can read a token.
        .access_header(false)
        .access_token_in_body(false)
        .on_rejection(pages::rejection)
        .login_page("/login")
        .build()?;
    Ok(auth)
}

impl App {
    fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.settings.name == name)
    }
}
