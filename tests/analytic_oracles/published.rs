//! Numbers from the literature: Stillinger–Weber silicon and the Lennard-Jones crystal.

use slmc::linear::{Vec3, add, inverse, row_times};
use slmc::oracle::analytic::{AnalyticConfig, LennardJonesConfig, Truncation, build};
use slmc::potential::Potential;
use slmc::structure::Structure;
use slmc::units::{Energy, GPA_PER_EV_PER_CUBIC_ANGSTROM, Length};

use crate::systems::{assert_close, deformed, diamond, fresh, strain, structure};

const LATTICE_CONSTANT: f64 = 5.431;

fn stillinger_weber() -> Box<dyn Potential> {
    let config = AnalyticConfig::by_name("stillinger-weber").unwrap();
    build(&config, &diamond(LATTICE_CONSTANT)).unwrap()
}

#[test]
fn diamond_silicon_has_its_lattice_constant_and_cohesive_energy() {
    let potential = stillinger_weber();
    let energy = |a: f64| fresh(potential.as_ref(), &diamond(a)).energy / 2.0;
    // The minimum by the vanishing of the pressure.
    let (mut low, mut high) = (5.3, 5.6);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        let stress = fresh(potential.as_ref(), &diamond(middle)).stress.unwrap();
        if stress[0][0] > 0.0 {
            high = middle;
        } else {
            low = middle;
        }
    }
    assert_close("lattice constant", low, LATTICE_CONSTANT, 5e-4);
    assert_close("cohesive energy", energy(low), -4.3366, 5e-5);
}

/// The structure with its second atom at rest, by Newton's method on finite differences of its force.
fn relaxed(potential: &dyn Potential, structure: &Structure) -> Structure {
    let force = |s: &Structure| fresh(potential, s).forces.unwrap()[1];
    let mut current = structure.clone();
    for _ in 0..8 {
        let h = 1e-5;
        let mut hessian = [[0.0; 3]; 3];
        for k in 0..3 {
            let shifted = |size: f64| {
                let mut moved = current.clone();
                moved.positions[1][k] += size;
                force(&moved)
            };
            let (ahead, behind) = (shifted(h), shifted(-h));
            for l in 0..3 {
                hessian[k][l] = -(ahead[l] - behind[l]) / (2.0 * h);
            }
        }
        let step: Vec3 = row_times(force(&current), &inverse(&hessian).unwrap());
        current.positions[1] = add(current.positions[1], step);
    }
    assert!(force(&current).iter().all(|f| f.abs() < 1e-9));
    current
}

#[test]
fn diamond_silicon_has_its_elastic_constants() {
    let potential = stillinger_weber();
    let crystal = diamond(LATTICE_CONSTANT);
    // d stress / d strain in GPa, with the atoms at rest or moved with the lattice.
    let slope = |k: usize, l: usize, row: usize, column: usize, relax: bool| {
        let h = 1e-4;
        let stress = |size: f64| {
            let mut state = deformed(&crystal, &strain(k, l, size));
            if relax {
                state = relaxed(potential.as_ref(), &state);
            }
            fresh(potential.as_ref(), &state).stress.unwrap()[row][column]
        };
        (stress(h) - stress(-h)) / (2.0 * h) * GPA_PER_EV_PER_CUBIC_ANGSTROM
    };
    assert_close("C11", slope(0, 0, 0, 0, true), 151.4, 0.1);
    assert_close("C12", slope(0, 0, 1, 1, true), 76.4, 0.1);
    assert_close("C44", slope(1, 2, 1, 2, true), 56.4, 0.1);
    // Balamane, Halicioglu and Tiller, Phys. Rev. B 46, 2250 (1992) give 117.2 GPa for ε = 2.315 eV.
    let clamped = slope(1, 2, 1, 2, false);
    assert_close("C44 with clamped atoms", clamped, 117.2 * 2.1683 / 2.315, 0.1);
}

