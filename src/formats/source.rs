//! Opening and replacing files: gzip by content on reading and by name on writing, replacement in one step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::FormatError;

/// A file's lines, unpacked if it begins as gzip does.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, FormatError> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(FormatError::reading(path))?);
    let beginning = file.fill_buf().map_err(FormatError::reading(path))?;
    if beginning.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file))))
    } else {
        Ok(Box::new(file))
    }
}

/// A whole file as text; bytes that are no UTF-8 become replacement characters.
pub(super) fn read_text(path: &Path) -> Result<String, FormatError> {
    let mut bytes = Vec::new();
    open(path)?
        .read_to_end(&mut bytes)
        .map_err(FormatError::reading(path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a whole file: a temporary file beside it that takes its name when complete, so that a reader or a crash never
/// meets half of it. What exists and is no regular file (a pipe, a terminal) is written to directly.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), FormatError> {
    let bytes = pack(path, text).map_err(FormatError::writing(path))?;
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(&bytes))
            .map_err(FormatError::writing(path));
    }
    // Through a link the file it leads to is replaced, not the link.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = target.clone().into_os_string();
    name.push(".part");
    let temporary = PathBuf::from(name);
    let result = write_durably(&temporary, &bytes).and_then(|()| fs::rename(&temporary, &target));
    if result.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    result.map_err(FormatError::writing(path))
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Adds to the end of a file, which is made if it does not exist; gzip gets another member.
pub(super) fn append(path: &Path, text: &str) -> Result<(), FormatError> {
    let bytes = pack(path, text).map_err(FormatError::writing(path))?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(&bytes))
        .map_err(FormatError::writing(path))
}

fn pack(path: &Path, text: &str) -> io::Result<Vec<u8>> {
    if path.extension().is_some_and(|ending| ending == "gz") {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes())?;
        encoder.finish()
    } else {
        Ok(text.as_bytes().to_vec())
    }
}
