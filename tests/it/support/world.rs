//! One application behind the layer.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request::Parts};
use tokio::sync::Semaphore;
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{
    Auth, AuthBuilder, Authenticated, KeyRing, LoginOptions, ReauthOptions, Rejection, Session, Subject,
    event::{Event, EventKind},
};

use super::{Claims, ManualClock, TestStore, Users};

/// A request that has been sent.
pub type InFlight = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

pub const ISSUER: &str = "https://api.example.com";
pub const AUDIENCE: &str = "example-web";
pub const SECRET: &[u8] = b"a secret of the tests, 32 bytes or more";

#[derive(Clone)]
pub struct World {
    pub auth: Auth<Claims>,
    pub clock: ManualClock,
    pub store: TestStore,
    pub users: Users,
    pub events: Arc<Mutex<Vec<Event>>>,
}

impl World {
    /// With the defaults of the builder.
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// With settings that the test changes.
    pub fn with(configure: impl FnOnce(AuthBuilder<Claims>) -> AuthBuilder<Claims>) -> Self {
        Self::on(ManualClock::new(), TestStore::default(), configure)
    }

    /// With a clock and a store that another world may share, as a second server does.
    pub fn on(
        clock: ManualClock,
        store: TestStore,
        configure: impl FnOnce(AuthBuilder<Claims>) -> AuthBuilder<Claims>,
    ) -> Self {
        let users = Users::new();
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let (source, log) = (users.clone(), events.clone());
        let builder = Auth::builder(KeyRing::hs256(SECRET).unwrap())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .store(store.clone())
            .clock(clock.clone())
            .on_event(move |event| log.lock().unwrap().push(event.clone()))
            .claims(move |subject, _session| source.clone().load(subject));
        let auth = configure(builder).build().unwrap();
        Self { auth, clock, store, users, events }
    }

    /// The response of [`routes`] to `request`.
    pub async fn send(&self, request: Request<()>) -> Response<Bytes> {
        self.send_to(routes, request).await
    }

    /// The response of `handler` to `request`.
    pub async fn send_to<H, F>(&self, handler: H, request: Request<()>) -> Response<Bytes>
    where
        H: FnMut(Request<()>) -> F + Clone,
        F: Future<Output = Response<Bytes>>,
    {
        let mut handler = handler;
        let service = service_fn(move |request| {
            let response = handler(request);
            async move { Ok::<_, Infallible>(response.await) }
        });
        self.auth.layer().layer(service).oneshot(request).await.unwrap()
    }

    /// A request whose handler waits until its gate is closed.
    pub fn send_held<H, F>(&self, handler: H, request: Request<()>) -> (InFlight, Arc<Semaphore>)
    where
        H: Fn(Request<()>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Bytes>> + Send + 'static,
    {
        let (world, gate) = (self.clone(), Arc::new(Semaphore::new(0)));
        let until = gate.clone();
        let held = move |request| {
            let (until, handler) = (until.clone(), handler.clone());
            async move {
                let _ = until.acquire().await;
                handler(request).await
            }
        };
        (Box::pin(async move { world.send_to(held, request).await }), gate)
    }

    /// The kinds of the events since the last call.
    pub fn take_events(&self) -> Vec<EventKind> {
        self.events.lock().unwrap().drain(..).map(|event| event.kind).collect()
    }
}

/// A GET of `path` with these headers.
pub fn request(path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().uri(path).header("host", "api.example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// The lifetimes of the sessions of `/login-briefly`.
pub const BRIEF_IDLE: Duration = Duration::from_secs(2 * 60 * 60);
pub const BRIEF_ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

/// A small application: `/login/{subject}`, `/login-briefly/{subject}`, `/data/{text}`, `/logout`, `/logout-everywhere`,
/// `/logout-others`, `/reauthenticate`, `/refresh`, `/me` (needs a
/// user), `/optional`, `/status/{code}`, and `/public` for the rest. The body of `/me`, `/optional` and `/public` is the
/// subject, or `-`.
pub async fn routes(request: Request<()>) -> Response<Bytes> {
    let (request, ()) = request.into_parts();
    answer(&request).await.unwrap_or_else(|rejection| rejection.to_response(&request))
}

async fn answer(request: &Parts) -> Result<Response<Bytes>, Rejection> {
    let extensions = &request.extensions;
    let session = Session::<Claims>::from_extensions(extensions)?;
    let path = request.uri.path();
    let (first, second) = path.trim_start_matches('/').split_once('/').unwrap_or((&path[1..], ""));
    Ok(match first {
        "login" => {
            let response = session.login_with(second, LoginOptions::new().label("test")).await?;
            Response::new(response.access_token().to_owned().into())
        }
        "login-briefly" => {
            let options = LoginOptions::new().remember(false).idle(BRIEF_IDLE).absolute(BRIEF_ABSOLUTE);
            let response = session.login_with(second, options).await?;
            Response::new(response.access_token().to_owned().into())
        }
        "data" => Response::new(session.set_data(second).await?.access_token().to_owned().into()),
        "logout" => {
            session.logout().await?;
            Response::new(Bytes::new())
        }
        "logout-everywhere" => Response::new(session.logout_everywhere().await?.to_string().into()),
        "logout-others" => Response::new(session.logout_others().await?.to_string().into()),
        "reauthenticate" => {
            let response = session.reauthenticate(ReauthOptions::new()).await?;
            Response::new(response.access_token().to_owned().into())
        }
        "auth" if second == "device/register" => session.register_device(&request.headers).await?,
        "auth" if second == "device/refresh" => session.refresh_device(&request.headers).await?,
        "refresh" => Response::new(session.refresh().await?.access_token().to_owned().into()),
        "me" => Response::new(name(Some(&Authenticated::<Claims>::required(extensions)?))),
        "optional" => Response::new(name(Authenticated::<Claims>::from_extensions(extensions)?.as_ref())),
        "status" => {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = second.parse::<StatusCode>().unwrap();
            response
        }
        _ => {
            Response::new(name(Authenticated::<Claims>::from_extensions(extensions).ok().flatten().as_ref()))
        }
    })
}

fn name(user: Option<&Authenticated<Claims>>) -> Bytes {
    user.map_or(Bytes::from_static(b"-"), |user| Subject::to_string(user.subject()).into())
}
