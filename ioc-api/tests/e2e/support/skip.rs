//! Tests that need what a machine may lack.

/// Notes that a test cannot check something here, for want of `what`. Where everything must run, as in CI, that is a
/// failure.
#[track_caller]
pub(crate) fn lacks(what: &str) {
    assert!(
        std::env::var_os("TESTS_MUST_RUN").is_none(),
        "TESTS_MUST_RUN is set, and this machine lacks {what}"
    );
    eprintln!("SKIPPED: this machine lacks {what}");
}
