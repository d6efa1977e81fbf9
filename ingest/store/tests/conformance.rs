//! What every implementation of the port must do, each through the same random lives.
#![allow(clippy::unwrap_used, reason = "tests")]
mod common;

use common::{life, small};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_embedded_history_is_a_map(steps in prop::collection::vec(life::step(), 1..60)) {
        life::run(|dir| ioc_store::open(small(dir)).unwrap(), steps);
    }
}
