//! The front end that is compiled in.
use ioc_http::assets::Assets;

include!(concat!(env!("OUT_DIR"), "/dashboards.rs"));

/// Returns its files.
pub fn assets() -> Assets {
    Assets::new(DASHBOARDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_compressed_scripts_are_there() {
        let has = |ending: &str| DASHBOARDS.iter().any(|(path, _)| path.ends_with(ending));
        assert!(["/index.html", "/wall.html", ".js", ".js.br"].into_iter().all(has));
    }
}
