//! Finding neighbours in linear time: atoms wrapped into a reduced cell and sorted into bins.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Cell;
use super::neighbours::{Neighbour, within};
use super::reduction::{ReducedFrame, reduce};
use crate::linear::{self, Mat3, Vec3, add, dot, norm, row_times, scale, sub};

/// Atoms further from the origin than this (Å) are lost: no double-precision distance to them is meaningful.
const FURTHEST: f64 = 1e8;
/// More visits of bins than this in one build mean a collapsed cell or an absurd cutoff.
const MOST_VISITS: f64 = 1e10;
/// More images along one direction than this mean a cell that has collapsed to a plane.
const MOST_IMAGES: f64 = 1e5;

/// Bins in a row along one direction that lie in one image of the cell.
struct Run {
    bins: Range<usize>,
    /// The image, in steps along the cell's own vectors.
    shift: Shift,
    /// The image's Cartesian offset, Å.
    offset: Vec3,
}

/// Steps along the cell's own vectors, before they are known to be few enough for a neighbour's.
type Shift = [i64; 3];

/// Where an atom stands in the search frame.
#[derive(Clone, Copy)]
struct Place {
    bin: [usize; 3],
    /// From the atom's wrapped position to its true one.
    shift: Shift,
    /// The position wrapped into the reduced cell, Å.
    wrapped: Vec3,
}

/// The atoms bin by bin, a column for each component of their wrapped positions.
struct Columns {
    /// Where each bin's atoms begin.
    starts: Vec<u32>,
    wrapped: [Vec<f64>; 3],
    atoms: Vec<u32>,
    /// What atom and place of each add to a neighbour's short rank ([`Neighbour::summand`]).
    summands: Vec<u64>,
}

/// Atoms sorted into bins, ready to be asked for the neighbours of each.
pub(super) struct Search<'a> {
    cell: &'a Cell,
    positions: &'a [Vec3],
    cutoff: f64,
    /// The square of the cutoff widened by the rounding errors of wrapping, Å²: no neighbour is further in the search frame.
    coarse: f64,
    /// The square of the cutoff narrowed by them, Å²: whoever is no further in the search frame is a neighbour.
    sure: f64,
    /// Whether all images that can be met are few enough steps away for short ranks.
    short: bool,
    bins: [usize; 3],
    /// For each direction and bin, the bins within reach: one by one along the first two, in runs along the last.
    runs: [Vec<Vec<Run>>; 3],
    places: Vec<Option<Place>>,
    columns: Columns,
}

/// Systems of so many atoms or more are shared among threads.
const PARALLEL: usize = 200;

/// What was found for the atoms of some bins.
#[derive(Default)]
struct Share {
    /// Short ranks of neighbours, atom by atom.
    ranks: Vec<u64>,
    /// The atoms in the order they were met in, and where the ranks of each end.
    ends: Vec<(u32, usize)>,
}

/// All atoms within reach of one bin.
#[derive(Default)]
struct Surroundings {
    /// In the search frame, Å.
    positions: [Vec<f64>; 3],
    /// What atom, place and image of each add to a neighbour's short rank.
    summands: Vec<u64>,
    /// Their squared distances from one atom of the bin, Å².
    squares: Vec<f64>,
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
        let mut runs = [const { Vec::new() }; 3];
        let mut visits = positions.len() as f64;
        for k in 0..3 {
            let span = (reach * bins[k] as f64 / lengths[k]).ceil();
            let span = if periodic[k] { span } else { span.min(bins[k] as f64) };
            visits *= 2.0 * span + 1.0;
            if !(visits < MOST_VISITS && span < MOST_IMAGES && reach.is_finite()) {
                return None;
            }
            let direction = Direction {
                bins: bins[k] as i64,
                periodic: periodic[k],
                vector: reduced.vectors[k],
                coefficients: reduced.coefficients[k],
            };
            runs[k] = (0..direction.bins)
                .map(|bin| direction.runs_from(bin, span as i64, k == 2))
                .collect();
        }

