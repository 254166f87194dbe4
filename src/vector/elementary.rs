//! Elementary functions without calls and without branches, so that loops over them become vector instructions.

// Everything must be inlined into the dispatched function, or it is not compiled for the machine's instructions.
#![allow(clippy::inline_always)]

use std::f64::consts::PI;

use pulp::Simd;

use super::fused;

/// tanh(x)/x as a polynomial in x², for |x| ≤ 1; highest power first.
pub(crate) const TANH: [f64; 16] = [
    -6.20675330545365e-08,
    6.496857637862531e-07,
    -3.402993826979274e-06,
    1.2306805295349983e-05,
    -3.603918536997382e-05,
    9.472256075732066e-05,
    -0.00023801236323479905,
    0.0005896028950856166,
    -0.00145571559077928,
    0.003592104115230281,
    -0.008863232181130274,
    0.021869488226930838,
    -0.05396825395091773,
    0.13333333333282113,
    -0.3333333333333273,
    1.0,
];
/// sin(πy)/y as a polynomial in y², for |y| ≤ ½.
pub(crate) const SINE: [f64; 10] = [
    -2.228371216069697e-08,
    7.94853903737232e-07,
    -2.1915250301851375e-05,
    0.0004663027874593273,
    -0.007370430943702136,
    0.08214588661099356,
    -0.5992645293207869,
    2.5501640398773455,
    -5.16771278004997,
    PI,
];
/// cos(πy) as a polynomial in y², for |y| ≤ ½.
pub(crate) const COSINE: [f64; 11] = [
    3.500312073703762e-09,
    -1.3872781244548443e-07,
    4.303048928191089e-06,
    -0.00010463810062667314,
    0.0019295743088292205,
    -0.0258068913899647,
    0.23533063035889057,
    -1.3352627688545895,
    4.0587121264167685,
    -4.934802200544679,
    1.0,
];
/// arctan(t)/t as a polynomial in t², for |t| ≤ tan(π/8).
const ARCTANGENT: [f64; 13] = [
    0.015113765096600925,
    -0.03338782450121195,
    0.04499500728984032,
    -0.05217312574061591,
    0.05876834004614161,
    -0.06666205259976526,
    0.07692281099937744,
    -0.09090908059031191,
    0.11111111085322109,
    -0.1428571428532971,
    0.19999999999997015,
    -0.33333333333333326,
    1.0,
];

/// A polynomial, its highest coefficient first (Horner).
#[inline(always)]
pub(crate) fn polynomial<S: Simd, const N: usize>(coefficients: &[f64; N], x: f64) -> f64 {
    let mut value = coefficients[0];
    for coefficient in &coefficients[1..] {
        value = fused::<S>(value, x, *coefficient);
    }
    value
}

/// x clamped to [low, high]; a vector instruction each.
#[inline(always)]
pub(crate) fn clamp(x: f64, low: f64, high: f64) -> f64 {
    let x = if x > low { x } else { low };
    if x < high { x } else { high }
}

/// 1/√x of a positive normal number, to about one unit in the last place: a linear guess in the logarithm, made from the bits and right
/// to 3 %, and two steps of fourth order, y ← y·(1 − h)^(−½) to h³ with h = 1 − x·y². Several times faster than a square root and a
/// division.
#[inline(always)]
pub(crate) fn inverse_root<S: Simd>(x: f64) -> f64 {
    let mut y = f64::from_bits(0x5FE6_EB50_C7B5_37A9 - (x.to_bits() >> 1));
    for _ in 0..2 {
        let h = fused::<S>(-(x * y), y, 1.0);
        let rise = fused::<S>(h, fused::<S>(h, 0.3125, 0.375), 0.5);
        y = fused::<S>(y * h, rise, y);
    }
    y
}

/// The angle between two unit vectors from its sine and its cosine, by the tangent of a quarter of it.
#[inline(always)]
pub(crate) fn angle<S: Simd>(sine: f64, cosine: f64) -> f64 {
    let acute = cosine.abs();
    let half_square = 0.5 + 0.5 * acute;
    let half_cosine = half_square * inverse_root::<S>(half_square);
    let quarter_tangent = sine / (2.0 * fused::<S>(half_cosine, half_cosine, half_cosine));
    let quarter = quarter_tangent * polynomial::<S, 13>(&ARCTANGENT, quarter_tangent * quarter_tangent);
    if cosine < 0.0 {
        PI - 4.0 * quarter
    } else {
        4.0 * quarter
    }
}

