//! Whatever one thing in a message is wrong, it alone is refused, with where it stands and what would be right.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ioc_ingest::{Context, DecodeLimits, Decoder, Device};
use ioc_model::{Catalogue, DeviceIndex, Domain, Message, Observation, Quality};
use proptest::prelude::*;
use std::{
    fmt::Write,
    sync::{Arc, LazyLock},
};

const NOW: i64 = 1_761_523_200_000;
/// Values that an object of these tests has at most.
const PROPERTIES: usize = 6;

static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| {
    let mut text = String::from("[kind]\n");
    for n in 0..PROPERTIES {
        writeln!(text, "[property.p{n}]\nid = {n}\ntitle = {{ vi = \"a\", en = \"b\" }}").unwrap();
    }
    // Nothing good is ever sent for this one.
    writeln!(text, "[property.bad]\nid = 99\nmax = 10.0\ntitle = {{ vi = \"a\", en = \"b\" }}").unwrap();
    Arc::new(Catalogue::from_toml(&text).unwrap())
});

fn decode(payload: &[u8]) -> Message {
    let device = Device {
        index: DeviceIndex(0),
        id: "X".parse().unwrap(),
        domain: Domain::from_static("environment"),
        kind: "x".into(),
        lat: 0.0,
        lon: 0.0,
        ward: None,
        parent: None,
        labels: Default::default(),
        reporting_period_s: 1,
        retired: false,
        created_ms: 0,
    };
    let decoder = Decoder::new(Arc::clone(&CATALOGUE), DecodeLimits::default());
    let context =
        Context { device: &device, credential: "X", topic: "t", payload, arrival_ms: NOW, dup_from_ms: None };
    decoder.decode(&context).0
}

/// One good object: its values are numbers that no other has.
#[derive(Debug, Clone)]
struct Element {
    ts: Option<i64>,
    values: Vec<(usize, f64)>,
    quality: Option<Vec<(usize, &'static str)>>,
    seq: Option<u64>,
    time_first: bool,
}

/// A good message, and whether it is written with white space.
#[derive(Debug, Clone)]
struct Document {
    elements: Vec<Element>,
    is_array: bool,
    is_pretty: bool,
}

fn element() -> impl Strategy<Value = Element> {
    let word = prop::sample::select(vec!["good", "fault", "calibrating", "uncertain"]);
    (
        prop::option::weighted(0.8, NOW - 100_000..NOW),
        prop::sample::subsequence((0..PROPERTIES).collect::<Vec<_>>(), 1..=PROPERTIES),
        prop::option::of(prop::collection::vec(word, PROPERTIES)),
        prop::option::of(any::<u64>()),
        any::<bool>(),
    )
        .prop_map(|(ts, names, words, seq, time_first)| Element {
            ts,
            quality: words.map(|words| names.iter().copied().zip(words).collect()),
            values: names.into_iter().map(|name| (name, 0.0)).collect(),
            seq,
            time_first,
        })
}

fn document(max: usize) -> impl Strategy<Value = Document> {
    (prop::collection::vec(element(), 1..=max), any::<bool>(), any::<bool>()).prop_map(
        |(mut elements, is_array, is_pretty)| {
            let is_array = is_array || elements.len() > 1;
            let values = elements.iter_mut().flat_map(|element| &mut element.values);
            values.enumerate().for_each(|(n, (_, value))| *value = n as f64 + 0.5);
            Document { elements, is_array, is_pretty }
        },
    )
}

impl Document {
    /// Writes it; `at` says what stands in, or instead of, a place.
    fn write(&self, at: &dyn Fn(Place, &str) -> String) -> String {
        let elements = self.elements.iter().enumerate().map(|(n, element)| {
            let members = element.members(n, at);
            at(Place::Object(n), &format!("{{{members}}}"))
        });
        let elements = at(Place::Elements, &elements.collect::<Vec<_>>().join(","));
        let text = if self.is_array { format!("[{elements}]") } else { elements };
        let text = at(Place::Whole, &text);
        match self.is_pretty {
            true => text.replace(',', " ,\n ").replace(':', " : ").replace('{', "{ "),
            false => text,
        }
    }

    /// Returns what must be accepted: property, time unless that of arrival, value, quality.
    fn good(&self) -> Vec<(usize, Option<i64>, f64, Quality)> {
        let of = |element: &Element| {
            let (ts, quality) = (element.ts, element.quality.clone().unwrap_or_default());
            let word = move |name| quality.iter().find(|(n, _)| *n == name).map(|(_, word)| *word);
            let flag =
                move |name| word(name).map_or(Quality::GOOD, |word| Quality::from_device_word(word).unwrap());
            element
                .values
                .iter()
                .map(move |(name, value)| (*name, ts, *value, flag(*name)))
                .collect::<Vec<_>>()
        };
        self.elements.iter().flat_map(of).collect()
    }
}

/// A place of a document that a fault can be put into.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// The whole text.
    Whole,
    /// All objects of the array.
    Elements,
    /// One object.
    Object(usize),
    /// The members of an object.
    Members(usize),
    /// The members of its values.
    Values(usize),
    /// The members of its quality.
    Quality(usize),
}

