//! The list of a user's sessions, in pages.

use std::time::Duration;

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use tower_refresh::{
    Clock, SessionHandle, SessionPage,
    event::EndReason,
    store::{SessionRow, SessionStore},
};

use crate::support::{Browser, Op, World, probe::session_of, store::Fault};

fn app(world: &World) -> Router {
    world.auth.routes().layer(world.auth.layer())
}

async fn get(app: &Router, browser: &Browser, path: &str) -> Response<Bytes> {
    let response = app.clone().oneshot(browser.request(path).map(|()| Body::empty())).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

/// Sessions of `subject` that logged in after the browser of the test, so many in each millisecond.
async fn log_in(world: &World, subject: &str, sessions: usize, each_millisecond: usize) {
    let now = world.clock.now();
    for number in 0..sessions {
        let mut bytes = [0; 16];
        // In no order of the logins.
        bytes[..8].copy_from_slice(&(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let login = now.saturating_add(Duration::from_millis((1 + number / each_millisecond) as u64));
        let expiry = now.saturating_add(Duration::from_secs(86_400));
        let row = SessionRow::new(SessionHandle::from_bytes(bytes), subject.into(), login, expiry, expiry);
        world.store.inner.create(&row).await.unwrap();
    }
}

/// All pages, each with its sessions.
async fn pages(app: &Router, browser: &Browser, path: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut target) = (Vec::new(), path.to_owned());
    loop {
        let response = get(app, browser, &target).await;
        assert_eq!(response.status(), StatusCode::OK, "{target}");
        pages.push(serde_json::from_slice(response.body()).unwrap());
        let Some(link) = response.headers().get("link") else { return pages };
        let link = link.to_str().unwrap();
        let query = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
        assert!(query.starts_with("?after="), "{link} is relative to the address of the request");
        target = format!("{path}{query}");
    }
}

#[tokio::test]
async fn the_pages_have_each_session_once_and_mark_the_current_one() {
    for (others, each_millisecond, lengths, reason) in [
        (0, 1, &[1][..], "the session of the request alone"),
        (98, 1, &[99], "less than a page"),
        (99, 1, &[100], "exactly one page, and no empty page after it"),
        (100, 1, &[100, 1], "the current session is on the second page"),
        (199, 7, &[100, 100], "two pages; logins of one millisecond are on both sides of the boundary"),
        (250, 250, &[100, 100, 51], "all logins in the same millisecond"),
    ] {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        log_in(&world, "alice", others, each_millisecond).await;
        let app = app(&world);

        let pages = pages(&app, &browser, "/auth/sessions").await;

        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), lengths, "{reason}");
        let listed = pages.concat();
        let mut handles: Vec<_> =
            listed.iter().map(|session| session["handle"].as_str().unwrap().to_owned()).collect();
        handles.sort_unstable();
        handles.dedup();
        assert_eq!(handles.len(), others + 1, "{reason}: each once");
        assert!(listed.iter().map(|session| session["created_at"].as_str()).rev().is_sorted(), "{reason}");
        let current: Vec<_> = listed.iter().filter(|session| session["current"] == true).collect();
        assert_eq!(current.len(), 1, "{reason}");
        assert_eq!(current[0]["handle"], session_of(&browser).to_string(), "{reason}");
    }
}

#[tokio::test]
async fn the_address_of_the_next_page_is_right_below_a_prefix() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    log_in(&world, "alice", 150, 1).await;
    let nested = Router::new().nest("/{tenant}/account", world.auth.routes()).layer(world.auth.layer());
    let pages = pages(&nested, &browser, "/acme/account/auth/sessions").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 51]);
}

#[tokio::test]
async fn a_page_costs_one_load_and_one_list_of_the_store() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    log_in(&world, "alice", 1_000, 10).await;
    let app = app(&world);
    world.store.take_calls();
    let first = get(&app, &browser, "/auth/sessions").await;
    assert_eq!(world.store.take_calls(), [(Op::List, 1)]);
    assert!(first.body().len() < 50_000, "{} bytes", first.body().len());
    let own = session_of(&browser);
    get(&app, &browser, &format!("/auth/sessions?after={own}")).await;
    assert_eq!(world.store.take_calls(), [(Op::Load, 1), (Op::List, 1)]);
}

