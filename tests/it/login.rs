//! Logins over an old session, several changes in one request, and changes that come too late.

use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{
    Auth, Identity, KeyRing, LoginOptions, MemoryStore, ReauthOptions, Rejection, RejectionKind, Session,
    SessionHandle,
    event::{EndReason, EventKind, Misconfiguration},
};

use crate::support::{
    Browser, Claims, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie, set_cookies},
    mint,
    probe::{
        ACCESS_LIFETIME, carries_nothing, expired_browser, poll_until_stuck, refresh, session_of, settle,
        with_bearer, with_refresh,
    },
    store::Fault,
};

type Steps = fn(Session<Claims>) -> BoxFuture<'static, Result<(), Rejection>>;

/// The response to a request whose handler takes these steps, which must all succeed.
async fn send(world: &World, request: Request<()>, steps: Steps) -> Response<Bytes> {
    let handler = move |request: Request<()>| async move {
        steps(Session::from_extensions(request.extensions()).unwrap()).await.unwrap();
        Response::new(Bytes::new())
    };
    world.send_to(handler, request).await
}

async fn end_reason(world: &World, session: SessionHandle) -> Option<EndReason> {
    Some(world.store.row(session).await.unwrap().ended?.reason)
}

/// Whether both cookies are removed, and no other cookie is set.
fn is_removal(response: &Response<Bytes>) -> bool {
    set_cookies(response.headers()) == [(ACCESS.to_owned(), None), (REFRESH.to_owned(), None)]
}

#[tokio::test]
async fn a_login_while_logged_in_starts_a_new_session_and_captured_tokens_become_invalid() {
    for (expired, subject) in [(false, "alice"), (true, "alice"), (false, "bob"), (true, "bob")] {
        let world = World::new();
        let mut browser = Browser::logged_in(&world, "alice").await;
        let (captured, old) = (browser.clone(), session_of(&browser));
        if expired {
            world.clock.advance(ACCESS_LIFETIME);
        }
        world.take_events();

        let response = browser.get(&world, &format!("/login/{subject}")).await;

        assert_eq!(set_cookies(response.headers()).len(), 2);
        let new = session_of(&browser);
        assert_ne!(new, old);
        assert_ne!(browser.refresh().unwrap()[..24], captured.refresh().unwrap()[..24]);
        assert_eq!(generation(browser.refresh().unwrap()), 0);
        assert_eq!(end_reason(&world, old).await, Some(EndReason::Superseded));
        assert_eq!(world.take_events(), [EventKind::End(EndReason::Superseded), EventKind::Login]);
        assert_eq!(world.send(captured.request("/optional")).await.body(), "-");
        assert_eq!(world.send(with_bearer("/me", captured.access().unwrap())).await.status(), 401);
        assert_eq!(world.send(with_refresh("/me", captured.refresh().unwrap())).await.status(), 401);
        assert_eq!(browser.get(&world, "/me").await.body(), subject);
        refresh(&world, &mut browser).await;
    }
}

