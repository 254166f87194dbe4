//! How the symmetry functions of one central element are computed fast: which radial shapes are evaluated for which
//! neighbours, which moments are summed, and how functions follow from the sums.

mod spectrum;
mod tensor;
mod triplets;

use super::function::{Gaussian, Neighbours, Pairs, SymmetryFunction};
use super::monomials::Monomials;
pub(super) use spectrum::Spectrum;
#[cfg(test)]
pub(super) use spectrum::legendre;
pub(super) use tensor::Tensors;
pub(super) use triplets::{Angle, Channel, Common, DEGREE, Factor, Group, Population, Product, TripletPlan};

/// Radial shapes come in blocks of this many, so that they fill whole vector registers.
pub(super) const LANES: usize = 8;

/// Higher whole powers than this cost more as moments than as sums over pairs.
const HIGHEST_POWER: f64 = 6.0;

/// Radial shapes that one neighbour is evaluated for, sorted into runs of one cutoff radius; each run is padded with shapes
/// that nobody reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ladder {
    /// −η of each shape.
    pub minus_eta: Vec<f64>,
    /// The centre of each shape.
    pub shift: Vec<f64>,
    pub runs: Vec<Run>,
}

/// Neighbouring shapes of one cutoff radius.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub radius: f64,
    /// The first shape, and one past the last.
    pub first: usize,
    pub end: usize,
    /// The radius's place among the plan's.
    pub fade: usize,
}

impl Ladder {
    /// The ladder of some shapes, and the place of each in it.
    /// Radii that are new are added to `known`.
    fn new(shapes: &[Gaussian], known: &mut Vec<f64>) -> (Self, Vec<usize>) {
        let mut ladder = Self::default();
        let mut places = vec![0; shapes.len()];
        let mut radii: Vec<f64> = shapes.iter().map(|shape| shape.cutoff).collect();
        radii.sort_by(f64::total_cmp);
        radii.dedup();
        for radius in radii {
            let first = ladder.minus_eta.len();
            for (shape, place) in shapes.iter().zip(&mut places) {
                if shape.cutoff == radius {
                    *place = ladder.minus_eta.len();
                    ladder.minus_eta.push(-shape.eta);
                    ladder.shift.push(shape.shift);
                }
            }
            let padded = ladder.minus_eta.len().next_multiple_of(LANES);
            ladder.minus_eta.resize(padded, 0.0);
            ladder.shift.resize(padded, 0.0);
            let fade = known.iter().position(|other| *other == radius).unwrap_or_else(|| {
                known.push(radius);
                known.len() - 1
            });
            ladder.runs.push(Run {
                radius,
                first,
                end: padded,
                fade,
            });
        }
        (ladder, places)
    }

    /// The number of shapes, padding included.
    pub fn len(&self) -> usize {
        self.minus_eta.len()
    }

    /// The largest cutoff radius, 0 for an empty ladder.
    pub fn reach(&self) -> f64 {
        self.runs.iter().map(|run| run.radius).fold(0.0, f64::max)
    }
}

/// One radial function: a weighted sum of pair sums.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RadialFeature {
    pub feature: usize,
    /// Places in the concatenated pair sums, and weights.
    pub parts: Vec<(usize, f64)>,
}

/// One angular function of a pair of moment sets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AngularFeature {
    pub feature: usize,
    pub channel: usize,
    /// The weight of the contraction of each degree.
    pub by_degree: Vec<f64>,
    /// The weight of Σ_j g², the terms j = k.
    pub own: f64,
}

/// The functions made from two moment sets: those of the neighbours of an element, or of all weighted neighbours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contraction {
    /// The two sets: element indices, or the number of elements for the weighted set.
    pub sets: [usize; 2],
    pub features: Vec<AngularFeature>,
}

/// What is needed for the angular functions that moments serve.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AngularPlan {
    pub ladder: Ladder,
    pub monomials: Monomials,
    pub contractions: Vec<Contraction>,
    pub spectra: Vec<Spectrum>,
    pub tensors: Vec<Tensors>,
    /// Whether the weighted set is used.
    pub weighted: bool,
}

/// The fast evaluation of the functions of one central element.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// The cutoff radii of all ladders.
    pub radii: Vec<f64>,
    /// Radial shapes for neighbours of each element.
    pub ladders: Vec<Ladder>,
    /// Where each element's pair sums start; one entry more than there are elements.
    pub offsets: Vec<usize>,
    pub radial: Vec<RadialFeature>,
    pub angular: Option<AngularPlan>,
    /// The other functions, summed neighbour by neighbour and pair by pair.
    pub triplets: TripletPlan,
}

