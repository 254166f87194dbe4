//! Factors of distances and angles, evaluated for rows of neighbours or of pairs of neighbours without branches, so that the
//! compiler makes vector loops of them.

#![allow(clippy::inline_always)]

use std::f64::consts::PI;

use pulp::Simd;

use crate::descriptor::cutoff::{CutoffFunction, CutoffKind};
use crate::descriptor::plan::{Angle, Factor};
use crate::descriptor::window::{Core, Window};
use crate::vector::elementary::{COSINE, SINE, TANH, clamp, exponentials, polynomial, power};
use crate::vector::{Lanes, fused};

/// The value and the derivative of the polynomial core of degree 2M + 1 with 0 ≤ x ≤ 1, see [`Core`].
#[inline(always)]
fn core<const M: usize>(x: f64) -> (f64, f64) {
    // The polynomials are odd about x = ½: the fall from the nearer end keeps the small values' digits.
    let y = if x > 0.5 { 1.0 - x } else { x };
    let y2 = y * y;
    let z = x * (x - 1.0);
    let (fall, slope) = match M {
        1 => ((2.0 * y - 3.0) * y2, 6.0 * z),
        2 => (((15.0 - 6.0 * y) * y - 10.0) * y2 * y, -30.0 * z * z),
        3 => ((y * (y * (20.0 * y - 70.0) + 84.0) - 35.0) * y2 * y2, 140.0 * z * z * z),
        _ => (
            (y * (y * ((315.0 - 70.0 * y) * y - 540.0) + 420.0) - 126.0) * y2 * y2 * y,
            -630.0 * z * z * z * z,
        ),
    };
    (if x > 0.5 { -fall } else { 1.0 + fall }, slope)
}

/// Replaces x by exp(1 − 1/(1 − x²)) and writes its derivative; both vanish at x = 1.
#[inline(always)]
fn exponential_core<S: Simd>(xs: &mut [f64], slopes: &mut [f64]) {
    for (x, slope) in xs.iter_mut().zip(slopes.iter_mut()) {
        let gap = 1.0 - *x * *x;
        // exp(1 − 1/gap) is below 10⁻³⁰⁰ already there.
        let inverse = 1.0 / if gap > 1.4e-3 { gap } else { 1.4e-3 };
        *slope = -2.0 * *x * inverse * inverse;
        *x = 1.0 - inverse;
    }
    exponentials::<S>(xs);
    for (x, slope) in xs.iter().zip(slopes.iter_mut()) {
        *slope *= *x;
    }
}

/// fc and fc′ at the distances r for one cutoff radius; zero from there on.
#[inline(always)]
pub(super) fn cutoff_row<S: Simd>(
    cutoff: &CutoffFunction,
    radius: f64,
    r: &[f64],
    values: &mut [f64],
    slopes: &mut [f64],
) {
    let inner = cutoff.inner_fraction * radius;
    let per_width = 1.0 / (radius - inner);
    match cutoff.kind {
        CutoffKind::Hard => {
            for ((r, value), slope) in r.iter().zip(values.iter_mut()).zip(slopes.iter_mut()) {
                *value = if *r < radius { 1.0 } else { 0.0 };
                *slope = 0.0;
            }
        }
        CutoffKind::TanhCubed | CutoffKind::TanhCubedNormalised => {
            let norm = if cutoff.kind == CutoffKind::TanhCubed {
                1.0
            } else {
                1.0_f64.tanh().powi(-3)
            };
            let per_radius = 1.0 / radius;
            for ((r, value), slope) in r.iter().zip(values.iter_mut()).zip(slopes.iter_mut()) {
                let x = clamp(fused::<S>(-*r, per_radius, 1.0), 0.0, 1.0);
                let t = x * polynomial::<S, 16>(&TANH, x * x);
                let square = norm * t * t;
                *value = square * t;
                *slope = -3.0 * per_radius * square * fused::<S>(-t, t, 1.0);
            }
        }
        CutoffKind::Cosine => {
            for ((r, value), slope) in r.iter().zip(values.iter_mut()).zip(slopes.iter_mut()) {
                let x = clamp((*r - inner) * per_width, 0.0, 1.0);
                let y = x - 0.5;
                let square = y * y;
                // cos πx = −sin πy and sin πx = cos πy.
                let cosine = -y * polynomial::<S, 10>(&SINE, square);
                let inside = if *r < radius { 0.5 } else { 0.0 };
                *value = fused::<S>(inside, cosine, inside);
                let sine = if x > 0.0 {
                    polynomial::<S, 11>(&COSINE, square)
                } else {
                    0.0
                };
                *slope = -inside * PI * per_width * sine;
            }
        }
        CutoffKind::Exponential => {
            for (r, value) in r.iter().zip(values.iter_mut()) {
                *value = clamp((*r - inner) * per_width, 0.0, 1.0);
            }
            exponential_core::<S>(values, slopes);
            for (r, (value, slope)) in r.iter().zip(values.iter_mut().zip(slopes.iter_mut())) {
                *slope *= per_width;
                *value = if *r < radius { *value } else { 0.0 };
            }
        }
        CutoffKind::Polynomial1 => polynomial_cutoff::<1>(inner, per_width, r, values, slopes),
        CutoffKind::Polynomial2 => polynomial_cutoff::<2>(inner, per_width, r, values, slopes),
        CutoffKind::Polynomial3 => polynomial_cutoff::<3>(inner, per_width, r, values, slopes),
        CutoffKind::Polynomial4 => polynomial_cutoff::<4>(inner, per_width, r, values, slopes),
    }
}

