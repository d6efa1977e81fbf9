//! Street lights on feeders of cabinets, along the streets of the inner city and the main roads of outer wards.
use super::{ParentKind, SimParent, Yard};
use crate::{
    city::{
        Polyline, Position,
        streets::{STREETS, StreetClass},
        wards::{WARDS, Ward, nearest},
        water::in_water,
    },
    kind::Kind,
};

/// Share of the lamps that stand in the inner city.
const INNER_SHARE: f64 = 0.62;
/// Lamps of one cabinet, at most.
const CABINET_LAMPS: usize = 36;
/// Lamps of one feeder, at most.
const FEEDER_LAMPS: usize = 12;
/// How far from the middle of the road a pole stands.
const POLE_ASIDE_M: f64 = 7.0;
/// Devices of a stretch of road, at least.
const STRETCH_LEAST: usize = 8;
/// Nobody spaces poles further apart than this; a road with few lamps is lit near its middle only.
const SPACING_M_MAX: f64 = 110.0;
const RATED_MAIN_W: [&str; 3] = ["120", "150", "180"];
const RATED_LOCAL_W: [&str; 3] = ["60", "80", "100"];

/// A stretch of road to be lit.
struct Stretch {
    name: String,
    main: bool,
    points: Vec<Position>,
    lamps: usize,
}

/// Numbers given out so far.
#[derive(Default)]
struct Numbers {
    cabinets: usize,
    lamps: usize,
}

/// Places cabinets and about `lamps` devices in all, cabinets included.
pub(super) fn place(yard: &mut Yard, devices: usize) {
    let mut stretches = inner_stretches((devices as f64 * INNER_SHARE) as usize);
    let inner: usize = stretches.iter().map(|s| s.lamps + s.lamps.div_ceil(CABINET_LAMPS)).sum();
    stretches.extend(outer_stretches(yard, devices.saturating_sub(inner)));
    let mut numbers = Numbers::default();
    for stretch in stretches.iter().filter(|s| s.lamps > 0) {
        light(yard, stretch, &mut numbers);
    }
}

/// Shares devices out by weight; the shares add up to `lamps` but for the last fraction. A small fleet lights only
/// the heaviest, with at least `least` devices or so each.
fn share(lamps: usize, weights: &[f64], least: usize) -> Vec<usize> {
    let mut heaviest = weights.to_vec();
    heaviest.sort_by(|a, b| b.total_cmp(a));
    let lit = (lamps / least).clamp(1, weights.len());
    let limit = heaviest.get(lit - 1).copied().unwrap_or(0.0);
    let weights: Vec<f64> =
        weights.iter().map(|weight| if *weight < limit { 0.0 } else { *weight }).collect();
    let total: f64 = weights.iter().sum();
    let (mut given, mut due) = (0, 0.0);
    let mut shares = Vec::with_capacity(weights.len());
    for weight in weights {
        due += lamps as f64 * weight / total.max(f64::EPSILON);
        let next = (due.round() as usize).saturating_sub(given);
        given += next;
        shares.push(next);
    }
    shares
}

fn inner_stretches(devices: usize) -> Vec<Stretch> {
    let weights: Vec<f64> = STREETS.iter().map(|s| s.line().length_m()).collect();
    let streets = STREETS.iter().zip(share(devices, &weights, STRETCH_LEAST));
    let stretch = |(street, devices): (&crate::city::streets::Street, usize)| Stretch {
        name: street.name.to_owned(),
        main: street.class == StreetClass::Main,
        points: street.line().0.to_vec(),
        lamps: without_cabinets(devices),
    };
    streets.map(stretch).collect()
}

