//! The surfaces as oracles: bit-identical answers, errors, fingerprints and configs.

use rayon::ThreadPoolBuilder;
use slmc::oracle::analytic::{
    AnalyticConfig, AnalyticOracle, Asymmetric, AsymmetricConfig, Einstein, EinsteinConfig, LennardJonesConfig, build,
};
use slmc::oracle::{Fault, JobDir, Oracle};
use slmc::potential::{Labels, Workspace};
use slmc::structure::Structure;
use slmc::units::{ForceConstant, Length, Temperature};

use crate::systems::{assert_close, diamond, fresh, quartz, rattled, structure};

/// Each surface with a system of its own that is large enough to be cut into chunks.
fn systems() -> Vec<(&'static str, Structure)> {
    let h = 2.63;
    let argon = structure([[0.0, h, h], [h, 0.0, h], [h, h, 0.0]], &["Ar"], &[[0.0; 3]]);
    vec![
        ("einstein", argon.supercell([21, 21, 21])),
        ("asymmetric", argon.supercell([21, 21, 21])),
        ("double-well", argon.supercell([21, 21, 21])),
        ("lennard-jones", argon.supercell([8, 8, 8])),
        ("stillinger-weber", diamond(5.431).supercell([6, 6, 6])),
        ("vashishta", quartz().supercell([3, 2, 2])),
    ]
}

fn job() -> JobDir<'static> {
    JobDir::new("unused".into())
}

fn bits(labels: &Labels) -> Vec<u64> {
    let forces = labels.forces.iter().flatten().flatten();
    let stress = labels.stress.iter().flatten().flatten();
    std::iter::once(&labels.energy)
        .chain(forces)
        .chain(stress)
        .map(|x| x.to_bits())
        .collect()
}

#[test]
fn labels_are_the_same_bits_at_any_number_of_threads() {
    for (name, first) in systems() {
        let config = AnalyticConfig::by_name(name).unwrap();
        let potential = build(&config, &first).unwrap();
        let state = rattled(&first, 0.1, 21);
        let at = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bits(&potential.evaluate(&state, &mut Workspace::new())))
        };
        let one = at(1);
        assert_eq!(one, at(2), "{name}");
        assert_eq!(one, at(5), "{name}");
    }
}

#[test]
fn an_oracle_answers_alike_whatever_was_asked_before() {
    for (name, first) in systems() {
        let config = AnalyticConfig::by_name(name).unwrap();
        let mut oracle = AnalyticOracle::new(name, &config, &first).unwrap();
        let state = rattled(&first, 0.1, 22);
        let fresh = bits(&oracle.label(&state, &job()).unwrap());
        for seed in 0..3 {
            oracle.label(&rattled(&state, 0.1, seed), &job()).unwrap();
        }
        assert_eq!(fresh, bits(&oracle.label(&state, &job()).unwrap()), "{name}");
    }
}

#[test]
fn atoms_on_top_of_each_other_are_unphysical() {
    for (name, first) in systems() {
        let config = AnalyticConfig::by_name(name).unwrap();
        let mut oracle = AnalyticOracle::new(name, &config, &first).unwrap();
        let mut state = first.clone();
        if oracle.translation_invariant() {
            state.positions[1] = state.positions[0];
        } else if name == "asymmetric" {
            state.positions[1][0] += 1e6;
        } else {
            state.positions[1][0] += 1e200;
        }
        let error = oracle.label(&state, &job()).unwrap_err();
        assert_eq!(error.fault(), Fault::Unphysical, "{name}: {error}");
        if oracle.translation_invariant() {
            assert!(error.to_string().contains("atoms 0 and 1 are 0.000 Å apart"), "{error}");
        }
        state.positions[1][0] = f64::NAN;
        let error = oracle.label(&state, &job()).unwrap_err();
        assert_eq!(error.fault(), Fault::Unphysical, "{name}: {error}");
    }
}

#[test]
fn frames_of_another_system_stop_the_run() {
    for (name, first) in systems() {
        let config = AnalyticConfig::by_name(name).unwrap();
        let mut oracle = AnalyticOracle::new(name, &config, &first).unwrap();
        let (other, expected) = if oracle.translation_invariant() {
            (
                structure([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]], &["U"], &[[0.0; 3]]),
                "no parameters for U (atom 0)",
            )
        } else {
            (first.supercell([2, 1, 1]), "9261 sites for 18522 atoms")
        };
        let error = oracle.label(&other, &job()).unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal, "{name}: {error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn exact_moments_count_the_atoms_that_move() {
    let mut first = diamond(5.431).supercell([2, 2, 1]);
    let temperature = Temperature::new(300.0);
    let kt = temperature.thermal_energy();
    let springs = Einstein::new(&EinsteinConfig::default(), &first)
        .unwrap()
        .exact_moments(temperature);
    assert_close("mean", springs.mean, 12.0 * kt, 1e-15);
    assert_close("variance", springs.variance, 12.0 * kt * kt, 1e-15);
    let wells = Asymmetric::new(&AsymmetricConfig::default(), &first)
        .unwrap()
        .exact_moments(temperature);
    first.fixed = [true, true, false, false, false, false, false, false].into();
    let fewer = Einstein::new(&EinsteinConfig::default(), &first)
        .unwrap()
        .exact_moments(temperature);
    assert_close("mean", fewer.mean, 9.0 * kt, 1e-15);
    let fewer = Asymmetric::new(&AsymmetricConfig::default(), &first)
        .unwrap()
        .exact_moments(temperature);
    assert_close("mean", fewer.mean, 0.75 * wells.mean, 1e-15);
    assert_close("variance", fewer.variance, 0.75 * wells.variance, 1e-15);
}

