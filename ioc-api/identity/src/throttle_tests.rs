use super::*;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

const SECOND: u64 = 1_000_000_000;
/// The throttle was not used just before.
const BEGIN: u64 = 10_000 * SECOND;

fn at(n: u32) -> Network {
    Network::of(IpAddr::V4(Ipv4Addr::from_bits(n)), 64)
}

/// One who comes again and again with the same password.
fn claim(account: &str, network: u32, browser: Option<&str>) -> Claim {
    let browser = browser.map(Origin::browser);
    Claim { account: account.to_owned(), network: at(network), browser, ticket: u64::MAX.into() }
}

fn signed_in_before(throttle: &mut LoginThrottle, account: &str, network: u32, browser: &str) {
    for origin in [Origin::network(at(network)), Origin::browser(browser)] {
        throttle.origins.remember(account, origin, 0);
    }
}

/// Whether a guesser who is sent away comes again with the same password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guess {
    Another,
    TheSame,
}

/// So many guessers, none of whom ever pauses.
struct Guessers<'a> {
    claims: &'a [Claim],
    size: usize,
    guess: Guess,
    waiting: Vec<(u64, Try)>,
    /// When they begin.
    trying: Vec<(u64, Try)>,
    sent_away: Vec<Claim>,
    passwords: u64,
    tried: u32,
}

impl<'a> Guessers<'a> {
    fn new(claims: &'a [Claim], size: usize, guess: Guess) -> Self {
        let (waiting, trying, sent_away) = (Vec::new(), Vec::new(), Vec::new());
        Self { claims, size, guess, waiting, trying, sent_away, passwords: 0, tried: 0 }
    }

    fn next(&mut self) -> Claim {
        if let Some(same) = self.sent_away.pop().filter(|_| self.guess == Guess::TheSame) {
            return same;
        }
        self.passwords += 1;
        let claim = &self.claims[self.passwords as usize % self.claims.len()];
        Claim { ticket: self.passwords.into(), ..claim.clone() }
    }

    fn step(&mut self, throttle: &mut LoginThrottle, now: u64) {
        for (begins, turn) in std::mem::take(&mut self.trying) {
            if begins <= now {
                throttle.end(turn, Outcome::Spent);
                self.tried += 1;
            } else {
                self.trying.push((begins, turn));
            }
        }
        // Each account's guessers come by, so that one whose places are taken keeps no other from its own.
        let mut refused = 0;
        while self.waiting.len() + self.trying.len() < self.size && refused < self.claims.len() {
            let claim = self.next();
            match throttle.begin(claim, now) {
                Ok(turn) => {
                    self.waiting.push((now, turn));
                    refused = 0;
                }
                Err(_) => refused += 1,
            }
        }
        for (come, mut turn) in std::mem::take(&mut self.waiting) {
            match throttle.turn(&mut turn, now) {
                Ok(wait) => self.trying.push((now + wait.as_nanos() as u64, turn)),
                Err(_) if now - come >= PATIENCE.as_nanos() as u64 => {
                    self.sent_away.push(turn.claim.clone());
                    throttle.give_up(turn, now);
                }
                Err(_) => self.waiting.push((come, turn)),
            }
        }
    }

    fn stop(self, throttle: &mut LoginThrottle) -> u32 {
        for (_, turn) in self.waiting.into_iter().chain(self.trying) {
            throttle.end(turn, Outcome::Spent);
        }
        self.tried
    }
}

const STEP: u64 = POLL.as_nanos() as u64;

/// Guesses as often as it is let. Returns how many passwords it tried.
fn guess(throttle: &mut LoginThrottle, claims: &[Claim], from_ns: u64, seconds: u64) -> u32 {
    let mut guessers = Guessers::new(claims, usize::MAX, Guess::Another);
    for now in (from_ns..from_ns + seconds * SECOND).step_by(STEP as usize) {
        guessers.step(throttle, now);
    }
    guessers.stop(throttle)
}

