use super::*;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

const SECOND: u64 = 1_000_000_000;
/// The throttle was not used just before.
const BEGIN: u64 = 10_000 * SECOND;

fn at(n: u32) -> Network {
    Network::of(IpAddr::V4(Ipv4Addr::from_bits(n)), 64)
}

fn claim(account: &str, network: u32, browser: Option<&str>) -> Claim {
    Claim { account: account.to_owned(), network: at(network), browser: browser.map(Origin::browser) }
}

fn signed_in_before(throttle: &mut Throttle, account: &str, network: u32, browser: &str) {
    for origin in [Origin::network(at(network)), Origin::browser(browser)] {
        throttle.origins.remember(account, origin, 0);
    }
}

/// Guesses as often as it is let, and keeps no place longer than it must. Returns how many passwords it tried.
fn guess(throttle: &mut Throttle, claims: &[Claim], from_ns: u64, seconds: u64) -> u32 {
    let mut tried = 0;
    let mut waiting: Vec<(u64, Try)> = Vec::new();
    for step in 0..seconds * 10 {
        let now = from_ns + step * SECOND / 10;
        let (due, later) = waiting.into_iter().partition(|(begins, _)| *begins <= now);
        waiting = later;
        tried += due.len() as u32;
        for (_, turn) in due {
            throttle.end(turn, Outcome::Spent);
        }
        for claim in claims {
            while let Ok(turn) = throttle.begin(claim, now) {
                waiting.push((now + turn.wait.as_nanos() as u64, turn));
            }
        }
    }
    for (_, turn) in waiting {
        throttle.end(turn, Outcome::Spent);
    }
    tried
}

/// Signs in with the right password; a refusal is tried again when the server says. Returns how many tries and how
/// much time it took.
fn sign_in(throttle: &mut Throttle, claim: &Claim, from_ns: u64) -> (u32, Duration) {
    let mut waited = Duration::ZERO;
    for tries in 1..20 {
        match throttle.begin(claim, from_ns + waited.as_nanos() as u64) {
            Ok(turn) => {
                waited += turn.wait;
                throttle.end(turn, Outcome::Free);
                return (tries, waited);
            }
            Err(NoTurn::Wait(wait)) => waited += wait,
            Err(NoTurn::Busy) => waited += Duration::from_secs(1),
        }
    }
    panic!("not let in after {waited:?}");
}

#[test]
fn one_guesser_tries_few_passwords_and_ever_fewer() {
    let mut throttle = Throttle::default();
    let claims = [claim("mai", 1, None)];
    let first = guess(&mut throttle, &claims, BEGIN, 60);
    assert!((20..=40).contains(&first), "{first} in the first minute");
    let further = guess(&mut throttle, &claims, BEGIN + 60 * SECOND, 540);
    assert!((60..=180).contains(&further), "{further} in nine more minutes");
}

#[test]
fn a_guesser_slows_nobody_elsewhere() {
    let mut throttle = Throttle::default();
    signed_in_before(&mut throttle, "lan", 1, "lan's");
    guess(&mut throttle, &[claim("mai", 1, None)], BEGIN, 60);
    let now = BEGIN + 60 * SECOND;
    let at_once = [
        ("the same person, another network", claim("mai", 2, None)),
        ("another person, the same network", claim("hoa", 1, None)),
        ("someone known, the same network", claim("lan", 1, None)),
        ("a known browser, anywhere", claim("lan", 9, Some("lan's"))),
    ];
    for (who, claim) in at_once {
        assert_eq!(sign_in(&mut throttle, &claim, now), (1, Duration::ZERO), "{who}");
    }
}

#[test]
fn the_owner_gets_in_beside_a_guesser_of_the_same_account_in_the_same_network() {
    let mut throttle = Throttle::default();
    signed_in_before(&mut throttle, "mai", 1, "mai's");
    guess(&mut throttle, &[claim("mai", 1, None)], BEGIN, 60);
    let now = BEGIN + 60 * SECOND;
    let own_browser = claim("mai", 1, Some("mai's"));
    assert_eq!(sign_in(&mut throttle, &own_browser, now), (1, Duration::ZERO), "in a browser of hers");
    let (tries, waited) = sign_in(&mut throttle, &claim("mai", 1, None), now);
    assert!(tries <= 2 && waited <= Duration::from_secs(25), "in a new browser: {tries} tries, {waited:?}");
}

#[test]
fn a_flood_of_names_from_one_network_slows_only_its_strangers() {
    let mut throttle = Throttle::default();
    signed_in_before(&mut throttle, "mai", 1, "mai's");
    let names: Vec<_> = (0..50).map(|n| claim(&format!("user{n}"), 1, None)).collect();
    let tried = guess(&mut throttle, &names, BEGIN, 60);
    assert!(tried <= STRANGERS_BURST + NETWORK_PER_SECOND * (60 + 15), "{tried}");
    let now = BEGIN + 60 * SECOND;
    assert_eq!(sign_in(&mut throttle, &claim("mai", 1, None), now), (1, Duration::ZERO), "known");
    assert_eq!(sign_in(&mut throttle, &claim("lan", 2, None), now), (1, Duration::ZERO), "elsewhere");
    let (tries, waited) = sign_in(&mut throttle, &claim("lan", 1, None), now);
    assert!(tries <= 3 && waited <= Duration::from_secs(20), "a stranger there: {tries} tries, {waited:?}");
}

