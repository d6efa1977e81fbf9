//! A sketch of Huế to place devices in: wards, streets of the inner city, the river to keep out of.
//!
//! Coordinates are our own, by eye, good to about 100 m: they make a plausible picture, not a survey.
pub(crate) mod geometry;
pub(crate) mod places;
pub(crate) mod streets;
pub(crate) mod wards;
pub(crate) mod water;

pub(crate) use geometry::{Polyline, Position};
