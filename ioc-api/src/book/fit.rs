//! A transition as a journal record. What rules may say is limited when they are loaded, so that it fits; should one not
//! fit all the same, its texts are shortened rather than the alert lost.
use ioc_journal::RECORD_LEN_MAX;
use ioc_model::{Alert, Transition};

/// Longest text in bytes that is left when texts are shortened.
const TEXT_BYTES_MAX: usize = 1024;
/// Most labels, and most notes, that are left when nothing else helps.
const LEFT_MAX: usize = 32;

/// Ways to make an alert smaller, what is missed least first.
const CUTS: [fn(&mut Alert); 4] = [cut_evidence, cut_texts, cut_labels, cut_notes];

/// Encodes a transition; shortens its texts when it would not fit a record.
///
/// Errors: it cannot be written as JSON.
pub(super) fn encode(transition: &mut Transition) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = serde_json::to_vec(transition)?;
    for cut in CUTS {
        if json.len() <= RECORD_LEN_MAX {
            break;
        }
        tracing::error!(
            rule = shortened(&transition.alert.rule),
            bytes = json.len(),
            "an alert is too large for a record and is written with shortened texts"
        );
        cut(&mut transition.alert);
        json = serde_json::to_vec(transition)?;
    }
    Ok(json)
}

fn cut_evidence(alert: &mut Alert) {
    shorten(&mut alert.evidence.expr);
    alert.evidence.samples.iter_mut().for_each(|sample| shorten(&mut sample.series));
    alert.evidence.parts.iter_mut().for_each(|part| shorten(&mut part.expr));
    alert.evidence.samples.truncate(LEFT_MAX);
    alert.evidence.parts.truncate(LEFT_MAX);
}

fn cut_texts(alert: &mut Alert) {
    let texts = [&mut alert.rule, &mut alert.summary.vi, &mut alert.summary.en];
    texts.into_iter().chain(&mut alert.ward).for_each(shorten);
}

fn cut_labels(alert: &mut Alert) {
    alert.labels.values_mut().for_each(shorten);
    alert.labels.retain(|name, _| name.len() <= TEXT_BYTES_MAX);
    while alert.labels.len() > LEFT_MAX {
        alert.labels.pop_last();
    }
}

fn cut_notes(alert: &mut Alert) {
    alert.notes.iter_mut().for_each(|note| shorten(&mut note.text));
    let surplus = alert.notes.len().saturating_sub(LEFT_MAX);
    alert.notes.drain(..surplus);
}

fn shorten(text: &mut String) {
    if text.len() > TEXT_BYTES_MAX {
        *text = shortened(text);
    }
}

fn shortened(text: &str) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    match end == text.len() {
        true => text.to_owned(),
        false => format!("{}… (shortened)", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::merge::{NOTE_LEN_MAX, tests::firing};
    use ioc_model::{
        TransitionKind,
        alert::{EvidencePart, EvidenceSample, Note},
    };

    fn transition(alert: Alert) -> Transition {
        Transition { transition: TransitionKind::Firing, at: 1, by: None, cause: Some(7), alert }
    }

    type Excess = (&'static str, fn(&mut Alert, String));

    /// Makes one part of an alert far too large.
    const EXCESSES: [Excess; 7] = [
        ("summary", |alert, text| alert.summary.vi = text),
        ("rule", |alert, text| alert.rule = text),
        ("label", |alert, text| _ = alert.labels.insert("team".into(), text)),
        ("label name", |alert, text| _ = alert.labels.insert(text, String::new())),
        ("expr", |alert, text| alert.evidence.expr = text),
        ("series", |alert, text| {
            alert.evidence.samples.push(EvidenceSample { series: text, ts: 1, value: 1.0 });
        }),
        ("part", |alert, text| alert.evidence.parts.push(EvidencePart { expr: text, value: None })),
    ];

    #[test]
    fn whatever_is_too_large_is_shortened_and_the_alert_is_kept() {
        for (what, make) in EXCESSES {
            // Three bytes a letter, six as JSON for each control character.
            let mut alert = firing();
            make(&mut alert, "ế\u{1}".repeat(RECORD_LEN_MAX / 4));
            let mut large = transition(alert);
            let json = encode(&mut large).unwrap();
            assert!(json.len() <= RECORD_LEN_MAX, "{what}: {}", json.len());
            let read: Transition = serde_json::from_slice(&json).unwrap();
            assert_eq!(read, large, "{what}");
            assert_eq!(
                (read.alert.id, read.alert.fingerprint),
                (firing().id, firing().fingerprint),
                "{what}"
            );
        }
    }

    #[test]
    fn everything_at_once_fits_too() {
        let mut alert = firing();
        for (_, make) in EXCESSES {
            make(&mut alert, "\u{1}".repeat(RECORD_LEN_MAX));
        }
        let note = Note { at: 1, by: "lan".into(), text: "\u{1}".repeat(NOTE_LEN_MAX) };
        alert.notes = vec![note; 1_000];
        assert!(encode(&mut transition(alert)).unwrap().len() <= RECORD_LEN_MAX);
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let mut small = transition(Alert { labels: [("a".into(), "x".repeat(5_000))].into(), ..firing() });
        let before = small.clone();
        assert_eq!(serde_json::from_slice::<Transition>(&encode(&mut small).unwrap()).unwrap(), before);
    }
}
