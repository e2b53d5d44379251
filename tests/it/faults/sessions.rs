//! Failures during logins, logouts, refreshes on demand and session ends.

use bytes::Bytes;
use http::{Request, Response};
use tower_refresh::{
    Clock, Rejection, Session, SessionHandle,
    event::EndReason,
    store::{Page, SessionStore},
};

use super::{ACCESS_LIFETIME, CLEAN_FAULTS, FAULTS, assert_unavailable, assert_untouched, break_all, world};
use crate::support::{
    Browser, Claims, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookies},
    mint, request,
    store::Fault,
};

fn session(browser: &Browser) -> SessionHandle {
    mint::session(browser.access().unwrap())
}

async fn is_live(world: &World, session: SessionHandle) -> bool {
    world.store.row(session).await.is_some_and(|row| row.is_live(world.clock.now()))
}

async fn live_sessions(world: &World) -> usize {
    world.store.inner.list(&"alice".into(), world.clock.now(), Page::first(10_000)).await.unwrap().len()
}

fn removes_both(response: &Response<Bytes>) -> bool {
    set_cookies(response.headers()) == [(ACCESS.to_owned(), None), (REFRESH.to_owned(), None)]
}

#[tokio::test]
async fn a_login_that_cannot_be_stored_is_unavailable_and_ends_nothing() {
    for fault in FAULTS {
        let world = world();
        let mut browser = Browser::logged_in(&world, "alice").await;
        let old = session(&browser);
        world.store.break_op(Op::Create, fault);

        let response = browser.get(&world, "/login/bob").await;

        assert_unavailable(&response, &format!("{fault:?}"));
        assert!(is_live(&world, old).await);
        assert_eq!(browser.get(&world, "/me").await.body().as_ref(), b"alice");
        world.store.fix();
        assert_eq!(browser.get(&world, "/login/bob").await.status(), 200, "{fault:?}");
        assert_eq!(browser.get(&world, "/me").await.body().as_ref(), b"bob");
        assert!(!is_live(&world, old).await);
    }
}

#[tokio::test]
async fn a_login_without_claims_is_unavailable_and_touches_no_store() {
    for fault in CLEAN_FAULTS {
        let world = world();
        let mut browser = Browser::logged_in(&world, "alice").await;
        world.users.break_loads(Some(fault));
        world.store.take_calls();

        assert_unavailable(&browser.get(&world, "/login/alice").await, &format!("{fault:?}"));

        assert_eq!(world.store.take_calls(), []);
        world.users.break_loads(None);
        assert_eq!(browser.get(&world, "/me").await.status(), 200);
        assert_eq!(browser.get(&world, "/login/alice").await.status(), 200);
    }
}

#[tokio::test]
async fn a_login_that_cannot_end_the_old_session_is_unavailable_and_leaves_the_old_one() {
    for fault in FAULTS {
        let case = format!("{fault:?}");
        let world = world();
        let mut browser = Browser::logged_in(&world, "alice").await;
        let old = session(&browser);
        world.store.break_op(Op::End, fault);

        assert_unavailable(&browser.get(&world, "/login/bob").await, &case);

        // A session end that was not acknowledged may be known from the store's feed.
        if fault != Fault::FailsAfterwards {
            assert_eq!(browser.get(&world, "/me").await.body().as_ref(), b"alice", "{case}");
        }
        world.store.fix();
        assert_eq!(browser.get(&world, "/login/bob").await.status(), 200, "{case}");
        assert_eq!(world.store.row(old).await.unwrap().ended.unwrap().reason, EndReason::Superseded);
    }
}

#[tokio::test]
async fn a_login_that_could_not_end_the_old_session_is_rolled_back() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    // The first end fails although the store works again before it answers. The next one succeeds.
    world.store.break_op(Op::End, Fault::Fails);
    world.store.hold(Op::End);
    let login = tokio::spawn({
        let (world, request) = (world.clone(), browser.request("/login/alice"));
        async move { world.send(request).await }
    });
    while world.store.calls(Op::End) == 0 {
        tokio::task::yield_now().await;
    }
    world.store.fix();
    world.store.let_through(Op::End);

    assert_unavailable(&login.await.unwrap(), "the first end failed");

    assert_eq!(world.store.calls(Op::End), 2);
    assert_eq!(live_sessions(&world).await, 1);
    assert!(is_live(&world, session(&browser)).await);
}