#[inline(always)]
fn polynomial_cutoff<const M: usize>(inner: f64, per_width: f64, r: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    for ((r, value), slope) in r.iter().zip(values.iter_mut()).zip(slopes.iter_mut()) {
        let (v, s) = core::<M>(clamp((*r - inner) * per_width, 0.0, 1.0));
        *value = v;
        *slope = s * per_width;
    }
}

/// C and C′ of a window at the numbers a; zero outside.
#[inline(always)]
pub(super) fn window_row<S: Simd>(window: &Window, a: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    match window.core {
        Core::Exponential => exponential_window::<S>(window, a, values, slopes),
        Core::Polynomial1 => polynomial_window::<1>(window, a, values, slopes),
        Core::Polynomial2 => polynomial_window::<2>(window, a, values, slopes),
        Core::Polynomial3 => polynomial_window::<3>(window, a, values, slopes),
        Core::Polynomial4 => polynomial_window::<4>(window, a, values, slopes),
    }
}

#[inline(always)]
fn polynomial_window<const M: usize>(window: &Window, a: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    let per_width = 2.0 / (window.to - window.from);
    let centre = 0.5 * (window.from + window.to);
    for ((a, value), slope) in a.iter().zip(values.iter_mut()).zip(slopes.iter_mut()) {
        let signed = (*a - centre) * per_width;
        let x = clamp(signed.abs(), 0.0, 1.0);
        let (argument, inner) = if window.asymmetric {
            ((2.0 - x) * x, 2.0 - 2.0 * x)
        } else {
            (x, 1.0)
        };
        let (v, s) = core::<M>(argument);
        *value = v;
        *slope = s * inner * per_width.copysign(signed);
    }
}

#[inline(always)]
fn exponential_window<S: Simd>(window: &Window, a: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    let per_width = 2.0 / (window.to - window.from);
    let centre = 0.5 * (window.from + window.to);
    for (a, value) in a.iter().zip(values.iter_mut()) {
        let x = clamp(((*a - centre) * per_width).abs(), 0.0, 1.0);
        *value = if window.asymmetric { (2.0 - x) * x } else { x };
    }
    exponential_core::<S>(values, slopes);
    for (a, (value, slope)) in a.iter().zip(values.iter_mut().zip(slopes.iter_mut())) {
        let x = (*a - centre) * per_width;
        let inner = if window.asymmetric { 2.0 - 2.0 * x.abs() } else { 1.0 };
        let inside = x.abs() < 1.0;
        *value = if inside { *value } else { 0.0 };
        *slope = if inside {
            *slope * inner * per_width.copysign(x)
        } else {
            0.0
        };
    }
}

/// Room for one cutoff function's values, which factors of one radius share.
#[derive(Debug, Default)]
pub(super) struct Fade {
    radius: f64,
    values: Lanes,
    slopes: Lanes,
}

impl Fade {
    /// Forgets the distances it was evaluated for.
    pub fn forget(&mut self) {
        self.radius = f64::NAN;
    }

    /// The value and the derivative at one of the distances.
    #[inline(always)]
    pub fn at(&self, place: usize) -> (f64, f64) {
        (self.values[place], self.slopes[place])
    }

