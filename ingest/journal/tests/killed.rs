//! SIGKILL at any moment: every record that was reported as durable is there afterwards, once and in order.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use common::{open, read_all};
use ioc_model::RecordKind;
use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

const CHILD: &str = "IOC_JOURNAL_TEST_KILLED_DIR";
const ROUNDS: u64 = 12;

#[test]
fn what_was_durable_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        acknowledged = acknowledged.max(run_and_kill(dir.path(), 3 + round * 7));
        let (journal, opened) = open(dir.path());
        assert!(opened.last >= acknowledged, "round {round}: {} of {acknowledged} are left", opened.last);
        let rows = read_all(&journal, 0).unwrap();
        assert_eq!(rows.len() as u64, opened.last);
        for (index, (offset, _, payload)) in rows.iter().enumerate() {
            assert_eq!(*offset, index as u64 + 1);
            // Each record says which offset it was given.
            assert_eq!(payload, &offset.to_le_bytes());
        }
        journal.close().unwrap();
    }
    assert!(acknowledged > ROUNDS * 3);
}

/// Lets a child append until it has reported so many commits, and kills it. Returns the last reported offset.
fn run_and_kill(dir: &Path, reports: u64) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut durable = lines.filter_map(|line| line.unwrap().strip_prefix("durable ")?.parse().ok());
    let last = durable.by_ref().take(reports as usize).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // What it reported between our last look and its end counts too.
    durable.last().unwrap_or(last)
}

#[test]
fn child_that_is_killed() {
    let Some(dir) = env::var_os(CHILD) else { return };
    let (journal, opened) = open(Path::new(&dir));
    let mut next = opened.last + 1;
    println!();
    loop {
        for _ in 0..50 {
            journal.append(RecordKind::Message, |out| out.extend_from_slice(&next.to_le_bytes())).unwrap();
            next += 1;
        }
        // Some of these are not on disk yet: the kill falls into commits.
        journal.wait_durable(next - 25, common::PATIENCE).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "durable {}", journal.durable()).unwrap();
        out.flush().unwrap();
    }
}
