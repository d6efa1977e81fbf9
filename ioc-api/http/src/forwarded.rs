//! Who sent a request that came through a proxy: `Forwarded` (RFC 7239) and `X-Forwarded-*`. Pure; believed only from
//! proxies that the configuration trusts.
use super::headers::text;
use axum::http::{HeaderMap, header};
use ioc_model::share::Network;
use std::net::{IpAddr, SocketAddr};

/// Proxies in a row; what stands before them is not looked at.
const HOPS_MAX: usize = 32;

/// The client as the trusted proxies saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// The client's address: the nearest one that is not a trusted proxy's.
    pub address: IpAddr,
    /// It came through a trusted proxy.
    pub is_proxied: bool,
    /// Whether the client came over https, when a proxy said so.
    pub https: Option<bool>,
    /// The hosts that proxies in a row say they were asked for. Whose each is matters to nobody who compares them with
    /// what a browser says: no page can make a browser send these headers.
    pub hosts: Vec<String>,
    /// The same of ports.
    pub ports: Vec<u16>,
}

impl Origin {
    /// Whoever is connected, of whom nobody says anything.
    fn itself(address: IpAddr) -> Self {
        Self { address, is_proxied: false, https: None, hosts: Vec::new(), ports: Vec::new() }
    }
}

/// One proxy's account of the request that it got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Hop {
    address: Option<IpAddr>,
    proto: Option<String>,
    host: Option<String>,
}

/// Returns who is behind `peer`. Headers count only when it is one of `proxies`, and of each header only what these
/// have added: a client can write what it likes before that.
///
/// When `Forwarded` and `X-Forwarded-For` name different clients, one of them came from the client through a proxy
/// that knows only the other: neither is believed, and the address is the proxy's.
pub(super) fn origin(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> Origin {
    let peer = peer.to_canonical();
    let is_proxy = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    if !is_proxy(peer) {
        return Origin::itself(peer);
    }
    let (standard, common) = (forwarded(headers), x_forwarded(headers));
    let by_standard = nearest(peer, &standard, is_proxy);
    let by_common = nearest(peer, &common, is_proxy);
    let (address, hop) = match (standard.is_empty(), common.is_empty()) {
        (true, _) => by_common,
        (false, true) => by_standard,
        (false, false) if by_standard.0 == by_common.0 => (by_standard.0, merged(by_standard.1, by_common.1)),
        (false, false) => return Origin { is_proxied: true, ..Origin::itself(peer) },
    };
    let https =
        hop.proto.map(|proto| proto.eq_ignore_ascii_case("https") || proto.eq_ignore_ascii_case("wss"));
    let hosts = standard.iter().filter_map(|hop| hop.host.clone());
    let hosts = hosts.chain(list(headers, "x-forwarded-host")).collect();
    let ports = list(headers, "x-forwarded-port").iter().filter_map(|port| port.parse().ok()).collect();
    Origin { address, is_proxied: true, https, hosts, ports }
}

fn merged(first: Hop, second: Hop) -> Hop {
    Hop { proto: first.proto.or(second.proto), ..first }
}

/// Returns the entries of all lines of a header that is a list.
fn list(headers: &HeaderMap, name: &str) -> Vec<String> {
    let mut entries = Vec::new();
    for line in headers.get_all(name).iter().map(text) {
        let own = line.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.extend(own.map(str::to_owned));
    }
    entries
}

/// Goes from the nearest hop outwards, as long as the one before is a trusted proxy.
fn nearest(peer: IpAddr, hops: &[Hop], is_proxy: impl Fn(IpAddr) -> bool) -> (IpAddr, Hop) {
    let mut found = (peer, hops.last().cloned().unwrap_or_default());
    for hop in hops.iter().rev().take(HOPS_MAX) {
        // What has no address (`unknown`, `_hidden`, nonsense) ends the chain: the proxy that said so stands for it.
        let Some(address) = hop.address else { break };
        found = (address, hop.clone());
        if !is_proxy(address) {
            break;
        }
    }
    found
}

fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    headers.get_all(header::FORWARDED).iter().flat_map(|line| elements(&text(line))).collect()
}

/// Reads one line. A client that leaves a quote open would swallow what proxies add to its line; then nothing of it is
/// believed.
fn elements(line: &str) -> Vec<Hop> {
    if !is_closed(line) {
        return vec![Hop::default()];
    }
    split(line, ',').filter(|element| !element.trim().is_empty()).map(hop).collect()
}

