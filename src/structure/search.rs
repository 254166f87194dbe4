//! Finding neighbours in linear time: atoms wrapped into a reduced cell and sorted into bins.

use super::Cell;
use super::neighbours::{Neighbour, within};
use super::reduction::reduce;
use crate::linear::{self, Mat3, Vec3, add, dot, norm, row_times, scale, sub};

/// Atoms further from the origin than this (Å) are lost: no double-precision distance to them is meaningful.
const FURTHEST: f64 = 1e8;
/// More visits of bins than this in one build mean a collapsed cell or an absurd cutoff.
const MOST_VISITS: f64 = 1e10;
/// More images along one direction than this mean a cell that has collapsed to a plane.
const MOST_IMAGES: f64 = 1e5;

/// One step from a bin along one direction.
struct Step {
    /// The bin it leads to.
    bin: usize,
    /// The image of the cell that bin lies in.
    image: i64,
    /// The image's Cartesian offset, Å.
    offset: Vec3,
}

/// Where an atom stands in the search frame.
#[derive(Clone, Copy)]
struct Place {
    bin: [usize; 3],
    /// The image of the reduced cell that holds the atom's true position.
    image: [i64; 3],
    /// The position wrapped into the reduced cell, Å.
    wrapped: Vec3,
}

/// Atoms sorted into bins, ready to be asked for the neighbours of each.
pub(super) struct Search<'a> {
    cell: &'a Cell,
    positions: &'a [Vec3],
    cutoff: f64,
    /// The square of the cutoff widened by the rounding errors of wrapping, Å².
    coarse: f64,
    coefficients: [[i64; 3]; 3],
    bins: [usize; 3],
    /// For each direction and bin, the bins within reach.
    steps: [Vec<Vec<Step>>; 3],
    places: Vec<Option<Place>>,
    /// Where each bin's atoms begin in `sorted`.
    starts: Vec<u32>,
    sorted: Vec<(u32, Vec3, [i64; 3])>,
}

impl<'a> Search<'a> {
    /// Sorts the atoms, or `None` where a search could not end in reasonable time.
    pub fn new(cell: &'a Cell, positions: &'a [Vec3], cutoff: f64) -> Option<Self> {
        let periodic = cell.periodic();
        let reduced = reduce(cell.vectors(), periodic);
        let inverse = linear::inverse(&reduced.vectors)?;
        let lost = |p: &Vec3| !p.iter().all(|x| x.abs() <= FURTHEST);
        let fractional: Vec<Option<Vec3>> = positions
            .iter()
            .map(|p| (!lost(p)).then(|| row_times(*p, &inverse)))
            .collect();
        let largest = positions
            .iter()
            .filter(|p| !lost(p))
            .flatten()
            .fold(0.0_f64, |m, x| m.max(x.abs()));
        // Rounding: of wrapping, and of the reduced vectors as large combinations of skewed ones.
        let coefficient = reduced.coefficients.iter().flatten().fold(1, |m, c| c.abs().max(m));
        let longest = cell.vectors().iter().fold(0.0, |m: f64, v| m.max(norm(*v)));
        let slack = 1e-9 * (1.0 + largest) + 1e-13 * coefficient as f64 * longest;
        let reach = cutoff.max(0.0) + slack;

        let (lower, lengths) = extents(&fractional, periodic, &reduced.vectors);
        let bins = bin_counts(lengths, reach, positions.len());
        let mut steps = [const { Vec::new() }; 3];
        let mut visits = positions.len() as f64;
        for k in 0..3 {
            let span = (reach * bins[k] as f64 / lengths[k]).ceil();
            let span = if periodic[k] { span } else { span.min(bins[k] as f64) };
            visits *= 2.0 * span + 1.0;
            if !(visits < MOST_VISITS && span < MOST_IMAGES && reach.is_finite()) {
                return None;
            }
            steps[k] = (0..bins[k])
                .map(|bin| steps_from(bin, span as i64, bins[k], periodic[k], reduced.vectors[k]))
                .collect();
        }

        let places: Vec<Option<Place>> = (fractional.iter().zip(positions))
            .map(|(g, p)| g.and_then(|g| place(g, *p, lower, lengths, bins, periodic, &reduced.vectors)))
            .collect();
        let (starts, sorted) = sort_into_bins(&places, bins);
        Some(Self {
            cell,
            positions,
            cutoff,
            coarse: reach * reach,
            coefficients: reduced.coefficients,
            bins,
            steps,
            places,
            starts,
            sorted,
        })
    }

    /// Whether every atom has a place; the others have no neighbours.
    pub fn all_placed(&self) -> bool {
        self.places.iter().all(Option::is_some)
    }

