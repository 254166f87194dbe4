//! The lines `symfunction_short`: read, put into n2p2's own order, written.

use std::cmp::Ordering;
use std::path::Path;

use super::text::wanted_number;
use crate::descriptor::{Core, Gaussian, Neighbours, Pairs, SymmetryFunction, Window};
use crate::formats::FormatError;
use crate::formats::error::quote;

/// A symmetry function with what n2p2 sorts it by, in the units of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    pub function: SymmetryFunction,
    /// n2p2's number of the type.
    kind: u32,
    /// The name of a compact function's shape, which is compared as text; empty for other functions.
    shape: String,
    /// The numbers compared after the type and the shape, first to last.
    keys: Vec<f64>,
}

/// Puts one element's functions into n2p2's order.
pub(super) fn sort(list: &mut [Listed]) {
    sort_by(list, |listed| listed);
}

/// Puts things that hold functions into n2p2's order.
pub(super) fn sort_by<T>(list: &mut [T], function: impl Fn(&T) -> &Listed) {
    list.sort_by(|a, b| {
        let (a, b) = (function(a), function(b));
        let numbers = || {
            let pairs = a.keys.iter().zip(&b.keys);
            pairs.filter_map(|(a, b)| a.partial_cmp(b)).find(|order| order.is_ne())
        };
        let order = a.kind.cmp(&b.kind).then_with(|| a.shape.cmp(&b.shape));
        order.then_with(|| numbers().unwrap_or(Ordering::Equal))
    });
}

impl Listed {
    /// A function with its place in n2p2's order, or why n2p2 has no such function.
    pub fn new(function: SymmetryFunction) -> Result<Self, String> {
        let (kind, shape, keys) = match function {
            SymmetryFunction::Radial { neighbours, gaussian } => {
                let Gaussian { eta, shift, cutoff } = gaussian;
                match neighbours {
                    Neighbours::Element(e) => (2, String::new(), vec![cutoff, eta, shift, e as f64]),
                    Neighbours::Weighted => (12, String::new(), vec![cutoff, eta, shift]),
                }
            }
            SymmetryFunction::Angular {
                pairs,
                gaussian,
                lambda,
                zeta,
                third_side,
            } => {
                let Gaussian { eta, shift, cutoff } = gaussian;
                let mut keys = vec![cutoff, eta, shift, zeta, lambda];
                let kind = match pairs {
                    Pairs::Elements(a, b) => {
                        keys.extend([a.min(b) as f64, a.max(b) as f64]);
                        if shift < 0.0 {
                            return Err("an angular function with a Gaussian centred below 0".to_owned());
                        }
                        if third_side { 3 } else { 9 }
                    }
                    Pairs::Weighted if third_side => 13,
                    Pairs::Weighted => {
                        return Err("a weighted angular function without the third side (weighted-g5)".to_owned());
                    }
                };
                (kind, String::new(), keys)
            }
            SymmetryFunction::CompactRadial { neighbours, radial } => match neighbours {
                Neighbours::Element(e) => (20, shape(&radial)?, vec![e as f64, radial.to, radial.from]),
                Neighbours::Weighted => (23, shape(&radial)?, vec![radial.to, radial.from]),
            },
            SymmetryFunction::CompactAngular {
                pairs,
                radial,
                angular,
                third_side,
            } => {
                if angular.core != radial.core || angular.asymmetric {
                    return Err(
                        "a compact function whose windows of distances and of angles differ in shape".to_owned(),
                    );
                }
                let rest = [radial.to, radial.from, angular.from, angular.to];
                match pairs {
                    Pairs::Elements(a, b) => {
                        let mut keys = vec![a.min(b) as f64, a.max(b) as f64];
                        keys.extend(rest);
                        (if third_side { 21 } else { 22 }, shape(&radial)?, keys)
                    }
                    Pairs::Weighted => (if third_side { 24 } else { 25 }, shape(&radial)?, rest.to_vec()),
                }
            }
            SymmetryFunction::PowerSpectrum { .. } => {
                return Err("the power spectrum (preset = \"power-spectrum\")".to_owned());
            }
            SymmetryFunction::MomentTensor { .. } => {
                return Err("moment tensors (preset = \"moment-tensor\")".to_owned());
            }
            SymmetryFunction::ChebyshevRadial { .. } | SymmetryFunction::ChebyshevAngular { .. } => {
                return Err("the Chebyshev descriptor (preset = \"chebyshev\")".to_owned());
            }
        };
        Ok(Self {
            function,
            kind,
            shape,
            keys,
        })
    }

