//! The binary `ioc`; everything is in the library, so that tests and benches can use it.
use std::process::ExitCode;

/// Gives memory back when it is no longer needed, see the root Cargo.toml.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ioc_api::cli::run()
}
