//! Same (fleet, scenario, seed, start): same list of (time, topic, payload).
#![allow(clippy::unwrap_used, reason = "a test may panic")]
use firmware_sim::{Published, Scenario, Simulation, fleet};

const START_MS: i64 = 1_790_000_000_000;

fn list(seed: u64, name: &str, steps: &[i64]) -> Vec<Published> {
    let scenario = Scenario::built_in(name).unwrap().unwrap();
    let mut simulation = Simulation::new(fleet(seed, 300), &scenario, seed, START_MS).unwrap();
    steps.iter().flat_map(|seconds| simulation.published_until(START_MS + seconds * 1000)).collect()
}

fn fnv(list: &[Published]) -> u64 {
    let bytes = list.iter().flat_map(|message| {
        let time = message.at_ms.to_le_bytes().into_iter();
        time.chain(message.topic.bytes()).chain(message.payload.iter().copied())
    });
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

#[test]
fn two_runs_agree_however_they_are_asked() {
    for name in ["normal-day", "flood-2025-10"] {
        let at_once = list(7, name, &[900]);
        assert_eq!(at_once, list(7, name, &[1, 2, 333, 640, 899, 900]));
        assert_ne!(at_once, list(8, name, &[900]));
    }
}

#[test]
fn the_list_is_in_order_of_time() {
    let list = list(7, "normal-day", &[900]);
    assert!(list.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms));
    assert!(list.iter().all(|message| (START_MS..START_MS + 900_000).contains(&message.at_ms)));
}

/// A change here means that recorded runs no longer repeat: say so in the change log.
#[test]
fn the_list_is_the_one_it_always_was() {
    let list = list(1, "normal-day", &[600]);
    assert_eq!((list.len(), format!("{:016x}", fnv(&list))), (6922, "5bd3e32d14e8ceb5".to_owned()));
}
