//! Writing trajectories for other programs: XDATCAR (VASP) and LAMMPS text dumps, frame by frame.

use std::io::{self, Write};

use crate::formats::FormatError;
use crate::linear::{Mat3, cross, dot, norm, scale};
use crate::structure::{Cell, Species, Structure};

/// An XDATCAR that is being written: fractional coordinates, atoms grouped by species, the head repeated where the cell has
/// changed, as VASP does for moving cells.
#[derive(Debug)]
pub struct Xdatcar<W> {
    out: W,
    cell: Option<Cell>,
    species: Option<Vec<Species>>,
    frames: usize,
}

impl<W: Write> Xdatcar<W> {
    /// Begins with nothing written.
    pub fn new(out: W) -> Self {
        Self {
            out,
            cell: None,
            species: None,
            frames: 0,
        }
    }

    /// Adds a frame. Positions are not wrapped, so that displacements can be computed.
    pub fn frame(&mut self, structure: &Structure) -> Result<(), FormatError> {
        if !structure.cell.is_bulk() {
            return Err(FormatError::Unwritable(
                "XDATCAR is periodic in all three directions and this cell is not: write extended XYZ".to_owned(),
            ));
        }
        let failed = |error: io::Error| FormatError::Unwritable(error.to_string());
        let elements = in_order(structure);
        let changed =
            self.cell.as_ref() != Some(&structure.cell) || self.species.as_deref() != Some(&structure.species[..]);
        if changed {
            let mut head = String::from("slmc\n  1.0\n");
            for v in structure.cell.vectors() {
                head.push_str(&format!("  {:.10} {:.10} {:.10}\n", v[0], v[1], v[2]));
            }
            let count = |own: &Species| structure.species.iter().filter(|s| *s == own).count().to_string();
            let symbols: Vec<&str> = elements.iter().map(|s| s.symbol()).collect();
            let counts: Vec<String> = elements.iter().map(count).collect();
            head.push_str(&format!("  {}\n  {}\n", symbols.join(" "), counts.join(" ")));
            self.out.write_all(head.as_bytes()).map_err(failed)?;
            self.cell = Some(structure.cell);
            self.species = Some(structure.species.to_vec());
        }
        self.frames += 1;
        writeln!(self.out, "Direct configuration= {:5}", self.frames).map_err(failed)?;
        for element in &elements {
            for (position, _) in structure
                .positions
                .iter()
                .zip(structure.species.iter())
                .filter(|(_, s)| *s == element)
            {
                let f = structure.cell.fractional(*position);
                writeln!(self.out, "  {:.10} {:.10} {:.10}", f[0], f[1], f[2]).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Ends.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Species in the order in which the structure first shows them.
fn in_order(structure: &Structure) -> Vec<Species> {
    let mut elements: Vec<Species> = Vec::new();
    for species in structure.species.iter() {
        if !elements.contains(species) {
            elements.push(*species);
        }
    }
    elements
}

/// One frame of a LAMMPS text dump: `id type element xu yu zu`, types in the order in which the structure first shows its
/// elements, positions in Å and not wrapped. The cell is turned so that its first vector lies along x and its second in
/// the plane of x and y, as LAMMPS demands (LAMMPS manual, "Triclinic simulation boxes"); a left-handed one is mirrored
/// by that, which changes no distance.
pub fn lammps_frame(structure: &Structure, step: u64, out: &mut impl Write) -> Result<(), FormatError> {
    let failed = |error: io::Error| FormatError::Unwritable(error.to_string());
    let periodic = structure.cell.periodic();
    let free = periodic == [false; 3];
    let (origin, vectors) = if free {
        around(structure)
    } else {
        ([0.0; 3], restricted(structure.cell.vectors()))
    };
    let [a, b, c] = vectors;
    let (xy, xz, yz) = (b[0], c[0], c[1]);
    let letters: Vec<&str> = periodic.iter().map(|p| if *p { "pp" } else { "ff" }).collect();
    let mut text = format!("ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{}\n", structure.len());
    // The bounds of a tilted box are those of the box around it.
    let (low_x, high_x) = (
        [0.0, xy, xz, xy + xz].into_iter().fold(0.0, f64::min),
        [0.0, xy, xz, xy + xz].into_iter().fold(0.0, f64::max),
    );
    let bounds = [
        (origin[0] + low_x, origin[0] + a[0] + high_x, xy),
        (origin[1] + yz.min(0.0), origin[1] + b[1] + yz.max(0.0), xz),
        (origin[2], origin[2] + c[2], yz),
    ];
    let tilted = !free && [xy, xz, yz].iter().any(|x| x.abs() > 1e-12);
    text.push_str(if tilted {
        "ITEM: BOX BOUNDS xy xz yz "
    } else {
        "ITEM: BOX BOUNDS "
    });
    text.push_str(&letters.join(" "));
    text.push('\n');
    for (low, high, tilt) in bounds {
        if tilted {
            text.push_str(&format!("{low:.10} {high:.10} {tilt:.10}\n"));
        } else {
            text.push_str(&format!("{low:.10} {high:.10}\n"));
        }
    }
    text.push_str("ITEM: ATOMS id type element xu yu zu\n");
    let elements = in_order(structure);
    for (atom, (position, species)) in structure.positions.iter().zip(structure.species.iter()).enumerate() {
        let kind = elements.iter().position(|own| own == species).unwrap_or(0) + 1;
        let place = if free {
            *position
        } else {
            crate::linear::row_times(structure.cell.fractional(*position), &vectors)
        };
        text.push_str(&format!(
            "{} {kind} {} {:.10} {:.10} {:.10}\n",
            atom + 1,
            species.symbol(),
            place[0],
            place[1],
            place[2]
        ));
    }
    out.write_all(text.as_bytes()).map_err(failed)
}

/// The cell turned into LAMMPS's frame: lengths and angles stay.
fn restricted(vectors: &Mat3) -> Mat3 {
    let [a, b, c] = *vectors;
    let x = scale(1.0 / norm(a), a);
    let bx = dot(b, x);
    let by = norm(cross(x, b));
    let cx = dot(c, x);
    let cy = (dot(b, c) - bx * cx) / by;
    let cz = (dot(c, c) - cx * cx - cy * cy).max(0.0).sqrt();
    [[norm(a), 0.0, 0.0], [bx, by, 0.0], [cx, cy, cz]]
}

/// A box around free atoms.
fn around(structure: &Structure) -> ([f64; 3], Mat3) {
    let mut origin = [0.0; 3];
    let mut vectors = [[0.0; 3]; 3];
    for k in 0..3 {
        let along = structure.positions.iter().map(|p| p[k]);
        let low = along.clone().fold(f64::INFINITY, f64::min) - 1.0;
        let high = along.fold(f64::NEG_INFINITY, f64::max) + 1.0;
        origin[k] = low;
        vectors[k][k] = high - low;
    }
    (origin, vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skewed() -> Structure {
        let cell = Cell::new([[0.0, 4.0, 0.5], [3.0, 0.2, 0.0], [1.0, 1.0, -5.0]], [true; 3]).unwrap();
        let species = vec!["O".parse().unwrap(), "Si".parse().unwrap(), "O".parse().unwrap()];
        Structure::new(cell, species, vec![[0.1, 0.2, 0.3], [1.0, 9.0, 0.0], [2.0, 1.0, -1.0]]).unwrap()
    }

    #[test]
    fn turning_keeps_lengths_and_angles() {
        let structure = skewed();
        let (old, new) = (structure.cell.vectors(), restricted(structure.cell.vectors()));
        for i in 0..3 {
            for j in 0..3 {
                assert!((dot(old[i], old[j]) - dot(new[i], new[j])).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_head_is_repeated_where_the_cell_changes() {
        let mut text = Vec::new();
        let mut file = Xdatcar::new(&mut text);
        let structure = skewed();
        file.frame(&structure).unwrap();
        file.frame(&structure).unwrap();
        let mut strained = structure.clone();
        strained.cell = strained.cell.scaled_vectors([1.01; 3]);
        file.frame(&strained).unwrap();
        file.finish().unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.matches("O Si").count(), 2);
        assert_eq!(text.matches("Direct configuration=").count(), 3);
        let mut free = structure;
        free.cell = Cell::free();
        assert!(Xdatcar::new(Vec::new()).frame(&free).is_err());
        let mut dump = Vec::new();
        lammps_frame(&free, 3, &mut dump).unwrap();
        assert!(String::from_utf8(dump).unwrap().contains("ff ff ff"));
    }
}