#[tokio::test]
async fn a_logout_that_fails_removes_no_cookie_and_can_be_repeated() {
    for fault in FAULTS {
        for expired in [false, true] {
            let case = format!("{fault:?} expired: {expired}");
            let world = world();
            let mut browser = Browser::logged_in(&world, "alice").await;
            let (old, captured) = (session(&browser), browser.clone());
            if expired {
                browser.drop_access();
            }
            world.store.break_op(Op::End, fault);

            let response = browser.get(&world, "/logout").await;

            assert_eq!(response.status(), 503, "{case}");
            assert_eq!(response.headers()["retry-after"], "1", "{case}");
            assert!(set_cookies(response.headers()).iter().all(|(_, value)| value.is_some()), "{case}");
            assert_eq!(is_live(&world, old).await, fault != Fault::FailsAfterwards, "{case}");
            if fault != Fault::FailsAfterwards {
                assert_eq!(world.send(captured.request("/me")).await.status(), 200, "{case}");
            }

            world.store.fix();
            let response = browser.get(&world, "/logout").await;
            assert!(response.status().is_success() && removes_both(&response), "{case}: {response:?}");
            assert!(!is_live(&world, old).await, "{case}");
            assert_eq!(world.send(captured.request("/me")).await.status(), 401, "{case}");
        }
    }
}

#[tokio::test]
async fn a_logout_needs_the_store_only_to_end_the_session() {
    for fault in CLEAN_FAULTS {
        let world = world();
        let mut browser = Browser::logged_in(&world, "alice").await;
        let old = session(&browser);
        browser.drop_access();
        world.store.break_op(Op::Load, fault);
        world.store.break_op(Op::Swap, fault);
        world.users.break_loads(Some(Fault::Panics));

        let response = browser.get(&world, "/logout").await;

        assert!(response.status().is_success() && removes_both(&response), "{fault:?}: {response:?}");
        assert!(!is_live(&world, old).await, "{fault:?}");
    }
}

#[tokio::test]
async fn a_logout_everywhere_or_elsewhere_that_fails_can_be_repeated() {
    for fault in CLEAN_FAULTS {
        for (path, left) in [("/logout-everywhere", 0), ("/logout-others", 1)] {
            let case = format!("{fault:?} {path}");
            let world = world();
            let mut browser = Browser::logged_in(&world, "alice").await;
            let elsewhere = Browser::logged_in(&world, "alice").await;
            world.store.break_op(Op::EndSubject, fault);

            assert_unavailable(&browser.get(&world, path).await, &case);

            assert_eq!(live_sessions(&world).await, 2, "{case}");
            assert_eq!(browser.get(&world, "/me").await.status(), 200, "{case}");
            assert_eq!(world.send(elsewhere.request("/me")).await.status(), 200, "{case}");
            world.store.fix();
            let response = browser.get(&world, path).await;
            assert!(response.status().is_success(), "{case}");
            assert_eq!(removes_both(&response), left == 0, "{case}");
            assert_eq!(live_sessions(&world).await, left, "{case}");
            assert_eq!(world.send(elsewhere.request("/me")).await.status(), 401, "{case}");
        }
    }
}

#[tokio::test]
async fn a_logout_everywhere_whose_last_step_fails_removes_no_cookie() {
    for fault in CLEAN_FAULTS {
        let world = world();
        let mut browser = Browser::logged_in(&world, "alice").await;
        world.store.break_op(Op::End, fault);

        assert_unavailable(&browser.get(&world, "/logout-everywhere").await, &format!("{fault:?}"));

        assert_eq!(live_sessions(&world).await, 0);
        world.store.fix();
        assert!(removes_both(&browser.get(&world, "/logout").await), "{fault:?}");
    }
}

