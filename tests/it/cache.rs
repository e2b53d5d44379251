//! A cached token has exactly the same outcome as without a cache.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use proptest::prelude::*;
use tower_refresh::{
    KeyRing, Rejection, RejectionKind,
    keys::{Algorithm, SigningKey},
};

use crate::support::{Browser, ManualClock, TestStore, World, browser::ACCESS, request, world::SECRET};

/// A step of two servers, one with a cache and one without.
#[derive(Clone, Debug)]
enum Step {
    /// A login at both servers, whose token is presented from then on too.
    Login,
    /// A token is presented, in the header or in the cookie.
    Present { token: usize, in_header: bool, spoiled: bool },
    /// The clock moves.
    Wait { seconds: u64 },
    /// The session of a token ends.
    Logout { token: usize },
    /// New keys; the old ones are kept for verification, or not.
    RotateKeys { keep: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Login),
        12 => (0..8_usize, any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(token, in_header, spoiled)| Step::Present { token, in_header, spoiled }),
        3 => prop_oneof![Just(1), Just(299), Just(600), 0..700_u64].prop_map(|seconds| Step::Wait { seconds }),
        1 => (0..8_usize).prop_map(|token| Step::Logout { token }),
        1 => any::<bool>().prop_map(|keep| Step::RotateKeys { keep }),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_hit_and_a_miss_have_the_same_outcome(steps in steps(), places in 1..32_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(steps, places));
    }
}

async fn play(steps: Vec<Step>, places: usize) {
    let (clock, store) = (ManualClock::new(), TestStore::default());
    let server = |places: usize| {
        World::on(clock.clone(), store.clone(), |builder| builder.token_cache_capacity(places))
    };
    let (cached, uncached) = (server(places), server(0));
    let (mut tokens, mut keys) = (Vec::new(), 0_u8);
    for step in steps {
        match step {
            Step::Login => {
                tokens.push(Browser::logged_in(&cached, "alice").await.access().unwrap().to_owned());
            }
            Step::Wait { seconds } => clock.advance(Duration::from_secs(seconds)),
            Step::Present { token, in_header, spoiled } => {
                let Some(token) = tokens.get(token) else { continue };
                let token = if spoiled { token.replacen("ey", "eY", 1) } else { token.clone() };
                let present = || match in_header {
                    true => request("/me", &[("authorization", &format!("Bearer {token}"))]),
                    false => request("/me", &[("cookie", &format!("{ACCESS}={token}"))]),
                };
                let twice = [cached.send(present()).await, cached.send(present()).await];
                let expected = outcome(&uncached.send(present()).await);
                assert_eq!(twice.map(|response| outcome(&response)), [expected.clone(), expected]);
            }
            Step::Logout { token } => {
                let Some(token) = tokens.get(token) else { continue };
                let session = crate::support::mint::session(token);
                cached.auth.end_session(session).await.unwrap();
                uncached.auth.end_session(session).await.unwrap();
            }
            Step::RotateKeys { keep } => {
                let old = secret(keys);
                keys = keys.wrapping_add(1);
                for server in [&cached, &uncached] {
                    let ring = KeyRing::hs256(secret(keys)).unwrap();
                    let old = SigningKey::from_secret(Algorithm::Hs256, &old).unwrap();
                    // Two derived refresh keys occasionally share an id; this test is not about them.
                    let ring = if keep { ring.accept(old.verifying_key()) } else { ring };
                    server.auth.rotate_keys(ring).unwrap();
                }
            }
        }
    }
}

/// The worlds' own secret for 0, and other secrets for other numbers.
fn secret(keys: u8) -> Vec<u8> {
    let mut secret = SECRET.to_vec();
    secret[0] = secret[0].wrapping_add(keys);
    secret
}

fn outcome(response: &Response<Bytes>) -> (StatusCode, Bytes, Option<RejectionKind>) {
    let kind = response.extensions().get::<Rejection>().map(|rejection| rejection.kind().clone());
    (response.status(), response.body().clone(), kind)
}

#[tokio::test]
async fn a_token_is_valid_again_after_others_took_its_place() {
    let world = World::with(|builder| builder.token_cache_capacity(1));
    let mut browsers = Vec::new();
    for _ in 0..40 {
        browsers.push(Browser::logged_in(&world, "alice").await);
    }
    for _ in 0..3 {
        for browser in &mut browsers {
            assert_eq!(browser.get(&world, "/me").await.body().as_ref(), b"alice");
        }
    }
}

#[test]
fn reading_while_others_write_finds_the_right_user() {
    let world = World::with(|builder| builder.token_cache_capacity(8));
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let users = ["alice", "bob", "admin"];
    std::thread::scope(|scope| {
        for subject in users {
            let world = world.clone();
            scope.spawn(move || {
                runtime().block_on(async {
                    let mut browsers = Vec::new();
                    for _ in 0..10 {
                        browsers.push(Browser::logged_in(&world, subject).await);
                    }
                    for round in 0..300 {
                        let browser = &mut browsers[round % 10];
                        assert_eq!(browser.get(&world, "/me").await.body().as_ref(), subject.as_bytes());
                    }
                });
            });
        }
    });
}
