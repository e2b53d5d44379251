//! Failures at the load, while the layer identifies the user.

use http::Request;
use tower_refresh::{event::EventKind, store::SessionStore};

use super::{ACCESS_LIFETIME, CLEAN_FAULTS, FAULTS, assert_unavailable, assert_untouched, break_all, world};
use crate::support::{Browser, Op, World, browser::REFRESH, mint, request, store::Fault};

/// The store operation that a request needs before its handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// To load the session.
    Load,
    /// To restore a rotation that the store lost (c9).
    RestoreRotation,
    /// To end a session whose token was used twice (c8).
    EndReused,
    /// To end a session whose user is gone (c12).
    EndDisabled,
}

const NEEDS: [Need; 4] = [Need::Load, Need::RestoreRotation, Need::EndReused, Need::EndDisabled];

impl Need {
    fn op(self) -> Op {
        match self {
            Self::Load => Op::Load,
            Self::RestoreRotation => Op::Swap,
            Self::EndReused | Self::EndDisabled => Op::End,
        }
    }

    /// A world and a browser whose next request needs this operation. Its access token has expired.
    async fn arise(self) -> (World, Browser) {
        let world = world();
        let mut browser = Browser::logged_in(&world, "alice").await;
        let session = mint::session(browser.access().unwrap());
        let old = browser.clone();
        for _ in 0..2 {
            world.clock.advance(ACCESS_LIFETIME);
            assert_eq!(browser.get(&world, "/me").await.status(), 200);
        }
        world.clock.advance(ACCESS_LIFETIME);
        match self {
            Self::Load => {}
            Self::RestoreRotation => {
                let mut row = world.store.row(session).await.unwrap();
                row.generation -= 1;
                assert!(world.store.inner.compare_and_swap(&row, row.version + 1).await.unwrap());
            }
            Self::EndReused => browser = old,
            Self::EndDisabled => world.users.remove("alice"),
        }
        (world, browser)
    }
}

/// The browser's request, or the request of a client that sends the expired access token in the header.
fn send_as(browser: &Browser, path: &str, in_header: bool) -> Request<()> {
    if in_header {
        let bearer = format!("Bearer {}", browser.access().unwrap());
        let cookie = format!("{REFRESH}={}", browser.refresh().unwrap());
        request(path, &[("authorization", &bearer), ("cookie", &cookie)])
    } else {
        browser.request(path)
    }
}

#[tokio::test]
async fn without_the_store_no_user_can_be_identified() {
    for fault in FAULTS {
        for need in NEEDS {
            for in_header in [false, true] {
                for path in ["/me", "/optional", "/public"] {
                    let case = format!("{need:?} {fault:?} {path} in header: {in_header}");
                    let (world, browser) = need.arise().await;
                    world.take_events();
                    world.store.break_op(need.op(), fault);

                    let response = world.send(send_as(&browser, path, in_header)).await;

                    if path == "/public" {
                        assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, &b"-"[..]));
                        assert_untouched(&response, &case);
                    } else {
                        assert_unavailable(&response, &case);
                    }
                    assert!(world.take_events().contains(&EventKind::StoreFailed), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn once_the_store_is_fixed_the_same_browser_goes_on() {
    for fault in FAULTS {
        for need in [Need::Load, Need::RestoreRotation, Need::EndDisabled] {
            let (world, mut browser) = need.arise().await;
            world.store.break_op(need.op(), fault);
            for _ in 0..3 {
                browser.get(&world, "/me").await;
            }
            world.store.fix();
            world.users.set("alice", "Alice", "user");

            let response = browser.get(&world, "/me").await;

            // The store ended the session, but did not acknowledge it.
            let ended = need == Need::EndDisabled && fault == Fault::FailsAfterwards;
            assert_eq!(response.status(), if ended { 401 } else { 200 }, "{need:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_reuse_that_could_not_end_its_session_ends_it_once_the_store_is_fixed() {
    for fault in FAULTS {
        let (world, mut thief) = Need::EndReused.arise().await;
        let session = mint::session(thief.access().unwrap());
        world.store.break_op(Op::End, fault);
        assert_unavailable(&thief.get(&world, "/me").await, &format!("{fault:?}"));
        let ended = world.store.row(session).await.unwrap().ended.is_some();
        assert_eq!(ended, fault == Fault::FailsAfterwards, "{fault:?}");
        world.store.fix();

        assert_eq!(thief.get(&world, "/me").await.status(), 401, "{fault:?}");
        assert!(world.store.row(session).await.unwrap().ended.is_some(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_failing_claims_source_changes_nothing() {
    for fault in CLEAN_FAULTS {
        let (world, mut browser) = Need::Load.arise().await;
        let session = mint::session(browser.access().unwrap());
        let row = world.store.row(session).await;
        world.users.break_loads(Some(fault));
        world.take_events();

        for in_header in [false, true] {
            for path in ["/me", "/optional"] {
                let response = world.send(send_as(&browser, path, in_header)).await;
                assert_unavailable(&response, &format!("{fault:?} {path}"));
            }
            let response = world.send(send_as(&browser, "/public", in_header)).await;
            assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, &b"-"[..]));
            assert_untouched(&response, "/public");
        }

        assert!(world.take_events().contains(&EventKind::ClaimsFailed));
        assert_eq!(world.store.row(session).await, row);
        world.users.break_loads(None);
        assert_eq!(browser.get(&world, "/me").await.status(), 200, "{fault:?}");
    }
}

#[tokio::test]
async fn a_valid_access_token_needs_no_store_and_no_claims_source() {
    for fault in FAULTS {
        let world = world();
        let browser = Browser::logged_in(&world, "alice").await;
        break_all(&world, fault);
        world.users.break_loads(Some(Fault::Panics));
        world.store.take_calls();

        for in_header in [false, true] {
            for path in ["/me", "/optional", "/public"] {
                let response = world.send(send_as(&browser, path, in_header)).await;
                assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, &b"alice"[..]));
                assert_untouched(&response, path);
            }
        }

        assert_eq!(world.store.take_calls(), []);
    }
}

#[tokio::test]
async fn a_request_without_credentials_needs_no_store() {
    let world = world();
    break_all(&world, Fault::Fails);

    for (path, status) in [("/me", 401), ("/optional", 200), ("/public", 200)] {
        let response = world.send(request(path, &[])).await;
        assert_eq!(response.status(), status);
        assert_untouched(&response, path);
    }

    assert_eq!(world.store.take_calls(), []);
}
