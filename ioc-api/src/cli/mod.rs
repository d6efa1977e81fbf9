//! The command line: what it understands, what it prints, and with which code it ends.
//!
//! Exit codes: 0 fine, 1 failed (a port or directory that is in use or cannot be read among them), 64 for usage and
//! configuration, with one clear line per problem that says what would be right. Owns flags, printing and what the process needs. Leaves the commands' work to
//! [`crate::admin`] and running the operations center to [`crate::app`].
mod args;
mod check;
mod command;
mod data;
mod failure;
mod log;
mod port_owner;
mod print;
mod process;

pub use failure::{EXIT_FAILED, EXIT_REFUSED, Failure};

use crate::{
    app::Mode,
    config::{self, Config, Place, Problem, Problems, Sources},
};
use args::{Cli, Command, Flags};
use clap::{Parser, error::ErrorKind};
use rustix::fs::Mode as FileMode;
use std::process::ExitCode;

/// Where the demo keeps its data unless told otherwise.
const DEMO_DATA_DIR: &str = "data/demo";

/// Reads the command line, does what it says, and returns the exit code.
pub fn run() -> ExitCode {
    // Whatever is created is for its own user alone, whoever creates it: the database, say, sets no mode.
    rustix::process::umask(FileMode::RWXG | FileMode::RWXO);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.lines().for_each(print::error_line);
            failure.exit_code()
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let Cli { flags, command } = cli;
    let mode = match &command {
        None | Some(Command::Demo) => Some(Mode::Demo),
        Some(Command::Serve) => Some(Mode::Serve),
        Some(_) => None,
    };
    if let (Some(flag), false) = (flags.demo_flag(), mode == Some(Mode::Demo)) {
        let help = "use it with `ioc demo`, or set it in [demo] of the configuration";
        return Err(Problems::from(Problem::new(
            Place::Flag(flag.to_owned()),
            "is a flag of the demo",
            help,
        ))
        .into());
    }
    if mode.is_none() && !flags.accept_loss.is_empty() {
        let help = "use it with `ioc serve` or `ioc demo`";
        let problem =
            Problem::new(Place::Flag("--accept-loss".to_owned()), "is a flag of a server's start", help);
        return Err(Problems::from(problem).into());
    }
    if let (Some(Command::Check { data: false }), loaded) = (&command, load(&flags, Mode::Serve)) {
        return check::everything(loaded, flags.json);
    }
    let config = load(&flags, mode.unwrap_or(Mode::Serve))?;
    if let Some(mode) = mode {
        return process::serve(config, mode, &flags.accept_loss);
    }
    match command {
        Some(Command::Check { .. }) => data::check(&config, flags.json),
        Some(Command::Backup { directory }) => data::backup(&config, &directory, flags.json),
        Some(Command::Restore { directory, replace }) => {
            data::restore(&config, &directory, replace, flags.json)
        }
        Some(Command::Rules(args::Rules::Check { dirs })) => check::rules(&config, dirs, flags.json),
        Some(command) => command::run(&config, command, flags.json),
        None => Ok(()),
    }
}

/// Reads the configuration for a command.
fn load(flags: &Flags, mode: Mode) -> Result<Config, Problems> {
    let base = match mode {
        Mode::Serve => Config::default(),
        Mode::Demo => Config { data_dir: DEMO_DATA_DIR.into(), ..Config::default() },
    };
    let variables = variables()?;
    for warning in config::unknown_variables(variables.iter().map(|(name, _)| name.as_str())) {
        print::warning_line(&warning);
    }
    let config =
        config::load(Sources { base, file: flags.config.clone(), variables, flags: flags.values() })?;
    if mode == Mode::Serve && flags.mqtts.is_some() && config.mqtt.tls.certificate.is_none() {
        let message = "there is no certificate to listen with";
        let help = "set mqtt.tls.certificate and mqtt.tls.key in the configuration";
        return Err(Problem::new(Place::Flag("--mqtts".to_owned()), message, help).into());
    }
    Ok(config)
}

/// Returns the variables of the environment that may be ours.
///
/// Errors: one that begins like ours is not UTF-8.
fn variables() -> Result<Vec<(String, String)>, Problems> {
    let (mut variables, mut problems) = (Vec::new(), Vec::new());
    for (name, value) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"IOC_"))
    {
        let shown = name.to_string_lossy().into_owned();
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => variables.push((name, value)),
            _ => {
                let help = "names and values of IOC_ variables are UTF-8; unset it or write it anew";
                problems.push(Problem::new(Place::Variable(shown), "not UTF-8", help));
            }
        }
    }
    if problems.is_empty() { Ok(variables) } else { Err(Problems { problems, source: None }) }
}

/// Prints what clap has to say: help as it is, a mistake in one line.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        let wanted = error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        let _ = error.print();
        return if wanted { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) };
    }
    print::error_line(&one_line(&error.render().to_string()));
    ExitCode::from(EXIT_REFUSED)
}

/// Takes the mistake, its details and clap's tip out of a text of several paragraphs.
fn one_line(text: &str) -> String {
    let before_usage = text.split("\nUsage:").next().unwrap_or(text);
    let before_usage = before_usage.split("\nFor more information").next().unwrap_or(before_usage);
    let lines = before_usage.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ").replace(" tip: ", "; ");
    format!("{}; see `ioc --help`", text.trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_in_one_line() {
        let cases = [
            (
                vec!["ioc", "--htpp", "1"],
                "unexpected argument '--htpp' found; a similar argument exists: '--http'",
            ),
            (
                vec!["ioc", "device", "rotate"],
                "the following required arguments were not provided: --id <ID>",
            ),
            (
                vec!["ioc", "user", "add", "mai", "--role", "boss"],
                "invalid value 'boss' for '--role <ROLE>': \"boss\" is not a role; expected one of viewer, operator, engineer, admin",
            ),
        ];
        for (line, expected) in cases {
            let error = Cli::try_parse_from(line).unwrap_err().render().to_string();
            assert_eq!(one_line(&error), format!("{expected}; see `ioc --help`"));
        }
    }
}
