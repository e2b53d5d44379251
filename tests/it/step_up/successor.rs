//! The new session: what it has from the former one.

use std::time::Duration;

use http::Request;
use tower_refresh::{
    Clock, LoginOptions, ReauthOptions, Subject, Timestamp,
    event::{EndReason, EventKind},
    store::SessionStore,
};
use tower_refresh_core::{SessionBinding, SessionRow};

use super::{Native, live_sessions, logged_in_with, reauthenticate, reauthenticate_native};
use crate::support::{
    Browser, TestStore, World,
    browser::generation,
    mint,
    probe::{DAY, max_age, refresh, session_of, with_bearer},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Another server with a store of its own, which has the rows of `world` after `change`.
async fn with_rows(world: &World, subject: &str, change: impl Fn(&mut SessionRow)) -> World {
    let store = TestStore::default();
    for mut row in live_sessions(world, subject).await {
        change(&mut row);
        store.inner.create(&row).await.unwrap();
    }
    World::on(world.clock.clone(), store, |builder| {
        builder.client_ip(|_, _| Some(std::net::Ipv4Addr::LOCALHOST.into()))
    })
}

fn with_user_agent(mut request: Request<()>) -> Request<()> {
    request.headers_mut().insert("user-agent", "another browser".parse().unwrap());
    request
}

/// Reauthenticates as a browser or as a native client, and returns the row before and after.
async fn rows(
    is_native: bool,
    change: impl Fn(&mut SessionRow),
    options: ReauthOptions,
) -> (World, SessionRow, SessionRow) {
    let login = LoginOptions::new().label("my phone").data("password");
    let first = World::new();
    let client = if is_native {
        Ok(Native::logged_in(&first, "alice", login).await)
    } else {
        Err(logged_in_with(&first, "alice", login).await)
    };
    let world = with_rows(&first, "alice", change).await;
    let before = live_sessions(&world, "alice").await.remove(0);
    world.clock.advance(5 * MINUTE);
    let response = match &client {
        Ok(native) => {
            reauthenticate_native(&world, with_user_agent(native.request()), &native.refresh, options).await
        }
        Err(browser) => reauthenticate(&world, with_user_agent(browser.request("/")), options).await,
    };
    assert_eq!(response.status(), 200, "{response:?}");
    let mut after = live_sessions(&world, "alice").await;
    assert_eq!(after.len(), 1);
    (world, before, after.remove(0))
}

#[tokio::test]
async fn a_new_session_goes_on_where_the_former_one_ended() {
    type Change = fn(&mut SessionRow);
    let cases: [(&str, Change); 6] = [
        ("as after a login", |_| {}),
        ("its own idle lifetime", |row| row.idle = Some(2 * HOUR)),
        ("a row of a version that stored no idle lifetime", |row| row.idle = None),
        ("a session that ends with the browser", |row| row.persistent = false),
        ("claims that were outdated", |row| row.claims_epoch = 3),
        ("a device, whose browser registers anew", |row| {
            row.binding = Some(SessionBinding::from_bytes("a key"));
        }),
    ];
    for (case, change) in cases {
        for is_native in [false, true] {
            let (world, before, after) = rows(is_native, change, ReauthOptions::new()).await;
            let (now, case) = (world.clock.now(), format!("{case}, native: {is_native}"));
            assert_ne!(after.handle, before.handle, "{case}");
            let mut expected = before.clone();
            expected.handle = after.handle;
            expected.version = after.version;
            expected.generation = 0;
            expected.binding = None;
            expected.confirmed = false;
            expected.rotated_at = now;
            expected.authenticated_at = now;
            expected.idle_expiry = now.saturating_add(before.idle.unwrap_or(7 * DAY));
            expected.meta.user_agent = Some("another browser".into());
            expected.meta.ip = Some(std::net::Ipv4Addr::LOCALHOST.into());
            assert_eq!(after, expected, "{case}");
            assert_eq!(before.meta.label.as_deref(), Some("my phone"));
        }
    }
}

#[tokio::test]
async fn the_idle_expiry_never_exceeds_the_absolute_one() {
    let soon = |row: &mut SessionRow| {
        row.absolute_expiry = row.created_at.saturating_add(HOUR);
        row.idle_expiry = row.absolute_expiry;
    };
    for is_native in [false, true] {
        let (_, before, after) = rows(is_native, soon, ReauthOptions::new()).await;
        assert_eq!(
            (after.idle_expiry, after.absolute_expiry),
            (before.absolute_expiry, before.absolute_expiry)
        );
    }
}

#[tokio::test]
async fn the_data_is_replaced_if_it_is_given() {
    for is_native in [false, true] {
        let (_, before, after) = rows(is_native, |_| {}, ReauthOptions::new()).await;
        assert_eq!((&before.data[..], &after.data[..]), (&b"password"[..], &b"password"[..]));
        for data in ["passkey", ""] {
            let (_, _, after) = rows(is_native, |_| {}, ReauthOptions::new().data(data)).await;
            assert_eq!(after.data, data.as_bytes());
        }
    }
}

/// The time that an identity provider states.
#[tokio::test]
async fn a_stated_time_of_authentication_counts_unless_it_is_in_the_future() {
    for is_native in [false, true] {
        let now = {
            let clock = World::new().clock;
            clock.advance(5 * MINUTE);
            clock.now()
        };
        for (stated, kept, reason) in [
            (now, now, "now"),
            (now.saturating_sub(HOUR), now.saturating_sub(HOUR), "before the login"),
            (now.saturating_add(MINUTE), now, "the provider's clock is ahead"),
            (Timestamp::from_millis(u64::MAX), now, "the end of time"),
            (Timestamp::default(), Timestamp::default(), "the beginning of time"),
        ] {
            let options = ReauthOptions::new().authenticated_at(stated);
            let (_, _, after) = rows(is_native, |_| {}, options).await;
            assert_eq!(after.authenticated_at, kept, "{reason}");
        }
    }
}

#[tokio::test]
async fn a_browser_gets_new_cookies_and_a_new_auth_time_and_goes_on() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let former = browser.clone();
    world.clock.advance(5 * MINUTE);
    world.take_events();
    let loads = world.users.loads();

    let response = reauthenticate(&world, browser.request("/"), ReauthOptions::new()).await;

    browser.keep(response.headers());
    assert_eq!(response.body(), browser.access().unwrap());
    assert_ne!(session_of(&browser), session_of(&former));
    assert_ne!(browser.refresh().unwrap()[..24], former.refresh().unwrap()[..24]);
    assert_eq!(generation(browser.refresh().unwrap()), 0);
    assert_eq!(max_age(&response, crate::support::browser::REFRESH), Some((7 * DAY).as_secs()));
    assert_eq!(response.headers()["cache-control"], "private, no-store");
    let (old, new) = (mint::claims(former.access().unwrap()), mint::claims(browser.access().unwrap()));
    assert_eq!(new["auth_time"].as_u64().unwrap() - old["auth_time"].as_u64().unwrap(), 300);
    assert_eq!(world.users.loads(), loads + 1, "claims are loaded anew");
    let events: Vec<_> =
        world.events.lock().unwrap().drain(..).map(|event| (event.kind, event.session)).collect();
    let ended = (EventKind::End(EndReason::Superseded), Some(session_of(&former)));
    assert_eq!(events, [ended, (EventKind::Reauthentication, Some(session_of(&browser)))]);

    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
    for _ in 0..3 {
        refresh(&world, &mut browser).await;
    }
    assert_eq!(generation(browser.refresh().unwrap()), 3);
    assert_eq!(mint::claims(browser.access().unwrap())["auth_time"], new["auth_time"]);
}