        let places: Vec<Option<Place>> = (fractional.iter().zip(positions))
            .map(|(g, p)| g.and_then(|g| place(g, *p, lower, lengths, bins, periodic, &reduced)))
            .collect();
        let columns = sort_into_bins(&places, bins);
        let furthest = |k: usize| {
            let along = |shift: &Shift| shift[k].unsigned_abs();
            let placed = places.iter().flatten().map(|place| along(&place.shift)).max();
            let searched = runs.iter().flatten().flatten().map(|run| along(&run.shift)).max();
            2 * placed.unwrap_or(0) + 3 * searched.unwrap_or(0)
        };
        let short = (0..3).all(|k| furthest(k) <= Neighbour::SHORT_STEPS);
        Some(Self {
            cell,
            positions,
            cutoff,
            coarse: reach * reach,
            sure: if cutoff > slack { (cutoff - slack).powi(2) } else { -1.0 },
            short,
            bins,
            runs,
            places,
            columns,
        })
    }

    /// Whether every atom has a place; the others have no neighbours.
    pub fn all_placed(&self) -> bool {
        self.places.iter().all(Option::is_some)
    }

    /// Lists the neighbours of all atoms in the order of index and image, and where each atom's begin and end; false if there
    /// would be more than `most`.
    pub fn list(&self, most: usize, starts: &mut Vec<u32>, neighbours: &mut Vec<Neighbour>) -> bool {
        if self.short {
            self.list_by_bins(most, starts, neighbours)
        } else {
            self.list_by_atoms(most, starts, neighbours)
        }
    }

    /// [`Search::list`] bin by bin, by short ranks, which are sorted in place of neighbours: a fifth of the memory is moved. Threads share the
    /// bins of large systems; the list does not depend on how.
    fn list_by_bins(&self, most: usize, starts: &mut Vec<u32>, neighbours: &mut Vec<Neighbour>) -> bool {
        let bins = self.columns.starts.len() - 1;
        let shares = match rayon::current_num_threads() {
            threads if threads > 1 && self.places.len() >= PARALLEL => (2 * threads).min(bins),
            _ => 1,
        };
        let found = AtomicUsize::new(0);
        let share = |k: usize| self.share(bins * k / shares..bins * (k + 1) / shares, most, &found);
        let shared: Option<Vec<Share>> = if shares == 1 {
            share(0).map(|all| vec![all])
        } else {
            (0..shares).into_par_iter().map(share).collect()
        };
        let Some(shared) = shared else { return false };
        let mut ranks: Vec<&[u64]> = vec![&[]; self.places.len()];
        for share in &shared {
            let mut first = 0;
            for (i, end) in &share.ends {
                ranks[*i as usize] = &share.ranks[first..*end];
                first = *end;
            }
        }
        starts.push(0);
        starts.extend(ranks.iter().scan(0, |end, own| {
            *end += own.len() as u32;
            Some(*end)
        }));
        let vectors = self.cell.vectors();
        let total = starts.last().map_or(0, |end| *end as usize);
        if shares == 1 {
            neighbours.reserve(total);
            for own in ranks {
                neighbours.extend(own.iter().map(|rank| Neighbour::of_short_rank(*rank, vectors)));
            }
            return true;
        }
        neighbours.resize(total, Neighbour::of_short_rank(0, vectors));
        let mut rest = neighbours.as_mut_slice();
        let mut pieces = Vec::with_capacity(shares);
        for own in ranks.chunks(ranks.len().div_ceil(shares)) {
            let (piece, others) = rest.split_at_mut(own.iter().map(|own| own.len()).sum());
            pieces.push((own, piece));
            rest = others;
        }
        pieces.into_par_iter().for_each(|(own, piece)| {
            for (neighbour, rank) in piece.iter_mut().zip(own.iter().copied().flatten()) {
                *neighbour = Neighbour::of_short_rank(*rank, vectors);
            }
        });
        true
    }

    /// The short ranks of the neighbours of all atoms in some bins; `None` once more than `most` were found by all shares together.
    fn share(&self, bins: Range<usize>, most: usize, found: &AtomicUsize) -> Option<Share> {
        let mut surroundings = Surroundings::default();
        let mut share = Share::default();
        for bin in bins {
            let atoms = self.columns.starts[bin] as usize..self.columns.starts[bin + 1] as usize;
            if atoms.is_empty() {
                continue;
            }
            // A bin's surroundings hold some four times as many atoms as the sphere about one of them.
            if !self.gather(bin, most.saturating_mul(4), &mut surroundings) {
                return None;
            }
            for i in &self.columns.atoms[atoms] {
                let Some(here) = self.places[*i as usize] else { continue };
                let first = share.ranks.len();
                self.append_ranks(*i as usize, here, &mut surroundings, &mut share.ranks);
                let own = share.ranks.len() - first;
                if found.fetch_add(own, Ordering::Relaxed) + own > most {
                    return None;
                }
                share.ends.push((*i, share.ranks.len()));
            }
        }
        Some(share)
    }

    /// Copies all atoms within reach of a bin, each in the image that is; false if they would be more than `most`.
    fn gather(&self, bin: usize, most: usize, surroundings: &mut Surroundings) -> bool {
        let bin = [
            bin / (self.bins[1] * self.bins[2]),
            bin / self.bins[2] % self.bins[1],
            bin % self.bins[2],
        ];
        surroundings.positions.iter_mut().for_each(Vec::clear);
        surroundings.summands.clear();
        self.visit(bin, |range, offset, shift| {
            for k in 0..3 {
                let along = self.columns.wrapped[k][range.clone()].iter();
                surroundings.positions[k].extend(along.map(|x| x + offset[k]));
            }
            let base = Neighbour::summand(0, shift);
            let summands = self.columns.summands[range].iter();
            surroundings
                .summands
                .extend(summands.map(|own| base.wrapping_add(*own)));
            surroundings.summands.len() <= most
        })
    }

    /// Appends the short ranks of an atom's neighbours in their order.
    fn append_ranks(&self, i: usize, here: Place, surroundings: &mut Surroundings, ranks: &mut Vec<u64>) {
        let Surroundings {
            positions: [x, y, z],
            summands,
            squares,
        } = surroundings;
        squares.clear();
        squares.extend(x.iter().zip(y).zip(z).map(|((x, y), z)| {
            let d = sub([*x, *y, *z], here.wrapped);
            dot(d, d)
        }));
        let first = ranks.len();
        let base = Neighbour::short_rank(0, here.shift);
        // Every candidate is written down and kept or written over: whether it is near cannot be guessed.
        ranks.resize(first + summands.len(), 0);
        let mut count = first;
        for (squared, own) in squares.iter().zip(summands) {
            ranks[count] = base.wrapping_add(*own);
            count += usize::from(*squared <= self.coarse);
        }
        ranks.truncate(count);
        // Counted to the end: a loop that may stop at any of them is no vector loop.
        let in_doubt = self.sure..=self.coarse;
        if squares.iter().filter(|squared| in_doubt.contains(squared)).count() > 0 {
            let mut kept = first;
            for k in first..count {
                let Neighbour { index, shift, .. } = Neighbour::of_short_rank(ranks[k], self.cell.vectors());
                let pair = (i, index as usize);
                ranks[kept] = ranks[k];
                kept += usize::from(within(self.cell, self.positions, pair, shift, self.cutoff).is_some());
            }
            ranks.truncate(kept);
        }
        ranks[first..].sort_unstable();
        // The search meets the atom itself as well.
        let own = Neighbour::short_rank(i as u64, [0; 3]);
        if let Ok(at) = ranks[first..].binary_search(&own) {
            ranks.remove(first + at);
        }
    }

    /// [`Search::list`] atom by atom, whatever the images.
    fn list_by_atoms(&self, most: usize, starts: &mut Vec<u32>, neighbours: &mut Vec<Neighbour>) -> bool {
        starts.push(0);
        for i in 0..self.places.len() {
            let first = neighbours.len();
            if !self.append_candidates(i, most, neighbours) {
                return false;
            }
            neighbours[first..].sort_unstable_by_key(Neighbour::rank);
            starts.push(neighbours.len() as u32);
        }
        true
    }

    /// Looks at every run of bins within reach of one: the range of its atoms in the columns, and its image as an offset and in
    /// steps. Ends where `look` returns false, and returns it.
    #[inline]
    fn visit(&self, bin: [usize; 3], mut look: impl FnMut(Range<usize>, Vec3, Shift) -> bool) -> bool {
        for a in &self.runs[0][bin[0]] {
            for b in &self.runs[1][bin[1]] {
                let row = (a.bins.start * self.bins[1] + b.bins.start) * self.bins[2];
                for c in &self.runs[2][bin[2]] {
                    let range = self.columns.starts[row + c.bins.start]..self.columns.starts[row + c.bins.end];
                    let offset = add(add(a.offset, b.offset), c.offset);
                    let shift = [0, 1, 2].map(|k| a.shift[k] + b.shift[k] + c.shift[k]);
                    if !look(range.start as usize..range.end as usize, offset, shift) {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// The neighbours of atom `i`, whatever their images, in no particular order; false if `found` would outgrow `most`.
    fn append_candidates(&self, i: usize, most: usize, found: &mut Vec<Neighbour>) -> bool {
        let Some(here) = self.places[i] else { return true };
        self.visit(here.bin, |range, offset, shift| {
            for candidate in range {
                let wrapped = [0, 1, 2].map(|k| self.columns.wrapped[k][candidate]);
                let d = sub(add(wrapped, offset), here.wrapped);
                if dot(d, d) > self.coarse {
                    continue;
                }
                let j = self.columns.atoms[candidate] as usize;
                let Some(there) = self.places[j] else { continue };
                let mut steps = [0; 3];
                for k in 0..3 {
                    // An image beyond the range of i32 stands for a lattice too skewed to be one.
                    let Ok(along) = i32::try_from(shift[k] + here.shift[k] - there.shift[k]) else {
                        return false;
                    };
                    steps[k] = along;
                }
                found.extend(within(self.cell, self.positions, (i, j), steps, self.cutoff));
            }
            found.len() <= most
        })
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

/// One direction of the search frame.
struct Direction {
    bins: i64,
    periodic: bool,
    vector: Vec3,
    /// The vector in steps along the cell's own.
    coefficients: Shift,
}

impl Direction {
    /// The bins within `span` of one, each in a run of its own or all of an image in one.
    fn runs_from(&self, bin: i64, span: i64, joined: bool) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut last = None;
        for target in (bin - span..=bin + span).filter(|target| self.periodic || (0..self.bins).contains(target)) {
            let image = target.div_euclid(self.bins);
            let at = target.rem_euclid(self.bins) as usize;
            match runs.last_mut() {
                Some(run) if joined && last == Some(image) => run.bins.end = at + 1,
                _ => runs.push(Run {
                    bins: at..at + 1,
                    shift: self.coefficients.map(|steps| image * steps),
                    offset: scale(image as f64, self.vector),
                }),
            }
            last = Some(image);
        }
        runs
    }
}

fn place(
    g: Vec3,
    position: Vec3,
    lower: Vec3,
    lengths: Vec3,
    bins: [usize; 3],
    periodic: [bool; 3],
    reduced: &ReducedFrame,
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
    let wrapped = sub(position, row_times(image.map(|x| x as f64), &reduced.vectors));
    let mut shift = [0; 3];
    for (steps, along) in image.iter().zip(&reduced.coefficients) {
        for k in 0..3 {
            shift[k] += steps * along[k];
        }
    }
    Some(Place { bin, shift, wrapped })
}

fn sort_into_bins(places: &[Option<Place>], bins: [usize; 3]) -> Columns {
    let flat = |place: &Place| (place.bin[0] * bins[1] + place.bin[1]) * bins[2] + place.bin[2];
    let mut starts = vec![0_u32; bins.iter().product::<usize>() + 1];
    for place in places.iter().flatten() {
        starts[flat(place) + 1] += 1;
    }
    for bin in 1..starts.len() {
        starts[bin] += starts[bin - 1];
    }
    let placed = places.iter().flatten().count();
    let mut next = starts.clone();
    let mut atoms = vec![0; placed];
    let mut summands = vec![0; placed];
    let mut wrapped = [0, 1, 2].map(|_| vec![0.0; placed]);
    for (i, place) in places.iter().enumerate() {
        if let Some(place) = place {
            let slot = &mut next[flat(place)];
            atoms[*slot as usize] = i as u32;
            summands[*slot as usize] = Neighbour::summand(i as u64, place.shift.map(|steps| -steps));
            for k in 0..3 {
                wrapped[k][*slot as usize] = place.wrapped[k];
            }
            *slot += 1;
        }
    }
    Columns {
        starts,
        wrapped,
        atoms,
        summands,
    }
}
