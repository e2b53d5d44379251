//! Changing the data of a session, the session itself, and which user later readers of a request see.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{
    Authenticated, Clock, Identity, LoginOptions, Rejection, RejectionKind, Session, SessionHandle,
    event::{EndReason, EventKind, TokenClass},
};

use crate::support::{
    Browser, Claims, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    mint,
    probe::{
        ACCESS_LIFETIME, DAMPING, DAY, GRACE, MILLISECOND, alter_row, as_navigation, carries_nothing, expiry,
        session_of, with_bearer,
    },
    request,
    store::Fault,
    world::routes,
};

/// A world whose claims are the session's data.
fn world() -> World {
    World::with(|builder| {
        builder.claims(|_, session| {
            let name = String::from_utf8_lossy(session.data()).into_owned();
            async move {
                Ok::<_, Infallible>((name != "gone").then(|| Identity::new(Claims { name }).scope("user")))
            }
        })
    })
}

/// `/data/{text}` sets the data and returns the claims that are seen afterwards; otherwise as [`routes`].
async fn handler(request: Request<()>) -> Response<Bytes> {
    let Some(data) = request.uri().path().strip_prefix("/data/").map(str::to_owned) else {
        return routes(request).await;
    };
    let (request, ()) = request.into_parts();
    let session = Session::<Claims>::from_extensions(&request.extensions).unwrap();
    match session.set_data(data).await {
        Ok(_) => {
            let user = Authenticated::<Claims>::required(&request.extensions).unwrap();
            Response::new(user.claims().name.clone().into())
        }
        Err(rejection) => rejection.to_response(&request),
    }
}

async fn send(world: &World, request: Request<()>) -> Response<Bytes> {
    world.send_to(handler, request).await
}

async fn get(world: &World, browser: &mut Browser, path: &str) -> Response<Bytes> {
    let response = send(world, browser.request(path)).await;
    browser.keep(response.headers());
    response
}

async fn data(world: &World, session: SessionHandle) -> Vec<u8> {
    world.store.row(session).await.unwrap().data
}

#[tokio::test]
async fn new_data_are_in_the_claims_at_once_and_neither_prolong_nor_rotate_the_session() {
    let world = world();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let session = session_of(&browser);
    for (round, tenant) in ["acme", "globex", ""].into_iter().enumerate() {
        world.clock.advance(DAMPING + MILLISECOND);
        let before = world.store.row(session).await.unwrap();
        let response = get(&world, &mut browser, &format!("/data/{tenant}")).await;

        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, tenant.as_bytes()));
        assert_eq!(set_cookie(&response, REFRESH), None);
        assert_eq!(response.headers()["cache-control"], "private, no-store");
        let claims = mint::claims(browser.access().unwrap());
        assert_eq!((&claims["name"], mint::session(browser.access().unwrap())), (&tenant.into(), session));
        let row = world.store.row(session).await.unwrap();
        assert_eq!(row.data, tenant.as_bytes());
        let mut expected = before.clone();
        (expected.data, expected.version, expected.confirmed) = (row.data.clone(), row.version, true);
        assert_eq!(row, expected, "{round}");
        // With the refresh token in the request, the access token lives as long as ever.
        let life = expiry(browser.access().unwrap()).saturating_since(world.clock.now());
        assert!(life >= ACCESS_LIFETIME * 19 / 20 - Duration::from_secs(1), "{life:?}");
    }
}

#[tokio::test]
async fn a_daily_change_of_the_data_does_not_restart_the_absolute_lifetime() {
    let world = world();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let login = world.clock.now();
    for day in 1..=100 {
        world.clock.set(login.saturating_add(day * DAY));
        browser.drop_access();
        let response = get(&world, &mut browser, &format!("/data/tenant-{day}")).await;
        // The refresh for which the request is due keeps a session alive that is in use.
        assert_eq!(response.status() == 200, day < 30, "{day}");
    }
    let session = world.auth.sessions("alice", None).await.unwrap();
    assert_eq!(session.len(), 0);
}

