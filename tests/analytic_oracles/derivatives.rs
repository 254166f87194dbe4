//! Forces and stress are the derivatives of the energy, and the energy has the symmetries it must have.

use slmc::linear::{Mat3, add, scale};
use slmc::oracle::analytic::{
    AnalyticConfig, LennardJonesConfig, LennardJonesPair, StillingerWeberConfig, Truncation, VashishtaConfig, build,
};
use slmc::structure::Structure;
use slmc::units::{Energy, Length};

use crate::systems::{assert_close, deformed, fresh, quartz, rattled, strain, structure};

/// Every surface with a small triclinic cell, rattled: smaller than the cutoff, so that atoms neighbour their own images.
pub fn cases() -> Vec<(String, AnalyticConfig, Structure, Structure)> {
    let triclinic = [[3.9, 0.1, -0.2], [0.7, 3.7, 0.3], [-0.4, 0.9, 4.1]];
    let four = [[0.02, 0.0, 0.0], [0.5, 0.53, 0.0], [0.48, 0.0, 0.5], [0.0, 0.5, 0.47]];
    let argon = structure(triclinic.map(|v| scale(1.4, v)), &["Ar", "Ar", "Kr", "Ar"], &four);
    let lennard_jones = |truncation| {
        AnalyticConfig::LennardJones(LennardJonesConfig {
            truncation,
            pairs: [(
                "Kr-Ar".to_owned(),
                LennardJonesPair {
                    epsilon: Energy::new(0.012),
                    sigma: Length::new(3.5),
                },
            )]
            .into(),
            ..LennardJonesConfig::default()
        })
    };
    let silicon = structure(
        triclinic,
        &["Si", "Si", "Si"],
        &[[0.0, 0.0, 0.02], [0.27, 0.24, 0.25], [0.61, 0.55, 0.66]],
    );
    let mut cases = Vec::new();
    let by_name = |name| AnalyticConfig::by_name(name).unwrap();
    for name in ["einstein", "asymmetric", "double-well"] {
        cases.push((name.to_owned(), by_name(name), argon.clone(), rattled(&argon, 0.3, 1)));
    }
    for truncation in [Truncation::Cut, Truncation::Shifted, Truncation::ForceShifted] {
        let name = format!("lennard-jones {truncation:?}");
        cases.push((name, lennard_jones(truncation), argon.clone(), rattled(&argon, 0.2, 2)));
    }
    let general = StillingerWeberConfig {
        attractive_exponent: 2,
        ..StillingerWeberConfig::default()
    };
    cases.push((
        "stillinger-weber".to_owned(),
        by_name("stillinger-weber"),
        silicon.clone(),
        rattled(&silicon, 0.1, 3),
    ));
    cases.push((
        "stillinger-weber with q = 2".to_owned(),
        AnalyticConfig::StillingerWeber(general),
        silicon.clone(),
        rattled(&silicon, 0.1, 3),
    ));
    let mut saturated = VashishtaConfig::default();
    for triplet in saturated.triplets.values_mut() {
        triplet.saturation = 3.0;
    }
    for pair in saturated.pairs.values_mut() {
        pair.van_der_waals = 20.0;
    }
    cases.push((
        "vashishta".to_owned(),
        by_name("vashishta"),
        quartz(),
        rattled(&quartz(), 0.15, 4),
    ));
    cases.push((
        "vashishta with C and W".to_owned(),
        AnalyticConfig::Vashishta(saturated),
        quartz(),
        rattled(&quartz(), 0.15, 4),
    ));
    cases
}

#[test]
fn forces_and_stress_are_the_derivatives_of_the_energy() {
    for (name, config, first, state) in cases() {
        let potential = build(&config, &first).unwrap();
        let energy = |s: &Structure| fresh(potential.as_ref(), s).energy;
        // A fourth-order central difference, so short that no pair crosses a cutoff within it.
        let slope = |f: &dyn Fn(f64) -> f64, h: f64| (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h);
        let labels = fresh(potential.as_ref(), &state);
        let forces = labels.forces.unwrap();
        assert!(
            forces.iter().flatten().any(|f| f.abs() > 1e-3),
            "{name}: no force to test"
        );
        for atom in 0..state.len() {
            for k in 0..3 {
                let numeric = -slope(
                    &|h| {
                        let mut moved = state.clone();
                        moved.positions[atom][k] += h;
                        energy(&moved)
                    },
                    5e-5,
                );
                let found = forces[atom][k];
                assert!(
                    (numeric - found).abs() < 1e-7 * (1.0 + found.abs()),
                    "{name}: force {found} on atom {atom}, direction {k}; differences give {numeric}"
                );
            }
        }
        let stress = labels.stress.unwrap();
        for k in 0..3 {
            for l in 0..3 {
                let numeric = slope(&|h| energy(&deformed(&state, &strain(k, l, h))), 5e-6) / state.cell.volume();
                let found = stress[k][l];
                assert!(
                    (numeric - found).abs() < 1e-8 * (1.0 + found.abs()),
                    "{name}: stress {found} in {k}{l}; differences give {numeric}"
                );
            }
        }
    }
}

