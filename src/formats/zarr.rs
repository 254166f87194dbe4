//! Writing Zarr version 2 stores: groups and arrays with named dimensions as xarray reads them, each array one chunk.
//!
//! Zarr storage specification version 2 (zarr-specs.readthedocs.io, v2); dimension names in the attribute
//! `_ARRAY_DIMENSIONS` as xarray has them. Chunks are compressed with zlib, which every reader has.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Map, Value, json};

/// Numbers of an array in C order.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Double precision; NaN is a missing value.
    Real(Vec<f64>),
    /// 64-bit integers.
    Integer(Vec<i64>),
    /// Truth values.
    Logical(Vec<bool>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Real(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Logical(values) => values.len(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Real(_) => "<f8",
            Self::Integer(_) => "<i8",
            Self::Logical(_) => "|b1",
        }
    }

    fn fill(&self) -> Value {
        match self {
            Self::Real(_) => json!("NaN"),
            Self::Integer(_) | Self::Logical(_) => Value::Null,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Real(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Integer(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Logical(values) => values.iter().map(|x| u8::from(*x)).collect(),
        }
    }
}

/// An array with named dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Name and length of each dimension, the slowest first.
    pub dimensions: Vec<(&'static str, usize)>,
    /// Its numbers.
    pub values: Values,
    /// What stands beside it, such as `units`.
    pub attributes: Vec<(&'static str, String)>,
}

/// A store that is being written.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    metadata: Map<String, Value>,
}

impl Store {
    /// Begins a store in a folder that must not exist yet or be empty.
    pub fn create(root: &Path, attributes: &[(&str, String)]) -> io::Result<Self> {
        if root.exists() && (!root.is_dir() || fs::read_dir(root)?.next().is_some()) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "it exists and is not empty",
            ));
        }
        let mut store = Self {
            root: root.to_owned(),
            metadata: Map::new(),
        };
        store.group("", attributes)?;
        Ok(store)
    }

    /// Adds a group; the root is "".
    pub fn group(&mut self, name: &str, attributes: &[(&str, String)]) -> io::Result<()> {
        self.describe(name, ".zgroup", json!({ "zarr_format": 2 }))?;
        let attributes: Map<String, Value> = attributes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        self.describe(name, ".zattrs", Value::Object(attributes))
    }

    /// Adds an array to a group.
    pub fn array(&mut self, group: &str, name: &str, array: &Array) -> io::Result<()> {
        let shape: Vec<usize> = array.dimensions.iter().map(|dimension| dimension.1).collect();
        if shape.iter().product::<usize>() != array.values.len() {
            return Err(io::Error::other(format!(
                "{name}: its numbers do not fill its dimensions"
            )));
        }
        let place = format!("{group}/{name}");
        let mut attributes: Map<String, Value> = array
            .attributes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let names: Vec<&str> = array.dimensions.iter().map(|dimension| dimension.0).collect();
        attributes.insert("_ARRAY_DIMENSIONS".to_owned(), json!(names));
        let chunks: Vec<usize> = shape.iter().map(|length| (*length).max(1)).collect();
        let description = json!({
            "zarr_format": 2,
            "shape": shape,
            "chunks": chunks,
            "dtype": array.values.kind(),
            "compressor": { "id": "zlib", "level": 4 },
            "fill_value": array.values.fill(),
            "order": "C",
            "filters": null,
        });
        self.describe(&place, ".zarray", description)?;
        self.describe(&place, ".zattrs", Value::Object(attributes))?;
        if array.values.len() > 0 {
            let key = vec!["0"; shape.len()].join(".");
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(4));
            encoder.write_all(&array.values.bytes())?;
            fs::write(self.root.join(place).join(key), encoder.finish()?)?;
        }
        Ok(())
    }

    /// Ends the store: all descriptions once more in one file, so that readers need not look for them.
    pub fn finish(self) -> io::Result<()> {
        let consolidated = json!({ "zarr_consolidated_format": 1, "metadata": self.metadata });
        fs::write(self.root.join(".zmetadata"), consolidated.to_string())
    }

    fn describe(&mut self, place: &str, name: &str, description: Value) -> io::Result<()> {
        let folder = self.root.join(place);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), description.to_string())?;
        let key = if place.is_empty() {
            name.to_owned()
        } else {
            format!("{place}/{name}")
        };
        self.metadata.insert(key, description);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_described_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("run.zarr");
        let mut store = Store::create(&root, &[("inference_library", "slmc".to_owned())]).unwrap();
        store.group("posterior", &[]).unwrap();
        let array = Array {
            dimensions: vec![("chain", 1), ("draw", 2)],
            values: Values::Real(vec![1.0, f64::NAN]),
            attributes: vec![("units", "eV".to_owned())],
        };
        store.array("posterior", "energy", &array).unwrap();
        let wrong = Array {
            dimensions: vec![("chain", 3)],
            ..array
        };
        assert!(store.array("posterior", "wrong", &wrong).is_err());
        store.finish().unwrap();
        let text = fs::read_to_string(root.join(".zmetadata")).unwrap();
        let all: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(all["metadata"]["posterior/energy/.zarray"]["shape"], json!([1, 2]));
        assert_eq!(
            all["metadata"]["posterior/energy/.zattrs"]["_ARRAY_DIMENSIONS"],
            json!(["chain", "draw"])
        );
        assert!(root.join("posterior/energy/0.0").exists());
        assert!(Store::create(&root, &[]).is_err());
    }
}