/// Where [`exponentials`] end: products of three of its values are normal numbers still. Subnormal ones, which cutoff functions made of
/// values near 10⁻³⁰⁸, take a hundred times as long to multiply.
const LEAST_EXPONENT: f64 = -230.0;

/// Replaces each x ≤ 0 by eˣ, to about one unit in the last place; by zero below −230, where eˣ is 10⁻¹⁰⁰.
///
/// x = n·ln 2 + r with |r| ≤ ½ ln 2; eʳ = 1 + r + r²·q(r) with the q of degree 9 that meets eʳ at Chebyshev's nodes (off by less than
/// 2·10⁻¹⁷), and the bits of n make the power of two.
#[inline(always)]
pub(crate) fn exponentials<S: Simd>(xs: &mut [f64]) {
    /// Adding this leaves n + 1023, a biased exponent, in the lowest bits.
    const ROUNDER: f64 = 6755399441055744.0 + 1023.0;
    const LN2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const Q: [f64; 10] = [
        2.510038549551032e-08,
        2.7620088445409746e-07,
        2.7557268459997064e-06,
        2.4801521295954376e-05,
        0.00019841269863053618,
        0.0013888888917213717,
        0.008333333333330062,
        0.04166666666662413,
        0.16666666666666669,
        0.5000000000000001,
    ];
    for x in xs {
        let vanishes = *x < LEAST_EXPONENT;
        let clamped = if vanishes { LEAST_EXPONENT } else { *x };
        let rounded = fused::<S>(clamped, std::f64::consts::LOG2_E, ROUNDER);
        let n = rounded - ROUNDER;
        let r = fused::<S>(n, -LN2_LOW, fused::<S>(n, -LN2_HIGH, clamped));
        let mut q = Q[0];
        for coefficient in &Q[1..] {
            q = fused::<S>(q, r, *coefficient);
        }
        let value = fused::<S>(fused::<S>(q, r, 1.0), r, 1.0);
        let value = value * f64::from_bits(rounded.to_bits() << 52);
        *x = if vanishes { 0.0 } else { value };
    }
}

/// xⁿ by repeated squaring.
#[inline(always)]
pub(crate) fn power<S: Simd>(simd: S, x: S::f64s, n: u32) -> S::f64s {
    let (mut power, mut factor, mut left) = (simd.splat_f64s(1.0), x, n);
    while left > 0 {
        if left & 1 == 1 {
            power = simd.mul_f64s(power, factor);
        }
        left >>= 1;
        // A square that nobody needs may be subnormal.
        if left > 0 {
            factor = simd.mul_f64s(factor, factor);
        }
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};

    struct Exponentials<'a>(&'a mut [f64]);

    impl WithSimd for Exponentials<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            exponentials::<S>(self.0);
        }
    }

    #[test]
    fn exponentials_are_right_to_the_last_places_and_end_in_zero() {
        let exponents: Vec<f64> = (0..100_000).map(|k| -0.01 * f64::from(k)).collect();
        let dispatched: fn(&mut [f64]) = |xs| Arch::new().dispatch(Exponentials(xs));
        for sweep in [dispatched, exponentials::<pulp::Scalar>] {
            let mut values = exponents.clone();
            sweep(&mut values);
            for (x, value) in exponents.iter().zip(&values) {
                if *x < LEAST_EXPONENT {
                    assert!(*value == 0.0, "{x}: {value}");
                } else {
                    assert!((value / x.exp() - 1.0).abs() < 5e-16, "{x}: {value}");
                    // With two more factors as small, and a cutoff function of 1e-5.
                    assert!((value * value * value * 1e-5).is_normal(), "{x}");
                }
            }
        }
        for sweep in [dispatched, exponentials::<pulp::Scalar>] {
            let mut broken = [f64::NAN; 8];
            sweep(&mut broken);
            assert!(broken.iter().all(|value| value.is_nan()));
        }
    }
}
