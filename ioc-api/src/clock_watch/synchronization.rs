//! Whether the system keeps its clock synchronized, as `timedatectl` reads it from the kernel: the state is behind a
//! system call for which no safe binding is at hand, and systemd is where we are installed.
use crate::followers::Stop;
use std::{
    io::Read,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// Asks the system. Returns `None` when it does not say, as in a container without systemd.
pub(super) fn ask(stop: &Stop) -> Option<bool> {
    let child = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    read(&answer(child.ok()?, stop)?)
}

/// Waits for the answer of `child`, but not long.
fn answer(mut child: Child, stop: &Stop) -> Option<String> {
    let begin = Instant::now();
    while child.try_wait().ok()?.is_none() {
        if stop.wait(POLL) || begin.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
    }
    let mut text = String::new();
    child.stdout.take()?.read_to_string(&mut text).ok()?;
    Some(text)
}

fn read(text: &str) -> Option<bool> {
    match text.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_timedatectl() {
        assert_eq!([read("yes\n"), read("no\n"), read("")], [Some(true), Some(false), None]);
    }

    #[test]
    fn a_child_that_hangs_is_ended() {
        let stop = Stop::default();
        stop.stop();
        let child = Command::new("sleep").arg("600").stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(answer(child, &stop), None);
    }
}
