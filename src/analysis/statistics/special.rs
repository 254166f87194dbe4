//! Special functions: the normal quantile, the complementary error function, the beta distribution.

/// erfc(x) = 1 − erf(x), to rounding (`libm`).
pub fn complementary_error_function(x: f64) -> f64 {
    libm::erfc(x)
}

/// Φ⁻¹(p), the quantile of the standard normal distribution: Wichura's AS 241 (PPND16, Applied Statistics 37, 477 (1988)),
/// relative error about 1e-16. ∓∞ at 0 and 1, NaN outside.
#[expect(clippy::excessive_precision, reason = "coefficients as published")]
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.3871328727963666080,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ];
    const B: [f64; 8] = [
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ];
    const C: [f64; 8] = [
        1.42343711074968357734,
        4.63033784615654529590,
        5.76949722146069140550,
        3.64784832476320460504,
        1.27045825245236838258,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.05319162663775882187,
        1.67638483018380384940,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ];
    const E: [f64; 8] = [
        6.65790464350110377720,
        5.46378491116411436990,
        1.78482653991729133580,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ];
    let ratio = |numerator: &[f64; 8], denominator: &[f64; 8], x: f64| {
        let horner = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * x + c);
        horner(numerator) / horner(denominator)
    };
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&A, &B, 0.180625 - q * q);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail == 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = (-tail.ln()).sqrt();
    let size = if r <= 5.0 {
        ratio(&C, &D, r - 1.6)
    } else {
        ratio(&E, &F, r - 5.0)
    };
    size.copysign(q)
}

/// I_x(a, b), the distribution function of the beta distribution, a, b > 0: the continued fraction DLMF 8.17.22 by the
/// modified Lentz method. Relative error about 1e-16·(a + b)·ln(a + b), from the difference of log-gamma functions.
pub fn regularized_incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast below the mean only; the reflection serves the rest.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - regularized_incomplete_beta(1.0 - x, b, a);
    }
    let log_front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    let nonzero = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let (mut c, mut d) = (1.0, 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..100_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut step = 1.0;
        for coefficient in [even, odd] {
            d = 1.0 / nonzero(1.0 + coefficient * d);
            c = nonzero(1.0 + coefficient / c);
            step = c * d;
            fraction *= step;
        }
        if (step - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (log_front.exp() / a * fraction).min(1.0)
}

/// The quantile of the beta distribution, by bisection to the last bit; NaN where a or b is not a positive number.
pub(super) fn beta_quantile(probability: f64, a: f64, b: f64) -> f64 {
    if !(a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite()) {
        return f64::NAN;
    }
    let (mut low, mut high) = (0.0, 1.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if regularized_incomplete_beta(middle, a, b) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantile_is_right() {
        // scipy.special.ndtri.
        for (p, z) in [
            (1e-300, -37.0470962993612),
            (1e-20, -9.262340089798409),
            (1e-7, -5.1993375821928165),
            (0.001, -3.090232306167813),
            (0.02425, -1.972961051311885),
            (0.1, -1.2815515655446004),
            (0.3, -0.5244005127080409),
            (0.4999, -0.0002506628300880075),
            (0.625, 0.31863936396437514),
            (0.97, 1.8807936081512509),
            (0.999999, 4.753424308817087),
        ] {
            let found = normal_quantile(p);
            assert!((found - z).abs() <= 4e-15 * z.abs(), "{p}: {found} {z}");
        }
        assert_eq!(normal_quantile(0.5), 0.0);
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert!(normal_quantile(-0.1).is_nan() && normal_quantile(f64::NAN).is_nan());
    }

    #[test]
    fn error_function_is_right() {
        // mpmath.erfc.
        for (x, y) in [
            (-2.0, 1.9953222650189528),
            (-0.3, 1.3286267594591274),
            (0.0, 1.0),
            (0.1, 0.887537083981715),
            (0.5, 0.4795001221869535),
            (1.0, 0.15729920705028513),
            (1.5, 0.033894853524689274),
            (3.0, 2.209049699858544e-5),
            (6.0, 2.1519736712498913e-17),
            (20.0, 5.395865611607901e-176),
        ] {
            let found = complementary_error_function(x);
            assert!((found - y).abs() <= 4e-16 * y, "{x}: {found} {y}");
        }
    }

    #[test]
    fn beta_distribution_is_right() {
        // scipy.special.betainc and scipy.stats.beta.ppf.
        for (x, a, b, y) in [
            (0.3, 2.0, 5.0, 0.5798250000000003),
            (0.05, 1.5, 20.0, 0.44342120168569027),
            (0.5, 51.0, 51.0, 0.4999999999999998),
            (0.0501, 5001.0, 95001.0, 0.5542089829998345),
            (0.93, 20.0, 1.2, 0.30005063537646054),
            (0.5002, 500000.0, 500000.0, 0.6554217106756337),
        ] {
            let found = regularized_incomplete_beta(x, a, b);
            let rounding = 1e-15 * (a + b) * (a + b).ln();
            assert!((found - y).abs() <= rounding * y, "{x} {a} {b}: {found} {y}");
            let back = beta_quantile(y, a, b);
            assert!((back - x).abs() <= 1e-9 * x, "{y} {a} {b}: {back} {x}");
        }
    }
}
