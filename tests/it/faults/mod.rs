//! The store or the claims source fails at each of its calls, and no user is logged out because of it.

mod commit;
mod load;
mod sessions;

use std::time::Duration;

use bytes::Bytes;
use http::Response;

use crate::support::{Op, World, store::Fault};

const FAULTS: [Fault; 4] = [Fault::Fails, Fault::FailsAfterwards, Fault::Panics, Fault::Hangs];
/// The faults after which nothing has happened.
const CLEAN_FAULTS: [Fault; 3] = [Fault::Fails, Fault::Panics, Fault::Hangs];
const OPS: [Op; 8] =
    [Op::Create, Op::Load, Op::Swap, Op::End, Op::EndSubject, Op::Outdate, Op::List, Op::Purge];
const ACCESS_LIFETIME: Duration = Duration::from_secs(600);

/// A world with a short time limit, for a store that hangs.
fn world() -> World {
    World::with(|builder| builder.backend_timeout(Duration::from_millis(20)))
}

fn break_all(world: &World, fault: Fault) {
    for op in OPS {
        world.store.break_op(op, fault);
    }
}

#[track_caller]
fn assert_unavailable(response: &Response<Bytes>, case: &str) {
    assert_eq!(response.status(), 503, "{case}: {response:?}");
    assert_eq!(response.headers()["retry-after"], "1", "{case}");
    assert_untouched(response, case);
}

/// No token went out, and no cookie was removed.
#[track_caller]
fn assert_untouched(response: &Response<Bytes>, case: &str) {
    for name in ["set-cookie", "x-access-token", "cache-control", "vary"] {
        assert!(!response.headers().contains_key(name), "{case}: {name} in {response:?}");
    }
}
