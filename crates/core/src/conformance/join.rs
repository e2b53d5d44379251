//! Concurrent futures without a runtime.

use std::{
    future::{Future, poll_fn},
    mem,
    pin::Pin,
    task::Poll,
};

enum Slot<F: Future> {
    Running(Pin<Box<F>>),
    Done(F::Output),
    Taken,
}

/// Runs all futures interleaved in this task. The outputs are in the order of the futures.
pub(super) async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F::Output: Unpin,
{
    let mut slots: Vec<_> = futures.into_iter().map(|future| Slot::Running(Box::pin(future))).collect();
    poll_fn(move |context| {
        let mut running = false;
        for slot in &mut slots {
            let Slot::Running(future) = slot else { continue };
            match future.as_mut().poll(context) {
                Poll::Ready(output) => *slot = Slot::Done(output),
                Poll::Pending => running = true,
            }
        }
        if running {
            return Poll::Pending;
        }
        let outputs = slots.iter_mut().filter_map(|slot| match mem::replace(slot, Slot::Taken) {
            Slot::Done(output) => Some(output),
            Slot::Running(_) | Slot::Taken => None,
        });
        Poll::Ready(outputs.collect())
    })
    .await
}
