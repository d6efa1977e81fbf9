//! One web client's excess is nobody else's delay. Each attack runs while a victim is served: what is asserted is how
//! many of the attacker's units pass before that, never a time.
use crate::support::{City, Client, Ws, now_ms, ports, telemetry, tls, until, within};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(20);
const CLOSED: &str = "ioc_http_closed_total";
/// What browsers, proxies and curl send, and no more.
const HALF_A_HEAD: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ";

/// Every connection is one file, here and in the server.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Connects from one of the many addresses of the loopback network.
fn connect_from(source: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::from(SocketAddr::new(IpAddr::V4(source), 0))).unwrap();
    socket.connect_timeout(&server.into(), TIMEOUT).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket.into()
}

/// Asks once from another address and returns the status.
fn victim(city: &City, path: &str) -> u16 {
    let mut stream = connect_from(Ipv4Addr::new(127, 0, 0, 2), city.http_addr());
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", city.http_addr()).unwrap();
    status_of(&mut stream)
}

/// Reads the whole answer; 0 when there is none.
fn status_of(stream: &mut TcpStream) -> u16 {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// A wall that is connected through it all.
fn wall(city: &City) -> Ws {
    let admin = city.user("root", "admin");
    let token = admin.post("/api/v1/display-tokens", &json!({ "name": "wall" })).expect(201);
    let mut ws = Ws::with_token(&city.client(), token["token"].as_str().unwrap()).unwrap();
    ws.follow_alerts(0);
    ws.of_type("heartbeat");
    ws
}

/// Whatever came in between, the stream goes on.
#[track_caller]
fn goes_on(ws: &mut Ws) {
    let newest = ws.of_type("heartbeat")["t"].as_i64().unwrap();
    ws.find(TIMEOUT, "a later heartbeat", |message| {
        (message["type"] == "heartbeat" && message["t"].as_i64() > Some(newest)).then_some(())
    });
}

#[test]
fn thousands_of_connections_from_one_address_take_nobodys_place() {
    raise_open_files();
    let mut city = City::prepare("[http.limits]\nconnection_rate = 0\nhead_timeout = \"60s\"\n");
    city.start();
    let mut wall = wall(&city);
    let mut attackers = Vec::new();
    for n in 0..2_100 {
        let mut stream = connect_from(Ipv4Addr::LOCALHOST, city.http_addr());
        let _ = stream.write_all(HALF_A_HEAD);
        attackers.push(stream);
        if n % 100 == 0 {
            attackers.iter_mut().for_each(|stream| drop(stream.write(b"x")));
            assert_eq!(victim(&city, "/health/ready"), 200, "after {n} connections");
            // Behind the same address as the attacker, too.
            assert_eq!(city.client().get("/health/live").status, 200, "after {n} connections");
        }
    }
    goes_on(&mut wall);
    let made_room = city.metrics().reason(CLOSED, "made_room");
    assert!(made_room >= 1_800.0, "{made_room} connections made room");
    // They are told why, if they listen.
    let mut first = attackers.swap_remove(0);
    assert_eq!(status_of(&mut first), 503);
}

#[test]
fn many_addresses_with_one_connection_each_take_nobodys_place() {
    raise_open_files();
    let limits = "[http.limits]\nconnections_max = 64\nconnections_reserved = 32\nhead_timeout = \"60s\"\n";
    let mut city = City::prepare(limits);
    city.start();
    let mut wall = wall(&city);
    let vy = city.user("vy", "viewer");
    let mut attackers = Vec::new();
    for n in 0..400_u32 {
        let source = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + n);
        let mut stream = connect_from(source, city.http_addr());
        let _ = stream.write_all(HALF_A_HEAD);
        attackers.push(stream);
        if n % 16 == 0 {
            assert_eq!(victim(&city, "/health/ready"), 200, "after {n} addresses");
            assert_eq!(vy.get("/api/v1/devices").status, 200, "after {n} addresses");
        }
    }
    goes_on(&mut wall);
}

