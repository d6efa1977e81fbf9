//! Randomness without state: every number is a hash of the seed and of what it is for.
//!
//! So a device's reading depends on the seed, its name and the time only, never on what was computed before it, and
//! two runs agree however their work is ordered. Leaves the choice of distributions to the behaviours.

/// One throw: derive further ones with [`Dice::of`], read it with the other functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dice(u64);

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
/// Above this mean a Poisson count is drawn from its normal limit, which is then close enough.
const POISSON_EXACT_MEAN_MAX: f64 = 30.0;

/// The finaliser of SplitMix64: every input bit reaches every output bit.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl Dice {
    /// Starts from the seed of a run.
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    /// Derives an independent throw for `key`.
    pub(crate) fn of(self, key: u64) -> Self {
        Self(mix(self.0 ^ mix(key.wrapping_add(GOLDEN))))
    }

    /// Derives an independent throw for a name.
    pub(crate) fn named(self, name: &str) -> Self {
        // FNV-1a: names are short and not hostile.
        let hash = name
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3));
        self.of(hash)
    }

    /// Returns all 64 bits.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// Returns a number in 0..1, 1 excluded.
    pub(crate) fn unit(self) -> f64 {
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a number between `low` and `high`.
    pub(crate) fn range(self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Returns an index below `len`; 0 when `len` is 0.
    pub(crate) fn below(self, len: usize) -> usize {
        ((u128::from(self.0) * len as u128) >> 64) as usize
    }

    /// Returns true with the given probability.
    pub(crate) fn chance(self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Returns a number of mean 0 and standard deviation 1, within ±3.47: sensors do not throw seven sigmas.
    pub(crate) fn normal(self) -> f64 {
        let quarters = (0..4).map(|i| f64::from((self.0 >> (16 * i)) as u16)).sum::<f64>();
        (quarters / 65536.0 - 2.0) * 3f64.sqrt()
    }

    /// Returns a waiting time of the given mean.
    pub(crate) fn exponential(self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Returns a Poisson count of the given mean.
    pub(crate) fn poisson(self, mean: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        if mean > POISSON_EXACT_MEAN_MAX {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u32;
        }
        let (mut count, mut left) = (0, self.unit());
        let mut probability = (-mean).exp();
        while left > probability && count < 200 {
            left -= probability;
            count += 1;
            probability *= mean / f64::from(count);
        }
        count
    }

    /// Returns smooth noise in −1..1 that changes over about `period_ms`.
    pub(crate) fn wave(self, now_ms: i64, period_ms: i64) -> f64 {
        let step = now_ms.div_euclid(period_ms);
        let share = now_ms.rem_euclid(period_ms) as f64 / period_ms as f64;
        let at = |step: i64| self.of(step as u64).unit() * 2.0 - 1.0;
        let ease = share * share * (3.0 - 2.0 * share);
        at(step) * (1.0 - ease) + at(step + 1) * ease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: impl Iterator<Item = f64>) -> f64 {
        let (sum, n) = values.fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
        sum / n
    }

    #[test]
    fn distributions_have_their_means() {
        let dice = Dice::new(7);
        let throws = || (0..20_000).map(|i| dice.of(i));
        assert!((mean(throws().map(Dice::unit)) - 0.5).abs() < 0.01);
        assert!(mean(throws().map(Dice::normal)).abs() < 0.02);
        assert!((mean(throws().map(|d| d.normal().powi(2))) - 1.0).abs() < 0.03);
        assert!((mean(throws().map(|d| d.exponential(40.0))) - 40.0).abs() < 1.0);
        for expected in [0.2, 3.0, 25.0, 80.0] {
            let seen = mean(throws().map(|d| f64::from(d.poisson(expected))));
            assert!((seen - expected).abs() < 0.03 * expected + 0.02, "{expected}: {seen}");
        }
    }

    #[test]
    fn waves_are_smooth_and_bounded() {
        let dice = Dice::new(1).named("x");
        let mut last = dice.wave(0, 60_000);
        for ms in (0..600_000).step_by(500) {
            let value = dice.wave(ms, 60_000);
            assert!(value.abs() <= 1.0 && (value - last).abs() < 0.03);
            last = value;
        }
    }
}
