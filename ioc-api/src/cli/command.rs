//! The commands that work on devices, credentials, people and rejected messages.
use super::{
    Failure,
    args::{Command, Credential, Device, DeviceAdd, DisplayToken, Quarantine, User},
    print,
};
use crate::{
    admin::{Reply, Request, execute},
    config::Config,
};
use ioc_ingest::NewDevice;
use ioc_services::{DisplayTokenView, QuarantineView, UserView};
use std::io::{self, BufRead};

/// Longest password line that is read.
const PASSWORD_LINE_MAX: u64 = 4096;

/// Has a command done and prints the answer.
pub(super) fn run(config: &Config, command: Command, json: bool) -> Result<(), Failure> {
    let request = match command {
        Command::Device(Device::Add(device)) => Request::DeviceAdd(new_device(device)),
        Command::Device(Device::List { domain }) => Request::DeviceList { domain },
        Command::Device(Device::Rotate { id }) => Request::DeviceRotate { id },
        Command::Credential(Credential::Add { id, kind, listed }) => {
            Request::CredentialAdd { id, kind, devices: listed }
        }
        Command::User(User::Add { name, role, domains, wards, password_stdin }) => {
            Request::UserAdd { name, role, domains, wards, password: password(password_stdin)? }
        }
        Command::User(User::List) => Request::UserList,
        Command::User(User::Passwd { name, password_stdin }) => {
            Request::UserPasswd { name, password: password(password_stdin)? }
        }
        Command::User(User::Disable { name }) => Request::UserDisable { name },
        Command::DisplayToken(DisplayToken::List) => Request::DisplayTokenList,
        Command::DisplayToken(DisplayToken::Remove { name }) => Request::DisplayTokenRemove { name },
        Command::Quarantine(Quarantine::List { device, reason, limit }) => {
            Request::QuarantineList { device, reason, limit }
        }
        _ => return Ok(()),
    };
    let reply = execute(config, &request)?;
    match json {
        true => print_json(&reply)?,
        false => print_text(reply)?,
    }
    Ok(())
}

fn new_device(device: DeviceAdd) -> NewDevice {
    let DeviceAdd { id, domain, kind, lat, lon, labels, parent } = device;
    NewDevice { id, domain, kind, lat, lon, parent, labels: labels.into_iter().collect() }
}