/// Beyond the rate only the head of a request is read, and what it asks for decides.
#[test]
fn a_flood_of_new_connections_is_told_to_slow_down_and_those_who_are_known_behind_its_address_are_not() {
    let mut city = City::prepare("[http.limits]\nconnection_rate = 1\nconnection_burst = 400\n");
    city.start();
    let mai = city.add_user("mai", "operator");
    let signed_in = city.client().post("/api/v1/session", &json!({ "username": "mai", "password": mai }));
    assert_eq!(signed_in.status, 200);
    let cookies: Vec<String> = signed_in
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, cookie)| cookie.split(';').next().unwrap().to_owned())
        .collect();
    let (session, browser) = (city.client().with_cookie(&cookies[0]), city.client().with_cookie(&cookies[1]));
    let wall = screen(&city);
    let refused = (0..800).find_map(|_| {
        let reply = city.client().get("/wall");
        (reply.status != 200).then_some(reply)
    });
    let refused = refused.expect("eight hundred connections at once");
    assert!(refused.problem(429).contains("keep connections open"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.header("connection"), Some("close"));
    // Some who say nothing, more than the lane holds: each of them makes room for the next.
    let silent: Vec<TcpStream> =
        (0..200).map(|_| connect_from(Ipv4Addr::LOCALHOST, city.http_addr())).collect();
    let mut refusals = 0;
    for _ in 0..50 {
        let flood: Vec<TcpStream> = (0..4)
            .map(|_| {
                let mut stream = connect_from(Ipv4Addr::LOCALHOST, city.http_addr());
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
                stream
            })
            .collect();
        for path in ["/health/live", "/health/ready"] {
            assert_eq!(city.client().get(path).status, 200, "{path}");
        }
        assert_eq!(session.get("/api/v1/session").status, 200);
        assert_eq!(wall.get("/api/v1/kpis").status, 200);
        // One of them a second is within the rate.
        for unknown in [city.client(), city.client().with_token("forged")] {
            let status = unknown.get("/api/v1/kpis").status;
            assert!([401, 429].contains(&status), "who is not known: {status}");
            refusals += usize::from(status == 429);
        }
        drop(flood);
    }
    assert!(refusals > 50, "{refusals} of 100 were refused");
    let again = browser.post("/api/v1/session", &json!({ "username": "mai", "password": mai }));
    assert_eq!(again.status, 200, "a browser that is known: {}", again.text());
    assert_eq!(victim(&city, "/health/ready"), 200);
    drop(silent);
}

/// A client with the token of a screen.
fn screen(city: &City) -> Client {
    let admin = city.user("root", "admin");
    let token = admin.post("/api/v1/display-tokens", &json!({ "name": "wall" })).expect(201);
    city.client().with_token(token["token"].as_str().unwrap())
}

#[test]
fn whoever_is_slow_is_cut_off_and_counted() {
    let limits = "[http.limits]\nhead_timeout = \"300ms\"\nbody_timeout = \"300ms\"\nanswer_timeout = \"300ms\"\n\
                  idle_timeout = \"300ms\"\n";
    let mut city = City::prepare(limits);
    city.start();
    let addr = city.http_addr();

    // A head that trickles: the client is told, and the connection ends however often a byte comes.
    let mut head = connect_from(Ipv4Addr::LOCALHOST, addr);
    head.write_all(HALF_A_HEAD).unwrap();
    head.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut said = Vec::new();
    until("the end of a head that trickles", || {
        let _ = head.write(b"x");
        let mut bytes = [0; 512];
        match head.read(&mut bytes) {
            Ok(0) => Some(()),
            Ok(got) => {
                said.extend_from_slice(&bytes[..got]);
                None
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Some(()),
            Err(_) => None,
        }
    });
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&said));

    // A body that trickles.
    let mut body = connect_from(Ipv4Addr::LOCALHOST, addr);
    body.write_all(b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{")
        .unwrap();
    assert_eq!(status_of(&mut body), 408);

    // One that sends nothing, and one that says nothing further.
    assert_eq!(status_of(&mut connect_from(Ipv4Addr::LOCALHOST, addr)), 0);
    let mut idle = connect_from(Ipv4Addr::LOCALHOST, addr);
    idle.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(status_of(&mut idle), 200);

    // One that never reads: its answers are many, and it may not wait for ever.
    let mut reader = connect_from(Ipv4Addr::LOCALHOST, addr);
    reader.set_nonblocking(true).unwrap();
    until("a client that never reads is cut off", || {
        let _ = reader.write(&b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100));
        (city.metrics().reason(CLOSED, "slow_reader") >= 1.0).then_some(())
    });
    let metrics = city.metrics();
    for reason in ["slow_head", "slow_body"] {
        assert!(metrics.reason(CLOSED, reason) >= 1.0, "{reason}");
    }
    assert_eq!(victim(&city, "/health/ready"), 200);
}