#[tokio::test]
async fn a_role_that_changed_is_in_the_new_access_token() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    world.users.set("alice", "Alice", "user admin");
    let response = reauthenticate(&world, browser.request("/"), ReauthOptions::new()).await;
    assert_eq!(mint::claims(std::str::from_utf8(response.body()).unwrap())["scope"], "user admin");
}

/// A refresh in the same request: the layer has loaded the session, and commits nothing to it.
#[tokio::test]
async fn a_request_whose_access_token_has_expired_is_reauthenticated_as_well() {
    let world = World::new();
    let (mut browser, session) = crate::support::probe::expired_browser(&world, "alice").await;
    let response = reauthenticate(&world, browser.request("/"), ReauthOptions::new()).await;
    browser.keep(response.headers());
    assert_eq!(world.store.row(session).await.unwrap().generation, 0);
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
}

#[tokio::test]
async fn a_client_with_nothing_but_an_access_token_continues_its_session() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let request = with_bearer("/", browser.access().unwrap());

    let response = reauthenticate(&world, request, ReauthOptions::new()).await;

    let access = response.headers()["x-access-token"].to_str().unwrap();
    assert_eq!(response.body(), access);
    assert_eq!(world.send(with_bearer("/me", access)).await.body(), "alice");
    assert_eq!(live_sessions(&world, "alice").await.len(), 1);
    let mut other = Browser::new();
    other.keep(response.headers());
    assert_eq!(other.get(&world, "/me").await.body(), "alice");
}

#[tokio::test]
async fn a_session_that_the_handler_has_just_started_is_continued() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "bob").await;
    let handler = |request: Request<()>| async move {
        let session =
            tower_refresh::Session::<crate::support::Claims>::from_extensions(request.extensions()).unwrap();
        session.login_with("alice", LoginOptions::new().label("first")).await.unwrap();
        let first = session.current();
        session.reauthenticate(ReauthOptions::new()).await.unwrap();
        assert_ne!(session.current(), first);
        let refreshed = session.refresh().await.unwrap();
        http::Response::new(refreshed.access_token().to_owned().into())
    };
    let response = world.send_to(handler, browser.request("/")).await;

    let mut browser = browser;
    browser.keep(response.headers());
    assert_eq!(response.body(), browser.access().unwrap());
    assert_eq!(browser.get(&world, "/me").await.body(), "alice");
    let sessions = live_sessions(&world, "alice").await;
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].meta.label.as_deref(), Some("first"));
    assert_eq!(live_sessions(&world, "bob").await, []);
}

/// The access token of one session and the refresh cookie of another: both are replaced, as at a login.
#[tokio::test]
async fn of_two_sessions_in_one_request_that_of_the_access_token_is_continued() {
    let world = World::new();
    let first = logged_in_with(&world, "alice", LoginOptions::new().label("first")).await;
    let second = logged_in_with(&world, "bob", LoginOptions::new().label("second")).await;
    let mut request = with_bearer("/", first.access().unwrap());
    request.headers_mut().insert("cookie", second.cookie_header().parse().unwrap());

    assert_eq!(reauthenticate(&world, request, ReauthOptions::new()).await.status(), 200);

    let sessions = live_sessions(&world, "alice").await;
    assert_eq!(sessions[0].meta.label.as_deref(), Some("first"));
    assert_eq!((sessions.len(), live_sessions(&world, "bob").await.len()), (1, 0));
    assert_eq!(sessions[0].subject, Subject::from("alice"));
}