    /// The values and the derivatives at the first of the distances.
    pub fn rows(&self, count: usize) -> (&[f64], &[f64]) {
        (&self.values[..count], &self.slopes[..count])
    }

    #[inline(always)]
    pub fn update<S: Simd>(&mut self, cutoff: &CutoffFunction, radius: f64, r: &[f64]) {
        if self.radius == radius {
            return;
        }
        self.radius = radius;
        // Grown only: what lies beyond is not read.
        self.values.reserve(r.len());
        self.slopes.reserve(r.len());
        cutoff_row::<S>(
            cutoff,
            radius,
            r,
            &mut self.values[..r.len()],
            &mut self.slopes[..r.len()],
        );
    }
}

/// exp(−η(r − rs)²) at the distances r.
#[inline(always)]
pub(super) fn gaussian_row<S: Simd>(eta: f64, shift: f64, r: &[f64], values: &mut [f64]) {
    for (r, value) in r.iter().zip(values.iter_mut()) {
        let from_centre = r - shift;
        *value = -eta * from_centre * from_centre;
    }
    exponentials::<S>(values);
}

/// A factor and its derivative at the distances r. `fade` is what the last factor of these distances left.
#[inline(always)]
pub(super) fn factor_row<S: Simd>(
    simd: S,
    factor: &Factor,
    cutoff: &CutoffFunction,
    fade: &mut Fade,
    r: &[f64],
    values: &mut [f64],
    slopes: &mut [f64],
) {
    match factor {
        Factor::Window(window) => window_row::<S>(window, r, values, slopes),
        Factor::Gaussian(gaussian) => {
            fade.update::<S>(cutoff, gaussian.cutoff, r);
            gaussian_row::<S>(gaussian.eta, gaussian.shift, r, values);
            let (fade_values, fade_slopes) = fade.rows(r.len());
            let fades = fade_values.iter().zip(fade_slopes);
            for (((r, value), slope), (fade, fade_slope)) in
                r.iter().zip(values.iter_mut()).zip(slopes.iter_mut()).zip(fades)
            {
                let exponential = *value;
                *value = exponential * fade;
                *slope = exponential * fused::<S>(-2.0 * gaussian.eta * (r - gaussian.shift), *fade, *fade_slope);
            }
        }
        Factor::Chebyshev { order, cutoff: radius } => {
            fade.update::<S>(cutoff, *radius, r);
            let scale = 2.0 / radius;
            for (r, value) in r.iter().zip(values.iter_mut()) {
                *value = fused::<S>(*r, scale, -1.0);
            }
            // The argument stays within the cutoff's factor of −1 to 1 wherever the fade is not zero.
            chebyshev_row(simd, *order, values, slopes);
            let (fade_values, fade_slopes) = fade.rows(r.len());
            let fades = fade_values.iter().zip(fade_slopes);
            for ((value, slope), (fade, fade_slope)) in values.iter_mut().zip(slopes.iter_mut()).zip(fades) {
                *slope = fused::<S>(*value, *fade_slope, scale * *slope * fade);
                *value *= fade;
            }
        }
    }
}

/// Replaces x by T_n(x) and writes the derivative; x is clamped to [−1, 1]. By T_n = 2x·T_(n−1) − T_(n−2).
#[inline(always)]
fn chebyshev_row<S: Simd>(simd: S, order: u32, xs: &mut [f64], slopes: &mut [f64]) {
    let (zero, one, two) = (simd.splat_f64s(0.0), simd.splat_f64s(1.0), simd.splat_f64s(2.0));
    let xs = S::as_mut_simd_f64s(xs).0;
    for (x, slope) in xs.iter_mut().zip(S::as_mut_simd_f64s(slopes).0) {
        let clamped = simd.max_f64s(simd.min_f64s(*x, one), simd.neg_f64s(one));
        let doubled = simd.mul_f64s(two, clamped);
        let (mut value, mut derivative) = (one, zero);
        let (mut next, mut next_derivative) = (clamped, one);
        for _ in 0..order {
            let after = simd.mul_add_e_f64s(doubled, next, simd.neg_f64s(value));
            let rest = simd.mul_add_e_f64s(two, next, simd.neg_f64s(derivative));
            let after_derivative = simd.mul_add_e_f64s(doubled, next_derivative, rest);
            (value, derivative) = (next, next_derivative);
            (next, next_derivative) = (after, after_derivative);
        }
        *x = value;
        *slope = derivative;
    }
}