/// A client begins a TLS handshake and does not go on with it.
#[test]
fn a_handshake_has_a_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    tls::write_pair(&certificate, &key);
    let addr = SocketAddr::from(([127, 0, 0, 1], ports::free()));
    let mut city = City::prepare(&format!(
        "[http.tls]\nlisten = \"{addr}\"\ncertificate = {certificate:?}\nkey = {key:?}\n\
         [http.limits]\nhead_timeout = \"300ms\"\n"
    ));
    city.start();
    // Nothing, the header of a record without the rest of it, and a hello that trickles.
    let mut silent = connect_from(Ipv4Addr::LOCALHOST, addr);
    let mut half = connect_from(Ipv4Addr::LOCALHOST, addr);
    half.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
    let mut trickling = connect_from(Ipv4Addr::LOCALHOST, addr);
    trickling.write_all(&[0x16, 3, 1, 64, 0]).unwrap();
    trickling.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    until("the end of a hello that trickles", || {
        let _ = trickling.write(&[1]);
        let read = trickling.read(&mut [0; 64]);
        let reset =
            |kind| matches!(kind, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe);
        read.map_or_else(|error| reset(error.kind()), |read| read == 0).then_some(())
    });
    for stream in [&mut silent, &mut half] {
        assert_eq!(status_of(stream), 0);
    }
    until("all of them are counted", || (city.metrics().reason(CLOSED, "tls") >= 3.0).then_some(()));
    assert!(tls::open(addr, &certificate).is_some(), "who goes on with it");
}

#[test]
fn an_early_answer_arrives_although_the_body_is_still_coming() {
    let mut city = City::prepare("[http]\nbody_max = \"4KiB\"\n");
    city.start();
    let body = vec![b' '; 900_000];
    for kind in ["application/json", "text/plain"] {
        for _ in 0..20 {
            let reply = city.client().send("POST", "/api/v1/session", &[("Content-Type", kind)], &body);
            assert!([413, 415].contains(&reply.status), "{}", reply.status);
        }
    }
}

