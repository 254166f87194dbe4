//! What is told of an import: one line for each file, what several files disagree on, what they have twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Imported;
use crate::data::duplicates::same as same_structure;
use crate::formats::Frame;

impl Imported {
    /// Why no step could be taken.
    pub(super) fn why_nothing(&self) -> String {
        let mut reasons: Vec<String> = self
            .left_out
            .iter()
            .map(|(reason, count)| counted(*count, reason))
            .collect();
        if self.steps == 0 {
            reasons.push("it has no complete step".to_owned());
        }
        // Of a file without steps only that it ends early is of interest.
        reasons.extend(
            self.notes
                .iter()
                .filter(|note| note.starts_with("cut short"))
                .map(|_| "it is cut short".to_owned()),
        );
        reasons.extend(self.notes.iter().filter(|note| note.starts_with("this is no")).cloned());
        reasons.join("; ")
    }

    /// Says what labels lack.
    pub(super) fn note_what_is_missing(&mut self) {
        let without = |what: fn(&Frame) -> bool| self.frames.iter().filter(|frame| what(frame)).count();
        let forces = without(|frame| frame.labels.as_ref().is_some_and(|labels| labels.forces.is_none()));
        let stress = without(|frame| frame.labels.as_ref().is_some_and(|labels| labels.stress.is_none()));
        if forces > 0 {
            self.notes.push(format!("{forces} without forces"));
        }
        if stress > 0 {
            self.notes.push(format!("{stress} without stress"));
        }
    }
}

fn counted(count: usize, reason: &str) -> String {
    format!("{count} × {reason}")
}

impl fmt::Display for Imported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path.display(), self.source.name())?;
        if !self.code.is_empty() {
            write!(formatter, " ({})", self.code)?;
        }
        write!(formatter, ", {} steps, {} taken", self.steps, self.frames.len())?;
        let left: usize = self.left_out.values().sum();
        if left > 0 {
            let reasons: Vec<String> = self
                .left_out
                .iter()
                .map(|(reason, count)| counted(*count, reason))
                .collect();
            write!(formatter, ", {left} left out ({})", reasons.join("; "))?;
        }
        for note in &self.notes {
            write!(formatter, "; {note}")?;
        }
        Ok(())
    }
}

/// What makes energies comparable and is not the same in all files: the entry and each value with the first file that has it.
pub fn differences(files: &[Imported]) -> Vec<String> {
    let mut values: BTreeMap<(String, &str), BTreeMap<&str, &Imported>> = BTreeMap::new();
    for file in files {
        let code = file.code.split_whitespace().next().unwrap_or_default();
        for (key, value) in &file.surface {
            values
                .entry((code.to_owned(), key))
                .or_default()
                .entry(value)
                .or_insert(file);
        }
    }
    let mut told: Vec<String> = Vec::new();
    let codes: BTreeSet<&str> = (files.iter())
        .filter_map(|file| file.code.split_whitespace().next())
        .collect();
    if codes.len() > 1 {
        told.push(format!("codes: {}", codes.into_iter().collect::<Vec<_>>().join(", ")));
    }
    for ((_, key), found) in values.into_iter().filter(|(_, found)| found.len() > 1) {
        let each: Vec<String> = found
            .iter()
            .map(|(value, file)| format!("{value} in {}", file.path.display()))
            .collect();
        told.push(format!("{key}: {}", each.join(", ")));
    }
    told
}

/// How far apart the same label may be in two files: OUTCAR has five decimals of a position.
const SAME_PLACE: f64 = 2e-5;
const SAME_ENERGY: f64 = 1e-6;

/// Leaves out of each file the steps that an earlier file has too, such as the OUTCAR beside a vasprun.xml or the first step of a run
/// that went on from another.
pub fn without_repeated(files: &mut [Imported]) {
    let mut known: BTreeMap<(usize, i64), Vec<Frame>> = BTreeMap::new();
    let key = |frame: &Frame| {
        let energy = frame.labels.as_ref().map_or(0.0, |labels| labels.energy);
        (frame.structure.len(), (energy / (10.0 * SAME_ENERGY)).floor() as i64)
    };
    for file in files {
        let frames = std::mem::take(&mut file.frames);
        let mut kept = Vec::with_capacity(frames.len());
        for frame in frames {
            let (count, bin) = key(&frame);
            let there = (bin - 1..=bin + 1)
                .filter_map(|bin| known.get(&(count, bin)))
                .flatten()
                .any(|other| same(other, &frame));
            if there {
                file.leave("in an earlier file already");
            } else {
                kept.push(frame);
            }
        }
        for frame in &kept {
            known.entry(key(frame)).or_default().push(frame.clone());
        }
        file.frames = kept;
    }
}

/// Whether two frames are the same label.
pub(super) fn same(a: &Frame, b: &Frame) -> bool {
    let energy = |frame: &Frame| frame.labels.as_ref().map(|labels| labels.energy);
    let near = energy(a)
        .zip(energy(b))
        .is_some_and(|(a, b)| (a - b).abs() <= SAME_ENERGY);
    near && a.structure.species == b.structure.species && same_structure(&a.structure, &b.structure, SAME_PLACE)
}
