//! Claims that do not fit into an access token, in every way in which one is issued: nothing is written, the error names the
//! reason, and the session goes on as soon as the claims fit.

mod app;

use std::convert::Infallible;

use axum::{Json, Router, body::Body, routing};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_refresh::{
    Auth, Identity, InvalidClaimsReason, InvalidTokenReason, KeyRing, Rejection, RejectionKind, Session,
    SessionHandle, TokenError,
    event::{EventKind, TokenClass},
    keys::{Algorithm, SigningKey},
};
use tower_refresh_core::SessionRow;

use self::app::{App, DEFECTS, Defect, PRIVATE};
use crate::support::{
    Browser, Op,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    mint,
    probe::carries_nothing,
    world::{AUDIENCE, ISSUER, SECRET},
};

/// A way in which an access token is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Login,
    NativeLogin,
    /// The access cookie has expired.
    Refresh,
    /// The same, where a user is optional.
    OptionalRefresh,
    /// The access token in the header has expired.
    BearerRefresh,
    /// The access token is valid, and expires soon.
    RefreshAhead,
    /// `POST /auth/refresh` with a valid access token.
    RefreshRoute,
    /// [`Session::refresh`](tower_refresh::Session::refresh) in a handler, after the layer has loaded the session.
    SessionRefresh,
    /// The handler takes longer than an access token lives, so the claims are loaded again before the commit.
    SlowHandler,
    NativeGrant,
}

const WAYS: [Way; 10] = [
    Way::Login,
    Way::NativeLogin,
    Way::Refresh,
    Way::OptionalRefresh,
    Way::BearerRefresh,
    Way::RefreshAhead,
    Way::RefreshRoute,
    Way::SessionRefresh,
    Way::SlowHandler,
    Way::NativeGrant,
];

/// A client with what it needs for a request of its way, while the claims fit.
struct Client {
    way: Way,
    browser: Browser,
    native: Option<String>,
    session: Option<SessionHandle>,
}

impl Client {
    async fn new(app: &App, way: Way) -> Self {
        let mut client = Self { way, browser: Browser::new(), native: None, session: None };
        match way {
            Way::Login | Way::NativeLogin => {}
            Way::NativeGrant => {
                let response = app.send(post("/login-native", &[], "")).await;
                let tokens: Value = serde_json::from_slice(response.body()).unwrap();
                client.native = Some(tokens["refresh_token"].as_str().unwrap().to_owned());
                client.session = Some(mint::session(tokens["access_token"].as_str().unwrap()));
            }
            _ => {
                let response = app.send(get("/login", &[])).await;
                assert_eq!(response.status(), 200);
                client.browser.keep(response.headers());
                client.session = Some(mint::session(client.browser.access().unwrap()));
            }
        }
        app.advance(match way {
            Way::RefreshAhead => 500,
            Way::RefreshRoute => 120,
            _ => 600,
        });
        app.take_events();
        app.store.take_calls();
        client
    }

    async fn send(&self, app: &App, defect: Option<Defect>) -> Response<Bytes> {
        let cookies = self.browser.cookie_header();
        let cookies = [("cookie", cookies.as_str())];
        // The layer's own load must succeed, for those in which the handler's fails.
        let in_handler = matches!(self.way, Way::SessionRefresh | Way::SlowHandler);
        app.set_defect(defect.filter(|_| !in_handler));
        match self.way {
            Way::Login => app.send(get("/login", &[])).await,
            Way::NativeLogin => app.send(post("/login-native", &[], "")).await,
            Way::Refresh | Way::RefreshAhead => app.send(get("/me", &cookies)).await,
            Way::OptionalRefresh => app.send(get("/optional", &cookies)).await,
            Way::BearerRefresh => {
                let bearer = format!("Bearer {}", self.browser.access().unwrap());
                app.send(get("/me", &[cookies[0], ("authorization", &bearer)])).await
            }
            Way::RefreshRoute => app.send(post("/auth/refresh", &cookies, "")).await,
            Way::SessionRefresh => {
                app.send_and(get("/refresh", &cookies), move |app| app.set_defect(defect)).await
            }
            Way::SlowHandler => {
                let slow = move |app: &App| {
                    app.advance(600);
                    app.set_defect(defect);
                };
                app.send_and(get("/me", &cookies), slow).await
            }
            Way::NativeGrant => {
                let form =
                    format!("grant_type=refresh_token&refresh_token={}", self.native.as_deref().unwrap());
                let form_type = [("content-type", "application/x-www-form-urlencoded")];
                app.send(post("/auth/token", &form_type, &form)).await
            }
        }
    }

