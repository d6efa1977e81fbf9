//! When the system makes no more threads, requests are answered and a stop is clean.
use crate::support::{
    City, now_ms, one,
    process::{NOBODY, as_nobody},
    skip, telemetry, until,
};
use std::{fs, os::unix::process::CommandExt, process::Command};

/// Lets the server's user have no further thread; only that user, or a root that may do anything, can.
fn limit_threads(city: &City) -> bool {
    let mut command = Command::new("prlimit");
    command.args(["--nproc=1:1", "--pid", &city.pid().to_string()]);
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.status().is_ok_and(|status| status.success())
}

#[test]
fn without_new_threads_requests_are_answered_and_a_stop_is_clean() {
    let mut city = City::prepare("");
    let Some(mut command) = as_nobody(&mut city) else {
        skip::lacks("a user beside root who can run the binary");
        return;
    };
    city.start_as(&mut command);
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    let begin = now_ms();
    let mut device = city.mqtt("WL-1", &token);
    device.publish(&telemetry("WL-1"), &one(begin, "water_level", 1));
    let points = || city.points(&vy, "WL-1", "water_level", begin, begin + 1);
    until("what was acknowledged is in history", || (points() == [(begin, 1.0)]).then_some(()));
    if !limit_threads(&city) {
        skip::lacks("prlimit of util-linux");
        return;
    }
    // Each of these works on a thread for blocking work, many at once.
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..4 {
                    assert_eq!(points(), [(begin, 1.0)]);
                }
            });
        }
    });
    let groups = "/api/v1/history/groups?domain=environment&property=water_level&group_by=ward&interval=60000&agg=mean";
    let groups = format!("{groups}&from={}&to={}", begin - 60_000, begin + 60_000);
    until("groups", || (vy.get(&groups).status == 200).then_some(()));
    device.publish(&telemetry("WL-1"), &one(begin + 1, "water_level", 2));
    let list = city.ioc(&["device", "list"]);
    assert!(list.status.success(), "the admin socket answers");
    let threads = fs::read_dir(format!("/proc/{}/task", city.pid())).unwrap().count();
    assert!(threads > 1);
    assert_eq!(city.stop().code(), Some(0));
}
