//! The binary `ioc`; everything is in the library, so that tests and benches can use it.
use std::process::ExitCode;

fn main() -> ExitCode {
    ioc_api::cli::run()
}