#[tokio::test]
async fn without_the_refresh_token_the_access_token_expires_no_later_than_the_one_presented() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    let stranger = Browser::logged_in(&world, "alice").await;
    let (access, session) = (browser.access().unwrap().to_owned(), session_of(&browser));
    let presented = expiry(&access);
    let other_cookie = format!("{REFRESH}={}", stranger.refresh().unwrap());
    let mut token = access.clone();
    for round in 0..8 {
        world.clock.advance(Duration::from_secs(60));
        let mut bearer = with_bearer(&format!("/data/{round}"), &token);
        if round % 2 == 1 {
            // A refresh token of another session is no proof.
            bearer.headers_mut().insert("cookie", other_cookie.parse().unwrap());
        }
        let response = send(&world, bearer).await;
        assert_eq!(response.status(), 200, "{response:?}");
        assert!(!response.headers().contains_key("set-cookie"));
        token = response.headers()["x-access-token"].to_str().unwrap().to_owned();
        assert!(expiry(&token) <= presented, "{round}");
        assert_eq!(mint::claims(&token)["name"], round.to_string());
        assert_eq!(data(&world, session).await, round.to_string().as_bytes());
    }
    // The cookie alone, as a browser whose refresh cookie was removed.
    let cookie = request("/data/x", &[("cookie", &format!("{ACCESS}={access}"))]);
    let response = send(&world, cookie).await;
    assert!(expiry(&set_cookie(&response, ACCESS).unwrap()) <= presented);
    world.clock.set(presented);
    assert_eq!(send(&world, with_bearer("/data/late", &token)).await.status(), 401);
}

