//! Every order in which requests can be polled and dropped, one by one.
//!
//! A future is polled only after it was woken. So a future that is never woken is found: it would hang.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Runs `story` once for each combination of its choices. Returns the number of combinations.
pub fn for_every_schedule(story: impl Fn(&mut Choices)) -> usize {
    let mut choices = Choices::default();
    let mut count = 0;
    loop {
        story(&mut choices);
        count += 1;
        if !choices.next_way() {
            return count;
        }
    }
}

/// The choices of one run of a story: each choice, and the number of its alternatives.
#[derive(Debug, Default)]
pub struct Choices {
    made: Vec<(usize, usize)>,
    next: usize,
}

impl Choices {
    /// One of `of`.
    pub fn choose(&mut self, of: usize) -> usize {
        assert!(of > 0, "there is nothing to choose from");
        if self.next == self.made.len() {
            self.made.push((0, of));
        }
        let (chosen, before) = self.made[self.next];
        assert_eq!(before, of, "the same choices lead elsewhere");
        self.next += 1;
        chosen
    }

    fn next_way(&mut self) -> bool {
        self.next = 0;
        while let Some((chosen, of)) = self.made.pop() {
            if chosen + 1 < of {
                self.made.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}

/// A future that is polled when it is its turn.
pub struct Task<T> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    woken: Arc<Woken>,
    pub output: Option<T>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<T> Task<T> {
    pub fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Self { future: Some(Box::pin(future)), woken, output: None }
    }

    /// Whether it has neither finished nor been dropped.
    pub fn is_under_way(&self) -> bool {
        self.future.is_some()
    }

    pub fn is_woken(&self) -> bool {
        self.is_under_way() && self.woken.0.load(Ordering::SeqCst)
    }

    pub fn poll(&mut self) {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(self.woken.clone());
        let Some(future) = &mut self.future else { return };
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            self.output = Some(output);
            self.future = None;
        }
    }

    pub fn drop_future(&mut self) {
        self.future = None;
    }
}
