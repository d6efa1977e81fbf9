//! What is told once the center listens.
use super::{Addresses, Mode, StartError};
use crate::{config::Config, data_dir::DataDir, demo};
use ioc_services::Foundation;
use rustix::process::{Resource, getrlimit};
use std::io;

/// Open files besides connections of devices and live streams: other web connections, segments, the records.
const OTHER_FILES: u64 = 2048;

/// Warns when devices and screens may need more open files than there can be: connections are then refused.
pub(super) fn warn_of_few_open_files(config: &Config) {
    let connections =
        u64::from(config.mqtt.limits.connections_max) + u64::from(config.http.stream_clients_max);
    let needed = connections + OTHER_FILES;
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "the limit of open files is lower than the configured connections need: beyond it devices and screens are \
             refused; raise it (ulimit -n, LimitNOFILE= of systemd), or lower mqtt.limits.connections_max"
        );
    }
}

/// Prints where everything is, and the demo's sign-in.
///
/// Errors: the sign-in cannot be made or written.
pub(super) fn announce(
    mode: Mode,
    data: &DataDir,
    foundation: &Foundation,
    addresses: &Addresses,
) -> Result<(), StartError> {
    let web = browse(addresses.http);
    tracing::info!(http = %addresses.http, https = ?addresses.https, mqtt = ?addresses.mqtt, mqtts = ?addresses.mqtts, "listening");
    if mode == Mode::Serve {
        return Ok(());
    }
    let password = demo::sign_in(&foundation.identity, &foundation.grants)?;
    if let Some(password) = &password {
        data.write_demo_sign_in(demo::USER, password)?;
    }
    let password = password.unwrap_or_else(|| "(the password that you gave it)".to_owned());
    let lines = [
        String::new(),
        format!(
            "  wall      {web}/wall#token={}",
            demo::wall_token(&foundation.identity, &foundation.grants)?
        ),
        format!("  console   {web}/"),
        format!("  sign in   {} / {password}", demo::USER),
        format!("  MQTT      {}", ports(&addresses.mqtt)),
        format!("  MQTTS     {}", ports(&addresses.mqtts)),
        format!("  data      {}", data.path().display()),
        String::new(),
        "  A simulated Huế; Ctrl-C stops it, starting again goes on with its data.".to_owned(),
        String::new(),
    ];
    use io::Write as _;
    // Nobody reading standard output is no reason to stop.
    let _ = writeln!(io::stdout(), "{}", lines.join("\n"));
    Ok(())
}

fn ports(addrs: &[std::net::SocketAddr]) -> String {
    let ports: Vec<_> = addrs.iter().map(|addr| format!("localhost:{}", addr.port())).collect();
    if ports.is_empty() { "off".to_owned() } else { ports.join(", ") }
}

fn browse(addr: std::net::SocketAddr) -> String {
    match addr.ip().is_unspecified() {
        true => format!("http://localhost:{}", addr.port()),
        false => format!("http://{addr}"),
    }
}