#[tokio::test]
async fn a_request_that_is_due_for_a_refresh_is_refreshed_in_the_same_write() {
    /// Before the request, the generations presented and sent, the calls of the store, and the class.
    type Case = (&'static str, Duration, u32, Option<u32>, TokenClass);
    let cases: [Case; 4] = [
        ("damped", DAMPING, 1, None, TokenClass::Current),
        ("rotated", DAMPING + MILLISECOND, 1, Some(2), TokenClass::Current),
        ("redelivered", GRACE, 0, Some(1), TokenClass::Previous),
        ("late", DAMPING + MILLISECOND, 0, Some(1), TokenClass::Late),
    ];
    for (name, since, presented, sent, class) in cases {
        let world = world();
        let mut browser = Browser::logged_in(&world, "alice").await;
        let session = session_of(&browser);
        let first = browser.clone();
        world.clock.advance(ACCESS_LIFETIME);
        get(&world, &mut browser, "/me").await;
        world.clock.advance(since);
        let mut browser = if presented == 0 { first } else { browser };
        browser.drop_access();
        world.take_events();

        let response = get(&world, &mut browser, "/data/acme").await;

        assert_eq!(response.body(), "acme", "{name}");
        assert_eq!(set_cookie(&response, REFRESH).map(|token| generation(&token)), sent, "{name}");
        assert!(world.take_events().contains(&EventKind::Refresh(class)), "{name}");
        let row = world.store.row(session).await.unwrap();
        assert_eq!(row.generation, sent.unwrap_or(1), "{name}");
        assert_eq!(row.late_budget > world.clock.now(), class == TokenClass::Late, "{name}");
        assert_eq!(get(&world, &mut browser, "/me").await.status(), 200, "{name}");
    }
}

#[tokio::test]
async fn data_whose_claims_do_not_fit_change_nothing() {
    for (path, status) in [(format!("/data/{}", "n".repeat(4000)), 500), ("/data/gone".to_owned(), 403)] {
        for is_expired in [false, true] {
            let world = world();
            let mut browser = Browser::logged_in(&world, "alice").await;
            let session = session_of(&browser);
            get(&world, &mut browser, "/data/acme").await;
            if is_expired {
                world.clock.advance(ACCESS_LIFETIME);
            }
            let before = world.store.row(session).await;
            world.store.take_calls();

            // The test's own handler makes no other change, so a due refresh goes on.
            let response = get(&world, &mut browser, &path).await;

            assert_eq!(response.status(), status, "{response:?}");
            let row = world.store.row(session).await.unwrap();
            assert_eq!((row.data.as_slice(), row.ended), (b"acme".as_slice(), None));
            if !is_expired {
                assert_eq!(Some(row), before);
                assert!(carries_nothing(&response));
            }
            assert_eq!(get(&world, &mut browser, "/me").await.status(), 200);
            assert_eq!(mint::claims(browser.access().unwrap())["name"], "acme");
        }
    }
}

#[tokio::test]
async fn claims_that_fit_into_no_cookie_are_for_sessions_that_have_such_claims_from_their_login_on() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    let native = |data: String| {
        let world = &world;
        async move {
            let login = move |request: Request<()>| {
                let options = LoginOptions::new().data(data.clone());
                async move {
                    let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
                    let tokens = session.login_native_with("alice", options).await.unwrap();
                    Response::new(tokens.access_token().to_owned().into())
                }
            };
            let response = world.send_to(login, request("/login", &[])).await;
            String::from_utf8(response.body().to_vec()).unwrap()
        }
    };
    let (small, large) = (native("small".into()).await, native("n".repeat(4000)).await);
    let from_script = [("sec-fetch-site", "same-origin")];
    let browsers = browser.access().unwrap();
    let cases = [
        (browsers, &[][..], 500, "the access token of a browser alone, as its thief sends it"),
        (browsers, &from_script[..], 500, "a script"),
        (&small, &[], 500, "a native client that could be a browser"),
        (&large, &[], 200, "a native client"),
    ];
    let path = format!("/data/{}", "m".repeat(4100));
    for (token, headers, expected, reason) in cases {
        let mut request = with_bearer(&path, token);
        for (name, value) in headers {
            request.headers_mut().insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let before = world.store.row(mint::session(token)).await;
        assert_eq!(send(&world, request).await.status(), expected, "{reason}");
        assert_eq!(world.store.row(mint::session(token)).await == before, expected == 500, "{reason}");
    }
}

#[tokio::test]
async fn requests_that_may_not_change_the_session_are_rejected_before_any_write() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    let session = session_of(&browser);
    let with = |mut request: Request<()>, headers: &[(&'static str, &str)]| {
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    };
    let elsewhere =
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let cases = [
        ("anonymous", request("/data/x", &[]), 401),
        ("forged", with_bearer("/data/x", "a.b.c"), 401),
        ("cross-site", with(browser.request("/data/x"), &[("sec-fetch-site", "cross-site")]), 403),
        ("a sibling", with(browser.request("/data/x"), &[("sec-fetch-site", "same-site")]), 403),
        ("another origin", with(browser.request("/data/x"), &[("origin", "https://evil.example")]), 403),
        ("a navigation from elsewhere", with(browser.request("/data/x"), &elsewhere), 403),
    ];
    for (name, request, status) in cases {
        world.store.take_calls();
        let response = send(&world, request).await;
        assert_eq!(response.status(), status, "{name}");
        assert!(!world.store.take_calls().iter().any(|(op, _)| *op != Op::Load), "{name}");
        assert_eq!(data(&world, session).await, b"", "{name}");
    }
    assert_eq!(send(&world, as_navigation(browser.request("/data/x"))).await.status(), 200, "our own");
    world.auth.end_session(session).await.unwrap();
    assert_eq!(send(&world, with_bearer("/data/y", browser.access().unwrap())).await.status(), 401);
}

#[tokio::test]
async fn a_session_that_another_server_ended_gets_neither_data_nor_tokens() {
    for with_refresh in [true, false] {
        let world = world();
        let browser = Browser::logged_in(&world, "alice").await;
        let session = session_of(&browser);
        world.store.lose_feed();
        use tower_refresh::store::SessionStore;
        world.store.inner.end(session, EndReason::Revoked, world.clock.now(), 1).await.unwrap();
        let request = if with_refresh {
            browser.request("/data/x")
        } else {
            with_bearer("/data/x", browser.access().unwrap())
        };
        let response = send(&world, request).await;
        assert_eq!(response.status(), 401);
        assert!(carries_nothing(&response));
        assert_eq!(data(&world, session).await, b"");
    }
}

#[tokio::test]
async fn a_reused_refresh_token_beside_a_valid_access_token_ends_the_session() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    let session = session_of(&browser);
    alter_row(&world, session, |row| row.generation = 5).await;
    assert_eq!(send(&world, browser.request("/data/x")).await.status(), 401);
    let ended = world.store.row(session).await.unwrap().ended.unwrap();
    assert_eq!(ended.reason, EndReason::Reuse);
}

