//! The time at which an identity provider authenticated the user, as a login states it.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt};
use tower_refresh::{Authenticated, Clock, LoginOptions, RotationPolicy, Timestamp};

use crate::{
    login_options::{log_in_native, logged_in},
    support::{Claims, World, probe::DAY},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What an identity provider says about the time, in relation to now, and which time counts.
#[tokio::test]
async fn a_stated_time_of_authentication_counts_unless_it_is_in_the_future() {
    for is_native in [false, true] {
        let now = World::new().clock.now();
        for (stated, kept, reason) in [
            (None, now, "not stated"),
            (Some(now), now, "now"),
            (Some(now.saturating_sub(DAY)), now.saturating_sub(DAY), "the provider's session is a day old"),
            (Some(now.saturating_add(SECOND)), now, "the provider's clock is ahead"),
            (Some(Timestamp::from_millis(u64::MAX)), now, "the end of time"),
            (Some(Timestamp::default()), Timestamp::default(), "unknown: never recent"),
        ] {
            let world = World::new();
            let options = LoginOptions::new();
            let options = if let Some(stated) = stated { options.authenticated_at(stated) } else { options };
            let session = if is_native {
                let response = log_in_native(&world, "alice", options).await;
                assert_eq!(response.status(), 200, "{reason}");
                world.auth.sessions("alice", None).await.unwrap()[0].handle()
            } else {
                logged_in(&world, "alice", options).await.1
            };

            let row = world.store.row(session).await.unwrap();
            assert_eq!(row.authenticated_at, kept, "{reason}");
            let policy = RotationPolicy::balanced();
            let times = (row.created_at, row.idle_expiry, row.absolute_expiry);
            let absolute = Timestamp::from_secs(now.saturating_add(policy.absolute).as_secs());
            assert_eq!(times, (now, now.saturating_add(policy.idle), absolute), "{reason}");
        }
    }
}

#[tokio::test]
async fn a_login_by_an_old_authentication_is_not_recent_at_the_login_and_after_a_refresh() {
    for (age, is_recent, reason) in [
        (Duration::ZERO, true, "the user typed a password just now"),
        (4 * MINUTE, true, "shortly before"),
        (5 * MINUTE + SECOND, false, "the provider had a session from before"),
        (MONTH, false, "long ago"),
    ] {
        let world = World::new();
        let stated = world.clock.now().saturating_sub(age);
        let options = LoginOptions::new().authenticated_at(stated);
        let (mut browser, _) = logged_in(&world, "alice", options).await;
        for after in ["the login", "a refresh"] {
            let respond = tower::service_fn(async |_: Request<()>| {
                Ok::<_, std::convert::Infallible>(Response::new(Bytes::new()))
            });
            let guarded = world.auth.require_recent_login(5 * MINUTE).layer(respond);
            let response = world.auth.layer().layer(guarded).oneshot(browser.request("/")).await.unwrap();
            let expected = if is_recent { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(response.status(), expected, "{reason}, {after}");
            let auth_time = |request: Request<()>| {
                let user = Authenticated::<Claims>::required(request.extensions()).unwrap();
                let auth_time = user.auth_time().unwrap().as_secs().to_string();
                async { Response::new(Bytes::from(auth_time)) }
            };
            let response = world.send_to(auth_time, browser.request("/me")).await;
            assert_eq!(response.body(), &stated.as_secs().to_string(), "{reason}, {after}");
            browser.drop_access();
            browser.get(&world, "/me").await;
        }
    }
}
