//! What the process of a server needs: a log, enough open files, and a runtime.
use super::Failure;
use crate::{
    app::{self, Mode},
    config::Config,
    launch::StartError,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::IsTerminal;
use tokio::runtime::Builder;
use tracing_subscriber::{EnvFilter, fmt};

/// Variable with the filter of the log, as in `info,ioc_broker=debug`.
const LOG_VARIABLE: &str = "IOC_LOG";
const LOG_DEFAULT: &str = "info";

/// Runs the operations center until it is stopped.
///
/// Errors: why it did not start, or how it ended.
pub(super) fn serve(config: Config, mode: Mode) -> Result<(), Failure> {
    start_log()?;
    raise_open_files();
    let runtime = Builder::new_multi_thread().enable_all().thread_name("web").build()?;
    runtime.block_on(app::run(config, mode)).map_err(|error| match error {
        StartError::Panic(_) | StartError::Stop(_) => Failure::failed(&error),
        error => Failure::refused(&error),
    })
}

/// Starts the log on standard error.
///
/// Errors: a log filter that cannot be read.
fn start_log() -> Result<(), Failure> {
    let filter = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| LOG_DEFAULT.to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::Refused(format!("{LOG_VARIABLE}: {error}; write as in info or info,ioc_broker=debug"))
    })?;
    let colours = std::io::stderr().is_terminal();
    let _ = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).try_init();
    Ok(())
}

/// Raises the limit of open files as far as it goes: every device is one.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => tracing::debug!(open_files = ?limit.maximum, "limit of open files raised"),
        Err(error) => tracing::warn!(
            open_files = ?limit.current,
            %error,
            "the limit of open files stays as it is; each device needs one"
        ),
    }
}
