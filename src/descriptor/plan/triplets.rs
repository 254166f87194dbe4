//! How functions that moments do not serve are summed over neighbours and pairs of neighbours: which factors of a distance
//! are evaluated for every neighbour, which factors of an angle for every pair, and which products of them are summed.

use crate::descriptor::function::{Gaussian, Neighbours, Pairs, SymmetryFunction, Weighting};
use crate::descriptor::window::Window;

/// A factor that depends on one distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::descriptor) enum Factor {
    /// exp(−η(r − rs)²)·fc(r).
    Gaussian(Gaussian),
    /// C(r).
    Window(Window),
    /// T_n(2r/rc − 1)·fc(r).
    Chebyshev {
        /// n.
        order: u32,
        /// rc.
        cutoff: f64,
    },
}

impl Factor {
    /// From where on it is zero.
    pub fn reach(&self) -> f64 {
        match self {
            Self::Gaussian(gaussian) => gaussian.cutoff,
            Self::Window(window) => window.to,
            Self::Chebyshev { cutoff, .. } => *cutoff,
        }
    }
}

/// What a neighbour's factor is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::descriptor) enum Weight {
    /// 1.
    One,
    /// Its atomic number.
    Number,
    /// Its element's pseudo-spin.
    Spin,
}

impl Weight {
    /// The weight of a neighbour of an element, where the elements have these atomic numbers.
    pub fn of(self, element: usize, numbers: &[f64]) -> f64 {
        match self {
            Self::One => 1.0,
            Self::Number => numbers[element],
            Self::Spin => Weighting::Spin.of(element, numbers.len()),
        }
    }
}

/// A weighted factor, evaluated once for every neighbour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::descriptor) struct Shape {
    pub factor: Factor,
    pub weight: Weight,
}

/// The neighbours summed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::descriptor) enum Population {
    /// Those of one element.
    Element(usize),
    /// All.
    All,
}

/// A factor that depends on the angle between two neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::descriptor) enum Angle {
    /// (1 + λ cos θ)^ζ, zero where the base is not positive.
    Power {
        /// λ.
        lambda: f64,
        /// ζ.
        zeta: f64,
    },
    /// A(θ), its ends in radians.
    Window(Window),
    /// T_n(cos θ).
    Chebyshev(u32),
}

/// Σ_j of a shape over a population.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::descriptor) struct PairSum {
    pub feature: usize,
    pub shape: usize,
    pub population: Population,
}

/// One function: factor·Σ_{j<k} shape(j)·shape(k)·[third side]·angle(j, k), its shape that of the channel it belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::descriptor) struct Product {
    pub feature: usize,
    pub angle: usize,
    pub factor: f64,
}

/// One function whose factor of the angle is a polynomial in cos θ: Σ_{j<k} shape(j)·shape(k)·[third side]·Σ_n coefficient_n·cosⁿ θ.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::descriptor) struct Polynomial {
    pub feature: usize,
    pub coefficients: Vec<f64>,
}

/// The highest degree of a [`Polynomial`]: higher powers are cheaper by repeated squaring, and lose digits here.
pub(in crate::descriptor) const DEGREE: usize = 4;

impl Polynomial {
    /// factor·(1 + λ cos θ)^ζ, where that is a polynomial of low degree wherever θ is an angle.
    fn new(feature: usize, factor: f64, angle: &Angle) -> Option<Self> {
        let Angle::Power { lambda, zeta } = *angle else {
            return None;
        };
        if zeta.fract() != 0.0 || !(1.0..=DEGREE as f64).contains(&zeta) || lambda.abs() > 1.0 {
            return None;
        }
        let mut coefficients = vec![factor];
        for n in 1..=zeta as usize {
            let last = coefficients[n - 1];
            coefficients.push(last * lambda * (zeta - n as f64 + 1.0) / n as f64);
        }
        Some(Self { feature, coefficients })
    }
}

/// The functions of one shape within a group.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::descriptor) struct Channel {
    pub shape: usize,
    pub polynomials: Vec<Polynomial>,
    /// The highest degree of the polynomials; 0 where there are none.
    pub degree: usize,
    pub products: Vec<Product>,
}

impl Channel {
    /// How many sums over pairs its functions are made of: those of cosⁿ θ, then those of products.
    pub fn sums(&self) -> usize {
        let powers = if self.polynomials.is_empty() {
            0
        } else {
            self.degree + 1
        };
        powers + self.products.len()
    }
}

