//! The `[descriptor]` section of the configuration.

use super::cutoff::CutoffKind;
use super::window::Core;
use crate::units::Length;

/// How an atom's surroundings are described to the potential.
///
/// The one word `preset = "standard"` serves any set of elements; cutoffs that are not given are chosen from the density of
/// the data.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DescriptorConfig {
    /// The functions that are there without being listed: `standard`, finer ones by `power-spectrum` and `moment-tensor`, `chebyshev`, or
    /// `none` where `functions` lists them all.
    pub preset: Preset,
    /// The cutoff radius of the preset's radial functions, a length; when absent, it is chosen by cross-validation among
    /// 2.2, 3.4 and 4.6 times the cube root of the volume per atom in the first labels: the shortest that is as good as any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radial_cutoff: Option<Length>,
    /// The cutoff radius of the preset's angular functions, a length; when absent, it is chosen likewise among 1.6 and 2
    /// times the cube root of the volume per atom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub angular_cutoff: Option<Length>,
    /// The number of the preset's radial functions per neighbouring element.
    pub radial_count: usize,
    /// The number of radial shapes that the preset's angular functions are made from: half of them narrow, half wide.
    pub angular_count: usize,
    /// The highest power of cos θ in the preset's angular functions, 1 to 6.
    pub angular_degree: usize,
    /// The number of radial shapes that the functions of four bodies of `moment-tensor` are made from.
    pub tensor_count: usize,
    /// The highest power of cosines together in them, 0 to 6.
    pub tensor_degree: usize,
    /// The shape of the cutoff function.
    pub cutoff_function: CutoffKind,
    /// The fraction of the cutoff radius inside which the cutoff function is 1, from 0 to below 1.
    pub cutoff_inner_fraction: f64,
    /// Symmetry functions listed one by one, in addition to the preset's.
    pub functions: Vec<FunctionConfig>,
}

impl Default for DescriptorConfig {
    fn default() -> Self {
        Self {
            preset: Preset::Standard,
            radial_cutoff: None,
            angular_cutoff: None,
            radial_count: 40,
            angular_count: 12,
            angular_degree: 4,
            tensor_count: 4,
            tensor_degree: 4,
            cutoff_function: CutoffKind::default(),
            cutoff_inner_fraction: 0.0,
            functions: Vec::new(),
        }
    }
}

/// A ready-made set of symmetry functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Ladders of shifted Gaussians, radial and angular.
    #[default]
    Standard,
    /// The radial and the angular distribution in Chebyshev polynomials (Artrith, Urban and Ceder, Phys. Rev. B 96, 014112
    /// (2017)), once for the structure and once for the composition: the number of functions does not grow with the number of
    /// elements. `radial-count` gives the number of radial orders, `angular-degree` the highest angular order.
    Chebyshev,
    /// The radial functions of `standard`, and the power spectrum of the neighbours' density (Bartók, Kondor and Csányi, Phys. Rev. B
    /// 87, 184115 (2013)): products of all pairs of half of `angular-count` radial shapes (rounded up), for each Legendre polynomial up to
    /// `angular-degree`. Finer and dearer than `standard`.
    PowerSpectrum,
    /// The power spectrum with functions of four bodies beside it: contractions of three moment tensors (Shapeev, Multiscale Model. Simul.
    /// 14, 1153 (2016)) of `tensor-count` radial shapes, up to `tensor-degree` powers of cosines together; from two elements on they are weighted by
    /// atomic number. The finest and dearest.
    MomentTensor,
    /// Nothing.
    None,
}

/// One listed symmetry function.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum FunctionConfig {
    /// G2: Σ exp(−η(r−rs)²)·fc(r) over neighbours of one element.
    G2(RadialConfig),
    /// G4: the angular function with the distance between the two neighbours.
    G4(AngularConfig),
    /// G5: the angular function without the distance between the two neighbours.
    G5(AngularConfig),
    /// G2 over all neighbours, weighted by atomic number.
    WeightedG2(WeightedRadialConfig),
    /// G4 over all pairs, weighted by the product of atomic numbers.
    WeightedG4(WeightedAngularConfig),
    /// G5 over all pairs, weighted by the product of atomic numbers.
    WeightedG5(WeightedAngularConfig),
    /// The compact radial function: Σ C(r) over neighbours of one element, with a window C instead of Gaussian and cutoff
    /// function.
    CompactG2(CompactRadialConfig),
    /// The compact angular function with the distance between the two neighbours.
    CompactG4(CompactAngularConfig),
    /// The compact angular function without the distance between the two neighbours.
    CompactG5(CompactAngularConfig),
    /// The compact radial function over all neighbours, weighted by atomic number.
    WeightedCompactG2(WeightedCompactRadialConfig),
    /// The compact angular function over all pairs, weighted by the product of atomic numbers, with the distance between the
    /// two neighbours.
    WeightedCompactG4(WeightedCompactAngularConfig),
    /// The same without that distance.
    WeightedCompactG5(WeightedCompactAngularConfig),
}

