//! Promise 1 without space: no PUBACK, 503, and everything goes on once there is space again.
use crate::support::{City, Client, Mqtt, Reply, now_ms, one, skip, telemetry, until};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

/// Smaller than any real disk, larger than an idle server needs.
const DISK: &str = "size=24m";
const CONFIG: &str = "[journal]\nsegment = \"1MiB\"\npending_max = \"1MiB\"\nring_max = \"1MiB\"\n";
/// How long a PUBACK that must not come is waited for.
const NO_ACK: Duration = Duration::from_secs(2);
const ACK: Duration = Duration::from_secs(20);
/// More than fits into what the open segment was made longer by, 1 KiB here.
const SLACK_MESSAGES: i64 = 5_000;

/// A disk of our own, taken away when dropped.
struct Disk(TempDir);

impl Disk {
    /// Mounts it; `None` where we may not.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(dir.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(dir)),
            other => {
                skip::lacks(&format!("the right to mount a small file system: {other:?}"));
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes every free byte; returns the file to remove.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 20, 4096, 1] {
            let block = vec![0; size];
            while file.write_all(&block).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nothing works in it any more; a lazy unmount leaves nothing behind either way.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Publishes until no PUBACK comes any more; returns the time of the first unacknowledged one.
fn publish_until_full(city: &City, device: &mut Mqtt, begin: i64) -> (i64, u16) {
    for n in 0..SLACK_MESSAGES {
        let id = device.send_publish(&telemetry("WL-1"), &one(begin + n, "water_level", 1)).unwrap();
        match device.puback(NO_ACK) {
            Ok(Some(acked)) => assert_eq!(acked, id),
            Ok(None) => return (begin + n, id),
            Err(_) => panic!("a full disk closes no connection: {}", city.log()),
        }
    }
    panic!("{SLACK_MESSAGES} messages were acknowledged on a full disk");
}

fn times(city: &City, vy: &Client, begin: i64) -> Vec<i64> {
    let points = city.points(vy, "WL-1", "water_level", begin, begin + SLACK_MESSAGES + 1000);
    points.into_iter().map(|(ts, _)| ts).collect()
}

fn city(disk: &Disk) -> (City, String, Client) {
    let mut city = City::prepare(CONFIG);
    city.set_data_dir(&disk.path().join("data"));
    city.start();
    let token = city.device("WL-1", "water-level");
    let vy = city.user("vy", "viewer");
    (city, token, vy)
}

fn out_of_space(city: &City) {
    let text = until("/health/ready says so", || {
        let ready = city.client().get("/health/ready");
        (ready.status == 503).then(|| ready.text())
    });
    assert!(text.contains("full") || text.contains("space"), "{text}");
    assert_eq!(city.metrics().get("ioc_journal_out_of_space"), 1.0);
    assert_eq!(city.client().get("/health/live").status, 200);
}

#[test]
fn without_space_there_is_no_acknowledgement_and_with_space_it_comes() {
    let Some(disk) = Disk::mount() else { return };
    let (mut city, token, vy) = city(&disk);
    let begin = now_ms() - 60_000;
    let mut device = city.mqtt("WL-1", &token);
    let filler = disk.fill();
    let (last, waiting) = publish_until_full(&city, &mut device, begin);
    out_of_space(&city);
    assert_eq!(device.puback(NO_ACK), Ok(None), "still none, and the connection stands");

    fs::remove_file(filler).unwrap();
    assert_eq!(device.puback(ACK), Ok(Some(waiting)));
    until("/health/ready recovers", || (city.client().get("/health/ready").status == 200).then_some(()));
    device.publish(&telemetry("WL-1"), &one(last + 1, "water_level", 1));
    let all: Vec<i64> = (begin..=last + 1).collect();
    until("everything in history", || (times(&city, &vy, begin) == all).then_some(()));
    city.restart();
    assert_eq!(times(&city, &vy, begin), all);
}

#[test]
fn a_kill_on_a_full_disk_loses_nothing_that_was_acknowledged() {
    let Some(disk) = Disk::mount() else { return };
    let (mut city, token, vy) = city(&disk);
    let begin = now_ms() - 60_000;
    let mut device = city.mqtt("WL-1", &token);
    let filler = disk.fill();
    let (last, _) = publish_until_full(&city, &mut device, begin);
    out_of_space(&city);
    city.kill();
    fs::remove_file(filler).unwrap();
    city.start();
    let acknowledged: Vec<i64> = (begin..last).collect();
    let found = times(&city, &vy, begin);
    assert_eq!(found[..acknowledged.len()], acknowledged);
    // The device sends again what was not acknowledged.
    city.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(last, "water_level", 1));
    let all: Vec<i64> = (begin..=last).collect();
    until("everything in history", || (times(&city, &vy, begin) == all).then_some(()));
}

fn sign_in(city: &City, name: &str, password: &str) -> Reply {
    city.client().post("/api/v1/session", &json!({ "username": name, "password": password }))
}

fn signed_in(city: &City, reply: &Reply) -> Client {
    city.client().with_cookie(reply.header("set-cookie").unwrap().split(';').next().unwrap())
}

#[test]
fn people_sign_in_read_and_sign_out_on_a_full_disk() {
    let Some(disk) = Disk::mount() else { return };
    let (mut city, _token, vy) = city(&disk);
    let (mai_password, admin) = (city.add_user("mai", "operator"), city.user("an", "admin"));
    let leaving = city.user("lan", "viewer");
    let filler = disk.fill();
    // The database's files have some room left within themselves.
    let kept = (0..200).map(|_| sign_in(&city, "mai", &mai_password)).find(|reply| {
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["durable"] == false
    });
    let mai = signed_in(&city, &kept.expect("the disk is full at last"));
    assert_eq!(mai.get("/api/v1/session").expect(200)["durable"], false, "it says so");
    assert_eq!(vy.get("/api/v1/session").expect(200)["durable"], true);
    for path in ["devices", "alerts", "rules", "kpis"] {
        assert_eq!(mai.get(&format!("/api/v1/{path}")).status, 200, "{path}");
    }
    assert_eq!(admin.get("/api/v1/audit").status, 200);
    assert_eq!(leaving.delete("/api/v1/session").status, 204);
    leaving.get("/api/v1/session").problem(401);
    sign_in(&city, "mai", "wrong wrong wrong").problem(401);
    // What must be on disk to be true is refused, and says that trying again may help.
    let refused = admin.patch("/api/v1/users/mai", &json!({ "disabled": true }));
    assert!(refused.problem(503).contains("disk"), "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert_eq!(mai.get("/api/v1/session").status, 200, "nothing was changed");
    assert!(city.log().contains("kept in memory until the disk takes them"), "{}", city.log());

    fs::remove_file(filler).unwrap();
    until("the session is on disk", || {
        (mai.get("/api/v1/session").expect(200)["durable"] == true).then_some(())
    });
    until("so is the sign-out", || {
        let trail = admin.get("/api/v1/audit").expect(200);
        let ended = |row: &Value| row["action"] == "session.end" && row["object"] == "lan";
        trail["items"].as_array().unwrap().iter().any(ended).then_some(())
    });
    city.restart();
    assert_eq!(mai.get("/api/v1/session").status, 200);
    leaving.get("/api/v1/session").problem(401);
}
