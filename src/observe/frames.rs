//! Frames of a sampled trajectory for a reader who needs some of them: evenly spaced, without parsing the others.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::formats::{FormatError, Frame, xyz};

/// At most `most` frames of an extended XYZ file, evenly spaced, the first among them; none where there is no file. A last
/// frame that a driver is still writing is left out.
pub fn evenly_spaced(path: &Path, most: usize) -> Result<Vec<Frame>, FormatError> {
    let cut = |source| FormatError::reading(path)(source);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let places = places(path).map_err(cut)?;
    let stride = places.len().div_ceil(most.max(1)).max(1);
    let mut file = File::open(path).map_err(cut)?;
    let mut frames = Vec::new();
    for (begin, length) in places.into_iter().step_by(stride) {
        let mut bytes = vec![0; length as usize];
        file.seek(SeekFrom::Start(begin)).map_err(cut)?;
        file.read_exact(&mut bytes).map_err(cut)?;
        frames.extend(xyz::parse(&String::from_utf8_lossy(&bytes), path)?);
    }
    Ok(frames)
}

/// Where each whole frame begins and how many bytes it has.
fn places(path: &Path) -> io::Result<Vec<(u64, u64)>> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut places = Vec::new();
    let mut begin = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut length = reader.read_until(b'\n', &mut line)?;
        let Ok(atoms) = String::from_utf8_lossy(&line).trim().parse::<usize>() else {
            return Ok(places);
        };
        for _ in 0..=atoms {
            line.clear();
            length += reader.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                return Ok(places);
            }
        }
        places.push((begin, length as u64));
        begin += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_spread_and_a_cut_one_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain-0.xyz");
        assert!(evenly_spaced(&path, 3).unwrap().is_empty());
        let mut text = String::new();
        for step in 0..10 {
            text.push_str(&format!("1\nslmc_step={step}\nAr 0.0 0.0 {step}.0\n"));
        }
        std::fs::write(&path, format!("{text}1\nslmc_step=10\nAr 0.0")).unwrap();
        let steps = |most: usize| -> Vec<String> {
            let frames = evenly_spaced(&path, most).unwrap();
            frames.iter().map(|frame| frame.info["slmc_step"].clone()).collect()
        };
        assert_eq!(steps(3), ["0", "4", "8"]);
        assert_eq!(steps(100).len(), 10);
        assert_eq!(steps(5), ["0", "2", "4", "6", "8"]);
    }
}
