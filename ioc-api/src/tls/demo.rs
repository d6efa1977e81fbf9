//! A certificate for the demo's TLS listener, made once per data directory. A city brings its own.
use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Returns certificate and key files in `directory`; makes them when they are not there.
///
/// Errors: what failed, in words.
pub fn self_signed(directory: &Path) -> Result<(PathBuf, PathBuf), String> {
    let (certificate, key) = (directory.join("demo-tls.crt"), directory.join("demo-tls.key"));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| error.to_string())?;
    write(&key, &made.signing_key.serialize_pem(), 0o600)?;
    write(&certificate, &made.cert.pem(), 0o644)?;
    Ok((certificate, key))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path);
    let written = open.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}