    async fn row(&self, app: &App) -> Option<SessionRow> {
        app.store.row(self.session?).await
    }

    /// Whether the handler responds as if nothing had happened.
    fn is_served(&self) -> bool {
        matches!(self.way, Way::RefreshAhead | Way::SlowHandler)
    }
}

fn get(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    request("GET", path, headers, "")
}

fn post(path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    request("POST", path, headers, body)
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "api.example.com");
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// The reason that the response's extensions have for outer layers.
fn reason(response: &Response<Bytes>) -> Option<InvalidClaimsReason> {
    match response.extensions().get::<Rejection>().map(Rejection::kind) {
        Some(RejectionKind::InvalidClaims { reason, .. }) => return Some(*reason),
        Some(kind) => panic!("{kind:?}"),
        None => {}
    }
    match response.extensions().get::<TokenError>()? {
        TokenError::InvalidClaims { reason, .. } => Some(*reason),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn nothing_is_issued_and_nothing_changes_until_the_claims_fit_again() {
    for way in WAYS {
        for (defect, expected) in DEFECTS {
            let case = format!("{way:?} {defect:?}");
            let app = App::new(|builder| builder);
            let client = Client::new(&app, way).await;
            let row = client.row(&app).await;

            for _ in 0..3 {
                let response = client.send(&app, Some(defect)).await;

                let text = str::from_utf8(response.body()).unwrap();
                if client.is_served() {
                    assert_eq!((response.status().as_u16(), text), (200, "alice"), "{case}");
                } else {
                    assert_eq!(
                        (response.status().as_u16(), reason(&response)),
                        (500, Some(expected)),
                        "{case}"
                    );
                    assert!(text.contains(&expected.to_string()), "{case}: {text}");
                }
                assert!(!text.contains(PRIVATE) && !app.events_as_text().contains(PRIVATE), "{case}: {text}");
                assert!(carries_nothing(&response), "{case}: {response:?}");
                assert!(!response.headers().contains_key("retry-after"), "{case}");
                assert_eq!(app.take_events(), [EventKind::InvalidClaims(expected)], "{case}");
                assert_eq!(client.row(&app).await, row, "{case}");
            }
            assert_eq!([Op::Create, Op::Swap, Op::End].map(|op| app.store.calls(op)), [0, 0, 0], "{case}");

            let response = client.send(&app, None).await;
            assert_eq!(response.status(), 200, "{case}: {response:?}");
            assert_eq!(client.row(&app).await.map(|row| row.generation), row.map(|row| row.generation + 1));
            match way {
                Way::NativeLogin | Way::NativeGrant => {
                    let tokens: Value = serde_json::from_slice(response.body()).unwrap();
                    assert!(
                        tokens["access_token"].is_string() && tokens["refresh_token"].is_string(),
                        "{case}"
                    );
                }
                Way::BearerRefresh => assert!(response.headers().contains_key("x-access-token"), "{case}"),
                _ => assert!(set_cookie(&response, ACCESS).is_some(), "{case}"),
            }
        }
    }
}

#[tokio::test]
async fn requests_that_share_a_load_share_the_error_and_none_is_left_waiting() {
    for (defect, expected) in DEFECTS {
        let app = App::new(|builder| builder);
        let client = Client::new(&app, Way::Refresh).await;
        app.store.hold(Op::Load);
        let requests = (0..3).map(|_| client.send(&app, Some(defect)));
        let release = async { app.store.let_through(Op::Load) };

        let (responses, ()) = tokio::join!(join_all(requests), release);

        for response in &responses {
            assert_eq!((response.status().as_u16(), reason(response)), (500, Some(expected)), "{defect:?}");
        }
        // Those that joined tried once more: the failure may have been older than their requests.
        let loads = app.store.calls(Op::Load);
        assert!((2..=3).contains(&loads), "{defect:?}: {loads}");
        assert_eq!(app.take_events(), vec![EventKind::InvalidClaims(expected); loads], "{defect:?}");
        assert_eq!(client.send(&app, None).await.status(), 200, "{defect:?}");
    }
}

#[tokio::test]
async fn a_user_whose_claims_do_not_fit_can_log_out() {
    let app = App::new(|builder| builder);
    let client = Client::new(&app, Way::Refresh).await;
    app.set_defect(Some(Defect::TooLarge));

    let response = app.send(get("/logout", &[("cookie", &client.browser.cookie_header())])).await;

    assert_eq!(response.status(), 200);
    assert!(client.row(&app).await.unwrap().ended.is_some());
}

#[tokio::test]
async fn a_refresh_that_the_handler_was_refused_is_not_made_up_for_by_the_layer() {
    let app = App::new(|builder| builder);
    let client = Client::new(&app, Way::SessionRefresh).await;
    let response = client.send(&app, Some(Defect::TooLarge)).await;
    assert_eq!(response.status(), 500);
    assert!(carries_nothing(&response));
    assert_eq!(app.store.calls(Op::Swap), 0);
}

/// The claim's length with which an access token just fits into its cookie with an HMAC, whose signature is shorter than RSA's.
async fn longest_claim(app: &App) -> usize {
    let mut longest = 0;
    for len in 2500..3000 {
        app.set_len(len);
        match app.send(get("/login", &[])).await.status().as_u16() {
            200 => longest = len,
            status => {
                assert_eq!(status, 500);
                break;
            }
        }
    }
    longest
}

#[tokio::test]
async fn claims_that_no_longer_fit_because_the_handler_replaced_the_keys_are_found_before_the_swap() {
    let app = App::new(|builder| builder);
    let len = longest_claim(&app).await;
    app.set_len(len);
    let client = Client::new(&app, Way::SlowHandler).await;
    let row = client.row(&app).await;
    let hmac = || SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
    let rsa = || SigningKey::from_pem(Algorithm::Rs256, include_str!("../../keys/rsa.pem")).unwrap();
    let cookies = client.browser.cookie_header();

    let response = app
        .send_and(get("/me", &[("cookie", &cookies)]), move |app| {
            app.auth.rotate_keys(KeyRing::new(rsa()).retire(hmac())).unwrap();
        })
        .await;

    assert_eq!(response.status(), 200);
    assert!(carries_nothing(&response));
    assert_eq!(app.take_events(), [EventKind::InvalidClaims(InvalidClaimsReason::TooLarge)]);
    assert_eq!(client.row(&app).await, row);
    app.auth.rotate_keys(KeyRing::new(hmac())).unwrap();
    let response = app.send(get("/me", &[("cookie", &cookies)])).await;
    assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
    assert_eq!(app.take_events(), [EventKind::Refresh(TokenClass::Current)]);
}

#[tokio::test]
async fn only_access_tokens_that_may_be_sent_in_cookies_must_fit_into_one() {
    for (name, app, way, fits) in [
        ("in cookies", App::new(|builder| builder), Way::Login, false),
        ("in a cookie or the header", App::new(|builder| builder), Way::BearerRefresh, false),
        ("in the header only", App::new(|builder| builder.access_cookie(false)), Way::Login, true),
        ("in bodies", App::new(|builder| builder), Way::NativeLogin, true),
        ("in bodies", App::new(|builder| builder), Way::NativeGrant, true),
    ] {
        let client = Client::new(&app, way).await;
        app.set_len(4000);
        let response = client.send(&app, None).await;
        assert_eq!(response.status(), if fits { 200 } else { 500 }, "{name}");
        // No verifier accepts a longer token, wherever it is.
        app.set_len(6200);
        let response = client.send(&app, None).await;
        assert_eq!(reason(&response), Some(InvalidClaimsReason::TooLarge), "{name}");
    }
}

#[tokio::test]
async fn a_token_whose_claims_panic_while_they_are_read_is_invalid() {
    let app = App::new(|builder| builder);
    // Another edition of the application, with other claims, issued the token.
    let other = Auth::builder(KeyRing::hs256(SECRET).unwrap())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .store(app.store.clone())
        .clock(app.clock.clone())
        .claims(async |_, _| Ok::<_, Infallible>(Some(Identity::new(json!({"kind": "panic"})))))
        .build()
        .unwrap();
    let login = async |session: Session<Value>| session.login("alice").await.map(Json);
    let router = Router::new().route("/login", routing::get(login)).layer(other.layer());
    let token = router.oneshot(get("/login", &[])).await.unwrap().headers()["set-cookie"].clone();
    let token = cookie::Cookie::parse(token.to_str().unwrap()).unwrap().value().to_owned();
    let bearer = format!("Bearer {token}");

    let response = app.send(get("/me", &[("authorization", &bearer)])).await;

    assert_eq!(response.status(), 401);
    let kind = response.extensions().get::<Rejection>().unwrap().kind();
    assert_eq!(*kind, RejectionKind::InvalidToken(InvalidTokenReason::BadCustomClaims));
}
