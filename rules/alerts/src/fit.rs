//! Shortening what is larger than an event may be. What rules may say is limited when they are loaded, so that it fits;
//! should an event not fit all the same, its texts are shortened rather than the alert lost.
use crate::event::{Decision, EventBody, Shown, Subject};
use ioc_model::{
    Alert, Evidence,
    alert::{Note, Text},
};
use std::collections::BTreeMap;

/// Longest text in bytes that is left when texts are shortened.
const TEXT_BYTES_MAX: usize = 512;
/// Most samples, parts, labels and notes that are left when nothing else helps. JSON takes six bytes for a control
/// character, so 16 labels, samples, parts and notes of such texts come to less than [`crate::EVENT_BYTES_MAX`].
const LEFT_MAX: usize = 16;

/// What of an event is shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Evidence,
    Texts,
    Labels,
    Notes,
}

/// What is missed least comes first.
pub(crate) const CUTS: [Cut; 4] = [Cut::Evidence, Cut::Texts, Cut::Labels, Cut::Notes];

/// Shortens one part of an event.
pub(crate) fn shorten(body: &mut EventBody, cut: Cut) {
    match body {
        EventBody::Imported(transition) => cut_alert(&mut transition.alert, cut),
        EventBody::Restated(restated) => cut_alert(&mut restated.alert, cut),
        EventBody::Recalled(recalled) => cut_alert(&mut recalled.alert, cut),
        EventBody::RecalledNotes(recalled) => cut_notes(&mut recalled.notes, cut),
        EventBody::Pending(opened) => {
            cut_subject(&mut opened.subject, cut);
            cut_shown(&mut opened.shown, cut);
            cut_decision(&mut opened.decision, cut);
        }
        EventBody::Firing(fired) => {
            fired.subject.iter_mut().for_each(|subject| cut_subject(subject, cut));
            cut_shown(&mut fired.shown, cut);
            cut_decision(&mut fired.decision, cut);
        }
        EventBody::Cleared(cleared) => cut_decision(&mut cleared.decision, cut),
        EventBody::NoDataChanged(decision) => cut_decision(decision, cut),
        // What people write is limited when they write it.
        EventBody::Acknowledged(_) | EventBody::Noted(_) | EventBody::Resolved(_) => {}
    }
}

fn cut_alert(alert: &mut Alert, cut: Cut) {
    match cut {
        Cut::Evidence => cut_evidence(&mut alert.evidence),
        Cut::Texts => {
            cut_text(&mut alert.rule);
            alert.ward.iter_mut().for_each(cut_text);
            cut_summary(&mut alert.summary);
        }
        Cut::Labels => cut_labels(&mut alert.labels),
        Cut::Notes => cut_notes(&mut alert.notes, cut),
    }
}

fn cut_subject(subject: &mut Subject, cut: Cut) {
    match cut {
        Cut::Texts => {
            cut_text(&mut subject.rule);
            subject.ward.iter_mut().for_each(cut_text);
        }
        Cut::Labels => cut_labels(&mut subject.labels),
        Cut::Evidence | Cut::Notes => {}
    }
}

fn cut_shown(shown: &mut Shown, cut: Cut) {
    if cut == Cut::Texts {
        cut_summary(&mut shown.summary);
    }
}

fn cut_decision(decision: &mut Decision, cut: Cut) {
    if cut == Cut::Evidence {
        decision.evidence.iter_mut().for_each(cut_evidence);
    }
}

fn cut_evidence(evidence: &mut Evidence) {
    cut_text(&mut evidence.rule_hash);
    cut_text(&mut evidence.expr);
    evidence.samples.truncate(LEFT_MAX);
    evidence.samples.iter_mut().for_each(|sample| cut_text(&mut sample.series));
    evidence.parts.truncate(LEFT_MAX);
    evidence.parts.iter_mut().for_each(|part| cut_text(&mut part.expr));
}

fn cut_summary(summary: &mut Text) {
    cut_text(&mut summary.vi);
    cut_text(&mut summary.en);
}

fn cut_labels(labels: &mut BTreeMap<String, String>) {
    labels.values_mut().for_each(cut_text);
    labels.retain(|name, _| name.len() <= TEXT_BYTES_MAX);
    while labels.len() > LEFT_MAX {
        labels.pop_last();
    }
}

fn cut_notes(notes: &mut Vec<Note>, cut: Cut) {
    if cut == Cut::Notes {
        notes.iter_mut().for_each(|note| cut_text(&mut note.text));
        let surplus = notes.len().saturating_sub(LEFT_MAX);
        notes.drain(..surplus);
    }
}

fn cut_text(text: &mut String) {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("… (shortened)");
    }
}