/// How the exponentials exp(−ηx) of a channel come about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::descriptor) struct Step {
    pub channel: usize,
    /// As a whole power of an earlier channel's, whose η is that part of this one; else afresh.
    pub power: Option<(usize, u32)>,
}

impl Step {
    /// The steps of exponentials with these η, the smallest first.
    fn of(etas: &[f64]) -> Vec<Self> {
        /// Higher powers cost as much as an exponential, and round as often.
        const MOST: f64 = 32.0;
        let mut order: Vec<usize> = (0..etas.len()).collect();
        order.sort_by(|a, b| etas[*a].total_cmp(&etas[*b]));
        let mut steps: Vec<Self> = Vec::with_capacity(order.len());
        for channel in order {
            let power = steps.iter().rev().find_map(|earlier| {
                let ratio = etas[channel] / etas[earlier.channel];
                let whole = ratio.round();
                // Ratios of decimal numbers are whole but for their rounding.
                let is_whole = (2.0..=MOST).contains(&whole) && (ratio - whole).abs() <= 1e-15 * whole;
                (is_whole && earlier.power.is_none()).then_some((earlier.channel, whole as u32))
            });
            steps.push(Self { channel, power });
        }
        steps
    }
}

/// What all shapes of a group share that are Gaussians of one centre with one cutoff: such shapes differ in η alone.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::descriptor) struct Common {
    /// η, channel by channel.
    pub etas: Vec<f64>,
    /// How the channels' exponentials are evaluated, one after the other.
    pub steps: Vec<Step>,
    /// rs.
    pub shift: f64,
    /// rc.
    pub cutoff: f64,
    /// The place of rc among the plan's radii.
    pub radius: usize,
}

/// The functions that share their pairs of neighbours.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::descriptor) struct Group {
    /// The neighbours j, and the neighbours k; where both are the same population, each pair is met once.
    pub populations: [Population; 2],
    /// Whether the factor of r_jk is there.
    pub third_side: bool,
    pub channels: Vec<Channel>,
    pub angles: Vec<Angle>,
    /// Where the channels' shapes have all this in common.
    pub common: Option<Common>,
}

impl Group {
    /// Whether an angle itself is needed, not only its cosine.
    pub fn needs_theta(&self) -> bool {
        self.angles.iter().any(|angle| matches!(angle, Angle::Window(_)))
    }
}

/// The functions of one central element that are summed over neighbours and pairs of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::descriptor) struct TripletPlan {
    pub shapes: Vec<Shape>,
    pub pair_sums: Vec<PairSum>,
    pub groups: Vec<Group>,
    /// The cutoff radii that shapes of a group have in common.
    pub radii: Vec<f64>,
    /// The largest distance of a neighbour that counts, Å.
    pub reach: f64,
}