#[tokio::test]
async fn a_login_ends_the_access_tokens_session_and_the_refresh_tokens() {
    let world = World::new();
    let first = Browser::logged_in(&world, "alice").await;
    let second = Browser::logged_in(&world, "bob").await;
    let mut request = with_bearer("/login/alice", first.access().unwrap());
    let cookie = format!("{REFRESH}={}", second.refresh().unwrap());
    request.headers_mut().insert("cookie", cookie.parse().unwrap());

    assert_eq!(world.send(request).await.status(), 200);

    for browser in [first, second] {
        assert_eq!(end_reason(&world, session_of(&browser)).await, Some(EndReason::Superseded));
    }
    assert_eq!(world.auth.sessions("alice", None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_login_that_cannot_end_the_old_session_sends_nothing() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.take_events();
    world.store.break_op(Op::End, Fault::Fails);

    let response = browser.get(&world, "/login/bob").await;

    assert_eq!(response.status(), 503);
    assert!(carries_nothing(&response));
    assert!(!world.take_events().contains(&EventKind::Login));
    world.store.fix();
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
}

#[tokio::test]
async fn a_login_that_fails_to_end_the_old_session_ends_its_new_one() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.store.hold(Op::End);
    world.store.break_op(Op::End, Fault::Fails);
    let mut login = Box::pin(world.send(browser.request("/login/bob")));
    assert!(poll_until_stuck(&mut login).is_pending());
    settle().await;
    // Ending the old session is under way, and fails; ending the new one works.
    assert_eq!(world.store.calls(Op::End), 1);
    world.store.fix();
    world.store.let_through(Op::End);

    assert_eq!(login.await.status(), 503);

    assert!(world.auth.sessions("bob", None).await.unwrap().is_empty());
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
}

#[tokio::test]
async fn the_second_login_of_one_request_supersedes_the_first() {
    let world = World::new();
    let response = send(&world, crate::support::request("/", &[]), |session| {
        Box::pin(async move {
            session.login("alice").await?;
            session.login("bob").await.map(drop)
        })
    })
    .await;

    assert_eq!(set_cookies(response.headers()).len(), 2);
    let mut browser = Browser::new();
    browser.keep(response.headers());
    assert_eq!(browser.get(&world, "/me").await.body(), "bob");
    assert!(world.auth.sessions("alice", None).await.unwrap().is_empty());
    assert_eq!(world.auth.sessions("bob", None).await.unwrap().len(), 1);
    let ended = EventKind::End(EndReason::Superseded);
    assert_eq!(world.take_events(), [EventKind::Login, ended, EventKind::Login]);
}

#[tokio::test]
async fn a_logout_after_a_login_ends_the_new_session_too() {
    for request in ["alice", ""] {
        let world = World::new();
        let browser =
            if request.is_empty() { Browser::new() } else { Browser::logged_in(&world, request).await };
        let response = send(&world, browser.request("/"), |session| {
            Box::pin(async move {
                session.login("bob").await?;
                session.logout().await
            })
        })
        .await;

        assert!(is_removal(&response), "{response:?}");
        for subject in ["alice", "bob"] {
            assert!(world.auth.sessions(subject, None).await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn a_login_after_a_logout_is_logged_in() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let old = session_of(&browser);
    let response = send(&world, browser.request("/"), |session| {
        Box::pin(async move {
            session.logout().await?;
            session.login("bob").await.map(drop)
        })
    })
    .await;

    browser.keep(response.headers());
    assert_eq!(set_cookies(response.headers()).len(), 2);
    assert_eq!(end_reason(&world, old).await, Some(EndReason::Logout));
    assert_eq!(browser.get(&world, "/me").await.body(), "bob");
    refresh(&world, &mut browser).await;
}

#[tokio::test]
async fn a_logout_of_the_others_after_a_login_keeps_the_new_session() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let other = Browser::logged_in(&world, "alice").await;

    // As after a password change.
    let response = send(&world, browser.request("/"), |session| {
        Box::pin(async move {
            session.login("alice").await?;
            session.logout_others().await.map(drop)
        })
    })
    .await;

    browser.keep(response.headers());
    assert_eq!(world.send(other.request("/optional")).await.body(), "-");
    assert_eq!(browser.get(&world, "/optional").await.body(), "alice");
    refresh(&world, &mut browser).await;
}

#[tokio::test]
async fn a_logout_everywhere_after_a_login_leaves_no_session() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    Browser::logged_in(&world, "alice").await;
    let response = send(&world, browser.request("/"), |session| {
        Box::pin(async move {
            session.login("alice").await?;
            session.logout_everywhere().await.map(drop)
        })
    })
    .await;

    assert!(is_removal(&response));
    assert!(world.auth.sessions("alice", None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_logout_after_an_explicit_refresh_wins() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let captured = Arc::<Mutex<Option<String>>>::default();
    let keep = captured.clone();
    let handler = move |request: Request<()>| {
        let keep = keep.clone();
        async move {
            let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
            let token = session.refresh().await.unwrap().access_token().to_owned();
            *keep.lock().unwrap() = Some(token);
            session.logout().await.unwrap();
            assert_eq!(*session.refresh().await.unwrap_err().kind(), RejectionKind::Unauthenticated);
            Response::new(Bytes::new())
        }
    };

    let response = world.send_to(handler, browser.request("/")).await;

    assert!(is_removal(&response));
    assert_eq!(end_reason(&world, session).await, Some(EndReason::Logout));
    let access = captured.lock().unwrap().take().unwrap();
    assert_eq!(world.send(with_bearer("/me", &access)).await.status(), 401);
}

#[tokio::test]
async fn an_explicit_refresh_in_a_request_that_was_refreshed_happens_once() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    let response = send(&world, browser.request("/"), |session| {
        Box::pin(async move {
            let first = session.refresh().await?.access_token().to_owned();
            assert_eq!(session.refresh().await?.access_token(), first);
            Ok(())
        })
    })
    .await;

    assert_eq!(set_cookies(response.headers()).len(), 2);
    assert_eq!(world.store.take_calls(), [(Op::Load, 1), (Op::Swap, 1)]);
    assert_eq!(world.store.row(session).await.unwrap().generation, 1);
    browser.keep(response.headers());
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
}

#[tokio::test]
async fn a_session_is_sealed_once_the_response_head_is_ready_and_no_longer_calls_the_store() {
    for path in ["/me", "/logout", "/login/alice", "/reauthenticate", "/refresh", "/status/500"] {
        let world = World::new();
        let (mut browser, _) = expired_browser(&world, "alice").await;
        let kept = Arc::<Mutex<Option<Session<Claims>>>>::default();
        let keep = kept.clone();
        let handler = move |request: Request<()>| {
            *keep.lock().unwrap() = Some(Session::from_extensions(request.extensions()).unwrap());
            crate::support::world::routes(request)
        };
        let response = world.send_to(handler, browser.request(path)).await;
        browser.keep(response.headers());
        let session = kept.lock().unwrap().take().unwrap();
        world.store.take_calls();
        world.take_events();
        let claims_loads = world.users.loads();

        let current = session.current();
        let late = tokio::spawn(async move {
            [
                session.login("bob").await.map(drop),
                session.login_native("bob").await.map(drop),
                session.reauthenticate(ReauthOptions::new()).await.map(drop),
                session.reauthenticate_native("token", ReauthOptions::new()).await.map(drop),
                session.logout().await,
                session.logout_everywhere().await.map(drop),
                session.logout_others().await.map(drop),
                session.refresh().await.map(drop),
                session.end(current.unwrap_or(SessionHandle::from_bytes([7; 16]))).await,
            ]
        });

        for rejected in late.await.unwrap() {
            assert_eq!(*rejected.unwrap_err().kind(), RejectionKind::Sealed, "{path}");
        }
        assert_eq!(world.store.take_calls(), [], "{path}");
        let events = vec![EventKind::Misconfigured(Misconfiguration::Sealed)];
        assert_eq!((world.take_events(), world.users.loads()), (events, claims_loads));
    }
}

/// A login that is under way when the head goes out is too late: its session ends again.
#[tokio::test]
async fn a_login_that_is_overtaken_by_the_response_head_leaves_no_session() {
    for held in [Op::Create, Op::End] {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        world.take_events();
        world.store.hold(held);
        let task = Arc::<Mutex<Option<tokio::task::JoinHandle<_>>>>::default();
        let keep = task.clone();
        let handler = move |request: Request<()>| {
            let keep = keep.clone();
            async move {
                let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
                let login = tokio::spawn(async move { session.login("bob").await.map(drop) });
                *keep.lock().unwrap() = Some(login);
                settle().await;
                Response::new(Bytes::new())
            }
        };
        let response = world.send_to(handler, browser.request("/")).await;
        assert!(carries_nothing(&response));
        world.store.let_through(held);

        let login = task.lock().unwrap().take().unwrap();
        assert_eq!(*login.await.unwrap().unwrap_err().kind(), RejectionKind::Sealed);

        assert!(world.auth.sessions("bob", None).await.unwrap().is_empty(), "{held:?}");
        assert!(!world.take_events().contains(&EventKind::Login));
    }
}

#[tokio::test]
async fn a_label_is_kept_short_and_without_control_characters() {
    let cases = [
        ("Anna's phone".to_owned(), "Anna's phone".to_owned()),
        ("a\u{0}b\tc\r\n\u{7f}\u{9b}".to_owned(), "abc".to_owned()),
        ("é".repeat(129), "é".repeat(128)),
        (format!("x{}", "é".repeat(128)), format!("x{}", "é".repeat(127))),
        (String::new(), String::new()),
    ];
    for (said, kept) in cases {
        let world = World::new();
        let options = LoginOptions::new().label(said.clone());
        let login = move |request: Request<()>| {
            let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
            let options = options.clone();
            async move {
                session.login_with("alice", options).await.unwrap();
                Response::new(Bytes::new())
            }
        };
        world.send_to(login, crate::support::request("/", &[])).await;
        let sessions = world.auth.sessions("alice", None).await.unwrap();
        assert_eq!(sessions[0].label(), Some(kept.as_str()), "{said:?}");
    }
}

#[tokio::test]
async fn a_user_agent_is_kept_short_whatever_its_bytes() {
    let cases = [
        (b"tab\there".to_vec(), "tabhere".to_owned()),
        (b"x".repeat(300), "x".repeat(256)),
        // Three bytes for each byte that is not UTF-8.
        (b"\xff".repeat(300), "\u{fffd}".repeat(85)),
    ];
    for (sent, kept) in cases {
        let world = World::new();
        let mut request = crate::support::request("/login/alice", &[]);
        request.headers_mut().insert("user-agent", HeaderValue::from_bytes(&sent).unwrap());
        world.send(request).await;
        let sessions = world.auth.sessions("alice", None).await.unwrap();
        assert_eq!(sessions[0].user_agent(), Some(kept.as_str()));
    }
}

#[tokio::test]
async fn the_list_shows_the_live_sessions_of_the_user_and_which_one_is_current() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    Browser::logged_in(&world, "bob").await;
    let other = Browser::logged_in(&world, "alice").await;
    let gone = Browser::logged_in(&world, "alice").await;
    world.send(gone.request("/logout")).await;
    let handler = |request: Request<()>| async move {
        let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
        let mut handles: Vec<_> =
            session.list(None).await.unwrap().iter().map(|info| info.handle().to_string()).collect();
        handles.sort_unstable();
        handles.push(session.current().unwrap().to_string());
        Response::new(handles.join(" ").into())
    };

    let response = world.send_to(handler, browser.request("/")).await;

    let (this, other) = (session_of(&browser).to_string(), session_of(&other).to_string());
    let (first, second) = if this < other { (&this, &other) } else { (&other, &this) };
    assert_eq!(response.body(), &format!("{first} {second} {this}"));
}

#[tokio::test]
async fn a_login_answers_in_the_transport_of_the_request() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let response = world.send(with_bearer("/login/bob", browser.access().unwrap())).await;
    let access = response.headers()["x-access-token"].to_str().unwrap();
    assert_eq!(mint::claims(access)["sub"], "bob");
    assert_eq!(set_cookie(&response, ACCESS), None);
    assert!(set_cookie(&response, REFRESH).is_some());
    assert_eq!(response.body(), access);
}

#[tokio::test]
async fn a_login_waits_until_the_old_session_has_ended_before_it_sends_anything() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    world.store.hold(Op::End);
    let mut login = Box::pin(world.send(browser.request("/login/bob")));
    for _ in 0..5 {
        assert!(poll_until_stuck(&mut login).is_pending());
        settle().await;
    }
    world.store.let_through(Op::End);
    assert_eq!(login.await.status(), 200);
}

