//! Langevin dynamics rejects nothing and is right up to its time step, by a known amount where the forces are harmonic.
//!
//! For springs, BAOAB samples the positions exactly at any stable time step h: ⟨½k x²⟩ = ½kT (Leimkuhler and Matthews,
//! J. Chem. Phys. 138, 174102 (2013)). As velocity Verlet conserves p²/2m + ½k x² (1 − ω²h²/4), the momenta then have
//! ⟨p²/2m⟩ = ½kT (1 − ω²h²/4) exactly. On other surfaces the positions are off to second order in ωh.

use slmc::sampling::{Acceptance, Kernel};
use slmc::units::FEMTOSECOND;

use crate::canonical::{FAR_FORCE_CONSTANT, far};
use crate::harness::{Bench, ERRORS, Expected, FEWEST_EFFECTIVE, chains, column, deviations, kernel_step, seeds};
use crate::targets::{asymmetric, einstein, two_fixed};

fn kernel(friction_per_femtosecond: f64, on_network: bool) -> Kernel {
    Kernel::Langevin {
        friction: friction_per_femtosecond / FEMTOSECOND,
        on_network,
    }
}

fn assert_within(name: &str, chains: &[&[f64]], expected: &Expected) {
    let effective = slmc::analysis::statistics::ess_mean(chains).min(slmc::analysis::statistics::ess_sd(chains));
    assert!(
        effective >= FEWEST_EFFECTIVE,
        "{name}: {effective} effective samples prove nothing"
    );
    let (mean, sd) = deviations(chains, expected);
    println!("{name}: mean {mean:+.1}, sd {sd:+.1} standard errors off, {effective:.0} effective samples");
    assert!(
        mean.abs() <= ERRORS && sd.abs() <= ERRORS,
        "{name}: {mean:+.1} {sd:+.1}"
    );
}

#[test]
fn springs_are_exact_in_position_and_known_in_momentum() {
    for (on_network, change) in [(false, (|s| s) as fn(_) -> _), (false, two_fixed), (true, |s| s)] {
        let target = einstein(change);
        let proposal = on_network.then(|| far(&target));
        let mut bench = Bench::new(target.clone(), proposal, 1, Acceptance::Metropolis);
        bench.plan.time_step = 40.0 * FEMTOSECOND;
        bench.plan.steps = 5;
        let runs = chains(&bench, &kernel_step(kernel(0.02, on_network)), seeds(2), 8_000);
        // On the other surface's forces the positions are that surface's: softer or stiffer springs.
        let force_constant = if on_network { FAR_FORCE_CONSTANT } else { 2.0 };
        let oracle = target.expected();
        let ratio = 2.0 / force_constant;
        let expected = Expected::exact(ratio * oracle.mean, (ratio * oracle.sd).powi(2));
        let name = format!("springs, {} momenta", bench.environment.kinetics.degrees_of_freedom());
        assert_within(&name, &column(&runs, |series| &series.energy), &expected);
        let freedom = bench.environment.kinetics.degrees_of_freedom() as f64;
        let square = force_constant / target.start.masses[0] * bench.plan.time_step.powi(2);
        let thermal = bench.environment.thermal_energy * (1.0 - square / 4.0);
        let kinetic = column(&runs, |series| &series.kinetic);
        let expected = Expected::exact(0.5 * freedom * thermal, 0.5 * freedom * thermal * thermal);
        assert_within(&format!("{name}, kinetic"), &kinetic, &expected);
        // The control: without the time step's share the kinetic energy is wrong.
        let kt = bench.environment.thermal_energy;
        let naive = Expected::exact(0.5 * freedom * kt, 0.5 * freedom * kt * kt);
        assert!(deviations(&kinetic, &naive).0.abs() > ERRORS);
    }
}

#[test]
fn skewed_wells_are_right_at_short_time_steps() {
    let target = asymmetric(|s| s);
    let mut bench = Bench::new(target.clone(), None, 1, Acceptance::Metropolis);
    bench.plan.time_step = 5.0 * FEMTOSECOND;
    bench.plan.steps = 25;
    let runs = chains(&bench, &kernel_step(kernel(0.01, false)), seeds(2), 6_000);
    // The steepest part of the wall that is visited has ω about 0.3, so the positions are off by less than (ωh)²/12 = 0.2 %,
    // which is far below the statistical error here.
    let energies = column(&runs, |series| &series.energy);
    assert_within("skewed wells", &energies, &target.expected());
}