impl TripletPlan {
    /// The plan of the listed functions (places in `functions`).
    pub fn new(functions: &[SymmetryFunction], listed: &[usize]) -> Self {
        let mut plan = Self::default();
        for feature in listed {
            plan.add(*feature, &functions[*feature]);
        }
        for group in &mut plan.groups {
            group.common = common(&plan.shapes, &group.channels, &mut plan.radii);
        }
        plan.reach = plan.shapes.iter().map(|shape| shape.factor.reach()).fold(0.0, f64::max);
        plan
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    fn add(&mut self, feature: usize, function: &SymmetryFunction) {
        match *function {
            SymmetryFunction::Radial { neighbours, gaussian } => {
                self.add_sum(feature, Factor::Gaussian(gaussian), neighbours);
            }
            SymmetryFunction::CompactRadial { neighbours, radial } => {
                self.add_sum(feature, Factor::Window(radial), neighbours);
            }
            SymmetryFunction::ChebyshevRadial {
                weighting,
                order,
                cutoff,
            } => {
                let shape = self.shape(Factor::Chebyshev { order, cutoff }, weight_of(weighting));
                self.pair_sums.push(PairSum {
                    feature,
                    shape,
                    population: Population::All,
                });
            }
            SymmetryFunction::Angular {
                pairs,
                gaussian,
                lambda,
                zeta,
                third_side,
            } => {
                let (populations, weight) = populations_of(pairs);
                let shape = self.shape(Factor::Gaussian(gaussian), weight);
                let angle = Angle::Power { lambda, zeta };
                self.add_product(
                    populations,
                    third_side,
                    shape,
                    angle,
                    (feature, 2.0_f64.powf(1.0 - zeta)),
                );
            }
            SymmetryFunction::CompactAngular {
                pairs,
                radial,
                angular,
                third_side,
            } => {
                let (populations, weight) = populations_of(pairs);
                let shape = self.shape(Factor::Window(radial), weight);
                let (from, to) = (angular.from.to_radians(), angular.to.to_radians());
                let angle = Angle::Window(Window { from, to, ..angular });
                self.add_product(populations, third_side, shape, angle, (feature, 1.0));
            }
            // Always products of moments.
            SymmetryFunction::PowerSpectrum { .. } | SymmetryFunction::MomentTensor { .. } => {}
            SymmetryFunction::ChebyshevAngular {
                weighting,
                order,
                cutoff,
            } => {
                let shape = self.shape(Factor::Chebyshev { order: 0, cutoff }, weight_of(weighting));
                let all = [Population::All; 2];
                self.add_product(all, false, shape, Angle::Chebyshev(order), (feature, 1.0));
            }
        }
    }

    fn add_sum(&mut self, feature: usize, factor: Factor, neighbours: Neighbours) {
        let (population, weight) = match neighbours {
            Neighbours::Element(element) => (Population::Element(element), Weight::One),
            Neighbours::Weighted => (Population::All, Weight::Number),
        };
        let shape = self.shape(factor, weight);
        self.pair_sums.push(PairSum {
            feature,
            shape,
            population,
        });
    }

    fn shape(&mut self, factor: Factor, weight: Weight) -> usize {
        place_of(&mut self.shapes, Shape { factor, weight })
    }

    fn add_product(
        &mut self,
        populations: [Population; 2],
        third_side: bool,
        shape: usize,
        angle: Angle,
        (feature, factor): (usize, f64),
    ) {
        let same = |group: &Group| group.populations == populations && group.third_side == third_side;
        let place = self.groups.iter().position(same).unwrap_or_else(|| {
            self.groups.push(Group {
                populations,
                third_side,
                channels: Vec::new(),
                angles: Vec::new(),
                common: None,
            });
            self.groups.len() - 1
        });
        let group = &mut self.groups[place];
        let known = group.channels.iter().position(|channel| channel.shape == shape);
        let channel = known.unwrap_or_else(|| {
            group.channels.push(Channel {
                shape,
                polynomials: Vec::new(),
                degree: 0,
                products: Vec::new(),
            });
            group.channels.len() - 1
        });
        let channel = &mut group.channels[channel];
        if let Some(polynomial) = Polynomial::new(feature, factor, &angle) {
            channel.degree = channel.degree.max(polynomial.coefficients.len() - 1);
            channel.polynomials.push(polynomial);
        } else {
            let angle = place_of(&mut group.angles, angle);
            channel.products.push(Product { feature, angle, factor });
        }
    }
}

/// What the shapes of some channels have in common, if it is that much.
fn common(shapes: &[Shape], channels: &[Channel], radii: &mut Vec<f64>) -> Option<Common> {
    let mut shared = None;
    let mut etas = Vec::with_capacity(channels.len());
    for channel in channels {
        let Factor::Gaussian(Gaussian { eta, shift, cutoff }) = shapes[channel.shape].factor else {
            return None;
        };
        etas.push(eta);
        if *shared.get_or_insert((shift, cutoff)) != (shift, cutoff) {
            return None;
        }
    }
    let (shift, cutoff) = shared?;
    let radius = place_of(radii, cutoff);
    Some(Common {
        steps: Step::of(&etas),
        etas,
        shift,
        cutoff,
        radius,
    })
}

/// Where an entry stands in a list, after adding it if it does not.
fn place_of<T: PartialEq>(list: &mut Vec<T>, entry: T) -> usize {
    list.iter().position(|other| *other == entry).unwrap_or_else(|| {
        list.push(entry);
        list.len() - 1
    })
}

fn weight_of(weighting: Weighting) -> Weight {
    match weighting {
        Weighting::Uniform => Weight::One,
        Weighting::Spin => Weight::Spin,
    }
}

fn populations_of(pairs: Pairs) -> ([Population; 2], Weight) {
    match pairs {
        Pairs::Elements(a, b) => (
            [Population::Element(a.min(b)), Population::Element(a.max(b))],
            Weight::One,
        ),
        Pairs::Weighted => ([Population::All; 2], Weight::Number),
    }
}
