use super::{flapping::FlapShare, *};
use Outcome::{Nothing, Silent, Value};
use ioc_model::share::Rate;
use proptest::{collection::vec, prelude::*};

const PLAIN: Terms = Terms { for_ms: 0, keep_firing_ms: 0, silence_clears: false };

fn at(monotonic_ms: i64, condition: Outcome) -> Observed {
    Observed {
        condition,
        recovery: None,
        may_start: true,
        may_fire: true,
        silence_counts: true,
        has_share: true,
        monotonic_ms,
    }
}

/// Runs sights through one alert and returns what happened at each.
fn run(terms: Terms, all_observed: &[Observed]) -> Vec<Step> {
    let mut phase = None;
    all_observed.iter().map(|observed| step(&mut phase, terms, *observed)).collect()
}

#[test]
fn without_for_it_fires_at_once_and_clears_at_once() {
    let steps = run(PLAIN, &[at(0, Value(1.0)), at(1, Value(0.0)), at(2, Nothing), at(3, Nothing)]);
    assert_eq!(steps, [Step::Began, Step::Stay, Step::Cleared, Step::Stay]);
}

#[test]
fn for_counts_from_the_first_true_sight_and_starts_over_after_a_false_one() {
    let terms = Terms { for_ms: 10, ..PLAIN };
    let all_observed = [
        at(0, Value(1.0)),
        at(9, Value(1.0)),
        at(9, Nothing),
        at(10, Value(1.0)),
        at(19, Value(1.0)),
        at(20, Value(1.0)),
    ];
    let steps = run(terms, &all_observed);
    assert_eq!(steps, [Step::Began, Step::Stay, Step::Withdrawn, Step::Began, Step::Stay, Step::Fired]);
}

#[test]
fn silence_withdraws_what_is_pending_and_holds_what_fires() {
    let terms = Terms { for_ms: 10, ..PLAIN };
    assert_eq!(run(terms, &[at(0, Value(1.0)), at(5, Silent)]), [Step::Began, Step::Withdrawn]);
    let all_observed =
        [at(0, Value(1.0)), at(5, Silent), at(6, Silent), at(7, Value(1.0)), at(8, Silent), at(9, Nothing)];
    let expected = [
        Step::Began,
        Step::NoDataChanged,
        Step::Stay,
        Step::NoDataChanged,
        Step::NoDataChanged,
        Step::Cleared,
    ];
    assert_eq!(run(PLAIN, &all_observed), expected);
}

#[test]
fn silence_clears_when_the_rule_says_so() {
    let terms = Terms { silence_clears: true, ..PLAIN };
    assert_eq!(run(terms, &[at(0, Value(1.0)), at(5, Silent)]), [Step::Began, Step::Cleared]);
}

#[test]
fn silence_right_after_our_own_start_is_ours() {
    let ours = |observed: Observed| Observed { silence_counts: false, ..observed };
    let terms = Terms { for_ms: 10, ..PLAIN };
    let steps =
        run(terms, &[at(0, Value(1.0)), ours(at(5, Silent)), at(10, Value(1.0)), ours(at(11, Silent))]);
    assert_eq!(steps, [Step::Began, Step::Stay, Step::Fired, Step::Stay]);
}

#[test]
fn keep_firing_for_bridges_short_calm() {
    let terms = Terms { keep_firing_ms: 10, ..PLAIN };
    let all_observed = [
        at(0, Value(1.0)),
        at(1, Nothing),
        at(9, Value(1.0)),
        at(10, Nothing),
        at(19, Nothing),
        at(20, Nothing),
    ];
    let steps = run(terms, &all_observed);
    assert_eq!(steps, [Step::Began, Step::Stay, Step::Stay, Step::Stay, Step::Stay, Step::Cleared]);
}