fn password(from_stdin: bool) -> io::Result<Option<String>> {
    if !from_stdin {
        return Ok(None);
    }
    let mut line = String::new();
    io::Read::take(io::stdin().lock(), PASSWORD_LINE_MAX).read_line(&mut line)?;
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn print_json(reply: &Reply) -> io::Result<()> {
    match reply {
        Reply::DeviceAdded(added) => print::json(added),
        Reply::Devices(devices) => print::json(devices),
        Reply::Credential(credential) => print::json(credential),
        Reply::UserAdded(added) => print::json(added),
        Reply::Users(users) => print::json(users),
        Reply::UserDisabled(user) => print::json(user),
        Reply::DisplayTokens(tokens) => print::json(tokens),
        Reply::DisplayTokenRemoved(removed) => print::json(removed),
        Reply::Quarantine(rejected) => print::json(rejected),
        Reply::Backup(manifest) => print::json(manifest),
        Reply::DataChecked(report) => print::json(report),
    }
}

/// Secrets stand alone on standard output, so that `TOKEN=$(ioc device add …)` takes just them.
fn print_text(reply: Reply) -> io::Result<()> {
    match reply {
        Reply::DeviceAdded(added) => {
            let device = &added.device;
            let ward =
                device.ward.as_deref().map_or("outside all wards".to_owned(), |code| format!("ward {code}"));
            print::note(&format!(
                "device {} is registered ({}, {ward}); MQTT user name: {0}",
                device.id, device.kind
            ));
            print::note(&format!(
                "topic ioc/v1/{}/{}/telemetry; the token is shown this once:",
                device.domain, device.id
            ));
            print::line(&added.token)
        }
        Reply::Credential(credential) => {
            let (id, kind) = (&credential.id, credential.kind);
            print::note(&format!(
                "{kind} credential {id}; MQTT user name: {id}; the token is shown this once:"
            ));
            print::line(&credential.token)
        }
        Reply::UserAdded(added) => {
            let user = &added.user;
            match &added.password {
                Some(password) => {
                    print::note(&format!("{} ({}); the password is shown this once:", user.name, user.role));
                    print::line(password)
                }
                None => {
                    print::note(&format!("{} ({}): password set", user.name, user.role));
                    Ok(())
                }
            }
        }
        Reply::Devices(devices) => print_devices(&devices.items),
        Reply::Users(users) => print_users(&users.items),
        Reply::UserDisabled(user) => {
            print::note(&format!("{} ({}) is disabled and signed out", user.name, user.role));
            Ok(())
        }
        Reply::DisplayTokens(tokens) => print_display_tokens(&tokens.items),
        Reply::DisplayTokenRemoved(removed) => {
            print::note(&format!("display token {} is removed", removed.name));
            Ok(())
        }
        Reply::Quarantine(rejected) => print_quarantine(&rejected.items),
        Reply::Backup(_) | Reply::DataChecked(_) => Ok(()),
    }
}

fn print_devices(devices: &[ioc_ingest::Device]) -> io::Result<()> {
    let rows: Vec<_> = devices
        .iter()
        .map(|device| {
            [
                device.id.to_string(),
                device.domain.to_string(),
                device.kind.to_string(),
                device.ward.as_deref().unwrap_or("-").to_owned(),
                format!("{:.5},{:.5}", device.lat, device.lon),
                device.parent.as_ref().map_or("-".to_owned(), |parent| parent.id.to_string()),
            ]
        })
        .collect();
    print::table(["DEVICE", "DOMAIN", "KIND", "WARD", "LAT,LON", "PARENT"], &rows)
}

fn print_users(users: &[UserView]) -> io::Result<()> {
    let listed = |items: Vec<&str>| if items.is_empty() { "all".to_owned() } else { items.join(",") };
    let rows: Vec<_> = users
        .iter()
        .map(|user| {
            [
                user.name.clone(),
                user.role.to_string(),
                listed(user.domains.iter().map(|domain| domain.as_str()).collect()),
                listed(user.wards.iter().map(String::as_str).collect()),
                if user.disabled { "disabled" } else { "" }.to_owned(),
            ]
        })
        .collect();
    print::table(["USER", "ROLE", "DOMAINS", "WARDS", ""], &rows)
}

fn print_display_tokens(tokens: &[DisplayTokenView]) -> io::Result<()> {
    let rows: Vec<_> = tokens
        .iter()
        .map(|token| [token.name.clone(), token.created_by.clone(), print::local_time(token.created_at)])
        .collect();
    print::table(["DISPLAY TOKEN", "MADE BY", "MADE"], &rows)
}

fn print_quarantine(rejected: &[QuarantineView]) -> io::Result<()> {
    /// Characters of a payload that fit beside the rest.
    const PAYLOAD_SHOWN: usize = 60;
    let rows: Vec<_> = rejected
        .iter()
        .map(|row| {
            let why: Vec<String> =
                row.items.iter().map(|item| format!("{}: {}", item.reason, item.detail)).collect();
            let payload: String = row.payload.chars().take(PAYLOAD_SHOWN).collect();
            [
                row.seq.to_string(),
                print::local_time(row.at),
                row.device.as_ref().map_or("-".to_owned(), |device| device.to_string()),
                print::printable(&row.credential),
                print::printable(&row.topic),
                print::printable(&why.join("; ")),
                print::printable(&payload),
            ]
        })
        .collect();
    print::table(["SEQ", "TIME", "DEVICE", "CREDENTIAL", "TOPIC", "WHY", "PAYLOAD"], &rows)
}
