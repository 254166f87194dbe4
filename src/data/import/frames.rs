//! Frames of extended XYZ and of n2p2's input.data: those with labels.

use super::recognise::Source;
use super::{ImportSettings, Imported};
use crate::formats::{FormatError, n2p2, xyz};

/// Takes every frame with an energy; everything else that a frame carries is kept.
pub(super) fn structures(imported: &mut Imported, text: &str, settings: &ImportSettings) -> Result<(), FormatError> {
    let path = imported.path.clone();
    let frames = match imported.source {
        Source::N2p2 => n2p2::parse_data(text, &path, settings.units)?,
        _ => xyz::parse(text, &path)?,
    };
    for frame in frames {
        let step = if frame.labels.is_some() {
            Ok(frame)
        } else {
            Err("without an energy".to_owned())
        };
        // What a frame says of its own origin is worth more than the name of the file it last stood in.
        let told = step.as_ref().ok().map(|frame| frame.info.clone());
        imported.step(step);
        if let (Some(told), Some(frame)) = (told, imported.frames.last_mut()) {
            frame
                .info
                .extend(told.into_iter().filter(|(key, _)| key.starts_with("import_")));
        }
    }
    let digests: std::collections::BTreeSet<&String> = imported
        .frames
        .iter()
        .filter_map(|frame| frame.info.get("slmc_fingerprint"))
        .collect();
    if let Some(joined) = digests.into_iter().cloned().reduce(|all, next| format!("{all} {next}")) {
        imported.surface.insert("slmc_fingerprint".to_owned(), joined);
    }
    Ok(())
}