    /// Appends the neighbours of atom `i` in no particular order; false if `found` would outgrow `most`.
    pub fn append_neighbours(&self, i: usize, most: usize, found: &mut Vec<Neighbour>) -> bool {
        let Some(here) = self.places[i] else { return true };
        for a in &self.steps[0][here.bin[0]] {
            let from_a = sub(a.offset, here.wrapped);
            for b in &self.steps[1][here.bin[1]] {
                let from_b = add(b.offset, from_a);
                for c in &self.steps[2][here.bin[2]] {
                    let bin = (a.bin * self.bins[1] + b.bin) * self.bins[2] + c.bin;
                    let candidates = &self.sorted[self.starts[bin] as usize..self.starts[bin + 1] as usize];
                    if candidates.is_empty() {
                        continue;
                    }
                    let image = [a.image, b.image, c.image];
                    let from_here = add(c.offset, from_b);
                    for &(j, wrapped, image_j) in candidates {
                        let d = add(wrapped, from_here);
                        if dot(d, d) > self.coarse {
                            continue;
                        }
                        let mut steps = [0; 3];
                        for k in 0..3 {
                            steps[k] = image[k] + here.image[k] - image_j[k];
                        }
                        // An image beyond the range of i32 stands for a lattice too skewed to be one.
                        let Some(shift) = self.original_shift(steps) else {
                            return false;
                        };
                        found.extend(within(self.cell, self.positions, (i, j as usize), shift, self.cutoff));
                    }
                    if found.len() > most {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Steps along the reduced vectors as steps along the cell's own.
    fn original_shift(&self, steps: [i64; 3]) -> Option<[i32; 3]> {
        let mut shift = [0; 3];
        for k in 0..3 {
            let sum: i64 = (0..3).map(|row| steps[row] * self.coefficients[row][k]).sum();
            shift[k] = i32::try_from(sum).ok()?;
        }
        Some(shift)
    }
}

/// The lowest coordinate in the frame and the length in Å that the bins divide, for each direction.
fn extents(fractional: &[Option<Vec3>], periodic: [bool; 3], frame: &Mat3) -> (Vec3, Vec3) {
    let volume = linear::determinant(frame).abs();
    let (mut lower, mut lengths) = ([0.0; 3], [0.0; 3]);
    for k in 0..3 {
        if periodic[k] {
            let (a, b) = ((k + 1) % 3, (k + 2) % 3);
            lengths[k] = volume / norm(linear::cross(frame[a], frame[b]));
        } else {
            let coordinates = || fractional.iter().flatten().map(|g| g[k]);
            lower[k] = coordinates().reduce(f64::min).unwrap_or(0.0);
            let upper = coordinates().reduce(f64::max).unwrap_or(0.0);
            lengths[k] = (upper - lower[k]).max(1e-3);
        }
    }
    (lower, lengths)
}

/// Bins of about half the reach, never many more than atoms.
fn bin_counts(lengths: Vec3, reach: f64, atoms: usize) -> [usize; 3] {
    let mut counts = lengths.map(|length| (2.0 * length / reach).floor().clamp(1.0, 1e6));
    let most = (4 * atoms).max(64) as f64;
    while counts.iter().product::<f64>() > most {
        let widest = (0..3).fold(0, |best, k| if counts[k] > counts[best] { k } else { best });
        counts[widest] = (counts[widest] / 2.0).ceil();
    }
    counts.map(|count| count as usize)
}

fn steps_from(bin: usize, span: i64, bins: usize, periodic: bool, vector: Vec3) -> Vec<Step> {
    let (bin, bins) = (bin as i64, bins as i64);
    (bin - span..=bin + span)
        .filter(|target| periodic || (0..bins).contains(target))
        .map(|target| Step {
            bin: target.rem_euclid(bins) as usize,
            image: target.div_euclid(bins),
            offset: scale(target.div_euclid(bins) as f64, vector),
        })
        .collect()
}

fn place(
    g: Vec3,
    position: Vec3,
    lower: Vec3,
    lengths: Vec3,
    bins: [usize; 3],
    periodic: [bool; 3],
    frame: &Mat3,
) -> Option<Place> {
    let mut image = [0; 3];
    let mut bin = [0; 3];
    for k in 0..3 {
        let along = if periodic[k] {
            let floor = g[k].floor();
            if floor.abs() > f64::from(i32::MAX) {
                return None;
            }
            image[k] = floor as i64;
            g[k] - floor
        } else {
            (g[k] - lower[k]) / lengths[k]
        };
        bin[k] = ((along * bins[k] as f64) as usize).min(bins[k] - 1);
    }
    let wrapped = sub(position, row_times(image.map(|x| x as f64), frame));
    Some(Place { bin, image, wrapped })
}

#[expect(clippy::type_complexity)]
fn sort_into_bins(places: &[Option<Place>], bins: [usize; 3]) -> (Vec<u32>, Vec<(u32, Vec3, [i64; 3])>) {
    let flat = |place: &Place| (place.bin[0] * bins[1] + place.bin[1]) * bins[2] + place.bin[2];
    let mut starts = vec![0_u32; bins.iter().product::<usize>() + 1];
    for place in places.iter().flatten() {
        starts[flat(place) + 1] += 1;
    }
    for bin in 1..starts.len() {
        starts[bin] += starts[bin - 1];
    }
    let mut next = starts.clone();
    let mut sorted = vec![(0, [0.0; 3], [0; 3]); places.iter().flatten().count()];
    for (i, place) in places.iter().enumerate() {
        if let Some(place) = place {
            let slot = &mut next[flat(place)];
            sorted[*slot as usize] = (i as u32, place.wrapped, place.image);
            *slot += 1;
        }
    }
    (starts, sorted)
}