#[tokio::test]
async fn what_the_store_refuses_is_503_and_keeps_the_data() {
    for op in [Op::Load, Op::Swap] {
        let world = world();
        let browser = Browser::logged_in(&world, "alice").await;
        world.store.break_op(op, Fault::Fails);
        let response = send(&world, browser.request("/data/x")).await;
        assert_eq!(response.status(), 503, "{op:?}");
        assert!(response.headers().contains_key("retry-after") && carries_nothing(&response));
        assert_eq!(data(&world, session_of(&browser)).await, b"");
    }
}

#[tokio::test]
async fn twenty_changes_at_once_all_succeed() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    world.store.pause_in_calls();
    let requests = (0..20).map(|number| {
        let request = if number % 2 == 0 {
            browser.request(&format!("/data/{number}"))
        } else {
            with_bearer(&format!("/data/{number}"), browser.access().unwrap())
        };
        send(&world, request)
    });
    let responses = futures_util::future::join_all(requests).await;
    for (number, response) in responses.iter().enumerate() {
        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, number.to_string().as_bytes()));
    }
    assert_eq!(world.store.writes(session_of(&browser)), 20);
}

#[tokio::test]
async fn a_session_knows_itself_also_after_a_login_in_this_request() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    let info = |request: Request<()>| async move {
        let (request, ()) = request.into_parts();
        let session = Session::<Claims>::from_extensions(&request.extensions).unwrap();
        if request.uri.path() == "/login" {
            session.login_with("bob", LoginOptions::new().data("new").label("phone")).await.unwrap();
        }
        match session.info().await {
            Ok(info) => {
                assert_eq!(Some(info.handle()), session.current());
                let data = String::from_utf8_lossy(info.data()).into_owned();
                Response::new(format!("{data} {}", info.label().unwrap_or("-")).into())
            }
            Err(rejection) => rejection.to_response(&request),
        }
    };
    assert_eq!(world.send_to(info, request("/", &[])).await.status(), 401);
    assert_eq!(world.send_to(info, browser.request("/")).await.body(), " test");
    assert_eq!(world.send_to(info, with_bearer("/", browser.access().unwrap())).await.body(), " test");
    assert_eq!(world.send_to(info, request("/login", &[])).await.body(), "new phone");
    assert_eq!(world.send_to(info, browser.request("/login")).await.body(), "new phone");
    world.store.break_op(Op::Load, Fault::Fails);
    let other = Browser::logged_in(&world, "alice").await;
    assert_eq!(world.send_to(info, other.request("/")).await.status(), 503);
}

type Change = fn(Session<Claims>) -> BoxFuture<'static, Result<(), RejectionKind>>;

