//! Work away from the threads that wait for the network.

use deployer_base::error::{Error, Result};

/// Runs work that keeps a processor busy, or reads many files, away from the threads that wait for the network.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(Error::failed(error.to_string())),
        },
    }
}
