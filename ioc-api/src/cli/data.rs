//! `ioc check --data`, `ioc backup` and `ioc restore`.
use super::{Failure, print};
use crate::{
    admin::{Reply, Request, chain, execute_telling},
    backup::{self, BackupError, CheckReport, Progress},
    config::Config,
};
use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    time::{Duration, Instant},
};

/// How often progress is written to a terminal, and elsewhere.
const TERMINAL_PERIOD: Duration = Duration::from_millis(200);
const LOG_PERIOD: Duration = Duration::from_secs(5);

/// Checks the data directory.
pub(super) fn check(config: &Config, json: bool) -> Result<(), Failure> {
    let mut meter = Meter::new();
    let reply = execute_telling(config, &Request::DataCheck, &mut |made| meter.tell(made));
    meter.end();
    let Reply::DataChecked(report) = reply? else { return Err(unexpected()) };
    match json {
        true => print::json(&report)?,
        false => print_report(&report)?,
    }
    if report.ok { Ok(()) } else { Err(Failure::Said) }
}

fn print_report(report: &CheckReport) -> io::Result<()> {
    for fault in &report.problems {
        let file = fault.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
        let byte = fault.byte.map(|byte| format!("at byte {byte}: ")).unwrap_or_default();
        print::error_line(&format!("{}: {file}{byte}{}", fault.part, fault.what));
    }
    match report.ok {
        true => print::line(&format!("{} files, {} bytes: all in order", report.files, report.bytes)),
        false => Ok(()),
    }
}

/// Backs the data directory up.
pub(super) fn backup(config: &Config, directory: &Path, json: bool) -> Result<(), Failure> {
    // A running server has another working directory.
    let directory = std::path::absolute(directory)?;
    let mut meter = Meter::new();
    let request = Request::Backup { directory: directory.clone() };
    let reply = execute_telling(config, &request, &mut |made| meter.tell(made));
    meter.end();
    let Reply::Backup(manifest) = reply? else { return Err(unexpected()) };
    match json {
        true => print::json(&manifest)?,
        false => print::line(&format!(
            "{}: {} files, {} bytes, of which {} were copied; up to record {}",
            directory.display(),
            manifest.files.len(),
            manifest.bytes(),
            manifest.copied_bytes,
            manifest.journal_last
        ))?,
    }
    Ok(())
}

/// Puts a backup back.
pub(super) fn restore(config: &Config, backup: &Path, replace: bool, json: bool) -> Result<(), Failure> {
    let mut meter = Meter::new();
    let restored = backup::restore(backup, &config.data_dir, replace, &mut |made| meter.tell(made));
    meter.end();
    let restored = restored.map_err(failure)?;
    if json {
        return Ok(print::json(&restored)?);
    }
    if let Some(replaced) = &restored.replaced {
        print::note(&format!("what was there is kept at {}", replaced.display()));
    }
    let (path, at) = (restored.data_dir.display(), print::local_time(restored.begun_ms));
    Ok(print::line(&format!("{path}: {} files as of {at}", restored.files))?)
}

fn failure(error: BackupError) -> Failure {
    let is_usage = match &error {
        BackupError::DataDir(error) => error.is_usage(),
        error => error.is_usage(),
    };
    if is_usage { Failure::Refused(chain(&error)) } else { Failure::Failed(chain(&error)) }
}

fn unexpected() -> Failure {
    Failure::Failed(
        "the running server gave another answer; it is another version than this program".to_owned(),
    )
}

/// Writes progress to standard error: one line that changes on a terminal, else a line now and then.
struct Meter {
    is_terminal: bool,
    next: Instant,
    is_open: bool,
}

impl Meter {
    fn new() -> Self {
        let is_terminal = io::stderr().is_terminal();
        let first = if is_terminal { Duration::ZERO } else { LOG_PERIOD };
        Self { is_terminal, next: Instant::now() + first, is_open: false }
    }

    fn tell(&mut self, made: &Progress) {
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + if self.is_terminal { TERMINAL_PERIOD } else { LOG_PERIOD };
        let percent = (made.bytes * 100).checked_div(made.of).unwrap_or(100).min(100);
        let text = format!("{} {percent:3} %  {}", made.doing, made.file);
        match self.is_terminal {
            true => {
                // Nothing can be done when that fails.
                let _ = write!(io::stderr(), "\r\x1b[K{text}");
                self.is_open = true;
            }
            false => print::note(&text),
        }
    }

    fn end(&mut self) {
        if self.is_open {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