/// The scope and the name that an inner service sees after a middleware has made a change, behind `require_auth` and
/// `require_scope("admin")`.
async fn seen_after(world: &World, request: Request<()>, change: Change) -> [String; 3] {
    let show = service_fn(|request: Request<()>| async move {
        let user = Authenticated::<Claims>::from_extensions(request.extensions()).unwrap();
        let text = user.map_or("-".to_owned(), |user| format!("{} {}", user.subject(), user.scope()));
        Ok::<_, Infallible>(Response::new(Bytes::from(text)))
    });
    let bare = show;
    let auth = world.auth.require_auth().layer(show);
    let scope = world.auth.require_scope("admin").layer(show);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = seen.clone();
    let handler = move |request: Request<()>| {
        let (bare, auth, scope, log) = (bare, auth.clone(), scope.clone(), log.clone());
        async move {
            let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
            let _ = change(session).await;
            let again = || {
                let mut copy = Request::new(());
                *copy.extensions_mut() = request.extensions().clone();
                copy
            };
            let responses = [
                bare.oneshot(again()).await.unwrap(),
                auth.oneshot(again()).await.unwrap(),
                scope.oneshot(again()).await.unwrap(),
            ];
            let texts = responses.map(|response| match response.extensions().get::<Rejection>() {
                Some(_) => response.status().as_u16().to_string(),
                None => String::from_utf8_lossy(response.body()).into_owned(),
            });
            log.lock().unwrap().extend(texts);
            Response::new(Bytes::new())
        }
    };
    world.send_to(handler, request).await;
    let seen = seen.lock().unwrap().clone();
    seen.try_into().unwrap()
}

#[tokio::test]
async fn what_reads_the_user_later_sees_what_the_handler_has_changed() {
    let nothing: Change = |_| Box::pin(async { Ok(()) });
    let refresh: Change = |session| {
        Box::pin(async move { session.refresh().await.map(drop).map_err(|error| error.kind().clone()) })
    };
    let set_data: Change = |session| {
        Box::pin(async move { session.set_data("x").await.map(drop).map_err(|error| error.kind().clone()) })
    };
    let login: Change = |session| {
        Box::pin(async move { session.login("bob").await.map(drop).map_err(|error| error.kind().clone()) })
    };
    let login_native: Change = |session| {
        Box::pin(
            async move { session.login_native("bob").await.map(drop).map_err(|error| error.kind().clone()) },
        )
    };
    let logout: Change =
        |session| Box::pin(async move { session.logout().await.map_err(|error| error.kind().clone()) });
    let cases: [(&str, Change, [&str; 3], [&str; 3]); 6] = [
        ("nothing", nothing, ["alice user", "alice user", "403"], ["-", "401", "401"]),
        (
            "refresh",
            refresh,
            ["alice user admin", "alice user admin", "alice user admin"],
            ["-", "401", "401"],
        ),
        (
            "set_data",
            set_data,
            ["alice user admin", "alice user admin", "alice user admin"],
            ["-", "401", "401"],
        ),
        ("login", login, ["bob user", "bob user", "403"], ["bob user", "bob user", "403"]),
        ("login_native", login_native, ["bob user", "bob user", "403"], ["bob user", "bob user", "403"]),
        ("logout", logout, ["-", "401", "401"], ["-", "401", "401"]),
    ];
    for (name, change, with_user, anonymous) in cases {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        world.users.set("alice", "Alice", "user admin");
        assert_eq!(seen_after(&world, browser.request("/"), change).await, with_user, "{name}");
        assert_eq!(seen_after(&world, request("/", &[]), change).await, anonymous, "{name}, anonymous");
    }
}

#[tokio::test]
async fn a_refresh_that_fails_shows_the_user_of_the_request() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    world.store.break_op(Op::Load, Fault::Fails);
    let refresh: Change = |session| {
        Box::pin(async move { session.refresh().await.map(drop).map_err(|error| error.kind().clone()) })
    };
    assert_eq!(seen_after(&world, browser.request("/"), refresh).await, ["alice user", "alice user", "403"]);
}

#[tokio::test]
async fn a_refresh_that_ends_the_session_leaves_no_user() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.users.remove("alice");
    let refresh: Change = |session| {
        Box::pin(async move { session.refresh().await.map(drop).map_err(|error| error.kind().clone()) })
    };
    assert_eq!(seen_after(&world, browser.request("/"), refresh).await, ["-", "401", "401"]);
    assert_eq!(browser.get(&world, "/me").await.status(), 401);
}
