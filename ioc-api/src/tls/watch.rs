//! Reading certificates again when their files change, and saying when they end.
use super::Certificate;
use std::{sync::Arc, time::Duration};
use tokio::time::interval;

/// How often the files are looked at.
const PERIOD: Duration = Duration::from_secs(2);
/// A certificate that ends within this time is warned of at each start and each change.
const EXPIRES_SOON_S: i64 = 14 * 86_400;

/// Describes when a certificate ends. `of` is whose it is, as in "HTTPS".
pub fn tell_expiry(of: &str, certificate: &Certificate) {
    let Some(expires_s) = certificate.expires_s() else { return };
    let expires =
        jiff::Timestamp::from_second(expires_s).map_or_else(|_| "?".to_owned(), |at| at.to_string());
    let left_s = expires_s - jiff::Timestamp::now().as_second();
    match left_s < EXPIRES_SOON_S {
        true => tracing::warn!(
            expires,
            days = left_s.div_euclid(86_400),
            "the certificate of {of} ends soon; renew it"
        ),
        false => tracing::info!(expires, "the certificate of {of} is in use"),
    }
}

/// Reads a certificate again when its files change, for ever. `of` is whose it is, as in "HTTPS".
pub async fn renew(of: &'static str, certificate: Arc<Certificate>) {
    let mut ticks = interval(PERIOD);
    loop {
        ticks.tick().await;
        let certificate = Arc::clone(&certificate);
        let reload = move || match certificate.reload() {
            Ok(true) => tell_expiry(of, &certificate),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "the new certificate of {of} cannot be used; the one before stays in use")
            }
        };
        let _ = tokio::task::spawn_blocking(reload).await;
    }
}