impl Element {
    fn members(&self, n: usize, at: &dyn Fn(Place, &str) -> String) -> String {
        let values = self.values.iter().map(|(name, value)| format!("\"p{name}\":{value}"));
        let values = at(Place::Values(n), &values.collect::<Vec<_>>().join(","));
        let mut members = vec![format!("\"values\":{{{values}}}")];
        members.extend(self.quality.as_ref().map(|quality| {
            let words = quality.iter().map(|(name, word)| format!("\"p{name}\":\"{word}\""));
            format!("\"quality\":{{{}}}", at(Place::Quality(n), &words.collect::<Vec<_>>().join(",")))
        }));
        members.extend(self.seq.map(|seq| format!("\"seq\":{seq}")));
        let ts = self.ts.map(|ts| format!("\"ts\":{ts}"));
        members.splice(if self.time_first { 0..0 } else { members.len()..members.len() }, ts);
        at(Place::Members(n), &members.join(","))
    }
}

/// Puts `part` among the comma-separated parts of `text` that lie outside of brackets.
fn insert(text: &str, part: &str, index: prop::sample::Index) -> String {
    let (mut depth, mut cuts) = (0, vec![0]);
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => cuts.push(at + 1),
            _ => {}
        }
    }
    let at = index.index(cuts.len() + 1);
    match cuts.get(at) {
        Some(at) => format!("{}{part},{}", &text[..*at], &text[*at..]),
        None => format!("{text},{part}"),
    }
}

/// What is wrong in the place of an object.
const OBJECTS: [&str; 10] =
    ["null", "7", "\"x\"", "true", "nan", "[]", "{}", "{\"seq\":5}", "{\"values\":7}", ""];
/// What is wrong beside the values.
const MEMBERS: [&str; 8] = [
    "\"unit\":\"m\"",
    "\"unit\":nan",
    "\"place\":{\"a\":[1,\"}\"]}",
    "\"values\":[1]",
    "\"unit\":01",
    "\"unit\":\"\\ud800\"",
    "\"unit\":",
    "",
];
/// What is wrong among the values. None is of a property that stands there.
const VALUES: [&str; 40] = [
    "\"zz\":1",
    "\"bad\":null",
    "\"bad\":\"38.1\"",
    "\"bad\":\"\"",
    "\"bad\":11",
    "\"bad\":1e999",
    "\"bad\":nan",
    "\"bad\":-nan",
    "\"bad\":inf",
    "\"bad\":-inf",
    "\"bad\":NaN",
    "\"bad\":Infinity",
    "\"bad\":1.#QNAN",
    "\"bad\":nan(0x8000)",
    "\"bad\":01",
    "\"bad\":+1",
    "\"bad\":.5",
    "\"bad\":1.",
    "\"bad\":0x1F",
    "\"bad\":True",
    "\"bad\":on",
    "\"bad\":[1]",
    "\"bad\":{\"p0\":1}",
    "\"bad\":",
    "\"bad\"",
    "\"bad\" 1",
    "\"bad\"=1",
    "bad:1",
    "'bad':1",
    "\"bad\":'1 2'",
    "\"bad\":1 2",
    "\"bad\":3,14",
    "\"bad\":3;",
    "\"bad\":\"\\ud800\"",
    "\"bad\":\"\\x\"",
    "\"b\\xad\":1",
    "\"bad\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
    "\"bad\":[1,{\"x\":}]",
    "\"\u{1}bad\":1",
    "",
];
/// What is wrong among the qualities.
const QUALITIES: [&str; 4] = ["\"zz\":\"good\"", "\"bad\":\"broken\"", "\"bad\":5", "\"bad\":fault"];

/// A fault and its place: what is put there, and a part of the text that names it.
#[derive(Debug, Clone)]
struct Fault {
    place: Place,
    part: &'static str,
    index: prop::sample::Index,
}