#[test]
fn heads_have_a_size() {
    let mut city = City::prepare("[http.limits]\nhead_max = \"8KiB\"\nheaders_max = 20\n");
    city.start();
    let ask = |headers: &str| {
        let mut stream = connect_from(Ipv4Addr::LOCALHOST, city.http_addr());
        let _ = write!(stream, "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        status_of(&mut stream)
    };
    assert_eq!(ask(&format!("X-Long: {}\r\n", "x".repeat(4_000))), 200);
    assert_eq!(ask(&format!("X-Long: {}\r\n", "x".repeat(64_000))), 431);
    assert_eq!(ask(&(0..30).map(|n| format!("X-{n}: x\r\n")).collect::<String>()), 431);
}

/// Fills history so that a query takes some work; returns the path of one.
fn history(city: &City, readings: i64) -> String {
    let token = city.device("WL-1", "water-level");
    let mut device = city.mqtt("WL-1", &token);
    let begin = now_ms() - readings * 1000;
    for chunk in 0..readings / 500 {
        let at = |n: i64| begin + (chunk * 500 + n) * 1000;
        let array: Vec<_> =
            (0..500).map(|n| json!({ "ts": at(n), "values": { "water_level": n % 7 } })).collect();
        device.publish(&telemetry("WL-1"), json!(array).to_string().as_bytes());
    }
    format!("/api/v1/history?device=WL-1&property=water_level&from={begin}&to={}", now_ms())
}

#[test]
fn one_persons_unread_answers_are_that_persons_alone() {
    const SHARE: usize = 2;
    let mut city = City::prepare("[http.limits]\nqueries_max = 3\nqueries_per_caller_max = 2\n");
    city.start();
    let path = history(&city, 50_000);
    let (greedy, victim) = (city.user("greedy", "viewer"), city.user("victim", "viewer"));
    until("history has everything", || {
        let answer = victim.get(&path);
        (answer.expect(200)["points"].as_array().unwrap().len() == 50_000).then_some(())
    });
    let (name, value) = greedy.auth().unwrap();
    let ask = || {
        let mut stream = connect_from(Ipv4Addr::LOCALHOST, city.http_addr());
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{name}: {value}\r\n\r\n").unwrap();
        stream
    };
    // A hundred answers of 1.6 MB that nobody reads. Only those of the share are made; the others wait or are told so.
    let mut unread: Vec<TcpStream> = (0..100).map(|_| ask()).collect();
    let begun = |stream: &TcpStream| stream.peek(&mut [0; 12]).unwrap_or(0) == 12;
    unread.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
    until("those beyond share and line are told so", || {
        let told = unread.iter().filter(|stream| {
            let mut head = [0; 12];
            stream.peek(&mut head).unwrap_or(0) == 12 && head.ends_with(b"429")
        });
        (told.count() >= 100 - SHARE - 64).then_some(())
    });
    for n in 0..10 {
        assert_eq!(victim.get(&path).status, 200, "query {n} of another person");
        assert_eq!(victim.get("/api/v1/alerts").status, 200);
    }
    let answered = unread.iter().filter(|stream| begun(stream)).count();
    assert!(answered <= 100 - 64, "{answered}: those in line have no answer yet");
    unread.clear();
    // Her own turn comes again as soon as the unread ones are gone.
    until("the greedy one's turn", || (greedy.get(&path).status == 200).then_some(()));
}

#[test]
fn requests_have_a_rate_for_each_person_and_address() {
    let mut city = City::prepare("[http.limits]\nrequest_rate = 1\nrequest_burst = 60\n");
    city.start();
    let (greedy, victim) = (city.user("greedy", "viewer"), city.user("victim", "viewer"));
    let refused = (0..200).find_map(|_| {
        let reply = greedy.get("/api/v1/kpis");
        (reply.status != 200).then_some(reply)
    });
    let refused = refused.expect("two hundred requests at once");
    assert!(refused.problem(429).contains("greedy"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(victim.get("/api/v1/kpis").status, 200);
    // Health checks and the shell of the wall are not counted.
    for path in ["/health/ready", "/wall"] {
        assert_eq!(greedy.get(path).status, 200);
    }
}

#[test]
fn one_persons_streams_leave_room_for_others() {
    let limits = "[http]\nstream_clients_max = 20\n[http.limits]\nstreams_per_caller_max = 15\n";
    let mut city = City::prepare(limits);
    city.start();
    let (greedy, victim) = (city.user("greedy", "viewer"), city.user("victim", "viewer"));
    let mut held: Vec<Ws> = (0..15).map(|_| city.ws(&greedy)).collect();
    assert!(Ws::try_open(&greedy, &[]).is_err(), "beyond the share of one person");
    let mut own = city.ws(&victim);
    goes_on(&mut own);
    held.pop();
    until("a place that was given back", || Ws::try_open(&greedy, &[]).ok());
}

#[test]
fn a_stream_that_ends_because_of_us_says_why() {
    let mut city = City::prepare("");
    city.start();
    let vy = city.user("vy", "viewer");
    let mut neighbour = city.ws(&vy);
    let cases: [(&str, &str); 3] = [
        ("not json", "not understood"),
        (r#"{"type":"subscribe","channels":["kpi"],"filter":{}}"#, "too many subscribe messages"),
        ("[]", "not understood"),
    ];
    for (message, reason) in cases {
        let mut ws = city.ws(&vy);
        // As often as it takes; what comes after the end cannot be sent.
        for _ in 0..12 {
            if !ws.try_send_text(message) {
                break;
            }
        }
        let (code, said) = ws.close_reason();
        assert_eq!(code, 1008, "{said}");
        assert!(said.contains(reason), "{said:?} does not say {reason:?}");
    }
    let mut large = city.ws(&vy);
    large.try_send_text(&"x".repeat(70_000));
    let (code, said) = large.close_reason();
    assert!(code == 1009 && said.contains("64 KiB"), "{code} {said}");
    let mut flood = city.ws(&vy);
    for _ in 0..400 {
        if !flood.try_ping() {
            break;
        }
    }
    assert_eq!(flood.close_reason().0, 1008);
    goes_on(&mut neighbour);
}

#[test]
fn memory_that_a_flood_took_is_given_back() {
    const HEAD: usize = 60_000;
    raise_open_files();
    let mut city = City::prepare("[http.limits]\nhead_timeout = \"60s\"\n");
    city.start();
    let before = city.resident();
    let head = [HALF_A_HEAD, &vec![b'x'; HEAD][..]].concat();
    let mut streams: Vec<TcpStream> = (0..1_500_u32)
        .map(|n| {
            let source = Ipv4Addr::from_bits(Ipv4Addr::new(127, 2, 0, 1).to_bits() + n);
            let mut stream = connect_from(source, city.http_addr());
            stream.write_all(&head).unwrap();
            stream
        })
        .collect();
    let flooded = until("the heads in memory", || {
        let now = city.resident();
        (now > before + 1_000 * HEAD as u64).then_some(now)
    });
    streams.clear();
    within(Duration::from_secs(90), "most of it is given back", || {
        (city.resident() < before + (flooded - before) / 4).then_some(())
    });
    assert_eq!(victim(&city, "/health/ready"), 200);
}
