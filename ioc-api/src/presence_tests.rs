use super::*;
use CredentialKind::{Device as Own, Gateway};
use PresenceCause::{Disconnected, Lost, Ours};
use proptest::prelude::*;

const D: u32 = 0;
const E: u32 = 1;

fn set(devices: &[u32]) -> BTreeSet<DeviceIndex> {
    devices.iter().map(|device| DeviceIndex(*device)).collect()
}

fn voices(of: &[(&str, &[u32])]) -> Voices {
    of.iter().map(|(credential, devices)| ((*credential).into(), set(devices))).collect()
}

/// What happens to a table, one step.
enum Step<'a> {
    /// Credential and what it speaks for.
    On(&'a str, &'a [u32]),
    Off(&'a str, PresenceCause),
    Listed(&'a [(&'a str, &'a [u32])]),
    /// The journal takes nothing from here on.
    Full,
    /// It takes what waits, and everything from here on.
    Room,
}

use Step::{Full, Listed, Off, On, Room};

/// A change as it is written: device, whether it came, why.
type Written = (u32, bool, PresenceCause);

fn came(device: u32) -> Written {
    (device, true, PresenceCause::Connected)
}

fn went(device: u32, cause: PresenceCause) -> Written {
    (device, false, cause)
}

fn run(steps: &[Step<'_>]) -> Vec<Written> {
    let (mut table, mut written, mut has_room) = (Connected::default(), Vec::new(), true);
    for (now_ms, step) in (0..).zip(steps) {
        match *step {
            On(credential, devices) => table.connect(credential, Gateway, set(devices), now_ms),
            Off(credential, cause) => table.disconnect(credential, now_ms, cause),
            Listed(lists) => table.relist(voices(lists), now_ms),
            Full => has_room = false,
            Room => has_room = true,
        }
        table.flush(|presence| {
            if has_room {
                written.push((presence.device.0, presence.online, presence.cause));
            }
            has_room
        });
    }
    written
}

#[test]
fn a_device_is_connected_as_long_as_somebody_speaks_for_it() {
    let cases: [(&str, &[Step<'_>], &[Written]); 13] = [
        ("its own alone", &[On("D", &[D]), Off("D", Lost)], &[came(D), went(D, Lost)]),
        (
            "its own closes, its gateway's stays",
            &[On("D", &[D]), On("gw", &[D]), Off("D", Disconnected)],
            &[came(D)],
        ),
        (
            "its gateway's closes, its own stays",
            &[On("gw", &[D]), On("D", &[D]), Off("gw", Lost), Off("D", Disconnected)],
            &[came(D), went(D, Disconnected)],
        ),
        (
            "two gateways, one closes",
            &[On("gw1", &[D, E]), On("gw2", &[E]), Off("gw1", Lost)],
            &[came(D), came(E), went(D, Lost)],
        ),
        (
            "two gateways, both close",
            &[On("gw1", &[D, E]), On("gw2", &[E]), Off("gw2", Lost), Off("gw1", Ours)],
            &[came(D), came(E), went(D, Ours), went(E, Ours)],
        ),
        (
            "one comes again before it went",
            &[On("gw", &[D]), On("gw", &[D]), Off("gw", Lost)],
            &[came(D), went(D, Lost)],
        ),
        ("one that never came goes", &[Off("gw", Lost)], &[]),
        (
            "the list grows and shrinks",
            &[On("gw", &[D]), Listed(&[("gw", &[D, E])]), Listed(&[("gw", &[E])]), Off("gw", Lost)],
            &[came(D), came(E), went(D, Ours), went(E, Lost)],
        ),
        (
            "a device moves from one gateway to the other",
            &[
                On("gw1", &[D, E]),
                On("gw2", &[]),
                Listed(&[("gw1", &[E]), ("gw2", &[D])]),
                Listed(&[("gw1", &[]), ("gw2", &[D, E])]),
                Off("gw1", Lost),
            ],
            &[came(D), came(E)],
        ),
        ("a list of one that is not connected", &[Listed(&[("gw", &[D])])], &[]),
        (
            "what was undone while nothing could be written is no change",
            &[On("D", &[D]), Full, Off("D", Lost), On("D", &[D]), Room],
            &[came(D)],
        ),
        (
            "what was not undone is told later",
            &[On("D", &[D]), Full, Off("D", Lost), On("D", &[D]), Off("D", Disconnected), Room],
            &[came(D), went(D, Disconnected)],
        ),
        (
            "nothing was known before it came and went",
            &[Full, On("D", &[D]), Off("D", Lost), Room],
            &[went(D, Lost)],
        ),
    ];
    for (name, steps, expected) in cases {
        assert_eq!(run(steps), expected, "{name}");
    }
}

#[test]
fn changes_of_a_device_stay_in_order_when_our_clock_steps_back() {
    let times = |clock: &[i64]| {
        let (mut table, mut written) = (Connected::default(), Vec::new());
        for (number, now_ms) in clock.iter().enumerate() {
            match number % 2 == 0 {
                true => table.connect("D", Own, set(&[D]), *now_ms),
                false => table.disconnect("D", *now_ms, Lost),
            }
            table.flush(|presence| {
                written.push(presence.at_ms);
                true
            });
        }
        written
    };
    assert_eq!(times(&[100_000, 95_000, 94_000, 101_000]), [100_000, 100_000, 100_000, 101_000]);
    assert_eq!(times(&[100_000, 20_000, 20_001]), [100_000, 20_000, 20_001], "the clock was set");
}

/// One step of anything that can happen.
fn any_step() -> impl Strategy<Value = (u8, usize, Vec<u32>)> {
    (0_u8..4, 0_usize..4, prop::collection::vec(0_u32..5, 0..4))
}

proptest! {
    /// Whatever comes, goes, is listed anew and cannot be written for a while: what was written last is the union of
    /// those who are connected, and each record changes something.
    #[test]
    fn what_is_written_is_the_union(steps in prop::collection::vec(any_step(), 0..60)) {
        let names = ["a", "b", "c", "d"];
        let (mut table, mut model) = (Connected::default(), HashMap::<&str, BTreeSet<DeviceIndex>>::new());
        let (mut told, mut has_room) = (HashMap::new(), true);
        let mut repeats = 0;
        for (now_ms, (what, who, devices)) in (0..).zip(&steps) {
            let (who, devices) = (names[*who], set(devices));
            match what {
                0 => {
                    table.connect(who, Gateway, devices.clone(), now_ms);
                    model.insert(who, devices);
                }
                1 => {
                    table.disconnect(who, now_ms, Lost);
                    model.remove(who);
                }
                2 => {
                    if let Some(listed) = model.get_mut(who) {
                        *listed = devices;
                    }
                    let lists = model.iter().map(|(who, devices)| ((*who).into(), devices.clone()));
                    table.relist(lists.collect(), now_ms);
                }
                _ => has_room = !has_room,
            }
            table.flush(|presence| {
                if has_room {
                    repeats += u32::from(told.insert(presence.device, presence.online) == Some(presence.online));
                }
                has_room
            });
        }
        table.flush(|presence| told.insert(presence.device, presence.online) != Some(presence.online));
        let union: BTreeSet<DeviceIndex> = model.values().flatten().copied().collect();
        let online = told.into_iter().filter_map(|(device, online)| online.then_some(device));
        prop_assert_eq!(online.collect::<BTreeSet<_>>(), union);
        prop_assert_eq!(repeats, 0);
    }
}
