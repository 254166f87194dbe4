//! Append-only journals: one JSON record a line, each with a checksum, verified on reading and written before its effect.
//!
//! A line is the record's own JSON object with a last member `"crc32"` over the bytes before it. A last line that was cut short is
//! dropped with a warning; a damaged line anywhere else is an error that names it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Serialize, de::DeserializeOwned};

/// A journal that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A record before the last one is damaged.
    #[error(
        "{path}, line {line}: the record is damaged ({reason}); restore the file from a copy, or cut it before this line to repeat \
         the work from there"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl JournalError {
    /// Whether the disk, not the content, is at fault.
    pub fn is_io(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}

/// When records are forced to the disk. A killed process loses nothing either way; this is about power cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After each record: for labels that are dear.
    EachRecord,
    /// At most once in this time: for cheap oracles that must not wait for the disk.
    Periodic(Duration),
}

/// What opening a journal found.
pub struct Opened<T> {
    /// The journal, ready to append.
    pub journal: Journal<T>,
    /// The records already there.
    pub records: Vec<T>,
    /// Bytes of a half-written last record that were cut off.
    pub dropped: usize,
    /// Where the last record begins.
    last_begins: u64,
}

impl<T> Opened<T> {
    /// Takes the last record back, from memory and from the file.
    pub fn cut_last(&mut self) -> Result<(), JournalError> {
        if self.records.pop().is_some() {
            self.journal
                .file
                .set_len(self.last_begins)
                .map_err(|source| JournalError::Io {
                    action: "shorten",
                    path: self.journal.path.clone(),
                    source,
                })?;
        }
        Ok(())
    }
}

/// An append-only file of records of one type.
#[derive(Debug)]
pub struct Journal<T> {
    path: PathBuf,
    file: File,
    durability: Durability,
    last_sync: Instant,
    unsynced: bool,
    record: PhantomData<T>,
}

const SEAL: &str = ",\"crc32\":\"";
const SEAL_LENGTH: usize = SEAL.len() + 8 + 2;

/// The line of a record, newline included.
fn seal<T: Serialize>(record: &T) -> Result<String, serde_json::Error> {
    let mut line = serde_json::to_string(record)?;
    line.pop();
    let checksum = crc32fast::hash(line.as_bytes());
    line.push_str(SEAL);
    line.push_str(&format!("{checksum:08x}\"}}\n"));
    Ok(line)
}

fn unseal<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    let body_length = line.len().checked_sub(SEAL_LENGTH).ok_or("too short")?;
    let (body, tail) = line.split_at(body_length);
    let tail = std::str::from_utf8(tail).map_err(|_| "not text")?;
    let checksum = tail
        .strip_prefix(SEAL)
        .and_then(|rest| rest.strip_suffix("\"}"))
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .ok_or("no checksum")?;
    if checksum != crc32fast::hash(body) {
        return Err("its checksum does not match".to_owned());
    }
    let mut whole = body.to_vec();
    whole.push(b'}');
    serde_json::from_slice(&whole).map_err(|error| error.to_string())
}

/// What a journal file holds.
struct Content<T> {
    records: Vec<T>,
    /// Where the last whole record begins.
    last_begins: usize,
    /// Where it ends.
    good: usize,
    /// Bytes after that.
    dropped: usize,
}