#[test]
fn the_lennard_jones_crystal_has_its_lattice_sums() {
    // Σ (r₁/r)⁶ and Σ (r₁/r)¹² of the face-centred cubic lattice (Kittel, Introduction to Solid State Physics, chapter 3).
    let (sixth, twelfth) = (14.45392, 12.13188);
    let (epsilon, sigma, cutoff): (f64, f64, f64) = (1.0, 1.0, 25.0);
    let nearest = (2.0_f64 * twelfth / sixth).powf(1.0 / 6.0);
    let h = nearest / 2.0_f64.sqrt();
    let crystal = structure([[0.0, h, h], [h, 0.0, h], [h, h, 0.0]], &["Ar"], &[[0.0; 3]]);
    let config = AnalyticConfig::LennardJones(LennardJonesConfig {
        epsilon: Energy::new(epsilon),
        sigma: Length::new(sigma),
        cutoff: Some(Length::new(cutoff)),
        truncation: Truncation::Cut,
        ..LennardJonesConfig::default()
    });
    let labels = fresh(build(&config, &crystal).unwrap().as_ref(), &crystal);
    // The attraction beyond the cutoff, as a continuum.
    let density = 1.0 / crystal.cell.volume();
    let tail = -8.0 / 3.0 * std::f64::consts::PI * density / cutoff.powi(3);
    assert_close("energy", labels.energy + tail, -sixth * sixth / (2.0 * twelfth), 1e-5);
    assert_close("energy", labels.energy + tail, -8.610, 5e-4);
    assert_close("nearest distance", nearest, 1.0902, 5e-5);
    let pressure = labels.stress.unwrap()[0][0] - 2.0 * tail * density;
    assert_close("stress", pressure, 0.0, 1e-4);
}

#[test]
fn truncations_meet_their_cutoff_as_documented() {
    let pair = |distance: f64| {
        structure(
            [[50.0, 0.0, 0.0], [0.0, 50.0, 0.0], [0.0, 0.0, 50.0]],
            &["Ar", "Ar"],
            &[[0.0; 3], [distance / 50.0, 0.0, 0.0]],
        )
    };
    let at = |truncation, distance: f64| {
        let config = AnalyticConfig::LennardJones(LennardJonesConfig {
            epsilon: Energy::new(1.0),
            sigma: Length::new(1.0),
            truncation,
            ..LennardJonesConfig::default()
        });
        let state = pair(distance);
        let labels = fresh(build(&config, &state).unwrap().as_ref(), &state);
        (labels.energy, labels.forces.unwrap()[1][0])
    };
    let end = 4.0 * (2.5_f64.powi(-12) - 2.5_f64.powi(-6));
    let slope = 4.0 * (6.0 * 2.5_f64.powi(-7) - 12.0 * 2.5_f64.powi(-13));
    let inside = 2.5 * (1.0 - 1e-12);
    assert_close("cut", at(Truncation::Cut, inside).0, end, 1e-10);
    assert_close("shifted", at(Truncation::Shifted, inside).0, 0.0, 1e-10);
    assert_close("shifted, force", at(Truncation::Shifted, inside).1, -slope, 1e-10);
    assert_close("force-shifted", at(Truncation::ForceShifted, inside).0, 0.0, 1e-10);
    assert_close(
        "force-shifted, force",
        at(Truncation::ForceShifted, inside).1,
        0.0,
        1e-10,
    );
    let bottom = 2.0_f64.powf(1.0 / 6.0);
    assert_close("cut, bottom", at(Truncation::Cut, bottom).0, -1.0, 1e-12);
    assert_close("shifted, bottom", at(Truncation::Shifted, bottom).0, -1.0 - end, 1e-12);
    assert_close(
        "force-shifted, bottom",
        at(Truncation::ForceShifted, bottom).0,
        -1.0 - end - (bottom - 2.5) * slope,
        1e-12,
    );
    assert_eq!(at(Truncation::Cut, 2.5 * (1.0 + 1e-12)).0, 0.0);
}
