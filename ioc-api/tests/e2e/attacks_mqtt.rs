//! One sender's excess over MQTT: it is slowed, loses nothing, and the others are served meanwhile. What is asserted is
//! who was served before whom, not how fast.
use crate::support::{
    City, Mqtt, Ws,
    mqtt::{Connect, Received, publish},
    now_ms, one, rules, telemetry, until,
};
use serde_json::json;
use std::time::Duration;

const SHORTLY: Duration = Duration::from_secs(10);
const PINGREQ: [u8; 2] = [0xc0, 0];
const PINGRESP: u8 = 0xd0;

fn stored(city: &City) -> f64 {
    city.metrics().get("ioc_observations_stored_total")
}

/// The example of the promise that dies at the client: a flood of QoS 0 with a short keep-alive, a lost connection, and
/// the client's return.
#[test]
fn a_flood_of_qos_0_with_a_short_keep_alive_is_stored_to_the_last() {
    const MESSAGES: i64 = 3_000;
    let mut city = City::prepare("[mqtt.limits]\ndevice_rate = 500\ndevice_burst = 500\n");
    city.start();
    let token = city.device("WL-1", "water-level");
    let begin = now_ms() - 60_000;
    let connect = Connect { keep_alive_s: 5, ..Connect::device("WL-1", &token) };
    let mut client =
        Mqtt::connect(city.mqtt_addr(), &connect).unwrap_or_else(|code| panic!("refused: {code}"));
    let topic = telemetry("WL-1");
    let flood: Vec<u8> = (0..MESSAGES)
        .flat_map(|n| publish(topic.as_bytes(), &one(begin + n, "water_level", 1), 0, 0))
        .chain(PINGREQ)
        .collect();
    client.send(&flood);
    let answer = client.receive(SHORTLY);
    assert!(matches!(answer, Received::Packet(PINGRESP, _)), "{answer:?}");
    assert!(stored(&city) < MESSAGES as f64, "the ping was answered before what stood in front of it");
    // It gives up all the same, with an answer unread, and comes back.
    client.send(&PINGREQ);
    drop(client);
    let mut again = city.mqtt("WL-1", &token);
    again.publish(&topic, &one(begin + MESSAGES, "water_level", 1));
    until("all to be stored", || (stored(&city) == (MESSAGES + 1) as f64).then_some(()));
}

#[test]
fn arrays_of_one_device_do_not_hold_up_the_alerts_of_another() {
    const ARRAYS: i64 = 30;
    const ELEMENTS: i64 = 2_000;
    const ALERTS: i64 = 10;
    let mut city = City::prepare("");
    city.write_rules("city.yaml", &rules::high_water());
    city.start();
    let (greedy, victim) = (city.device("WL-1", "water-level"), city.device("WL-2", "water-level"));
    let vy = city.user("vy", "viewer");
    let mut stream = city.ws(&vy);
    stream.follow_alerts(0);
    let (mut greedy, mut victim) = (city.mqtt("WL-1", &greedy), city.mqtt("WL-2", &victim));
    let begin = now_ms() - 3_600_000;
    let array = |number: i64| {
        let element = |n: i64| json!({ "ts": begin + number * ELEMENTS + n, "values": { "water_level": 1 } });
        serde_json::Value::from((0..ELEMENTS).map(element).collect::<Vec<_>>()).to_string()
    };
    for number in 0..ARRAYS {
        greedy.send_publish(&telemetry("WL-1"), array(number).as_bytes()).unwrap();
    }
    for n in 0..ALERTS {
        victim.publish(&telemetry("WL-2"), &one(now_ms() + n, "water_level", 9));
        stream.transition("HighWater", "firing");
        victim.publish(&telemetry("WL-2"), &one(now_ms() + n, "water_level", 1));
        stream.transition("HighWater", "cleared");
    }
    let mut acknowledged = 0;
    while let Ok(Some(_)) = greedy.puback(Duration::ZERO) {
        acknowledged += 1;
    }
    assert!(acknowledged < ARRAYS, "the victim's {ALERTS} alerts came before all of the attacker's arrays");
    // And nothing of it is lost: it goes on at its rate.
    assert!(matches!(greedy.puback(SHORTLY), Ok(Some(_))));
}