/// What is known of a row of pairs of neighbours.
pub(super) struct Pairs<'a> {
    /// cos θ.
    pub cosines: &'a [f64],
    /// θ, where a window needs it.
    pub thetas: &'a [f64],
    /// 1/sin θ (0 where that is infinite), where a window needs it.
    pub inverse_sines: &'a [f64],
}

/// A factor of the angle, and its derivative with respect to cos θ, for a row of pairs.
#[inline(always)]
pub(super) fn angle_row<S: Simd>(simd: S, angle: &Angle, pairs: &Pairs, values: &mut [f64], slopes: &mut [f64]) {
    match angle {
        Angle::Power { lambda, zeta } if zeta.fract() == 0.0 && *zeta <= 256.0 => {
            whole_power(simd, *lambda, *zeta as u32, pairs.cosines, values, slopes);
        }
        Angle::Power { lambda, zeta } => {
            for ((cosine, value), slope) in pairs.cosines.iter().zip(values.iter_mut()).zip(slopes.iter_mut()) {
                let base = 1.0 + lambda * cosine;
                (*value, *slope) = if base > 0.0 {
                    (base.powf(*zeta), zeta * lambda * base.powf(zeta - 1.0))
                } else {
                    (0.0, 0.0)
                };
            }
        }
        Angle::Window(window) => {
            window_row::<S>(window, pairs.thetas, values, slopes);
            for (slope, inverse_sine) in slopes.iter_mut().zip(pairs.inverse_sines) {
                *slope *= -inverse_sine;
            }
        }
        Angle::Chebyshev(order) => {
            values.copy_from_slice(pairs.cosines);
            chebyshev_row(simd, *order, values, slopes);
        }
    }
}

/// (1 + λ cos θ)^ζ by repeated squaring; the usual powers make loops of their own.
#[inline(always)]
fn whole_power<S: Simd>(simd: S, lambda: f64, zeta: u32, cosines: &[f64], values: &mut [f64], slopes: &mut [f64]) {
    match zeta {
        1 => power_row::<S, 1>(simd, lambda, zeta, cosines, values, slopes),
        2 => power_row::<S, 2>(simd, lambda, zeta, cosines, values, slopes),
        4 => power_row::<S, 4>(simd, lambda, zeta, cosines, values, slopes),
        8 => power_row::<S, 8>(simd, lambda, zeta, cosines, values, slopes),
        16 => power_row::<S, 16>(simd, lambda, zeta, cosines, values, slopes),
        _ => power_row::<S, 0>(simd, lambda, zeta, cosines, values, slopes),
    }
}

/// The loop of [`whole_power`], for the power POWER or, where that is 0, for any.
#[inline(always)]
fn power_row<S: Simd, const POWER: u32>(
    simd: S,
    lambda: f64,
    zeta: u32,
    cosines: &[f64],
    values: &mut [f64],
    slopes: &mut [f64],
) {
    let (zero, one) = (simd.splat_f64s(0.0), simd.splat_f64s(1.0));
    let by_lambda = simd.splat_f64s(lambda);
    let by_slope = simd.splat_f64s(lambda * f64::from(zeta));
    let cosines = S::as_simd_f64s(cosines).0;
    let values = S::as_mut_simd_f64s(values).0;
    let slopes = S::as_mut_simd_f64s(slopes).0;
    for ((cosine, value), slope) in cosines.iter().zip(values).zip(slopes) {
        let base = simd.max_f64s(simd.mul_add_e_f64s(by_lambda, *cosine, one), zero);
        let square = simd.mul_f64s(base, base);
        let cube = simd.mul_f64s(square, base);
        // The power one lower.
        let lower = match POWER {
            1 => simd.select_f64s(simd.greater_than_f64s(base, zero), one, zero),
            2 => base,
            4 => cube,
            8 | 16 => {
                let fourth = simd.mul_f64s(square, square);
                let seventh = simd.mul_f64s(fourth, cube);
                if POWER == 8 {
                    seventh
                } else {
                    simd.mul_f64s(simd.mul_f64s(fourth, fourth), seventh)
                }
            }
            _ => {
                let positive = simd.greater_than_f64s(base, zero);
                simd.select_f64s(positive, power(simd, base, zeta - 1), zero)
            }
        };
        *value = simd.mul_f64s(lower, base);
        *slope = simd.mul_f64s(lower, by_slope);
    }
}