#[tokio::test]
async fn a_page_begins_only_after_a_session_of_the_user() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let stranger = session_of(&Browser::logged_in(&world, "bob").await);
    let ended = session_of(&Browser::logged_in(&world, "alice").await);
    world.store.inner.end(ended, EndReason::Revoked, world.clock.now(), 1).await.unwrap();
    let own = session_of(&browser).to_string();
    let last = own.chars().last().unwrap();
    let escaped = format!("{}%{:02X}", own.strip_suffix(last).unwrap(), u32::from(last));
    let app = app(&world);
    for (query, status, reason) in [
        (format!("after={own}"), 200, "the last one: the page after it is empty"),
        (format!("after={escaped}"), 200, "an escape of the same character (RFC 3986 section 6.2.2.2)"),
        (format!("after={ended}"), 200, "it has ended since"),
        (format!("page=2&after={own}&"), 200, "other parameters are ignored"),
        (String::new(), 200, "no parameter"),
        (format!("after={stranger}"), 404, "the session of another user, as one that does not exist"),
        ("after=AAAAAAAAAAAAAAAAAAAAAA".to_owned(), 404, "no session"),
        ("after".to_owned(), 400, "no value"),
        ("after=".to_owned(), 400, "an empty value"),
        ("after=x".to_owned(), 400, "no handle"),
        (format!("after={own}A"), 400, "too long"),
        (format!("after={own}%3D"), 400, "padded"),
        ("after=%ff".to_owned(), 400, "not UTF-8"),
        (format!("after={own}&x=%"), 400, "an invalid escape"),
        (format!("after={own}&after={own}"), 400, "twice: servers disagree which one counts"),
    ] {
        let path = format!("/auth/sessions?{query}");
        let response = get(&app, &browser, &path).await;
        assert_eq!(response.status(), status, "{query}: {reason}");
        let media_type = if status == 200 { "application/json" } else { "application/problem+json" };
        assert_eq!(response.headers()["content-type"], media_type, "{query}: {reason}");
        assert!(!response.headers().contains_key("www-authenticate"), "{query}: {reason}");
        let anonymous = get(&app, &Browser::new(), &path).await;
        assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED, "{query}, without a user");
    }
    for op in [Op::Load, Op::List] {
        world.store.break_op(op, Fault::Fails);
        let response = get(&app, &browser, &format!("/auth/sessions?after={own}")).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{op:?} fails");
        world.store.fix();
    }
}

#[tokio::test]
async fn an_application_lists_every_session_of_a_user() {
    let world = World::new();
    let stranger = session_of(&Browser::logged_in(&world, "bob").await);
    log_in(&world, "alice", 250, 9).await;
    let (mut handles, mut after) = (Vec::new(), None);
    loop {
        let page: SessionPage = world.auth.sessions("alice", after).await.unwrap();
        handles.extend(page.iter().map(|session| session.handle()));
        after = page.next();
        assert_eq!(after.is_some(), handles.len() < 250);
        if after.is_none() {
            break;
        }
        assert_eq!(page.into_iter().len(), SessionPage::MAX_LEN);
    }
    handles.sort_unstable();
    handles.dedup();
    assert_eq!(handles.len(), 250);
    let unknown = SessionHandle::from_bytes([7; 16]);
    for other in [stranger, unknown] {
        let page = world.auth.sessions("alice", Some(other)).await.unwrap();
        assert!(page.is_empty() && page.next().is_none(), "alice has no such session");
    }
}

#[tokio::test]
async fn an_application_asks_whether_one_session_is_live() {
    let world = World::new();
    let handle = session_of(&Browser::logged_in(&world, "alice").await);
    let ended = session_of(&Browser::logged_in(&world, "alice").await);
    world.auth.end_session(ended).await.unwrap();
    assert_eq!(world.auth.session(handle).await.unwrap().unwrap().handle(), handle);
    for (dead, reason) in [(ended, "ended"), (SessionHandle::from_bytes([7; 16]), "unknown")] {
        assert!(world.auth.session(dead).await.unwrap().is_none(), "{reason}");
    }
    world.clock.advance(Duration::from_secs(7 * 86_400));
    assert!(world.auth.session(handle).await.unwrap().is_none(), "expired");
    world.store.break_op(Op::Load, Fault::Fails);
    assert!(world.auth.session(handle).await.is_err());
}
