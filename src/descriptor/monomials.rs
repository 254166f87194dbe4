//! Monomials xˡyᵐzⁿ of a unit vector: which exist up to a degree, how one follows from another, and what binds them.
//!
//! With moments A_lmn = Σ_j g(r_j) xˡyᵐzⁿ of the directions to the neighbours, the double sum over neighbours becomes a
//! single one: Σ_jk g(r_j) g(r_k) cosᵖθ_jk = Σ_{l+m+n=p} p!/(l!m!n!) A_lmn², by the multinomial theorem. Because x²+y²+z²=1, the
//! moments of the two highest degrees hold all lower ones.

/// Tables for all monomials up to a degree, ordered by degree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Monomials {
    /// The highest degree D, at least 1.
    pub degree: usize,
    /// Where each degree starts; one entry more than there are degrees.
    pub starts: Vec<usize>,
    /// For each monomial above degree 0: the monomial it is a multiple of, and by which component.
    pub parents: Vec<(usize, usize)>,
    /// l, m and n of each monomial.
    pub exponents: Vec<[usize; 3]>,
    /// Of each monomial, where the one with one less of a component stands; 0 where it has none of it.
    pub lowered: Vec<[usize; 3]>,
    /// p!/(l!m!n!) of each monomial.
    pub multinomials: Vec<f64>,
    /// For each monomial b below degree D and each component k: the monomial b·u_k and its exponent of u_k, so that
    /// ∂(b·u_k)/∂u_k = exponent·b.
    pub raised: Vec<[(usize, f64); 3]>,
    /// For each monomial a of degree up to D−2: the three monomials a·u_k², whose sum it is.
    pub squares: Vec<[usize; 3]>,
}

impl Monomials {
    /// The tables up to degree D ≥ 1.
    pub fn new(degree: usize) -> Self {
        let mut exponents: Vec<[usize; 3]> = Vec::new();
        let mut starts = vec![0];
        for p in 0..=degree {
            for l in (0..=p).rev() {
                for m in (0..=p - l).rev() {
                    exponents.push([l, m, p - l - m]);
                }
            }
            starts.push(exponents.len());
        }
        let place = |wanted: [usize; 3]| {
            exponents
                .iter()
                .position(|e| *e == wanted)
                .expect("every monomial up to the degree is listed")
        };
        let times = |e: [usize; 3], k: usize, power: usize| {
            let mut out = e;
            out[k] += power;
            out
        };
        let parents = exponents
            .iter()
            .map(|e| {
                let Some(k) = (0..3).find(|k| e[*k] > 0) else {
                    return (0, 0);
                };
                let mut parent = *e;
                parent[k] -= 1;
                (place(parent), k)
            })
            .collect();
        let lowered = exponents
            .iter()
            .map(|e| {
                std::array::from_fn(|k| {
                    let mut lower = *e;
                    lower[k] = e[k].saturating_sub(1);
                    if e[k] == 0 { 0 } else { place(lower) }
                })
            })
            .collect();
        let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
        Self {
            degree,
            parents,
            multinomials: exponents
                .iter()
                .map(|e| factorial(e[0] + e[1] + e[2]) / e.map(factorial).iter().product::<f64>())
                .collect(),
            raised: exponents[..starts[degree]]
                .iter()
                .map(|e| std::array::from_fn(|k| (place(times(*e, k, 1)), e[k] as f64 + 1.0)))
                .collect(),
            squares: exponents[..starts[degree.saturating_sub(1)]]
                .iter()
                .map(|e| std::array::from_fn(|k| place(times(*e, k, 2))))
                .collect(),
            starts,
            lowered,
            exponents,
        }
    }

    /// The number of monomials up to degree D.
    pub fn count(&self) -> usize {
        self.starts[self.degree + 1]
    }

    /// Where the two highest degrees start.
    pub fn top(&self) -> usize {
        self.starts[self.degree - 1]
    }
}
