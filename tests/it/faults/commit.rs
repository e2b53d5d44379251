//! Failures at the commit, when the response head is ready, or in a refresh ahead: the response goes out without new tokens.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tower_refresh::Clock;

use super::{ACCESS_LIFETIME, CLEAN_FAULTS, FAULTS, assert_untouched, world};
use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    mint,
    store::Fault,
    world::routes,
};

/// A request whose access token has expired, and the store operation that its commit needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// r3: to rotate.
    Rotate,
    /// r2: to reload.
    Reload,
    /// r2: to record that the current token has arrived.
    Confirm,
    /// r4: to reload, for the token that the browser missed.
    Redeliver,
    /// r5: to use late budget.
    Late,
}

const NEEDS: [Need; 5] = [Need::Rotate, Need::Reload, Need::Confirm, Need::Redeliver, Need::Late];

impl Need {
    fn op(self) -> Op {
        match self {
            Self::Rotate | Self::Confirm | Self::Late => Op::Swap,
            Self::Reload | Self::Redeliver => Op::Load,
        }
    }

    async fn arise(self) -> (World, Browser) {
        let world = world();
        let mut browser = Browser::logged_in(&world, "alice").await;
        world.clock.advance(ACCESS_LIFETIME);
        let before = browser.clone();
        assert_eq!(browser.get(&world, "/me").await.status(), 200);
        let (soon, late) = (Duration::from_secs(5), ACCESS_LIFETIME);
        world.clock.advance(if matches!(self, Self::Rotate | Self::Late) { late } else { soon });
        if matches!(self, Self::Redeliver | Self::Late) {
            browser = before;
        }
        browser.drop_access();
        (world, browser)
    }
}

/// Sends the request, and breaks the store as soon as its handler runs.
async fn send_and_break(world: &World, browser: &Browser, op: Op, fault: Fault) -> Response<Bytes> {
    let store = world.store.clone();
    let handler = move |request: Request<()>| {
        store.break_op(op, fault);
        routes(request)
    };
    world.send_to(handler, browser.request("/me")).await
}

#[tokio::test]
async fn a_response_whose_commit_fails_goes_out_without_new_tokens() {
    for fault in FAULTS {
        for need in NEEDS {
            let case = format!("{need:?} {fault:?}");
            let (world, browser) = need.arise().await;
            let calls = world.store.calls(need.op());

            let response = send_and_break(&world, &browser, need.op(), fault).await;

            // Of two loads, the layer made the first one before the handler ran.
            let failed = if need.op() == Op::Load { 2 } else { 1 };
            assert_eq!(world.store.calls(need.op()), calls + failed, "{case}");
            assert_eq!(
                (response.status().as_u16(), response.body().as_ref()),
                (200, &b"alice"[..]),
                "{case}"
            );
            assert_untouched(&response, &case);
        }
    }
}

#[tokio::test]
async fn after_a_failed_commit_the_same_browser_goes_on_at_once_and_much_later() {
    for fault in FAULTS {
        for need in NEEDS {
            for pause in [0, 5, 600, 3600] {
                let case = format!("{need:?} {fault:?} {pause} s");
                let (world, mut browser) = need.arise().await;
                send_and_break(&world, &browser, need.op(), fault).await;
                world.store.fix();
                world.clock.advance(Duration::from_secs(pause));

                let response = browser.get(&world, "/me").await;

                assert_eq!(response.status(), 200, "{case}");
                assert!(set_cookie(&response, ACCESS).is_some(), "{case}");
                world.clock.advance(ACCESS_LIFETIME);
                assert_eq!(browser.get(&world, "/me").await.status(), 200, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_failing_store_uses_no_late_budget() {
    for fault in CLEAN_FAULTS {
        let (world, mut browser) = Need::Late.arise().await;
        for _ in 0..5 {
            send_and_break(&world, &browser, Op::Swap, fault).await;
            world.store.fix();
        }

        let response = browser.get(&world, "/me").await;

        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1, "{fault:?}");
    }
}

/// Alice's browser, whose access token expires soon.
async fn near_expiry() -> (World, Browser) {
    // The whole refresh has this long beside the handler, so a machine with other work needs more than a store that hangs.
    let world = World::with(|builder| builder.backend_timeout(Duration::from_millis(200)));
    let browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(Duration::from_secs(500));
    (world, browser)
}

#[tokio::test]
async fn a_failed_refresh_ahead_rejects_no_request() {
    for fault in FAULTS {
        for op in [Op::Load, Op::Swap] {
            for path in ["/me", "/optional", "/public"] {
                let case = format!("{op:?} {fault:?} {path}");
                let (world, mut browser) = near_expiry().await;
                world.store.break_op(op, fault);
                let calls = world.store.calls(op);

                let response = browser.get(&world, path).await;

                assert_eq!(world.store.calls(op), calls + 1, "{case}");
                assert_eq!(
                    (response.status().as_u16(), response.body().as_ref()),
                    (200, &b"alice"[..]),
                    "{case}"
                );
                assert_untouched(&response, &case);

                world.store.fix();
                let response = browser.get(&world, path).await;
                assert!(set_cookie(&response, ACCESS).is_some(), "{case}");
                assert_eq!(generation(browser.refresh().unwrap()), 1, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_refresh_ahead_without_claims_rejects_no_request() {
    for fault in CLEAN_FAULTS {
        let (world, mut browser) = near_expiry().await;
        let session = mint::session(browser.access().unwrap());
        let row = world.store.row(session).await;
        world.users.break_loads(Some(fault));

        let response = browser.get(&world, "/me").await;

        assert_eq!(response.status(), 200, "{fault:?}");
        assert_untouched(&response, &format!("{fault:?}"));
        assert_eq!(world.store.row(session).await, row);

        world.users.break_loads(None);
        assert!(set_cookie(&browser.get(&world, "/me").await, ACCESS).is_some(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_rotation_that_was_stored_but_not_acknowledged_is_handed_out_to_the_next_request() {
    let (world, mut browser) = Need::Rotate.arise().await;
    send_and_break(&world, &browser, Op::Swap, Fault::FailsAfterwards).await;
    world.store.fix();
    world.clock.advance(Duration::from_secs(20));

    browser.get(&world, "/me").await;

    assert_eq!(generation(browser.refresh().unwrap()), 2);
    assert_eq!(mint::claims(browser.access().unwrap())["iat"], world.clock.now().as_secs());
}