/// Claims that swap the keys of the application while they are serialized.
#[derive(serde::Deserialize)]
struct Swapping {}

static SWAPPED: OnceLock<Auth<Swapping>> = OnceLock::new();

impl serde::Serialize for Swapping {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SWAPPED.get().unwrap().rotate_keys(KeyRing::hs256([2; 32]).unwrap()).unwrap();
        serializer.collect_map([("swapped", true)])
    }
}

#[tokio::test]
async fn a_login_during_which_the_keys_are_swapped_succeeds() {
    let auth = Auth::builder(KeyRing::hs256([1; 32]).unwrap())
        .issuer("https://api.example.com")
        .audience("example-web")
        .store(MemoryStore::new())
        .claims(async |_, _| Ok::<_, std::convert::Infallible>(Some(Identity::new(Swapping {}))))
        .build()
        .unwrap();
    assert!(SWAPPED.set(auth.clone()).is_ok());
    let service = service_fn(async |request: Request<()>| {
        let session = Session::<Swapping>::from_extensions(request.extensions()).unwrap();
        let status = session.login("alice").await.map_or_else(|rejected| rejected.status().as_u16(), |_| 200);
        Ok::<_, std::convert::Infallible>(Response::new(Bytes::from(status.to_string())))
    });
    let response = auth.layer().layer(service).oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.body(), "200");
}
