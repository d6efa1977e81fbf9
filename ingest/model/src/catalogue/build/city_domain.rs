//! Makes domains and panels of their entries.
use super::super::{
    Catalogue,
    city_domain::{CityDomain, Panel},
    entries::{DomainEntry, PanelEntry},
    merge::Sourced,
    problem::{At, Problems},
};
use crate::Domain;
use toml::Spanned;

/// Most panels: the wall has room for as many.
pub(super) const PANELS_MAX: usize = 6;
/// Most indicators of a panel.
const PANEL_INDICATORS_MAX: usize = 3;
/// Longest path of an icon, in bytes.
const ICON_LEN_MAX: usize = 2000;

/// Makes a domain of its entry; adds what is wrong with it.
pub(super) fn make(sourced: Sourced<DomainEntry>, problems: &mut Problems<'_>) -> Option<CityDomain> {
    let Sourced { name, entry, at } = sourced;
    if let Some(icon) = entry.icon.as_ref().filter(|icon| !is_path(icon.get_ref())) {
        let message = format!(
            "an icon is the path of an SVG in a box of 24 by 24, as in \"M4 12h16\", at most {ICON_LEN_MAX} bytes"
        );
        problems.add(At::new(at.file, &icon.span()), message);
    }
    let name = name.parse::<Domain>().map_err(|error| problems.add(at, error.to_string())).ok()?;
    let short_title = entry.short_title.unwrap_or_else(|| entry.title.clone());
    Some(CityDomain { name, title: entry.title, short_title, icon: entry.icon.map(Spanned::into_inner) })
}

fn is_path(icon: &str) -> bool {
    let fits = |c: char| c.is_ascii_digit() || "MmLlHhVvCcSsQqTtAaZz .,-+".contains(c);
    icon.len() <= ICON_LEN_MAX && icon.starts_with(['M', 'm']) && icon.chars().all(fits)
}

/// Makes a panel of its entry; adds what is wrong with it.
pub(super) fn make_panel(
    sourced: Sourced<PanelEntry>,
    catalogue: &Catalogue,
    problems: &mut Problems<'_>,
) -> Option<Panel> {
    let Sourced { name: id, entry, at } = sourced;
    let mut add = |span, message: String| problems.add(At::new(at.file, &span), message);
    let domain = catalogue.city_domain(*entry.domain.get_ref());
    let domain = domain.map_err(|error| add(entry.domain.span(), error.to_string())).ok();
    let indicators = entry.indicators.get_ref();
    if !(1..=PANEL_INDICATORS_MAX).contains(&indicators.len()) {
        let message = format!("{} indicators; a panel has 1 to {PANEL_INDICATORS_MAX}", indicators.len());
        add(entry.indicators.span(), message);
    }
    for id in indicators.iter().filter(|id| catalogue.indicator(id.get_ref()).is_none()) {
        add(id.span(), format!("no indicator is called {:?}; add it to [kpi.NAME]", id.get_ref()));
    }
    let domain = domain?;
    Some(Panel {
        id,
        domain: domain.name,
        title: entry.title.unwrap_or_else(|| domain.title.clone()),
        short_title: entry.short_title.unwrap_or_else(|| domain.short_title.clone()),
        indicators: entry.indicators.into_inner().into_iter().map(Spanned::into_inner).collect(),
    })
}