fn fault(elements: usize, is_array: bool) -> impl Strategy<Value = Fault> {
    let at = move |place: fn(usize) -> Place, parts: &'static [&'static str]| {
        (0..elements, prop::sample::select(parts)).prop_map(move |(n, part)| (place(n), part))
    };
    let among = prop::sample::select(&OBJECTS[..]).prop_map(|part| (Place::Elements, part));
    let whole = prop::sample::select(&["after", "comment", "line"][..]).prop_map(|part| (Place::Whole, part));
    let found = prop_oneof![
        3 => among,
        3 => at(Place::Members, &MEMBERS),
        8 => at(Place::Values, &VALUES),
        2 => at(Place::Quality, &QUALITIES),
        2 => whole,
    ];
    let index = any::<prop::sample::Index>();
    (found, index)
        .prop_filter("only arrays have room for objects", move |((place, _), _)| {
            is_array || *place != Place::Elements
        })
        .prop_map(|((place, part), index)| Fault { place, part, index })
}

fn with_fault() -> impl Strategy<Value = (Document, Fault)> {
    document(4).prop_flat_map(|document| {
        let fault = fault(document.elements.len(), document.is_array);
        (Just(document), fault)
    })
}

impl Fault {
    fn apply(&self, place: Place, text: &str) -> String {
        if place != self.place {
            return text.to_owned();
        }
        match (place, self.part) {
            (Place::Whole, "after") => format!("{text} x"),
            (Place::Whole, "comment") => text.replacen('{', "{/* {\"a\": */", 1),
            (Place::Whole, "line") => text.replacen('{', "{// \"a\" }\n", 1),
            _ => insert(text, self.part, self.index),
        }
    }
}

fn shape(message: &Message) -> Vec<(usize, Option<i64>, f64, Quality)> {
    let arrived = Quality::ARRIVAL_TIMED;
    let of = |o: &Observation| {
        let is_timed = !o.quality.contains(arrived);
        let quality = Quality(o.quality.0 & !arrived.0);
        (usize::from(o.property.0), is_timed.then_some(o.ts_ms), o.value, quality)
    };
    message.observations.iter().map(of).collect()
}

/// Phrases with which a detail says what would be right.
const RIGHT: [&str; 7] =
    ["expected", "did you mean", "use a name", "leave", "JSON has none", "in UTF-8", "once is right"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_one_bad_thing_is_refused_and_everything_good_kept((document, fault) in with_fault()) {
        let text = document.write(&|place, text| fault.apply(place, text));
        let message = decode(text.as_bytes());
        let items = message.rejected.iter().flat_map(|rejected| &rejected.items).collect::<Vec<_>>();
        let has_place = match fault.place {
            Place::Quality(n) => document.elements[n].quality.is_some(),
            _ => true,
        };
        prop_assert_eq!(shape(&message), document.good(), "{}\n{:?}", text, items);
        prop_assert_eq!(items.len(), usize::from(has_place), "{}\n{:?}", text, items);
        let Some(item) = items.first() else { return Ok(()) };
        prop_assert!(RIGHT.iter().any(|phrase| item.detail.contains(phrase)), "{}\n{:?}", text, item);
        if let (true, Place::Members(n) | Place::Values(n) | Place::Quality(n)) = (document.is_array, fault.place) {
            prop_assert!(item.detail.starts_with(&format!("[{n}]: ")), "{}\n{:?}", text, item);
        }
        if let (Place::Values(_), true) = (fault.place, fault.part.starts_with("\"bad\"")) {
            let named = item.detail.contains("bad") || item.detail.contains("in values");
            prop_assert!(named, "{}\n{:?}", text, item);
        }
    }

    #[test]
    fn a_good_message_is_taken_whole(document in document(4)) {
        let text = document.write(&|_, text| text.to_owned());
        let message = decode(text.as_bytes());
        prop_assert_eq!(&message.rejected, &None, "{}", text);
        prop_assert_eq!(shape(&message), document.good(), "{}", text);
    }

    #[test]
    fn what_stood_before_a_cut_is_kept_and_nothing_wrong_is_made_of_the_rest(
        document in document(4), cut in any::<prop::sample::Index>(),
    ) {
        let text = document.write(&|_, text| text.to_owned());
        let cut = cut.index(text.len());
        let message = decode(&text.as_bytes()[..cut]);
        prop_assert!(message.rejected.is_some(), "{}", &text[..cut]);
        check_subset(&document, &message, &text[..cut])?;
        let whole = (0..document.elements.len()).filter(|n| end_of(&document, *n) <= cut);
        check_elements(&document, &message, &whole.collect::<Vec<_>>(), &text[..cut])?;
    }

    #[test]
    fn one_mark_too_few_or_too_many_costs_no_more_than_its_object_and_the_next(
        document in document(4), index in any::<prop::sample::Index>(),
        mark in prop::option::of(prop::sample::select(&["{", "}", "[", "]", "\"", ",", ":", "'", "x"][..])),
    ) {
        let text = document.write(&|_, text| text.to_owned());
        let marks: Vec<usize> = text.match_indices(['{', '}', '[', ']', '"', ',', ':']).map(|(at, _)| at).collect();
        let at = marks[index.index(marks.len())];
        let broken = match mark {
            Some(mark) => format!("{}{mark}{}", &text[..at], &text[at..]),
            None => format!("{}{}", &text[..at], &text[at + 1..]),
        };
        let message = decode(broken.as_bytes());
        let is_json = serde_json::from_str::<serde_json::Value>(&broken).is_ok();
        prop_assert!(message.rejected.is_some() || is_json, "{}", broken);
        check_subset(&document, &message, &broken)?;
        // A brace too few may have been of the object behind, too.
        const SLACK: usize = 6;
        let begin = |n: usize| if n == 0 { 0 } else { end_of(&document, n - 1) + 1 };
        let is_clear = |n: &usize| {
            let is_before = end_of(&document, *n) + SLACK < at;
            is_before || n.checked_sub(1).is_some_and(|before| begin(before) > at + SLACK)
        };
        let clear = (0..document.elements.len()).filter(is_clear);
        check_elements(&document, &message, &clear.collect::<Vec<_>>(), &broken)?;
    }
}

