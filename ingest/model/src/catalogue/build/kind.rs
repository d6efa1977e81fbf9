//! Makes kinds of their entries.
use super::super::{
    Catalogue,
    entries::KindEntry,
    kind::DeviceKind,
    merge::Sourced,
    problem::{At, Problems},
};
use toml::Spanned;

/// Makes a kind of its entry; adds what is wrong with it.
pub(super) fn make(
    sourced: Sourced<KindEntry>,
    catalogue: &Catalogue,
    problems: &mut Problems<'_>,
) -> DeviceKind {
    let place = |span| At::new(sourced.at.file, &span);
    let (name, entry) = (sourced.name, sourced.entry);
    if let Err(error) = catalogue.known_domain(*entry.domain.get_ref()) {
        problems.add(place(entry.domain.span()), format!("kind {name}: {error}"));
    }
    if *entry.reporting_period_s.get_ref() == 0 {
        let message = format!("kind {name}: reporting_period_s must be at least 1");
        problems.add(place(entry.reporting_period_s.span()), message);
    }
    for property in
        entry.properties.iter().filter(|property| catalogue.property(property.get_ref()).is_none())
    {
        let unknown = property.get_ref();
        let message = format!(
            "kind {name}: unknown property {unknown}; add it to [property.{unknown}] or remove it here"
        );
        problems.add(place(property.span()), message);
    }
    DeviceKind {
        name,
        domain: entry.domain.into_inner(),
        reporting_period_s: entry.reporting_period_s.into_inner(),
        properties: entry.properties.into_iter().map(Spanned::into_inner).collect(),
        title: entry.title,
    }
}
