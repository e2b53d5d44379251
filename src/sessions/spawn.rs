//! Work that completes although the request that started it is dropped.

use tower_refresh_core::{StoreError, StoreErrorKind};

/// Runs `work` as a task of the tokio runtime, if there is one; otherwise it lives as long as the caller.
pub(super) async fn spawn_detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    #[cfg(feature = "tokio")]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        return match runtime.spawn(work).await {
            Ok(result) => result,
            Err(stopped) => Err(StoreError::with_source(StoreErrorKind::Unavailable, stopped)),
        };
    }
    #[cfg(not(feature = "tokio"))]
    let _ = StoreErrorKind::Unavailable;
    work.await
}