impl Plan {
    /// The plan for a list of functions, with the elements' atomic numbers.
    pub fn new(functions: &[SymmetryFunction], numbers: &[f64]) -> Self {
        let elements = numbers.len();
        let mut shapes: Vec<Vec<Gaussian>> = vec![Vec::new(); elements];
        for function in functions {
            if let SymmetryFunction::Radial { neighbours, gaussian } = function {
                for (element, list) in shapes.iter_mut().enumerate() {
                    if *neighbours == Neighbours::Weighted || *neighbours == Neighbours::Element(element) {
                        insert(list, *gaussian);
                    }
                }
            }
        }
        let mut radii = Vec::new();
        let (ladders, places): (Vec<Ladder>, Vec<Vec<usize>>) =
            shapes.iter().map(|list| Ladder::new(list, &mut radii)).unzip();
        let mut offsets = vec![0];
        for ladder in &ladders {
            offsets.push(offsets[offsets.len() - 1] + ladder.len());
        }
        let slot = |element: usize, gaussian: &Gaussian| {
            let shape = shapes[element]
                .iter()
                .position(|shape| shape == gaussian)
                .expect("every shape of a radial function was listed");
            offsets[element] + places[element][shape]
        };
        let mut radial = Vec::new();
        for (feature, function) in functions.iter().enumerate() {
            if let SymmetryFunction::Radial { neighbours, gaussian } = function {
                let parts = match neighbours {
                    Neighbours::Element(element) => vec![(slot(*element, gaussian), 1.0)],
                    Neighbours::Weighted => (0..elements).map(|e| (slot(e, gaussian), numbers[e])).collect(),
                };
                radial.push(RadialFeature { feature, parts });
            }
        }
        let (angular, others) = plan_angles(functions, elements, &mut radii);
        Self {
            radii,
            ladders,
            offsets,
            radial,
            angular,
            triplets: TripletPlan::new(functions, &others),
        }
    }
}

fn insert(list: &mut Vec<Gaussian>, gaussian: Gaussian) {
    if !list.contains(&gaussian) {
        list.push(gaussian);
    }
}

/// Whether moments serve a function: no third side, a whole power, and no term that is cut off at 1 + λ cos θ ≤ 0.
fn by_moments(function: &SymmetryFunction) -> bool {
    match function {
        SymmetryFunction::Radial { .. }
        | SymmetryFunction::CompactRadial { .. }
        | SymmetryFunction::CompactAngular { .. }
        | SymmetryFunction::PowerSpectrum { .. }
        | SymmetryFunction::MomentTensor { .. }
        | SymmetryFunction::ChebyshevRadial { .. }
        | SymmetryFunction::ChebyshevAngular { .. } => false,
        SymmetryFunction::Angular {
            lambda,
            zeta,
            third_side,
            ..
        } => !third_side && zeta.fract() == 0.0 && *zeta <= HIGHEST_POWER && lambda.abs() <= 1.0,
    }
}

fn plan_angles(
    functions: &[SymmetryFunction],
    elements: usize,
    radii: &mut Vec<f64>,
) -> (Option<AngularPlan>, Vec<usize>) {
    let mut shapes = Vec::new();
    let mut plain = Vec::new();
    let mut degree = 0;
    for (feature, function) in functions.iter().enumerate() {
        if let SymmetryFunction::Angular { gaussian, zeta, .. } = function {
            if by_moments(function) {
                insert(&mut shapes, *gaussian);
                degree = degree.max(*zeta as usize);
            } else {
                plain.push(feature);
            }
        } else if !matches!(
            function,
            SymmetryFunction::Radial { .. }
                | SymmetryFunction::PowerSpectrum { .. }
                | SymmetryFunction::MomentTensor { .. }
        ) {
            plain.push(feature);
        }
    }
    degree = degree.max(spectrum::gather(functions, &mut shapes));
    degree = degree.max(tensor::gather(functions, &mut shapes));
    if shapes.is_empty() {
        return (None, plain);
    }
    let (ladder, places) = Ladder::new(&shapes, radii);
    let mut contractions: Vec<Contraction> = Vec::new();
    for (feature, function) in functions.iter().enumerate() {
        let SymmetryFunction::Angular {
            pairs,
            gaussian,
            lambda,
            zeta,
            ..
        } = function
        else {
            continue;
        };
        if !by_moments(function) {
            continue;
        }
        let sets = match *pairs {
            Pairs::Elements(a, b) => [a.min(b), a.max(b)],
            Pairs::Weighted => [elements, elements],
        };
        let power = *zeta as usize;
        // Pairs of one set are met twice, and each neighbour meets itself with cos θ = 1.
        let same = sets[0] == sets[1];
        let scale = 2.0_f64.powi(1 - power as i32) * if same { 0.5 } else { 1.0 };
        let mut by_degree = vec![0.0; degree + 1];
        let mut binomial = 1.0;
        for (p, weight) in by_degree.iter_mut().enumerate().take(power + 1) {
            *weight = scale * binomial * lambda.powi(p as i32);
            binomial *= (power - p) as f64 / (p as f64 + 1.0);
        }
        let place = shapes.iter().position(|shape| shape == gaussian);
        let feature = AngularFeature {
            feature,
            channel: places[place.expect("every shape was listed")],
            by_degree,
            own: if same {
                -scale * (1.0 + lambda).powi(power as i32)
            } else {
                0.0
            },
        };
        match contractions.iter_mut().find(|contraction| contraction.sets == sets) {
            Some(contraction) => contraction.features.push(feature),
            None => contractions.push(Contraction {
                sets,
                features: vec![feature],
            }),
        }
    }
    let monomials = Monomials::new(degree);
    let place = |gaussian: &Gaussian| {
        let place = shapes.iter().position(|shape| shape == gaussian);
        places[place.expect("every shape was listed")]
    };
    let spectra = spectrum::plan(functions, elements, &ladder, place);
    let tensors = tensor::plan(functions, elements, &monomials, place);
    let mut sets = contractions
        .iter()
        .map(|contraction| contraction.sets[0])
        .chain(spectra.iter().map(|spectrum| spectrum.sets[0]))
        .chain(
            tensors
                .iter()
                .flat_map(|tensors| tensors.places.iter().flatten().map(|place| place.set)),
        );
    let weighted = sets.any(|set| set == elements);
    let plan = AngularPlan {
        ladder,
        monomials,
        contractions,
        spectra,
        tensors,
        weighted,
    };
    (Some(plan), plain)
}