#[test]
fn fingerprints_tell_surfaces_apart() {
    let silicon = diamond(5.431);
    let fingerprint = |config: &AnalyticConfig, first: &Structure| {
        AnalyticOracle::new("oracle", config, first).unwrap().fingerprint()
    };
    let plain = AnalyticConfig::by_name("lennard-jones").unwrap();
    let AnalyticConfig::LennardJones(mut changed) = plain.clone() else {
        unreachable!()
    };
    changed.sigma = Length::new(f64::from_bits(changed.sigma.value().to_bits() + 1));
    let (old, new) = (
        fingerprint(&plain, &silicon),
        fingerprint(&AnalyticConfig::LennardJones(changed), &silicon),
    );
    assert_ne!(old, new, "one bit of σ");
    assert_eq!(old.0["surface"], "lennard-jones");
    assert_eq!(old.0["truncation"], "shifted");
    // Sites belong to the surface.
    let springs = AnalyticConfig::by_name("einstein").unwrap();
    assert_ne!(
        fingerprint(&springs, &silicon),
        fingerprint(&springs, &rattled(&silicon, 0.1, 1))
    );
}

#[test]
fn configs_survive_toml_and_name_what_is_wrong() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct File {
        oracle: AnalyticConfig,
    }
    for name in AnalyticConfig::NAMES {
        let config = AnalyticConfig::by_name(name).unwrap();
        assert_eq!(config.name(), name);
        let text = toml::to_string(&File { oracle: config.clone() }).unwrap();
        assert!(text.contains(&format!("[oracle.{name}")), "{text}");
        assert_eq!(toml::from_str::<File>(&text).unwrap().oracle, config, "{text}");
        let unknown = toml::from_str::<File>(&format!("[oracle.{name}]\nfoo = 1\n"))
            .err()
            .unwrap();
        assert!(unknown.to_string().contains("unknown field `foo`"), "{unknown}");
    }
    assert!(AnalyticConfig::by_name("vasp").is_none());

    let silicon = diamond(5.431);
    let message = |text: &str| {
        let file: File = toml::from_str(text).unwrap();
        build(&file.oracle, &silicon).err().expect("an error").to_string()
    };
    for (text, expected) in [
        (
            "[oracle.einstein]\nforce-constant = \"-1 eV/Å²\"",
            "`force-constant` is -1",
        ),
        ("[oracle.einstein]\nsites = [[0.0, 0.0, 0.0]]", "1 sites for 2 atoms"),
        (
            "[oracle.lennard-jones.pairs.Si-Xx]\nepsilon = \"1 eV\"\nsigma = \"2 Å\"",
            "`Xx` is not a chemical element",
        ),
        (
            "[oracle.lennard-jones.pairs.Si]\nepsilon = \"1 eV\"\nsigma = \"2 Å\"",
            "must name 2 elements",
        ),
        (
            "[oracle.stillinger-weber]\nelement = \"Ge\"",
            "no parameters for Si (atom 0); it has Ge",
        ),
        (
            "[oracle.vashishta.charges]\nSi = 1.6\nO = -0.8\nH = 0.5",
            "`pairs.H-H` is absent",
        ),
        (
            "[oracle.vashishta]\ncutoff = \"2 Å\"",
            "is longer than the cutoff of the pairs",
        ),
    ] {
        let message = message(text);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn species_may_have_their_own_springs_and_diameters() {
    let pair = structure(
        [[20.0, 0.0, 0.0], [0.0, 20.0, 0.0], [0.0, 0.0, 20.0]],
        &["Ar", "Kr"],
        &[[0.0; 3], [0.5, 0.0, 0.0]],
    );
    let config = AnalyticConfig::Einstein(EinsteinConfig {
        force_constants: [("Kr".to_owned(), ForceConstant::new(8.0))].into(),
        ..EinsteinConfig::default()
    });
    let moved = pair.with_positions(vec![[0.1, 0.0, 0.0], [10.0, 0.2, 0.0]]);
    let labels = fresh(build(&config, &pair).unwrap().as_ref(), &moved);
    assert_close("energy", labels.energy, 0.5 * 2.0 * 0.01 + 0.5 * 8.0 * 0.04, 1e-15);
    // The cutoff follows the largest diameter.
    let mut config = LennardJonesConfig::default();
    assert!(
        (slmc::oracle::analytic::LennardJones::new(&config, &pair)
            .unwrap()
            .cutoff()
            - 8.5125)
            .abs()
            < 1e-12
    );
    config.sigma = Length::new(4.0);
    assert!(
        (slmc::oracle::analytic::LennardJones::new(&config, &pair)
            .unwrap()
            .cutoff()
            - 10.0)
            .abs()
            < 1e-12
    );
}
