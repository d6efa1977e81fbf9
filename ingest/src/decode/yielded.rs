//! What a message became so far.
use ioc_model::{Observation, PropertyId, Quality, RejectReason, Rejection};

/// Rejections of one message that get a text of their own; the rest refers to them.
pub const DETAILED_MAX: usize = 32;

/// What parts of a message say that have no values themselves: it can only be about values in other parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lone {
    pub(super) time: bool,
    pub(super) quality: bool,
}

impl std::ops::BitOrAssign for Lone {
    fn bitor_assign(&mut self, other: Self) {
        self.time |= other.time;
        self.quality |= other.quality;
    }
}

/// What a message became so far.
#[derive(Debug)]
pub(super) struct Yield {
    pub(super) observations: Vec<Observation>,
    pub(super) rejections: Vec<Rejection>,
    /// The newest time that was refused: even so it says something about the device's clock.
    pub(super) refused_ms: Option<i64>,
    /// Qualities of the current element.
    pub(super) qualities: Vec<(PropertyId, Quality)>,
    /// Position of the current element in its array, if it is in one.
    pub(super) position: Option<usize>,
    /// A time or a quality stands in a part without values.
    pub(super) lone: Lone,
    /// Most values, refused ones included.
    max: usize,
    /// How many there were beyond.
    excess: usize,
}

impl Yield {
    pub(super) fn new(max: usize) -> Self {
        /// Values that most messages have at most; room for them is made at once.
        const USUAL_VALUES: usize = 8;
        Self {
            observations: Vec::with_capacity(USUAL_VALUES),
            rejections: Vec::new(),
            refused_ms: None,
            qualities: Vec::new(),
            position: None,
            lone: Lone::default(),
            max,
            excess: 0,
        }
    }

    pub(super) fn begin_element(&mut self) {
        self.qualities.clear();
    }

    /// Takes a value; beyond the most there may be it is only counted.
    pub(super) fn accept(&mut self, observation: Observation) {
        if self.count() < self.max {
            self.observations.push(observation);
        } else {
            self.excess += 1;
        }
    }

    /// Refuses something; beyond the most there may be it is only counted.
    pub(super) fn reject(&mut self, reason: RejectReason, detail: impl FnOnce() -> String) {
        if self.count() >= self.max {
            self.excess += 1;
            return;
        }
        let detail = match (self.rejections.len(), self.position) {
            (0..DETAILED_MAX, None) => detail(),
            (0..DETAILED_MAX, Some(position)) => format!("[{position}]: {}", detail()),
            _ => format!("as the first {DETAILED_MAX} of this message; mend those first"),
        };
        self.rejections.push(Rejection { reason, detail });
    }

    pub(super) fn set_quality(&mut self, property: PropertyId, quality: Quality) {
        match self.qualities.iter_mut().find(|(id, _)| *id == property) {
            Some(slot) => slot.1 = quality,
            None => self.qualities.push((property, quality)),
        }
    }

    /// Marks values of the property as uncertain, whatever their quality is said to be.
    pub(super) fn doubt(&mut self, property: PropertyId) {
        let doubt = (property, Quality::UNCERTAIN);
        if !self.qualities.contains(&doubt) {
            self.qualities.push(doubt);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.observations.len() + self.rejections.len()
    }

    /// Refuses values that got the time of their arrival although a time stands in a part of its own: the device wrote one,
    /// and which values it is of nobody can tell. A quality of its own makes every value uncertain.
    pub(super) fn settle_lone(&mut self) {
        if self.lone.quality {
            self.observations.iter_mut().for_each(|observation| observation.quality |= Quality::UNCERTAIN);
        }
        if !self.lone.time {
            return;
        }
        let before = self.observations.len();
        self.observations.retain(|observation| !observation.quality.contains(Quality::ARRIVAL_TIMED));
        for _ in self.observations.len()..before {
            self.reject(RejectReason::BadTime, || {
                "a value without \"ts\", and a time in another part of the message; expected both in one object, as in \
                 {\"ts\": 1761523200000, \"values\": {\"pm25\": 38.1}}"
                    .to_owned()
            });
        }
    }

    /// Refuses, as one, what was beyond the limits: values, and `elements` of an array.
    pub(super) fn end(&mut self, elements: usize) {
        let mut refuse = |count: usize, what: &str| {
            if count > 0 {
                let detail = format!("{count} more {what}; send several smaller messages");
                self.rejections.push(Rejection { reason: RejectReason::TooLarge, detail });
            }
        };
        refuse(self.excess, &format!("values than the {} that one message may have", self.max));
        refuse(elements, "objects than one array may have");
    }
}