/// Reads all records, telling how many bytes at the end belong to a record cut short.
fn read_records<T: DeserializeOwned>(path: &Path) -> Result<Content<T>, JournalError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(JournalError::Io {
                action: "read",
                path: path.to_owned(),
                source,
            });
        }
    }
    let mut records = Vec::new();
    let (mut good, mut last_begins) = (0, 0);
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let last = lines.peek().is_none();
        match line.strip_suffix(b"\n") {
            Some(complete) => match unseal(complete) {
                Ok(record) => records.push(record),
                Err(reason) => {
                    return Err(JournalError::Damaged {
                        path: path.to_owned(),
                        line: index + 1,
                        reason,
                    });
                }
            },
            None => {
                debug_assert!(last);
                break;
            }
        }
        last_begins = good;
        good += line.len();
    }
    Ok(Content {
        records,
        last_begins,
        good,
        dropped: bytes.len() - good,
    })
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// Reads the records of a journal without changing it; a half-written last one is left out.
    pub fn read(path: &Path) -> Result<Vec<T>, JournalError> {
        Ok(read_records(path)?.records)
    }

    /// Opens or creates a journal, verifies every record and cuts off a half-written last one.
    pub fn open(path: &Path, durability: Durability) -> Result<Opened<T>, JournalError> {
        let Content {
            records,
            last_begins,
            good,
            dropped,
        } = read_records(path)?;
        let fail = |source| JournalError::Io {
            action: "open for writing",
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
        if dropped > 0 {
            file.set_len(good as u64).map_err(fail)?;
        }
        Ok(Opened {
            journal: Self {
                path: path.to_owned(),
                file,
                durability,
                last_sync: Instant::now(),
                unsynced: false,
                record: PhantomData,
            },
            records,
            dropped,
            last_begins: last_begins as u64,
        })
    }

    /// Appends a record in one write; when this returns, the record outlives the process.
    pub fn append(&mut self, record: &T) -> Result<(), JournalError> {
        let fail = |action, source| JournalError::Io {
            action,
            path: self.path.clone(),
            source,
        };
        let line = seal(record).map_err(|error| fail("write", io::Error::other(error)))?;
        let before = self.file.metadata().map_err(|source| fail("write", source))?.len();
        if let Err(source) = self.file.write_all(line.as_bytes()) {
            // A part of the record may be on the disk; take it back so that the file stays whole.
            let _ = self.file.set_len(before);
            return Err(fail("write", source));
        }
        self.unsynced = true;
        let due = match self.durability {
            Durability::EachRecord => true,
            Durability::Periodic(interval) => self.last_sync.elapsed() >= interval,
        };
        if due { self.sync() } else { Ok(()) }
    }

    /// Forces what was written to the disk.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if self.unsynced {
            self.file.sync_data().map_err(|source| JournalError::Io {
                action: "write",
                path: self.path.clone(),
                source,
            })?;
            self.unsynced = false;
            self.last_sync = Instant::now();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
    struct Record {
        step: u64,
        values: Vec<f64>,
    }

    fn write(path: &Path, count: u64) -> Vec<Record> {
        let mut opened = Journal::<Record>::open(path, Durability::EachRecord).unwrap();
        let records: Vec<Record> = (0..count)
            .map(|step| Record {
                step,
                values: vec![1.0 / (step as f64 + 3.0), f64::MIN_POSITIVE],
            })
            .collect();
        for record in &records {
            opened.journal.append(record).unwrap();
        }
        records
    }

    #[test]
    fn every_truncation_keeps_the_whole_records() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain-0.jsonl");
        let records = write(&path, 3);
        let bytes = std::fs::read(&path).unwrap();
        for length in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let whole = String::from_utf8_lossy(&bytes[..length]).matches('\n').count();
            let opened = Journal::<Record>::open(&path, Durability::EachRecord).unwrap();
            assert_eq!(opened.records, records[..whole]);
            let newline = bytes[..length]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            assert_eq!(opened.dropped, length - newline);
            assert_eq!(std::fs::metadata(&path).unwrap().len(), newline as u64);
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.jsonl");
        write(&path, 2);
        let bytes = std::fs::read(&path).unwrap();
        let end_of_first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        for at in 0..end_of_first {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            if damaged[at] == b'\n' {
                continue;
            }
            std::fs::write(&path, &damaged).unwrap();
            let error = Journal::<Record>::read(&path).unwrap_err().to_string();
            assert!(error.contains("line 1"), "byte {at}: {error}");
        }
    }
}