/// Signs in with the right password beside guessers; a refusal is tried again after two seconds. Returns how many tries
/// and how much time it took.
fn sign_in_beside(
    throttle: &mut LoginThrottle,
    claim: &Claim,
    from_ns: u64,
    guessers: &mut Guessers<'_>,
) -> (u32, Duration) {
    let mut now = from_ns;
    for tries in 1..100 {
        if let Ok(mut turn) = throttle.begin(claim.clone(), now) {
            let come = now;
            while now - come <= PATIENCE.as_nanos() as u64 {
                if let Ok(wait) = throttle.turn(&mut turn, now) {
                    throttle.end(turn, Outcome::Free);
                    return (tries, Duration::from_nanos(now - from_ns) + wait);
                }
                now += STEP;
                guessers.step(throttle, now);
            }
            throttle.give_up(turn, now);
        }
        for _ in 0..10 {
            now += STEP;
            guessers.step(throttle, now);
        }
    }
    panic!("not let in after {:?}", Duration::from_nanos(now - from_ns));
}

/// The same, while nobody guesses any more.
fn sign_in(throttle: &mut LoginThrottle, claim: &Claim, from_ns: u64) -> (u32, Duration) {
    sign_in_beside(throttle, claim, from_ns, &mut Guessers::new(&[], 0, Guess::Another))
}

/// However many guess an account in a network, for however long: who has the right password there is let in after few
/// of their tries, and in a browser of theirs at once.
#[test]
fn whoever_has_the_right_password_gets_in_beside_guessers_who_never_pause() {
    for count in [1, 8, 40, 60] {
        for guess in [Guess::Another, Guess::TheSame] {
            for warm_up in [1, 60, 900] {
                let mut throttle = LoginThrottle::default();
                throttle.origins.remember("mai", Origin::browser("mai's"), 0);
                let claims = [claim("mai", 1, None)];
                let mut guessers = Guessers::new(&claims, count, guess);
                let now = BEGIN + warm_up * SECOND;
                (BEGIN..now).step_by(STEP as usize).for_each(|now| guessers.step(&mut throttle, now));
                let known = claim("mai", 1, Some("mai's"));
                let case = format!("{count} guessers ({guess:?}), after {warm_up} s");
                assert_eq!(sign_in(&mut throttle, &known, now), (1, Duration::ZERO), "{case}");
                let before = guessers.tried;
                let person = sign_in_beside(&mut throttle, &claim("mai", 1, None), now, &mut guessers);
                let served = guessers.tried - before;
                println!("{case}: {served} guesses were tried meanwhile, {person:?}");
                assert!(served as usize <= 2 * count + 10, "{case}: {served} were tried, {person:?}");
                guessers.stop(&mut throttle);
                assert_eq!((throttle.places.taken(), throttle.crowds.taken()), (0, 0));
            }
        }
    }
}

/// People of one name who come at once with the right password: all get in, as fast as passwords are checked.
#[test]
fn many_right_sign_ins_of_one_account_at_once_get_in() {
    const CHECKED_IN_A_STEP: usize = 2;
    for count in [12, 30, PLACES.each] {
        let mut throttle = LoginThrottle::default();
        let mut waiting: Vec<_> =
            (0..count).map(|_| throttle.begin(claim("mai", 1, None), BEGIN).unwrap()).collect();
        let (mut now, mut checking) = (BEGIN, Vec::new());
        while !(waiting.is_empty() && checking.is_empty()) {
            assert!(now - BEGIN < PATIENCE.as_nanos() as u64, "{count}: {} still wait", waiting.len());
            for mut turn in std::mem::take(&mut waiting) {
                match throttle.turn(&mut turn, now) {
                    Ok(_) => checking.push(turn),
                    Err(_) => waiting.push(turn),
                }
            }
            let checked = CHECKED_IN_A_STEP.min(checking.len());
            checking.drain(..checked).for_each(|turn| throttle.end(turn, Outcome::Free));
            now += STEP;
        }
        assert_eq!((throttle.places.taken(), throttle.crowds.taken()), (0, 0));
    }
}

/// A caller too many is told to come again, and called a guesser only where passwords were wrong.
#[test]
fn too_many_at_once_are_busy_and_too_many_wrong_ones_are_guessing() {
    let mut throttle = LoginThrottle::default();
    let held: Vec<_> =
        (0..PLACES.each).map(|_| throttle.begin(claim("mai", 1, None), BEGIN).unwrap()).collect();
    let refused = |throttle: &mut LoginThrottle| throttle.begin(claim("mai", 1, None), BEGIN).map(drop);
    assert_eq!(refused(&mut throttle), Err(NoTurn::Busy));
    let mut held = held.into_iter();
    let mut wrong = held.next().unwrap();
    throttle.turn(&mut wrong, BEGIN).unwrap();
    throttle.end(wrong, Outcome::Spent);
    let _again = throttle.begin(claim("mai", 1, None), BEGIN).unwrap();
    assert_eq!(refused(&mut throttle), Err(NoTurn::Guessing(AGAIN)));
}