    /// The line that defines the function, with elements named by `symbol` and numbers written by `write` after a length
    /// has been divided by `length` (Å per unit of the file).
    pub fn line(
        &self,
        central: &str,
        symbol: &dyn Fn(usize) -> String,
        length: f64,
        write: &dyn Fn(f64) -> String,
    ) -> String {
        let mut words = vec![central.to_owned(), self.kind.to_string()];
        let window = |words: &mut Vec<String>, radial: &Window| {
            words.push(write(radial.from / length));
            words.push(write(radial.to / length));
        };
        match self.function {
            SymmetryFunction::Radial { neighbours, gaussian } => {
                if let Neighbours::Element(e) = neighbours {
                    words.push(symbol(e));
                }
                words.push(write(gaussian.eta * length * length));
                words.push(write(gaussian.shift / length));
                words.push(write(gaussian.cutoff / length));
            }
            SymmetryFunction::Angular {
                pairs,
                gaussian,
                lambda,
                zeta,
                ..
            } => {
                let eta = write(gaussian.eta * length * length);
                let shift = write(gaussian.shift / length);
                let cutoff = write(gaussian.cutoff / length);
                if let Pairs::Elements(a, b) = pairs {
                    words.extend([symbol(a.min(b)), symbol(a.max(b))]);
                    words.extend([eta, write(lambda), write(zeta), cutoff, shift]);
                } else {
                    words.extend([eta, shift, write(lambda), write(zeta), cutoff]);
                }
            }
            SymmetryFunction::CompactRadial { neighbours, radial } => {
                if let Neighbours::Element(e) = neighbours {
                    words.push(symbol(e));
                }
                window(&mut words, &radial);
                words.push(self.shape.clone());
            }
            SymmetryFunction::CompactAngular {
                pairs, radial, angular, ..
            } => {
                if let Pairs::Elements(a, b) = pairs {
                    words.extend([symbol(a.min(b)), symbol(a.max(b))]);
                }
                window(&mut words, &radial);
                words.extend([write(angular.from), write(angular.to), self.shape.clone()]);
            }
            // There is no such line: they are refused when a list is made.
            SymmetryFunction::PowerSpectrum { .. }
            | SymmetryFunction::MomentTensor { .. }
            | SymmetryFunction::ChebyshevRadial { .. }
            | SymmetryFunction::ChebyshevAngular { .. } => {}
        }
        format!("symfunction_short {}\n", words.join(" "))
    }

    /// The function with lengths in Å, where one unit of the file is `length` Å.
    pub fn in_angstrom(&self, length: f64) -> SymmetryFunction {
        let scaled = |g: Gaussian| Gaussian {
            eta: g.eta / (length * length),
            shift: g.shift * length,
            cutoff: g.cutoff * length,
        };
        let widened = |w: Window| Window {
            from: w.from * length,
            to: w.to * length,
            ..w
        };
        let mut function = self.function;
        match &mut function {
            SymmetryFunction::Radial { gaussian, .. } | SymmetryFunction::Angular { gaussian, .. } => {
                *gaussian = scaled(*gaussian);
            }
            SymmetryFunction::CompactRadial { radial, .. } | SymmetryFunction::CompactAngular { radial, .. } => {
                *radial = widened(*radial);
            }
            SymmetryFunction::PowerSpectrum { shapes, .. } => *shapes = shapes.map(scaled),
            SymmetryFunction::MomentTensor { shapes, .. } => *shapes = shapes.map(scaled),
            SymmetryFunction::ChebyshevRadial { cutoff, .. } | SymmetryFunction::ChebyshevAngular { cutoff, .. } => {
                *cutoff *= length;
            }
        }
        function
    }
}

/// n2p2's name of a compact function's shape.
fn shape(window: &Window) -> Result<String, String> {
    let name = match window.core {
        Core::Polynomial1 => "p1",
        Core::Polynomial2 => "p2",
        Core::Polynomial3 => "p3",
        Core::Polynomial4 => "p4",
        Core::Exponential if window.asymmetric => {
            return Err("a compact function with an asymmetric exponential window".to_owned());
        }
        Core::Exponential => "e",
    };
    Ok(format!("{name}{}", if window.asymmetric { "a" } else { "" }))
}

