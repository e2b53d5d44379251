//! Reauthentication of a logged-in user, and routes that need a recent login.

mod faults;
mod former;
mod native;
mod overtaken;
mod recent;
mod rejected;
mod successor;

use bytes::Bytes;
use http::{Request, Response};
use tower_refresh::{
    LoginOptions, ReauthOptions, RejectionKind, Session, SessionHandle,
    event::EndReason,
    store::{Page, SessionStore},
};
use tower_refresh_core::SessionRow;

use crate::support::{Browser, Claims, World, mint, probe::carries_nothing};

/// The response of a handler that reauthenticates the user with these options. The body is the access token.
async fn reauthenticate(world: &World, request: Request<()>, options: ReauthOptions) -> Response<Bytes> {
    let handler = move |request: Request<()>| {
        let options = options.clone();
        async move {
            let (request, ()) = request.into_parts();
            let session = Session::<Claims>::from_extensions(&request.extensions).unwrap();
            match session.reauthenticate(options).await {
                Ok(tokens) => Response::new(tokens.access_token().to_owned().into()),
                Err(rejection) => rejection.to_response(&request),
            }
        }
    };
    world.send_to(handler, request).await
}

/// The same for a native client with this refresh token. The body has both tokens.
async fn reauthenticate_native(
    world: &World,
    request: Request<()>,
    refresh: &str,
    options: ReauthOptions,
) -> Response<Bytes> {
    let refresh = refresh.to_owned();
    let handler = move |request: Request<()>| {
        let (options, refresh) = (options.clone(), refresh.clone());
        async move {
            let (request, ()) = request.into_parts();
            let session = Session::<Claims>::from_extensions(&request.extensions).unwrap();
            match session.reauthenticate_native(&refresh, options).await {
                Ok(tokens) => tokens.to_response(),
                Err(rejection) => rejection.to_response(&request),
            }
        }
    };
    world.send_to(handler, request).await
}

/// A native client: its access token and its refresh token.
#[derive(Clone)]
struct Native {
    access: String,
    refresh: String,
}

impl Native {
    async fn logged_in(world: &World, subject: &'static str, options: LoginOptions) -> Self {
        let handler = move |request: Request<()>| {
            let options = options.clone();
            async move {
                let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
                session.login_native_with(subject, options).await.unwrap().to_response()
            }
        };
        Self::of(&world.send_to(handler, crate::support::request("/", &[])).await)
    }

    fn of(response: &Response<Bytes>) -> Self {
        let tokens: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }

    fn request(&self) -> Request<()> {
        crate::support::probe::with_bearer("/", &self.access)
    }

    fn session(&self) -> SessionHandle {
        mint::session(&self.access)
    }
}

async fn logged_in_with(world: &World, subject: &'static str, options: LoginOptions) -> Browser {
    let handler = move |request: Request<()>| {
        let options = options.clone();
        async move {
            let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
            session.login_with(subject, options).await.unwrap();
            Response::new(Bytes::new())
        }
    };
    let mut browser = Browser::new();
    browser.keep(world.send_to(handler, crate::support::request("/", &[])).await.headers());
    browser
}

async fn live_sessions(world: &World, subject: &str) -> Vec<SessionRow> {
    world
        .store
        .inner
        .list(&subject.into(), tower_refresh::Clock::now(&world.clock), Page::first(100))
        .await
        .unwrap()
}

async fn end_reason(world: &World, session: SessionHandle) -> Option<EndReason> {
    Some(world.store.row(session).await.unwrap().ended?.reason)
}

#[track_caller]
fn assert_rejected(response: &Response<Bytes>, kind: &RejectionKind, case: &str) {
    let rejection = response.extensions().get::<tower_refresh::Rejection>();
    assert_eq!(rejection.map(tower_refresh::Rejection::kind), Some(kind), "{case}: {response:?}");
    assert!(carries_nothing(response), "{case}: {response:?}");
}