#[test]
fn one_guesser_tries_few_passwords_and_ever_fewer() {
    let mut throttle = LoginThrottle::default();
    let claims = [claim("mai", 1, None)];
    let first = guess(&mut throttle, &claims, BEGIN, 60);
    assert!((20..=40).contains(&first), "{first} in the first minute");
    let further = guess(&mut throttle, &claims, BEGIN + 60 * SECOND, 540);
    assert!((60..=180).contains(&further), "{further} in nine more minutes");
}

#[test]
fn a_guesser_slows_nobody_elsewhere() {
    let mut throttle = LoginThrottle::default();
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
    let mut throttle = LoginThrottle::default();
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
    let mut throttle = LoginThrottle::default();
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
    let mut throttle = LoginThrottle::default();
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
    let mut throttle = LoginThrottle::default();
    let mut held = Vec::new();
    while let Ok(turn) = throttle.begin(claim("admin", 1, None), BEGIN) {
        held.push(turn);
    }
    assert!(held.len() <= PLACES.each);
    for newcomer in ["mai", "lan", "hoa"] {
        assert_eq!(sign_in(&mut throttle, &claim(newcomer, 1, None), BEGIN), (1, Duration::ZERO));
    }
    let mut names = 0;
    while let Ok(turn) = throttle.begin(claim(&format!("user{names}"), 1, None), BEGIN) {
        held.push(turn);
        names += 1;
    }
    assert!(held.len() <= NETWORK_PLACES.each, "{}", held.len());
    held.into_iter().for_each(|turn| throttle.end(turn, Outcome::Free));
    assert_eq!((throttle.places.taken(), throttle.crowds.taken()), (0, 0));
}

#[test]
fn places_are_kept_for_those_who_are_known() {
    let mut throttle = LoginThrottle::default();
    signed_in_before(&mut throttle, "mai", 1, "mai's");
    let mut held = Vec::new();
    for network in 10..2_000 {
        held.extend(throttle.begin(claim(&format!("user{network}"), network, None), BEGIN));
    }
    assert_eq!(held.len(), PLACES.total - PLACES.reserved);
    let stranger = claim("lan", 5_000, None);
    assert_eq!(throttle.begin(stranger.clone(), BEGIN).map(drop), Err(NoTurn::Busy));
    assert_eq!(sign_in(&mut throttle, &claim("mai", 1, None), BEGIN), (1, Duration::ZERO));
    for turn in held {
        throttle.end(turn, Outcome::Spent);
    }
    assert_eq!(sign_in(&mut throttle, &stranger, BEGIN), (1, Duration::ZERO));
}

#[test]
fn after_a_forgotten_password_the_old_browsers_are_strangers() {
    let mut throttle = LoginThrottle::default();
    signed_in_before(&mut throttle, "mai", 1, "mai's");
    throttle.origins.forget("mai");
    let mut turn = throttle.begin(claim("mai", 1, Some("mai's")), BEGIN).unwrap();
    throttle.turn(&mut turn, BEGIN).unwrap();
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
        let mut throttle = LoginThrottle::default();
        signed_in_before(&mut throttle, "mai", 1, "mai's");
        let (mut now, mut begins, mut waiting, mut held) = (BEGIN, Vec::new(), Vec::new(), Vec::new());
        for (number, (pause_ms, browser, waits)) in (0_u64..).zip(steps) {
            now += pause_ms * 1_000_000;
            let browser = format!("stolen {browser}");
            let stolen = Claim { ticket: number.into(), ..claim("mai", 2, Some(&browser)) };
            waiting.extend(throttle.begin(stolen, now));
            for mut turn in std::mem::take(&mut waiting) {
                match throttle.turn(&mut turn, now) {
                    Ok(wait) => {
                        begins.push(now + wait.as_nanos() as u64);
                        if waits { held.push(turn) } else { throttle.end(turn, Outcome::Spent) }
                    }
                    Err(_) => waiting.push(turn),
                }
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