/// The shape that a name stands for: p1 to p4, each with or without `a`, or up to three letters that begin with e.
fn shape_of(name: &str) -> Option<(Core, bool)> {
    if name.starts_with('e') && name.len() <= 3 {
        return Some((Core::Exponential, false));
    }
    let asymmetric = name.len() == 3 && name.ends_with('a');
    let core = match name.get(..2)? {
        "p1" => Core::Polynomial1,
        "p2" => Core::Polynomial2,
        "p3" => Core::Polynomial3,
        "p4" => Core::Polynomial4,
        _ => return None,
    };
    (name.len() == 2 || asymmetric).then_some((core, asymmetric))
}

/// The central element and the function of the words after `symfunction_short`.
pub(super) fn parse(
    words: &[&str],
    path: &Path,
    line: usize,
    place: &dyn Fn(&str) -> Result<usize, FormatError>,
) -> Result<(usize, Listed), FormatError> {
    let fail = |message: String| FormatError::line(path, line, message);
    let [central, kind, arguments @ ..] = words else {
        return Err(fail("`symfunction_short` needs an element and a type".to_owned()));
    };
    let central = place(central)?;
    let (elements, numbers, optional, compact) = match *kind {
        "2" => (1, 3, 0, false),
        "3" | "9" => (2, 4, 1, false),
        "12" => (0, 3, 0, false),
        "13" => (0, 5, 0, false),
        "20" => (1, 2, 0, true),
        "21" | "22" => (2, 4, 0, true),
        "23" => (0, 2, 0, true),
        "24" | "25" => (0, 4, 0, true),
        _ => {
            let message = "symmetry functions of the type {} are not known: expected 2, 3, 9, 12, 13 or 20 to 25";
            return Err(fail(message.replace("{}", &quote(kind))));
        }
    };
    let least = elements + numbers + usize::from(compact);
    if arguments.len() < least {
        let message = format!(
            "a symmetry function of type {kind} needs {least} arguments, found {}",
            arguments.len()
        );
        return Err(fail(message));
    }
    let neighbours = arguments[..elements]
        .iter()
        .map(|word| place(word))
        .collect::<Result<Vec<usize>, _>>()?;
    let x = arguments[elements..]
        .iter()
        .take(if compact { numbers } else { numbers + optional })
        .map(|word| wanted_number(path, line, "a number of a symmetry function", word))
        .collect::<Result<Vec<f64>, _>>()?;
    let one = || {
        neighbours
            .first()
            .map_or(Neighbours::Weighted, |e| Neighbours::Element(*e))
    };
    let two = || match neighbours[..] {
        [a, b] => Pairs::Elements(a.min(b), a.max(b)),
        _ => Pairs::Weighted,
    };
    let mut name = String::new();
    let function = if compact {
        arguments[least - 1].clone_into(&mut name);
        let Some((core, asymmetric)) = shape_of(&name) else {
            let message = format!(
                "the shape {} is not known: expected p1 to p4, p1a to p4a or e",
                quote(&name)
            );
            return Err(fail(message));
        };
        let radial = Window {
            core,
            asymmetric,
            from: x[0],
            to: x[1],
        };
        match x[2..] {
            [from, to] => SymmetryFunction::CompactAngular {
                pairs: two(),
                radial,
                // Asymmetry is a matter of distances only.
                angular: Window {
                    core,
                    asymmetric: false,
                    from,
                    to,
                },
                third_side: matches!(*kind, "21" | "24"),
            },
            _ => SymmetryFunction::CompactRadial {
                neighbours: one(),
                radial,
            },
        }
    } else {
        let gaussian = |eta, shift, cutoff| Gaussian { eta, shift, cutoff };
        match *kind {
            "2" | "12" => SymmetryFunction::Radial {
                neighbours: one(),
                gaussian: gaussian(x[0], x[1], x[2]),
            },
            "13" => SymmetryFunction::Angular {
                pairs: two(),
                gaussian: gaussian(x[0], x[1], x[4]),
                lambda: x[2],
                zeta: x[3],
                third_side: true,
            },
            _ => SymmetryFunction::Angular {
                pairs: two(),
                // A centre below 0 has no effect in n2p2.
                gaussian: gaussian(x[0], x.get(4).map_or(0.0, |rs| rs.max(0.0)), x[3]),
                lambda: x[1],
                zeta: x[2],
                third_side: *kind == "3",
            },
        }
    };
    if !function.is_valid(usize::MAX) {
        let message = "a number of this symmetry function is out of range: η must be at least 0, ζ and the cutoff positive, \
                       a window's ends in order, its angles within 0° and 180° or centred there";
        return Err(fail(message.to_owned()));
    }
    let mut listed = Listed::new(function).map_err(fail)?;
    if compact {
        // n2p2 compares the name as it stands in the file.
        listed.shape = name;
    }
    Ok((central, listed))
}