/// A proper rotation about (1, 2, 3) by 1 rad, as a matrix for row vectors.
fn rotation() -> Mat3 {
    let n = scale(1.0 / 14.0_f64.sqrt(), [1.0, 2.0, 3.0]);
    let (sine, cosine) = 1.0_f64.sin_cos();
    let skew = [[0.0, n[2], -n[1]], [-n[2], 0.0, n[0]], [n[1], -n[0], 0.0]];
    let mut matrix = [[0.0; 3]; 3];
    for k in 0..3 {
        for l in 0..3 {
            matrix[k][l] = (1.0 - cosine) * n[k] * n[l] + sine * skew[k][l] + if k == l { cosine } else { 0.0 };
        }
    }
    matrix
}

#[test]
fn interatomic_surfaces_are_invariant() {
    for (name, config, first, state) in cases() {
        let potential = build(&config, &first).unwrap();
        if !potential.translation_invariant() {
            assert!(["einstein", "asymmetric", "double-well"].contains(&name.as_str()));
            continue;
        }
        let labels = fresh(potential.as_ref(), &state);
        let (energy, forces) = (labels.energy, labels.forces.unwrap());
        let tolerance = 1e-11 * (1.0 + energy.abs());

        let shifted = state.with_positions(state.positions.iter().map(|p| add(*p, [0.7, -5.1, 2.3])).collect());
        assert_close(
            &format!("{name}, translated"),
            fresh(potential.as_ref(), &shifted).energy,
            energy,
            tolerance,
        );

        let rotation = rotation();
        let turned = fresh(potential.as_ref(), &deformed(&state, &rotation));
        assert_close(&format!("{name}, rotated"), turned.energy, energy, tolerance);
        let expected = slmc::linear::product(
            &slmc::linear::product(&slmc::linear::transpose(&rotation), &labels.stress.unwrap()),
            &rotation,
        );
        let found = turned.stress.unwrap();
        for k in 0..3 {
            let force = slmc::linear::row_times(forces[0], &rotation);
            assert_close(
                &format!("{name}, rotated force"),
                turned.forces.as_ref().unwrap()[0][k],
                force[k],
                1e-10,
            );
            for l in 0..3 {
                assert_close(&format!("{name}, rotated stress"), found[k][l], expected[k][l], 1e-11);
            }
        }

        let mut reversed = state.clone();
        reversed.positions.reverse();
        reversed.species = state.species.iter().rev().copied().collect();
        let permuted = fresh(potential.as_ref(), &reversed);
        assert_close(&format!("{name}, permuted"), permuted.energy, energy, tolerance);
        for (a, b) in permuted.forces.unwrap().iter().rev().zip(&forces) {
            for k in 0..3 {
                assert_close(&format!("{name}, permuted force"), a[k], b[k], 1e-10);
            }
        }

        // Another choice of lattice vectors for the same lattice, and atoms in other images.
        let mut skewed = state.clone();
        let vectors = *state.cell.vectors();
        let other = [
            vectors[0],
            add(vectors[1], vectors[0]),
            add(vectors[2], scale(-2.0, vectors[1])),
        ];
        skewed.cell = slmc::structure::Cell::new(other, [true; 3]).unwrap();
        skewed.positions[1] = add(skewed.positions[1], scale(3.0, vectors[2]));
        assert_close(
            &format!("{name}, skewed"),
            fresh(potential.as_ref(), &skewed).energy,
            energy,
            10.0 * tolerance,
        );

        let repeated = fresh(potential.as_ref(), &state.supercell([2, 1, 3]));
        assert_close(
            &format!("{name}, repeated"),
            repeated.energy,
            6.0 * energy,
            10.0 * tolerance,
        );
        for k in 0..3 {
            for l in 0..3 {
                assert_close(
                    &format!("{name}, stress of the supercell"),
                    repeated.stress.unwrap()[k][l],
                    labels.stress.unwrap()[k][l],
                    1e-11,
                );
            }
        }
    }
}

#[test]
fn one_body_surfaces_follow_their_sites() {
    for (name, config, first, state) in cases() {
        if !matches!(
            config,
            AnalyticConfig::Einstein(_) | AnalyticConfig::Asymmetric(_) | AnalyticConfig::DoubleWell(_)
        ) {
            continue;
        }
        let potential = build(&config, &first).unwrap();
        // A tilted well feels the rounding of positions linearly, the others by its square.
        let tolerance = if matches!(config, AnalyticConfig::DoubleWell(_)) {
            1e-15
        } else {
            1e-25
        };
        assert_close(&name, fresh(potential.as_ref(), &first).energy, 0.0, tolerance);
        // Sites are affine in the cell: a strain of the first frame leaves every atom on its site.
        let strained = deformed(&first, &strain(0, 1, 0.1));
        assert_close(&name, fresh(potential.as_ref(), &strained).energy, 0.0, tolerance);
        assert!(fresh(potential.as_ref(), &state).energy > 0.01);
    }
}
