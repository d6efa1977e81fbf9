//! What the process of a server needs: a log, enough open files, and a runtime.
use super::{Failure, log::Log, port_owner::port_owner};
use crate::{
    admin::chain,
    app::{self, Mode, StartError},
    config::Config,
    data_dir::Part,
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
pub(super) fn serve(config: Config, mode: Mode, accepted_losses: &[Part]) -> Result<(), Failure> {
    let log = start_log()?;
    raise_open_files();
    let runtime = Builder::new_multi_thread().enable_all().thread_name("web").build()?;
    let ended = runtime.block_on(app::run(config, mode, accepted_losses)).map_err(failure);
    log.flush();
    ended
}

/// Names the owner of a port that is taken.
fn failure(error: StartError) -> Failure {
    let mut text = chain(&error);
    if let Some(owner) = error.taken_address().and_then(|addr| port_owner(addr.port())) {
        text.push_str(&format!("; it is in use by {owner}"));
    }
    if error.is_usage() { Failure::Refused(text) } else { Failure::Failed(text) }
}

/// Starts the log on standard error.
///
/// Errors: a log filter that cannot be read, no thread.
fn start_log() -> Result<Log, Failure> {
    let filter = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| LOG_DEFAULT.to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::Refused(format!("{LOG_VARIABLE}: {error}; write as in info or info,ioc_broker=debug"))
    })?;
    let colours = std::io::stderr().is_terminal();
    let log = Log::start(std::io::stderr())?;
    let _ = fmt().with_env_filter(filter).with_writer(log.clone()).with_ansi(colours).try_init();
    Ok(log)
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