#[tokio::test]
async fn a_refresh_on_demand_that_fails_sends_nothing_and_can_be_repeated() {
    for fault in FAULTS {
        for op in [Op::Load, Op::Swap] {
            for expired in [false, true] {
                let case = format!("{op:?} {fault:?} expired: {expired}");
                let world = world();
                let mut browser = Browser::logged_in(&world, "alice").await;
                world.clock.advance(if expired { ACCESS_LIFETIME } else { ACCESS_LIFETIME / 2 });
                world.store.break_op(op, fault);

                let response = browser.get(&world, "/refresh").await;

                assert_unavailable(&response, &case);
                world.store.fix();
                assert_eq!(browser.get(&world, "/refresh").await.status(), 200, "{case}");
                assert_eq!(generation(browser.refresh().unwrap()), 1, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_refresh_on_demand_without_claims_sends_nothing_and_can_be_repeated() {
    for fault in [Fault::Fails, Fault::Panics] {
        for age in [ACCESS_LIFETIME / 2, ACCESS_LIFETIME] {
            let world = world();
            let mut browser = Browser::logged_in(&world, "alice").await;
            world.clock.advance(age);
            world.users.break_loads(Some(fault));

            assert_unavailable(&browser.get(&world, "/refresh").await, &format!("{fault:?} {age:?}"));

            world.users.break_loads(None);
            assert_eq!(browser.get(&world, "/refresh").await.status(), 200, "{fault:?} {age:?}");
        }
    }
}

/// `/list` answers with the number of sessions; any other path is the handle of the session to end.
async fn manage(request: Request<()>) -> Response<Bytes> {
    let (request, ()) = request.into_parts();
    let answer = async {
        let session = Session::<Claims>::from_extensions(&request.extensions)?;
        match request.uri.path() {
            "/list" => Ok(session.list(None).await?.len().to_string()),
            path => session.end(path[1..].parse().unwrap()).await.map(|()| "ended".to_owned()),
        }
    };
    match answer.await {
        Ok(body) => Response::new(body.into()),
        Err(rejection) => Rejection::to_response(&rejection, &request),
    }
}

#[tokio::test]
async fn a_list_of_sessions_that_fails_can_be_repeated() {
    for fault in FAULTS {
        let world = world();
        let browser = Browser::logged_in(&world, "alice").await;
        world.store.break_op(Op::List, fault);

        let response = world.send_to(manage, browser.request("/list")).await;

        assert_unavailable(&response, &format!("{fault:?}"));
        world.store.fix();
        assert_eq!(world.send_to(manage, browser.request("/list")).await.body().as_ref(), b"1");
    }
}

#[tokio::test]
async fn ending_a_session_from_the_list_can_be_repeated_after_a_failure() {
    for fault in CLEAN_FAULTS {
        for op in [Op::Load, Op::End] {
            for own in [false, true] {
                let case = format!("{op:?} {fault:?} own: {own}");
                let world = world();
                let browser = Browser::logged_in(&world, "alice").await;
                let elsewhere = Browser::logged_in(&world, "alice").await;
                let victim = if own { &browser } else { &elsewhere };
                let path = format!("/{}", session(victim));
                world.store.break_op(op, fault);

                let response = world.send_to(manage, browser.request(&path)).await;

                assert_unavailable(&response, &case);
                assert_eq!(world.send(victim.request("/me")).await.status(), 200, "{case}");
                world.store.fix();
                let response = world.send_to(manage, browser.request(&path)).await;
                assert_eq!(response.status(), 200, "{case}");
                assert_eq!(removes_both(&response), own, "{case}");
                assert_eq!(world.send(victim.request("/me")).await.status(), 401, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_session_end_that_fails_in_the_store_is_an_error_and_denies_no_session() {
    for fault in CLEAN_FAULTS {
        let case = format!("{fault:?}");
        let world = world();
        let browser = Browser::logged_in(&world, "alice").await;
        break_all(&world, fault);

        assert!(world.auth.sessions("alice", None).await.is_err(), "{case}");
        assert!(world.auth.end_session(session(&browser)).await.is_err(), "{case}");
        assert!(world.auth.end_subject("alice").await.is_err(), "{case}");
        assert!(world.auth.purge_dead().await.is_err(), "{case}");

        assert_eq!(world.send(browser.request("/me")).await.status(), 200, "{case}");
        world.store.fix();
        assert!(world.auth.end_session(session(&browser)).await.unwrap(), "{case}");
        assert_eq!(world.send(browser.request("/me")).await.status(), 401, "{case}");
        assert!(world.auth.purge_dead().await.is_ok(), "{case}");
    }
}

#[tokio::test]
async fn claims_that_the_store_fails_to_outdate_stay_valid_and_the_call_can_be_repeated() {
    for fault in FAULTS {
        for op in [Op::List, Op::Outdate] {
            let case = format!("{op:?} {fault:?}");
            let world = world();
            let browser = Browser::logged_in(&world, "alice").await;
            let other = Browser::logged_in(&world, "alice").await;
            world.store.break_op(op, fault);

            assert!(world.auth.reload_claims("alice").await.is_err(), "{case}");
            let reloaded = world.auth.reload_session(session(&browser)).await;
            assert_eq!(reloaded.is_err(), op == Op::Outdate, "{case}");

            world.store.fix();
            assert_eq!(world.send(browser.request("/me")).await.status(), 200, "{case}");
            assert_eq!(world.auth.reload_claims("alice").await.unwrap(), 2, "{case}");
            for browser in [browser, other] {
                assert!(is_live(&world, session(&browser)).await, "{case}");
                let response = world.send(browser.request("/me")).await;
                let access = set_cookies(response.headers()).into_iter().find(|(name, _)| name == ACCESS);
                assert!(access.is_some(), "{case}: the access token from before counts as expired");
            }
        }
    }
}

#[tokio::test]
async fn an_anonymous_logout_works_without_a_store() {
    let world = world();
    break_all(&world, Fault::Fails);

    let response = world.send(request("/logout", &[])).await;

    assert!(removes_both(&response), "{response:?}");
    let response = world.send(request("/public", &[])).await;
    assert_untouched(&response, "/public");
}
