//! The command line as clap reads it.
use crate::{config::FlagValue, data_dir::Part};
use clap::{Args, Parser, Subcommand};
use ioc_identity::Role;
use ioc_model::{CredentialKind, DeviceId, Domain, Parent, ParentKind};
use std::path::PathBuf;

/// The operations center of a city, in one program. Without a command: `ioc demo`.
#[derive(Debug, Parser)]
#[command(name = "ioc", version, about, propagate_version = true, disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) flags: Flags,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Default, Args)]
pub(super) struct Flags {
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where data is kept
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Where console, wall and API are served, as in 8080 or 127.0.0.1:8080
    #[arg(long, global = true, value_name = "ADDR")]
    http: Option<String>,
    /// Where devices connect
    #[arg(long, global = true, value_name = "ADDR")]
    mqtt: Option<String>,
    /// Where devices connect with TLS
    #[arg(long, global = true, value_name = "ADDR")]
    pub(super) mqtts: Option<String>,
    /// Directory with files of the catalogue, over the built-in one; may be repeated
    #[arg(long, global = true, value_name = "DIR")]
    catalogue: Vec<String>,
    /// Directory with rule files; may be repeated
    #[arg(long, global = true, value_name = "DIR")]
    rules: Vec<String>,
    /// Scenario of the demo: normal-day, flood-2025-10 or a file
    #[arg(long, global = true, value_name = "FILE")]
    scenario: Option<String>,
    /// Seed of the demo: the same seed makes the same city
    #[arg(long, global = true, value_name = "N")]
    seed: Option<String>,
    /// Number of simulated devices of the demo
    #[arg(long, global = true, value_name = "N")]
    devices: Option<String>,
    /// Start without a part of the data directory that is lost; the refusal says what that costs. May be repeated
    #[arg(long, global = true, value_name = "PART", value_enum)]
    pub(super) accept_loss: Vec<Part>,
    /// Print JSON, and nothing else, on standard output
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl Flags {
    /// Returns what the flags set in the configuration.
    pub(super) fn values(&self) -> Vec<FlagValue> {
        let single = [
            ("--data-dir", "data_dir", &self.data_dir),
            ("--http", "http.listen", &self.http),
            ("--mqtt", "mqtt.tcp.listen", &self.mqtt),
            ("--mqtts", "mqtt.tls.listen", &self.mqtts),
            ("--scenario", "demo.scenario", &self.scenario),
            ("--seed", "demo.seed", &self.seed),
            ("--devices", "demo.devices", &self.devices),
        ];
        let mut values: Vec<FlagValue> = single
            .into_iter()
            .filter_map(|(flag, key, text)| Some(FlagValue { flag, key, texts: vec![text.clone()?] }))
            .collect();
        let repeated =
            [("--catalogue", "catalogue.dirs", &self.catalogue), ("--rules", "rules.dirs", &self.rules)];
        for (flag, key, texts) in repeated.into_iter().filter(|(_, _, texts)| !texts.is_empty()) {
            values.push(FlagValue { flag, key, texts: texts.clone() });
        }
        values
    }

    /// Returns the first flag that only the demo understands.
    pub(super) fn demo_flag(&self) -> Option<&'static str> {
        let flags = [("--scenario", &self.scenario), ("--seed", &self.seed), ("--devices", &self.devices)];
        flags.into_iter().find(|(_, text)| text.is_some()).map(|(flag, _)| flag)
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run everything, with a simulated Huế
    Demo,
    /// Run the operations center
    Serve,
    /// Check the configuration and every file that it names
    Check {
        /// Check the data directory instead: every checksum, and whether its parts belong together
        #[arg(long)]
        data: bool,
    },
    /// Back the data directory up, of a running server too
    Backup {
        /// Where the backup lies, or will lie
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Put a backup back as the data directory
    Restore {
        /// Where the backup lies
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Take the place of a data directory that is there, which is kept beside it as *.replaced-TIME
        #[arg(long)]
        replace: bool,
    },
    /// Work with rule files
    #[command(subcommand)]
    Rules(Rules),
    /// Work with devices
    #[command(subcommand)]
    Device(Device),
    /// Work with MQTT credentials
    #[command(subcommand)]
    Credential(Credential),
    /// Work with people
    #[command(subcommand)]
    User(User),
    /// Work with display tokens, with which screens look
    #[command(subcommand)]
    DisplayToken(DisplayToken),
    /// Work with rejected messages
    #[command(subcommand)]
    Quarantine(Quarantine),
}

#[derive(Debug, Subcommand)]
pub(super) enum Rules {
    /// Check rule files
    Check {
        /// Directories with rule files; without one those of the configuration
        dirs: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// Register a device; prints its token, once
    Add(DeviceAdd),
    /// List devices
    List {
        /// Only of this domain
        #[arg(long)]
        domain: Option<Domain>,
    },
    /// Give a device another token; prints it, once
    Rotate {
        /// Device or other credential
        #[arg(long)]
        id: DeviceId,
    },
}

#[derive(Debug, Args)]
pub(super) struct DeviceAdd {
    /// Name, also MQTT user name: 1 to 64 of A-Z a-z 0-9 _ -
    #[arg(long)]
    pub(super) id: DeviceId,
    /// Domain of the catalogue, as in environment
    #[arg(long)]
    pub(super) domain: Domain,
    /// Kind of the catalogue, as in water-level
    #[arg(long)]
    pub(super) kind: String,
    /// Latitude, degrees WGS 84
    #[arg(long, allow_hyphen_values = true, value_parser = parse_degrees)]
    pub(super) lat: f64,
    /// Longitude, degrees WGS 84
    #[arg(long, allow_hyphen_values = true, value_parser = parse_degrees)]
    pub(super) lon: f64,
    /// Label for rules, as in street=le-loi; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    pub(super) labels: Vec<(String, String)>,
    /// What it hangs on: gateway:ID, cabinet:ID or feeder:ID
    #[arg(long, value_name = "KIND:ID", value_parser = parse_parent)]
    pub(super) parent: Option<Parent>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Credential {
    /// Make a credential; prints its token, once
    Add {
        /// MQTT user name
        #[arg(long)]
        id: DeviceId,
        /// device, gateway or app
        #[arg(long)]
        kind: CredentialKind,
        /// Device listed under a gateway, beside those whose parent it is; may be repeated
        #[arg(long = "device", value_name = "ID")]
        listed: Vec<DeviceId>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a person; prints a password, once, unless one is given
    Add {
        /// Sign-in name
        name: String,
        /// viewer, operator, engineer or admin
        #[arg(long)]
        role: Role,
        /// Only this domain; may be repeated
        #[arg(long = "domain", value_name = "DOMAIN")]
        domains: Vec<Domain>,
        /// Only this ward, by code; may be repeated
        #[arg(long = "ward", value_name = "CODE")]
        wards: Vec<String>,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// List people
    List,
    /// Give a person another password; prints it, once, unless one is given
    Passwd {
        /// Sign-in name
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// End a person's access; what they did stays theirs in the records
    Disable {
        /// Sign-in name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum DisplayToken {
    /// List display tokens
    List,
    /// Remove a display token; the screens that use it go dark
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Quarantine {
    /// List rejected messages, newest first
    List {
        /// Only of this device or credential
        #[arg(long)]
        device: Option<String>,
        /// Only with this reason, as in unknown_property
        #[arg(long)]
        reason: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected KEY=VALUE, as in street=le-loi")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads degrees. Whether they are those of a place is the registry's to say.
fn parse_degrees(text: &str) -> Result<f64, String> {
    let degrees = text.trim().parse().ok().filter(|degrees: &f64| degrees.is_finite());
    degrees.ok_or_else(|| "expected a number of degrees, such as 16.4637 or -16.4".to_owned())
}

fn parse_parent(text: &str) -> Result<Parent, String> {
    let expected = "expected gateway:ID, cabinet:ID or feeder:ID";
    let (kind, id) = text.split_once(':').ok_or(expected)?;
    let kind = match kind {
        "gateway" => ParentKind::Gateway,
        "cabinet" => ParentKind::Cabinet,
        "feeder" => ParentKind::Feeder,
        _ => return Err(expected.to_owned()),
    };
    Ok(Parent { kind, id: id.parse().map_err(|error| format!("{error}"))? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_stand_before_and_after_the_command() {
        for line in [["ioc", "--http", "1", "serve"], ["ioc", "serve", "--http", "1"]] {
            let cli = Cli::try_parse_from(line).unwrap();
            let expected = FlagValue { flag: "--http", key: "http.listen", texts: vec!["1".to_owned()] };
            assert_eq!(cli.flags.values(), [expected]);
        }
        let cli = Cli::try_parse_from(["ioc", "--rules", "a", "--rules", "b,c", "--seed", "3"]).unwrap();
        assert_eq!(cli.flags.values()[1].texts, ["a", "b,c"]);
        assert_eq!(cli.flags.demo_flag(), Some("--seed"));
    }

    #[test]
    fn degrees_are_numbers_and_may_be_negative() {
        let add = |lat: &[&str]| {
            let rest = ["--id", "X", "--domain", "lighting", "--kind", "luminaire", "--lon", "-70.6"];
            let line = [&["ioc", "device", "add"], lat, &rest].concat();
            Cli::try_parse_from(line).map_err(|error| error.to_string())
        };
        for lat in [&["--lat", "-16.4"][..], &["--lat=-16.4"], &["--lat", "-0"], &["--lat", "16"]] {
            assert!(add(lat).is_ok(), "{lat:?}: {:?}", add(lat).err());
        }
        for lat in [
            &["--lat", "-inf"][..],
            &["--lat=-inf"],
            &["--lat", "nan"],
            &["--lat", "1e999"],
            &["--lat", "north"],
            &["--lat", "--lon"],
        ] {
            let said = add(lat).err().unwrap();
            assert!(
                said.contains("expected a number of degrees, such as 16.4637 or -16.4"),
                "{lat:?}: {said}"
            );
        }
    }

    #[test]
    fn labels_and_parents_are_read() {
        assert_eq!(parse_label("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(parse_label("a").is_err());
        let parent = parse_parent("cabinet:CAB-1").unwrap();
        assert_eq!((parent.kind, parent.id.as_str()), (ParentKind::Cabinet, "CAB-1"));
        assert!(parse_parent("lamp:1").is_err());
        assert!(parse_parent("gateway:a b").is_err());
    }
}