fn is_closed(line: &str) -> bool {
    let mut rest = line.chars();
    let mut quoted = false;
    while let Some(c) = rest.next() {
        match c {
            '\\' if quoted => drop(rest.next()),
            '"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

fn hop(element: &str) -> Hop {
    let mut hop = Hop::default();
    for pair in split(element, ';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = unquoted(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.address = node(&value),
            "proto" => hop.proto = Some(value),
            "host" => hop.host = Some(value),
            _ => {}
        }
    }
    hop
}

/// Splits at `at`, not within quotes.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c => return c == at && !quoted,
        }
        false
    })
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}

/// Reads an address in all forms that proxies write: with or without a port, IPv6 with or without brackets.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.split_once(']')?.0.parse::<IpAddr>().ok();
    let with_hidden_port = || text.split_once(':')?.0.parse::<IpAddr>().ok();
    let found = address.or_else(with_port).or_else(in_brackets).or_else(with_hidden_port);
    found.map(|address| address.to_canonical())
}

fn x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let (clients, protos) = (list(headers, "x-forwarded-for"), list(headers, "x-forwarded-proto"));
    // Proxies either add to these as they add addresses, or set one for the client.
    let beside = |at: usize| {
        let one = if protos.len() == clients.len() { protos.get(at) } else { protos.last() };
        one.cloned()
    };
    let hop = |(at, client): (usize, &String)| Hop { address: node(client), proto: beside(at), host: None };
    let hops: Vec<Hop> = clients.iter().enumerate().map(hop).collect();
    match hops.is_empty() && !protos.is_empty() {
        true => vec![Hop { address: None, proto: beside(0), host: None }],
        false => hops,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROXY: &str = "127.0.0.1";

    fn proxies() -> Vec<Network> {
        ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec()
    }

    fn seen(peer: &str, lines: &[(&'static str, &str)]) -> Origin {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        origin(peer.parse().unwrap(), &headers, &proxies())
    }

    #[test]
    fn the_client_is_the_nearest_that_is_no_trusted_proxy() {
        const STANDARD: &str = "forwarded";
        const COMMON: &str = "x-forwarded-for";
        let cases: [(&[(&str, &str)], &str); 22] = [
            (&[], PROXY),
            (&[(STANDARD, "for=192.0.2.1")], "192.0.2.1"),
            (&[(STANDARD, "For=\"192.0.2.1:4711\";Proto=https;by=203.0.113.43")], "192.0.2.1"),
            (&[(STANDARD, "for=\"[2001:db8:cafe::17]:4711\"")], "2001:db8:cafe::17"),
            (&[(STANDARD, "for=\"[2001:db8:cafe::17]:_port\"")], "2001:db8:cafe::17"),
            (&[(STANDARD, "for=\"[::ffff:192.0.2.1]\"")], "192.0.2.1"),
            (&[(STANDARD, "for=6.6.6.6, for=192.0.2.1, for=10.0.0.2")], "192.0.2.1"),
            (&[(STANDARD, "for=6.6.6.6"), (STANDARD, "for=192.0.2.1")], "192.0.2.1"),
            (&[(STANDARD, "for=unknown")], PROXY),
            (&[(STANDARD, "for=192.0.2.1, for=_hidden")], PROXY),
            (&[(STANDARD, "for=\"6.6.6.6, for=7.7.7.7\"")], PROXY),
            (&[(STANDARD, "for=\"192.0.2.1")], PROXY),
            (&[(STANDARD, "for=6.6.6.6;x=\", for=192.0.2.1")], PROXY),
            (&[(STANDARD, ",, ;;for")], PROXY),
            (&[(COMMON, "192.0.2.1")], "192.0.2.1"),
            (&[(COMMON, "6.6.6.6, 192.0.2.1 ,10.1.2.3")], "192.0.2.1"),
            (&[(COMMON, "6.6.6.6"), (COMMON, "192.0.2.1")], "192.0.2.1"),
            (&[(COMMON, "2001:db8::1")], "2001:db8::1"),
            (&[(COMMON, "[2001:db8::1]:99")], "2001:db8::1"),
            (&[(COMMON, "10.0.0.7")], "10.0.0.7"),
            (&[(STANDARD, "for=192.0.2.1"), (COMMON, "192.0.2.1")], "192.0.2.1"),
            (&[(STANDARD, "for=6.6.6.6"), (COMMON, "192.0.2.1")], PROXY),
        ];
        for (lines, expected) in cases {
            assert_eq!(seen(PROXY, lines).address.to_string(), expected, "{lines:?}");
            assert_eq!(seen("198.51.100.1", lines).address.to_string(), "198.51.100.1", "{lines:?}");
        }
    }

    #[test]
    fn protocol_and_host_come_from_the_proxy_that_saw_the_client() {
        let https = |lines: &[(&'static str, &str)]| seen(PROXY, lines).https;
        assert_eq!(https(&[("forwarded", "for=192.0.2.1;proto=HTTPS")]), Some(true));
        assert_eq!(https(&[("forwarded", "proto=https;for=192.0.2.1, for=10.0.0.1;proto=http")]), Some(true));
        assert_eq!(https(&[("forwarded", "for=192.0.2.1")]), None);
        assert_eq!(https(&[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")]), Some(true));
        assert_eq!(https(&[("x-forwarded-proto", "http")]), Some(false));
        let both = [("x-forwarded-for", "192.0.2.1, 10.0.0.1"), ("x-forwarded-proto", "https, http")];
        assert_eq!(https(&both), Some(true));
        assert_eq!(seen("198.51.100.1", &both).https, None);
        let hosts = |lines: &[(&'static str, &str)]| seen(PROXY, lines).hosts;
        for lines in [
            [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-host", "ioc.hue.example, inner:8080")],
            [("x-forwarded-host", "ioc.hue.example"), ("x-forwarded-host", "inner:8080")],
            [
                ("forwarded", "for=192.0.2.1;host=ioc.hue.example"),
                ("forwarded", "for=10.0.0.1;host=\"inner:8080\""),
            ],
        ] {
            assert_eq!(hosts(&lines), ["ioc.hue.example", "inner:8080"], "{lines:?}");
            assert!(seen("198.51.100.1", &lines).hosts.is_empty());
        }
        assert_eq!(seen(PROXY, &[("x-forwarded-port", "8443, x,80")]).ports, [8443, 80]);
    }

    #[test]
    fn bytes_of_a_client_hide_nothing_that_proxies_add() {
        let cases: [&[(&'static str, &[u8])]; 6] = [
            &[("x-forwarded-for", b"\xff, 192.0.2.1")],
            &[("x-forwarded-for", b"6.6.6.6"), ("x-forwarded-for", b"\xe1\xba, 192.0.2.1")],
            &[("x-forwarded-for", "Huế, 192.0.2.1, 10.0.0.2".as_bytes())],
            &[("forwarded", b"for=\xff, for=192.0.2.1")],
            &[("forwarded", b"for=6.6.6.6"), ("forwarded", b"for=\xff, for=192.0.2.1;host=\xff")],
            &[("forwarded", b"x=\"\xe1\";for=6.6.6.6, for=192.0.2.1"), ("x-forwarded-host", b"\xff")],
        ];
        for lines in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, axum::http::HeaderValue::from_bytes(value).unwrap());
            }
            let found = origin(PROXY.parse().unwrap(), &headers, &proxies());
            assert_eq!(found.address.to_string(), "192.0.2.1", "{lines:?}");
        }
        let mut headers = HeaderMap::new();
        let hosts = axum::http::HeaderValue::from_bytes(b"\xff, ioc.hue.example").unwrap();
        headers.insert("x-forwarded-host", hosts);
        let found = origin(PROXY.parse().unwrap(), &headers, &proxies());
        assert_eq!(found.hosts, ["\u{fffd}", "ioc.hue.example"]);
    }

    proptest! {
        /// Nothing that a client writes makes it someone else: what trusted proxies add comes last.
        #[test]
        fn a_client_cannot_choose_its_address(lie in "[ -~]{0,60}", client: u32, hops in 0_usize..3) {
            let client = IpAddr::from(std::net::Ipv4Addr::from_bits(client));
            prop_assume!(!proxies().iter().any(|proxy| proxy.contains(client)));
            let inner: String = (0..hops).map(|n| format!(", 10.0.0.{n}")).collect();
            let common = format!("{lie}, {client}{inner}");
            prop_assert_eq!(seen(PROXY, &[("x-forwarded-for", &common)]).address, client);
            let own: String = (0..hops).map(|n| format!(", for=10.0.0.{n}")).collect();
            // The proxy's own line: quotes that a client leaves open do not reach it.
            let standard = format!("for={client}{own}");
            let found = seen(PROXY, &[("forwarded", &lie), ("forwarded", &standard)]);
            prop_assert_eq!(found.address, client);
            // On the client's own line.
            let line = format!("{lie}, {standard}");
            let found = seen(PROXY, &[("forwarded", &line)]).address;
            prop_assert!(found == client || found.to_string() == PROXY, "{}", found);
        }

        /// From anyone else nothing is believed.
        #[test]
        fn only_trusted_proxies_are_believed(text in "[ -~]{0,80}") {
            let lines = [("forwarded", text.as_str()), ("x-forwarded-for", &text), ("x-forwarded-proto", "https"), ("x-forwarded-host", &text)];
            let found = seen("198.51.100.1", &lines);
            prop_assert_eq!(found.address.to_string(), "198.51.100.1");
            prop_assert!(!found.is_proxied && found.https.is_none());
            prop_assert!(found.hosts.is_empty() && found.ports.is_empty());
        }
    }
}