#[test]
fn a_flood_of_networks_against_one_account_slows_only_strangers_who_were_wrong_before() {
    let mut throttle = Throttle::default();
    signed_in_before(&mut throttle, "mai", 1, "mai's");
    let networks: Vec<_> = (100..140).map(|n| claim("mai", n, None)).collect();
    let tried = guess(&mut throttle, &networks, BEGIN, 60);
    assert!(tried <= 2 * (STRANGERS_BURST + 60 + 15), "{tried} of all networks together");
    let now = BEGIN + 60 * SECOND;
    for claim in [claim("mai", 1, None), claim("mai", 7, Some("mai's"))] {
        assert_eq!(sign_in(&mut throttle, &claim, now), (1, Duration::ZERO), "{claim:?}");
    }
    let (tries, waited) = sign_in(&mut throttle, &claim("mai", 7, None), now);
    assert!(tries == 1 && waited <= Duration::from_secs(5), "a stranger, the first time: {waited:?}");
}

#[test]
fn a_crowd_of_guessers_of_one_account_takes_no_place_of_newcomers_beside_it() {
    let mut throttle = Throttle::default();
    let mut held = Vec::new();
    while let Ok(turn) = throttle.begin(&claim("admin", 1, None), BEGIN) {
        held.push(turn);
    }
    assert!(held.len() <= PLACES.each);
    for newcomer in ["mai", "lan", "hoa"] {
        assert_eq!(sign_in(&mut throttle, &claim(newcomer, 1, None), BEGIN), (1, Duration::ZERO));
    }
    let mut names = 0;
    while let Ok(turn) = throttle.begin(&claim(&format!("user{names}"), 1, None), BEGIN) {
        held.push(turn);
        names += 1;
    }
    assert!(held.len() <= NETWORK_PLACES.each, "{}", held.len());
    held.into_iter().for_each(|turn| throttle.end(turn, Outcome::Free));
    assert_eq!((throttle.places.taken(), throttle.crowds.taken()), (0, 0));
}

#[test]
fn places_are_kept_for_those_who_are_known() {
    let mut throttle = Throttle::default();
    signed_in_before(&mut throttle, "mai", 1, "mai's");
    let mut held = Vec::new();
    for network in 10..2_000 {
        held.extend(throttle.begin(&claim(&format!("user{network}"), network, None), BEGIN));
    }
    assert_eq!(held.len(), PLACES.total - PLACES.reserved);
    let stranger = claim("lan", 5_000, None);
    assert_eq!(throttle.begin(&stranger, BEGIN).map(|_| ()), Err(NoTurn::Busy));
    assert_eq!(sign_in(&mut throttle, &claim("mai", 1, None), BEGIN), (1, Duration::ZERO));
    for turn in held {
        throttle.end(turn, Outcome::Spent);
    }
    assert_eq!(sign_in(&mut throttle, &stranger, BEGIN), (1, Duration::ZERO));
}

#[test]
fn after_a_forgotten_password_the_old_browsers_are_strangers() {
    let mut throttle = Throttle::default();
    signed_in_before(&mut throttle, "mai", 1, "mai's");
    throttle.origins.forget("mai");
    let turn = throttle.begin(&claim("mai", 1, Some("mai's")), BEGIN).unwrap();
    assert_eq!(turn.caller, Caller::Stranger("mai".to_owned(), at(1)));
    // Whoever was at it when it was forgotten gives back what there is to give back.
    throttle.end(turn, Outcome::Free);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a guesser does (how fast, in how many browsers, whether it waits for answers), one network tries at most
    /// so many passwords of an account in a minute, and the account's owner gets in elsewhere at once.
    #[test]
    fn guesses_are_few_and_the_owner_gets_in(
        steps in prop::collection::vec((0_u64..2_000, 0_u8..4, any::<bool>()), 50..400),
    ) {
        let mut throttle = Throttle::default();
        signed_in_before(&mut throttle, "mai", 1, "mai's");
        let (mut now, mut begins, mut held) = (BEGIN, Vec::new(), Vec::new());
        for (pause_ms, browser, waits) in steps {
            now += pause_ms * 1_000_000;
            let browser = format!("stolen {browser}");
            if let Ok(turn) = throttle.begin(&claim("mai", 2, Some(&browser)), now) {
                begins.push(now + turn.wait.as_nanos() as u64);
                if waits { held.push(turn) } else { throttle.end(turn, Outcome::Spent) }
            }
            if held.len() > 3 {
                held.drain(..).for_each(|turn| throttle.end(turn, Outcome::Spent));
            }
            let owner = sign_in(&mut throttle, &claim("mai", 3, Some("mai's")), now);
            prop_assert_eq!(owner, (1, Duration::ZERO));
        }
        begins.sort_unstable();
        for (n, first) in begins.iter().enumerate() {
            let in_a_minute = begins[n..].iter().take_while(|begin| **begin < first + 60 * SECOND).count();
            prop_assert!(in_a_minute <= 40, "{} in a minute", in_a_minute);
        }
    }
}
