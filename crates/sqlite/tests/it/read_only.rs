//! A store that only reads.

use std::{future::poll_fn, pin::pin, sync::Mutex, task::Poll, time::Duration};

use tower_refresh_core::{EndReason, FeedWatcher, SessionHandle, SessionStore, StoreError, Timestamp};
use tower_refresh_sqlite::{OpenErrorKind, SqliteOptions};

use crate::support::{NOW, handle, open, pragma, row, sqlite, temporary};

#[derive(Default)]
struct Recorder(Mutex<Vec<SessionHandle>>);

impl FeedWatcher for Recorder {
    fn ended(&self, session: SessionHandle, _: Timestamp) {
        self.0.lock().unwrap().push(session);
    }

    fn outdated(&self, _: SessionHandle, _: u32) {}

    fn caught_up(&self) {}
}

/// Follows the feed until these sessions were reported.
async fn until_reported(store: &impl SessionStore, sessions: &[SessionHandle]) {
    let recorder = Recorder::default();
    let mut watching = pin!(store.watch_feed(NOW, &recorder));
    let all_seen = poll_fn(|context| {
        if let Poll::Ready(Err(error)) = watching.as_mut().poll(context) {
            return Poll::Ready(Err::<(), StoreError>(error));
        }
        let seen = recorder.0.lock().unwrap();
        if sessions.iter().all(|session| seen.contains(session)) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    });
    tokio::time::timeout(Duration::from_secs(30), all_seen).await.expect("it is reported").unwrap();
}

#[tokio::test]
async fn a_store_that_may_only_read_follows_the_feed_of_another_one() {
    let (_folder, path) = temporary();
    let writer = open(&path).await;
    for number in 0..3 {
        writer.create(&row(number)).await.unwrap();
    }
    assert!(writer.end(handle(0), EndReason::Logout, NOW, 7).await.unwrap());
    let reader = SqliteOptions::new().with_read_only().open(&path).await.unwrap();
    assert_eq!(reader.load(handle(2)).await.unwrap(), Some(row(2)));
    until_reported(&reader, &[handle(0)]).await;
    let both = [handle(0), handle(1)];
    let ending = writer.end(handle(1), EndReason::Logout, NOW, 7);
    let (ended, ()) = tokio::join!(ending, until_reported(&reader, &both));
    assert!(ended.unwrap());

    let refused = reader.end(handle(2), EndReason::Logout, NOW, 7).await.expect_err("it may not write");
    assert!(
        std::error::Error::source(&refused).is_some_and(|source| source.to_string().contains("readonly"))
    );
    reader.create(&row(9)).await.expect_err("it may not write");
    assert_eq!(writer.load(handle(2)).await.unwrap(), Some(row(2)));
}

#[tokio::test]
async fn a_file_that_is_not_there_or_older_is_not_migrated() {
    let (_folder, path) = temporary();
    let open_it = || SqliteOptions::new().with_read_only().open(&path);
    assert_eq!(open_it().await.unwrap_err().kind(), OpenErrorKind::Unavailable);
    assert!(!path.exists(), "nothing was created");

    drop(open(&path).await);
    sqlite(&path).pragma_update(None, "user_version", 1).unwrap();
    assert_eq!(open_it().await.unwrap_err().kind(), OpenErrorKind::NotMigrated);
    assert_eq!(pragma::<i64>(&sqlite(&path), "user_version"), 1);
}
