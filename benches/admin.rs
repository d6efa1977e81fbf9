//! Registers devices, credentials and people through the admin socket of a running server, as its command line does.
use crate::{Outcome, fleet::Device};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

/// The admin socket of one server.
#[derive(Debug, Clone)]
pub struct Admin(PathBuf);

impl Admin {
    /// Names the socket in `data_dir`.
    pub fn of(data_dir: &Path) -> Self {
        Self(data_dir.join("admin.sock"))
    }

    /// Registers a device. Returns its token.
    ///
    /// Errors: it is refused.
    pub fn add_device(&self, device: &Device) -> Outcome<String> {
        self.ask_for("device-added", "token", &device.registration())
    }

    /// Makes a credential that speaks for `devices`. Returns its token.
    ///
    /// Errors: it is refused.
    pub fn add_gateway(&self, id: &str, devices: &[Device]) -> Outcome<String> {
        let listed: Vec<&str> = devices.iter().map(|device| device.id.as_str()).collect();
        let request = json!({ "op": "credential-add", "id": id, "kind": "gateway", "devices": listed });
        self.ask_for("credential", "token", &request)
    }

    /// Makes a credential that may read alerts. Returns its token.
    ///
    /// Errors: it is refused.
    pub fn add_app(&self, id: &str) -> Outcome<String> {
        self.ask_for(
            "credential",
            "token",
            &json!({ "op": "credential-add", "id": id, "kind": "app", "devices": [] }),
        )
    }

    /// Adds a person with this role in the whole city. Returns the password.
    ///
    /// Errors: it is refused.
    pub fn add_person(&self, name: &str, role: &str) -> Outcome<String> {
        let request = json!({ "op": "user-add", "name": name, "role": role, "domains": [], "wards": [], "password": null });
        self.ask_for("user-added", "password", &request)
    }

    fn ask_for(&self, kind: &str, key: &str, request: &Value) -> Outcome<String> {
        let mut stream = UnixStream::connect(&self.0)?;
        writeln!(stream, "{request}")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line)?;
        match &answer["done"][kind][key] {
            Value::String(secret) => Ok(secret.clone()),
            _ => Err(format!("{request} was answered with {line}").into()),
        }
    }
}