/// How what belongs to an object can stand apart from it; `@` is the object, `#` the members that were split off.
const APART: [&str; 16] = [
    "@,{#}", "@{#}", "@ {#}", "@,#}", "@,#", "@ #", "@},#}", "@},{#}", "@,[{#}]", "{#},@", "{#}@", "#,@",
    "[@,{#}]", "[{#},@]", "[@],{#}", "[@],#}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_time_or_quality_that_stands_apart_is_never_lost_silently(
        element in element(), form in prop::sample::select(&APART[..]), cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut whole = Document { elements: vec![element.clone()], is_array: false, is_pretty: false };
        whole.elements[0].values.iter_mut().for_each(|(_, value)| *value = 0.5);
        let rest = Element { values: Vec::new(), ..element };
        let apart = rest.members(0, &|_, text| text.to_owned()).replace("\"values\":{}", "");
        let apart = apart.trim_matches(',').replace(",,", ",");
        prop_assume!(whole.elements[0].ts.is_some() || whole.elements[0].quality.is_some());
        let object = Element { ts: None, quality: None, seq: None, ..whole.elements[0].clone() };
        let object = object.members(0, &|_, text| text.to_owned());
        let text = form.replace('#', &apart).replace('@', &format!("{{{object}}}"));
        // What was cut off within its name may have been anything; a time that was cut off with its name was never heard of.
        let named = text.find(if whole.elements[0].ts.is_some() { "\"ts\"" } else { "\"quality\"" }).map_or(0, |at| at + 3);
        // In an array an object that was cut off costs the others nothing.
        let cut = cut.filter(|_| !text.starts_with('['));
        let text = &text[..cut.map_or(text.len(), |cut| named + cut.index(text.len() + 1 - named))];
        let message = decode(text.as_bytes());
        check_subset(&whole, &message, text)?;
        prop_assert!(message.rejected.is_some(), "{}", text);
    }
}

/// Where the object ends in the text.
fn end_of(document: &Document, n: usize) -> usize {
    let marked = document.write(&|place, text| match place {
        Place::Object(found) if found == n => format!("{text}\0"),
        _ => text.to_owned(),
    });
    marked.find('\0').unwrap()
}

/// Checks that every accepted value is one of the good ones, at its time, and not better than it was said to be.
fn check_subset(document: &Document, message: &Message, text: &str) -> Result<(), TestCaseError> {
    let good = document.good();
    for (name, ts, value, quality) in shape(message) {
        let known = good.iter().find(|(n, _, v, _)| (*n, *v) == (name, value));
        prop_assert!(known.is_some(), "{}\n{} {}", text, name, value);
        let (_, right_ts, _, right_quality) = known.unwrap();
        prop_assert_eq!(ts, *right_ts, "{}\n{} {}", text, name, value);
        let is_honest = quality.contains(*right_quality) || quality.contains(Quality::UNCERTAIN);
        prop_assert!(is_honest, "{}\n{} {} {:?}", text, name, value, quality);
    }
    Ok(())
}

/// Checks that all values of these objects are accepted as they are.
fn check_elements(
    document: &Document,
    message: &Message,
    whole: &[usize],
    text: &str,
) -> Result<(), TestCaseError> {
    let found = shape(message);
    for n in whole {
        let alone = Document { elements: vec![document.elements[*n].clone()], ..document.clone() };
        for good in alone.good() {
            prop_assert!(found.contains(&good), "{}\n{:?}\n{:?}", text, good, message.rejected);
        }
    }
    Ok(())
}