/// The numbers of a radial function.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RadialConfig {
    /// The symbol of the central atom's element.
    pub central: String,
    /// The symbol of the neighbours' element.
    pub neighbour: String,
    /// η in 1/Å².
    pub eta: f64,
    /// The centre of the Gaussian, a length; 0 when absent.
    #[serde(default)]
    pub rs: Option<Length>,
    /// The cutoff radius, a length.
    pub cutoff: Length,
}

/// The numbers of a weighted radial function.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WeightedRadialConfig {
    /// The symbol of the central atom's element.
    pub central: String,
    /// η in 1/Å².
    pub eta: f64,
    /// The centre of the Gaussian, a length; 0 when absent.
    #[serde(default)]
    pub rs: Option<Length>,
    /// The cutoff radius, a length.
    pub cutoff: Length,
}

/// The numbers of an angular function.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AngularConfig {
    /// The symbol of the central atom's element.
    pub central: String,
    /// The symbols of the two neighbours' elements.
    pub neighbours: [String; 2],
    /// η in 1/Å².
    pub eta: f64,
    /// The centre of the Gaussians, a length; 0 when absent.
    #[serde(default)]
    pub rs: Option<Length>,
    /// λ, usually 1 or −1.
    pub lambda: f64,
    /// ζ, positive.
    pub zeta: f64,
    /// The cutoff radius, a length.
    pub cutoff: Length,
}

/// The numbers of a weighted angular function.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WeightedAngularConfig {
    /// The symbol of the central atom's element.
    pub central: String,
    /// η in 1/Å².
    pub eta: f64,
    /// The centre of the Gaussians, a length; 0 when absent.
    #[serde(default)]
    pub rs: Option<Length>,
    /// λ, usually 1 or −1.
    pub lambda: f64,
    /// ζ, positive.
    pub zeta: f64,
    /// The cutoff radius, a length.
    pub cutoff: Length,
}

/// The numbers of a compact radial function.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CompactRadialConfig {
    /// The symbol of the central atom's element.
    pub central: String,
    /// The symbol of the neighbours' element.
    pub neighbour: String,
    /// Where the window begins, a length; a negative one centres it nearer to the atom, and minus the cutoff on the atom. 0 when
    /// absent.
    #[serde(default)]
    pub inner: Option<Length>,
    /// Where the window ends: the cutoff radius, a length.
    pub cutoff: Length,
    /// The shape of the window; `polynomial-2` when absent.
    #[serde(default)]
    pub core: Core,
    /// Whether the window is narrowed by putting (2 − x)x for x; false when absent.
    #[serde(default)]
    pub asymmetric: bool,
}

/// The numbers of a weighted compact radial function.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WeightedCompactRadialConfig {
    /// The symbol of the central atom's element.
    pub central: String,
    /// Where the window begins, a length; a negative one centres it nearer to the atom, and minus the cutoff on the atom. 0 when
    /// absent.
    #[serde(default)]
    pub inner: Option<Length>,
    /// Where the window ends: the cutoff radius, a length.
    pub cutoff: Length,
    /// The shape of the window; `polynomial-2` when absent.
    #[serde(default)]
    pub core: Core,
    /// Whether the window is narrowed by putting (2 − x)x for x; false when absent.
    #[serde(default)]
    pub asymmetric: bool,
}

/// The numbers of a compact angular function.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CompactAngularConfig {
    /// The symbol of the central atom's element.
    pub central: String,
    /// The symbols of the two neighbours' elements.
    pub neighbours: [String; 2],
    /// Where the window begins, a length; a negative one centres it nearer to the atom, and minus the cutoff on the atom. 0 when
    /// absent.
    #[serde(default)]
    pub inner: Option<Length>,
    /// Where the window ends: the cutoff radius, a length.
    pub cutoff: Length,
    /// The shape of the window; `polynomial-2` when absent.
    #[serde(default)]
    pub core: Core,
    /// Whether the window is narrowed by putting (2 − x)x for x; false when absent.
    #[serde(default)]
    pub asymmetric: bool,
    /// Where the window of angles begins and ends, in degrees: within 0 and 180, or centred on one of them.
    pub angles: [f64; 2],
}

/// The numbers of a weighted compact angular function.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WeightedCompactAngularConfig {
    /// The symbol of the central atom's element.
    pub central: String,
    /// Where the window begins, a length; a negative one centres it nearer to the atom, and minus the cutoff on the atom. 0 when
    /// absent.
    #[serde(default)]
    pub inner: Option<Length>,
    /// Where the window ends: the cutoff radius, a length.
    pub cutoff: Length,
    /// The shape of the window; `polynomial-2` when absent.
    #[serde(default)]
    pub core: Core,
    /// Whether the window is narrowed by putting (2 − x)x for x; false when absent.
    #[serde(default)]
    pub asymmetric: bool,
    /// Where the window of angles begins and ends, in degrees: within 0 and 180, or centred on one of them.
    pub angles: [f64; 2],
}