/// Two crossing roads through the middle of each outer ward.
fn outer_stretches(yard: &Yard, devices: usize) -> Vec<Stretch> {
    let weights: Vec<f64> = WARDS.iter().map(|ward| ward.weight()).collect();
    let mut stretches = Vec::new();
    for (ward, devices) in WARDS.iter().zip(share(devices, &weights, STRETCH_LEAST)) {
        let dice = yard.dice.named("outer").named(ward.code);
        let centre = dry_centre(ward);
        let bearing = dice.of(0).range(0.2, 1.3);
        let half_m = (ward.area_km2.sqrt() * 140.0).clamp(350.0, 1400.0);
        let lamps = without_cabinets(devices);
        let axis = |name: String, bearing: f64, lamps: usize, main: bool| {
            let (north, east) = (bearing.cos() * half_m, bearing.sin() * half_m);
            let bend = centre.shifted(dice.of(1).range(-80.0, 80.0), dice.of(2).range(-80.0, 80.0));
            let points = vec![centre.shifted(-north, -east), bend, centre.shifted(north, east)];
            Stretch { name, main, points, lamps }
        };
        let crossing = if devices > 2 * FEEDER_LAMPS { lamps / 3 } else { 0 };
        stretches.push(axis(format!("Trục chính {}", ward.name), bearing, lamps - crossing, true));
        let name = format!("Đường ngang {}", ward.name);
        stretches.push(axis(name, bearing + std::f64::consts::FRAC_PI_2, crossing, false));
    }
    stretches
}

/// Returns the ward's centre, or the nearest dry place of a few around it: some centres lie in a lagoon.
fn dry_centre(ward: &Ward) -> Position {
    let rings = [0.0, 800.0, 1600.0, 2400.0, 3200.0];
    let around = rings.into_iter().flat_map(|radius_m| {
        let turn = |eighth: i32| f64::from(eighth) * std::f64::consts::FRAC_PI_4;
        (0..8).map(move |eighth| {
            ward.centre.shifted(radius_m * turn(eighth).cos(), radius_m * turn(eighth).sin())
        })
    });
    let is_dry = |place: &Position| !in_water(*place) && nearest(*place).code == ward.code;
    around.into_iter().find(is_dry).unwrap_or(ward.centre)
}

fn without_cabinets(devices: usize) -> usize {
    devices - devices.div_ceil(CABINET_LAMPS + 1)
}

/// Puts the lamps of a stretch on its cabinets, each in the middle of what it feeds.
fn light(yard: &mut Yard, stretch: &Stretch, numbers: &mut Numbers) {
    let line = Polyline(&stretch.points);
    let spacing_m = (line.length_m() / stretch.lamps as f64).min(SPACING_M_MAX);
    let start_m = (line.length_m() - spacing_m * stretch.lamps as f64) / 2.0;
    let cabinets = stretch.lamps.div_ceil(CABINET_LAMPS);
    let per_cabinet = stretch.lamps.div_ceil(cabinets);
    for first in (0..stretch.lamps).step_by(per_cabinet) {
        let count = per_cabinet.min(stretch.lamps - first);
        let along_m = |lamp: usize| start_m + (lamp as f64 + 0.5) * spacing_m;
        let Some(at) = dry(&line, along_m(first + count / 2), POLE_ASIDE_M + 5.0) else { continue };
        numbers.cabinets += 1;
        let cabinet = format!("CAB-{:03}", numbers.cabinets);
        let labels = [("cabinet", cabinet.as_str()), ("street", stretch.name.as_str())];
        let Some(id) = yard.add(&cabinet, Kind::LightingCabinet, at, None, &labels) else { continue };
        let feeders = count.div_ceil(FEEDER_LAMPS);
        for lamp in 0..count {
            let aside_m = if lamp % 2 == 0 { POLE_ASIDE_M } else { -POLE_ASIDE_M };
            let Some(at) = dry(&line, along_m(first + lamp), aside_m) else { continue };
            numbers.lamps += 1;
            let feeder = format!("F{}", lamp * feeders / count + 1);
            let parent = SimParent { kind: ParentKind::Cabinet, id: id.clone() };
            let powers = if stretch.main { RATED_MAIN_W } else { RATED_LOCAL_W };
            let rated = powers[yard.dice.named("rated").named(&stretch.name).below(powers.len())];
            let labels = [
                ("cabinet", cabinet.as_str()),
                ("feeder", feeder.as_str()),
                ("street", stretch.name.as_str()),
                ("rated_power", rated),
            ];
            yard.add(&format!("LUM-{:05}", numbers.lamps), Kind::Luminaire, at, Some(parent), &labels);
        }
    }
}

/// Returns a place along the line, unless it is in the river.
fn dry(line: &Polyline<'_>, along_m: f64, aside_m: f64) -> Option<Position> {
    line.place(along_m, aside_m).filter(|place| !in_water(*place))
}
