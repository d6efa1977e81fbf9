//! Shared parts of the benchmarks: the two brokers as child processes, simulated devices, a load generator that is
//! much cheaper than either broker, and the arithmetic of medians and tables.
//!
//! Everything runs on loopback, in a temporary directory, and ends with the benchmark. Nothing here links the
//! server: it is measured as users run it, as the binary `ioc`.
pub mod admin;
pub mod args;
pub mod disk;
pub mod fleet;
pub mod http;
pub mod ioc;
pub mod load;
pub mod mosquitto;
pub mod mqtt;
pub mod pace;
pub mod probe;
pub mod process;
pub mod report;
pub mod subscriber;
pub mod web_socket;

/// Why a benchmark could not go on.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What may fail here.
pub type Outcome<T> = Result<T, Failure>;

/// Milliseconds since the epoch.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