#[test]
fn a_right_token_gets_in_while_others_guess_at_it() {
    let mut city = City::prepare("[mqtt.limits]\nunauthenticated_per_address_max = 32\n");
    city.start();
    let token = city.device("WL-1", "water-level");
    let wrong = Connect::device("WL-1", "wrong").packet();
    let guesses: Vec<Mqtt> = (0..60)
        .map(|_| {
            let mut client = Mqtt::open(city.mqtt_addr());
            client.try_send(&wrong);
            client
        })
        .collect();
    city.mqtt("WL-1", &token).publish(&telemetry("WL-1"), &one(now_ms(), "water_level", 1));
    drop(guesses);
}

#[test]
fn rejected_messages_of_one_sender_push_out_their_own() {
    let mut city =
        City::prepare("[records]\nquarantine_rows_max = 20\n[mqtt.limits]\nforeign_topics_max = 1000\n");
    city.start();
    let (greedy, victim) = (city.device("WL-1", "water-level"), city.device("WL-2", "water-level"));
    let vy = city.user("vy", "engineer");
    city.mqtt("WL-2", &victim).publish(&telemetry("WL-2"), b"{");
    let mut greedy = city.mqtt("WL-1", &greedy);
    // In several batches.
    for _ in 0..4 {
        for _ in 0..25 {
            greedy.publish(&telemetry("WL-1"), b"{");
        }
        let rows = || vy.get("/api/v1/quarantine?limit=100").expect(200)["items"].as_array().unwrap().clone();
        let ours = until("the rows that are kept", || {
            let (ours, theirs): (Vec<_>, Vec<_>) =
                rows().into_iter().partition(|row| row["credential"] == "WL-2");
            (theirs.len() == 19).then_some(ours.len())
        });
        assert_eq!(ours, 1, "the victim's only row stays");
    }
}

#[test]
fn a_device_that_flaps_over_many_rules_fills_neither_journal_nor_records() {
    const RULES: usize = 50;
    const CROSSINGS: i64 = 300;
    let mut city = City::prepare("[rules]\ndevice_flap_rate = 10\ndevice_flap_burst = 60\n");
    let many = (0..RULES).map(|n| rules::rule(&format!("High{n}"), "water_level > 5", "high", ""));
    city.write_rules("city.yaml", &rules::file("many", &many.collect::<Vec<_>>()));
    city.start();
    let (flapping, calm) = (city.device("WL-1", "water-level"), city.device("WL-2", "water-level"));
    let vy = city.user("vy", "viewer");
    let mut stream = city.ws(&vy);
    stream.follow_alerts(0);
    let (mut flapping, mut calm) = (city.mqtt("WL-1", &flapping), city.mqtt("WL-2", &calm));
    let begin = now_ms() - 2 * CROSSINGS;
    for n in 0..CROSSINGS {
        flapping.publish(&telemetry("WL-1"), &one(begin + 2 * n, "water_level", 9));
        flapping.publish(&telemetry("WL-1"), &one(begin + 2 * n + 1, "water_level", 1));
    }
    until("endings that are held", || {
        (city.metrics().get("ioc_rule_flapping_held_total") > 0.0).then_some(())
    });
    calm.publish(&telemetry("WL-2"), &one(now_ms(), "water_level", 9));
    let raised = |stream: &mut Ws, transition: &str| {
        stream.find(SHORTLY, &format!("{transition} of WL-2"), |message| {
            (message["transition"] == transition && message["alert"]["device"] == "WL-2").then_some(())
        });
    };
    raised(&mut stream, "firing");
    calm.publish(&telemetry("WL-2"), &one(now_ms(), "water_level", 1));
    raised(&mut stream, "cleared");
    let transitions = city.metrics().get("ioc_rule_transitions_total");
    let without = (2 * CROSSINGS as usize * RULES) as f64;
    assert!(transitions < without / 10.0, "{transitions} of {without} transitions");
    city.kill();
    city.start();
    let open =
        || vy.get("/api/v1/alerts?state=open&limit=100").expect(200)["items"].as_array().unwrap().len();
    until("the flapping device's alerts to clear, once it is calm", || (open() == 0).then_some(()));
}