#[test]
fn a_recovery_expression_decides_alone_when_it_is_over() {
    let with = |observed: Observed, recovery: Outcome| Observed { recovery: Some(recovery), ..observed };
    let all_observed = [
        with(at(0, Value(4.0)), Nothing),
        with(at(1, Nothing), Nothing),
        with(at(2, Silent), Silent),
        with(at(3, Nothing), Nothing),
        with(at(4, Value(4.0)), Value(4.0)),
        with(at(5, Nothing), Value(2.0)),
    ];
    let expected =
        [Step::Began, Step::Stay, Step::NoDataChanged, Step::NoDataChanged, Step::Stay, Step::Cleared];
    assert_eq!(run(PLAIN, &all_observed), expected);
}

#[test]
fn what_must_not_start_does_not() {
    let held = Observed { may_start: false, ..at(0, Value(1.0)) };
    assert_eq!(run(PLAIN, &[held, held]), [Step::Stay, Step::Stay]);
    assert_eq!(
        run(Terms { for_ms: 5, ..PLAIN }, &[at(0, Value(1.0)), Observed { monotonic_ms: 5, ..held }]),
        [Step::Began, Step::Fired]
    );
}

#[test]
fn without_a_share_it_fires_in_time_and_stays() {
    let none = |observed: Observed| Observed { has_share: false, ..observed };
    let all_observed = [
        none(at(0, Value(1.0))),
        none(at(1, Nothing)),
        none(at(2, Value(1.0))),
        none(at(3, Nothing)),
        at(4, Nothing),
        at(5, Value(1.0)),
    ];
    let expected = [Step::Began, Step::Held, Step::Stay, Step::Held, Step::Cleared, Step::Began];
    assert_eq!(run(PLAIN, &all_observed), expected);
}

#[test]
fn without_a_share_nobody_hears_of_what_waits_until_it_fires() {
    let none = |observed: Observed| Observed { has_share: false, ..observed };
    let terms = Terms { for_ms: 10, ..PLAIN };
    let all_observed =
        [none(at(0, Value(1.0))), none(at(1, Nothing)), none(at(2, Value(1.0))), none(at(12, Value(1.0)))];
    assert_eq!(run(terms, &all_observed), [Step::Stay, Step::Stay, Step::Stay, Step::Began]);
    let all_observed = [none(at(0, Value(1.0))), at(5, Value(1.0)), none(at(10, Value(1.0)))];
    assert_eq!(run(terms, &all_observed), [Step::Stay, Step::Began, Step::Fired]);
}

proptest! {
    /// Whatever a device does, with a share it raises no alert later than without, is told of no more often than its share
    /// allows, and ends once it is calm.
    #[test]
    fn a_share_bounds_what_is_told_and_delays_nothing(
        all_observed in vec((1..400_i64, 0..4_u8), 1..400),
        for_ms in prop_oneof![Just(0), 1..500_i64],
        keep_firing_ms in prop_oneof![Just(0), 1..500_i64],
    ) {
        const BURST: u32 = 3;
        let terms = Terms { for_ms, keep_firing_ms, silence_clears: true };
        let rate = Rate::new(1, BURST);
        let (mut free, mut bound, mut share) = (None, None, FlapShare::default());
        let (mut now_ms, mut told) = (0, 0);
        for (after_ms, seen) in all_observed {
            now_ms += after_ms;
            let condition = match seen { 0 => Nothing, 1 => Silent, _ => Value(1.0) };
            let observed = at(now_ms, condition);
            step(&mut free, terms, observed);
            let has_share = share.is_left(rate, now_ms);
            let step = step(&mut bound, terms, Observed { has_share, ..observed });
            share.pay(rate, now_ms, step, bound);
            told += i64::from(!step.is_silent());
            let is_firing = |phase: Option<Phase>| matches!(phase, Some(Phase::Firing { .. }));
            prop_assert!(is_firing(bound) || !is_firing(free), "raised later with a share");
        }
        // Each unit of the share pays for an end and the beginning that may follow, or for waiting and what may come of it.
        prop_assert!(told <= 2 * (i64::from(BURST) + now_ms / 1_000 + 2), "{told} were told in {now_ms} ms");
        now_ms += 60_000;
        for at_ms in [now_ms, now_ms + keep_firing_ms] {
            step(&mut bound, terms, at(at_ms, Nothing));
        }
        prop_assert_eq!(bound, None);
    }
}
