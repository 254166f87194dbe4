//! The replica's inputs, refused where VASP refuses them.

use std::collections::BTreeMap;

use slmc::linear::{Vec3, determinant};
use slmc::structure::{Cell, Species, Structure};

/// What the four files hold.
pub struct Input {
    pub structure: Structure,
    /// Species and numbers of atoms, in POSCAR order.
    pub groups: Vec<(String, usize)>,
    /// The titles in POTCAR.
    pub titles: Vec<String>,
    pub interactive: bool,
    pub writes_wavefunctions: bool,
    tags: BTreeMap<String, String>,
}

fn text(name: &str) -> Result<String, String> {
    std::fs::read_to_string(name).map_err(|error| format!("ERROR: the file {name} cannot be read: {error}"))
}

impl Input {
    pub fn read() -> Result<Self, String> {
        let mut tags = BTreeMap::new();
        for line in text("INCAR")?.lines() {
            if let Some((tag, value)) = line.split(['#', '!']).next().unwrap_or_default().split_once('=') {
                tags.insert(tag.trim().to_owned(), value.trim().to_owned());
            }
        }
        kpoints(&text("KPOINTS")?)?;
        let (structure, groups) = poscar(&text("POSCAR")?)?;
        let titles: Vec<String> = text("POTCAR")?
            .lines()
            .filter_map(|line| line.trim().strip_prefix("TITEL  ="))
            .map(|title| title.trim().to_owned())
            .collect();
        let names: Vec<String> = titles
            .iter()
            .map(|title| {
                title
                    .split_whitespace()
                    .nth(1)
                    .unwrap_or_default()
                    .split('_')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        if names.len() != groups.len() || names.iter().zip(&groups).any(|(name, (symbol, _))| name != symbol) {
            return Err(format!(
                "ERROR: the type information on POSCAR and POTCAR are incompatible: {groups:?} and {names:?}"
            ));
        }
        let logical = |tag: &str, default: bool| {
            tags.get(tag)
                .map_or(default, |value: &String| value.trim_start_matches('.').starts_with('T'))
        };
        let number = |tag: &str| tags.get(tag).and_then(|value| value.parse::<i64>().ok());
        let interactive = logical("INTERACTIVE", false);
        if !interactive && number("NSW").unwrap_or(0) != 0 {
            return Err("the replica makes no ionic steps of its own: NSW must be 0".to_owned());
        }
        if !matches!(number("ISYM"), Some(0 | -1)) {
            return Err("the replica knows no symmetry: ISYM must be 0".to_owned());
        }
        if let Some(moments) = tags.get("MAGMOM") {
            let count: usize = moments
                .split_whitespace()
                .map(|word| word.split_once('*').map_or(1, |(count, _)| count.parse().unwrap_or(0)))
                .sum();
            if count != structure.len() {
                return Err(format!(
                    "Error reading item 'MAGMOM' from file INCAR: {count} values, {} atoms",
                    structure.len()
                ));
            }
        }
        let writes_wavefunctions = logical("LWAVE", true);
        Ok(Self {
            structure,
            groups,
            titles,
            interactive,
            writes_wavefunctions,
            tags,
        })
    }

    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name).map(String::as_str)
    }

    /// NELM.
    pub fn most_steps(&self) -> usize {
        self.tag("NELM").and_then(|value| value.parse().ok()).unwrap_or(60)
    }

    /// Whether the calculation starts from wavefunctions.
    pub fn warm(&self) -> Result<bool, String> {
        match self.tag("ISTART") {
            Some("0") => Ok(false),
            Some("1") if std::path::Path::new("WAVECAR").is_file() => Ok(true),
            Some("1") => Err("ERROR: ISTART = 1 and there is no WAVECAR".to_owned()),
            other => Err(format!("the replica wants ISTART to be told, not {other:?}")),
        }
    }
}

fn kpoints(text: &str) -> Result<(), String> {
    let lines: Vec<&str> = text.lines().collect();
    let divisions = lines.get(3).map(|line| {
        line.split_whitespace()
            .filter_map(|word| word.parse::<u32>().ok())
            .count()
    });
    if lines.get(1).map(|line| line.trim()) == Some("0") && divisions == Some(3) {
        Ok(())
    } else {
        Err("ERROR: Error reading KPOINTS file".to_owned())
    }
}

fn numbers(line: Option<&str>) -> Result<Vec3, String> {
    let numbers: Vec<f64> = line
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    numbers
        .try_into()
        .map_err(|_| format!("Error reading POSCAR: three numbers were expected in {line:?}"))
}

fn poscar(text: &str) -> Result<(Structure, Vec<(String, usize)>), String> {
    let mut lines = text.lines();
    let _title = lines.next();
    if lines.next().map(str::trim) != Some("1.0") {
        return Err("the replica wants the scale 1.0".to_owned());
    }
    let vectors = [numbers(lines.next())?, numbers(lines.next())?, numbers(lines.next())?];
    if determinant(&vectors) <= 0.0 {
        return Err(
            "VERY BAD NEWS! The triple product of the basis vectors is negative exchange two basis vectors".to_owned(),
        );
    }
    let symbols: Vec<String> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let counts: Vec<usize> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    if symbols.is_empty() || symbols.len() != counts.len() {
        return Err("Error reading POSCAR: species and counts".to_owned());
    }
    if lines.next().map(str::trim) != Some("Direct") {
        return Err("Error reading POSCAR: Direct was expected".to_owned());
    }
    let cell = Cell::new(vectors, [true; 3]).map_err(|error| error.to_string())?;
    let mut species = Vec::new();
    let mut positions = Vec::new();
    for (symbol, count) in symbols.iter().zip(&counts) {
        let element: Species = symbol.parse().map_err(|_| format!("Error reading POSCAR: {symbol}"))?;
        for _ in 0..*count {
            species.push(element);
            positions.push(cell.cartesian(numbers(lines.next())?));
        }
    }
    let structure = Structure::new(cell, species, positions).map_err(|error| error.to_string())?;
    Ok((structure, symbols.into_iter().zip(counts).collect()))
}
