//! A time limit for a future, on any executor.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use futures_timer::Delay;
use futures_util::FutureExt;

/// The output of `future`, or `None` if it takes longer than `limit`. A future that is ready at once costs no timer.
pub(crate) async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut timer = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        timer.get_or_insert_with(|| Delay::new(limit)).poll_unpin(context).map(|()| None)
    })
    .await
}
