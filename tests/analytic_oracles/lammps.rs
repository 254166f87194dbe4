//! Force by force, energy and stress against LAMMPS, where it is installed.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use slmc::linear::{Mat3, Vec3};
use slmc::oracle::analytic::{
    AnalyticConfig, LennardJonesConfig, LennardJonesPair, StillingerWeberConfig, Truncation, VashishtaConfig,
    VashishtaPair, VashishtaTriplet, build,
};
use slmc::potential::Labels;
use slmc::structure::{Cell, Structure};
use slmc::units::{BOHR, Energy, HARTREE, Length};

use crate::systems::{diamond, fresh, quartz, rattled, structure};

/// eV/Å³ in bar and e²/(4πε₀) in eV·Å as LAMMPS's metal units have them.
const LAMMPS_BAR: f64 = 1.6021765e6;
const LAMMPS_COULOMB: f64 = 14.399645;

fn lammps_is_here() -> bool {
    let found = Command::new("lmp")
        .arg("-help")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        eprintln!("skipped: no lmp on the PATH");
    }
    found
}

/// The same structure turned so that its cell is lower triangular, as LAMMPS wants it (Gram–Schmidt on the lattice
/// vectors), with the atoms inside the cell.
fn lower_triangular(structure: &Structure) -> Structure {
    use slmc::linear::{cross, dot, norm, scale};
    let [a, b, c] = *structure.cell.vectors();
    let first = scale(1.0 / norm(a), a);
    let normal = cross(a, b);
    let third = scale(1.0 / norm(normal), normal);
    let second = cross(third, first);
    let vectors: Mat3 = [a, b, c].map(|v| [dot(v, first), dot(v, second), dot(v, third)]);
    assert!(vectors[2][2] > 0.0, "a right-handed cell");
    let cell = Cell::new(
        [
            [vectors[0][0], 0.0, 0.0],
            [vectors[1][0], vectors[1][1], 0.0],
            vectors[2],
        ],
        [true; 3],
    )
    .unwrap();
    let mut turned = structure.clone();
    turned.positions = structure
        .positions
        .iter()
        .map(|p| cell.cartesian(structure.cell.fractional(*p).map(|x| x - x.floor())))
        .collect();
    turned.cell = cell;
    turned
}

fn data_file(structure: &Structure) -> String {
    let [a, b, c] = structure.cell.vectors();
    let elements = structure.elements();
    let mut text = format!(
        "structure\n\n{} atoms\n{} atom types\n0 {:.17e} xlo xhi\n0 {:.17e} ylo yhi\n0 {:.17e} zlo zhi\n\
         {:.17e} {:.17e} {:.17e} xy xz yz\n\nMasses\n\n",
        structure.len(),
        elements.len(),
        a[0],
        b[1],
        c[2],
        b[0],
        c[0],
        c[1],
    );
    for (kind, element) in elements.iter().enumerate() {
        writeln!(text, "{} {}", kind + 1, element.mass()).unwrap();
    }
    text.push_str("\nAtoms\n\n");
    for (i, (p, species)) in structure.positions.iter().zip(structure.species.iter()).enumerate() {
        let kind = elements.iter().position(|e| e == species).unwrap() + 1;
        writeln!(text, "{} {kind} {:.17e} {:.17e} {:.17e}", i + 1, p[0], p[1], p[2]).unwrap();
    }
    text
}

/// What LAMMPS says of a structure, with the given pair commands, run in `directory`.
fn lammps(structure: &Structure, pair_commands: &str, directory: &Path) -> Labels {
    std::fs::write(directory.join("structure.data"), data_file(structure)).unwrap();
    let input = format!(
        "units metal\natom_style atomic\natom_modify map array\nboundary p p p\nbox tilt large\n\
         read_data structure.data\n{pair_commands}\nthermo_style custom step pe pxx pyy pzz pyz pxz pxy\n\
         thermo_modify format float %25.17g norm no\nthermo 1\n\
         dump forces all custom 1 forces.txt id fx fy fz\n\
         dump_modify forces sort id format float %25.17g\nrun 0\n"
    );
    std::fs::write(directory.join("input"), input).unwrap();
    let output = Command::new("lmp")
        .args(["-in", "input", "-log", "none"])
        .current_dir(directory)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let numbers = |line: &str| -> Vec<f64> { line.split_whitespace().map(|word| word.parse().unwrap()).collect() };
    let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with("Step"));
    lines.next().expect("a line of thermo headings");
    let thermo = numbers(lines.next().expect("a line of thermo output"));
    let stress = |column: usize| -thermo[column] / LAMMPS_BAR;
    let dump = std::fs::read_to_string(directory.join("forces.txt")).unwrap();
    let forces: Vec<Vec3> = dump
        .lines()
        .skip(9)
        .map(|line| {
            let row = numbers(line);
            [row[1], row[2], row[3]]
        })
        .collect();
    Labels {
        energy: thermo[1],
        forces: Some(forces),
        stress: Some([
            [stress(2), stress(7), stress(6)],
            [stress(7), stress(3), stress(5)],
            [stress(6), stress(5), stress(4)],
        ]),
    }
}

/// Compares every number of a surface with LAMMPS; the files of the pair style are written into a temporary directory.
fn compare(name: &str, config: &AnalyticConfig, state: &Structure, files: &[(&str, String)], pair_commands: &str) {
    let state = lower_triangular(state);
    let directory = tempfile::tempdir().unwrap();
    for (file, text) in files {
        std::fs::write(directory.path().join(file), text).unwrap();
    }
    let theirs = lammps(&state, pair_commands, directory.path());
    let ours = fresh(build(config, &state).unwrap().as_ref(), &state);
    let close = |what: &str, found: f64, expected: f64, scale: f64| {
        assert!(
            (found - expected).abs() < 1e-11 * scale,
            "{name}: {what} is {found}, LAMMPS has {expected}"
        );
    };
    close("the energy", ours.energy, theirs.energy, 1.0 + ours.energy.abs());
    let (forces, expected) = (ours.forces.unwrap(), theirs.forces.unwrap());
    assert_eq!(expected.len(), state.len());
    let largest = forces.iter().flatten().fold(0.0, |m: f64, f| m.max(f.abs()));
    assert!(largest > 1e-2, "{name}: no force to compare");
    for i in 0..state.len() {
        for k in 0..3 {
            close(
                &format!("force {k} on atom {i}"),
                forces[i][k],
                expected[i][k],
                1.0 + largest,
            );
        }
    }
    let (stress, expected) = (ours.stress.unwrap(), theirs.stress.unwrap());
    for k in 0..3 {
        for l in 0..3 {
            close(&format!("stress {k}{l}"), stress[k][l], expected[k][l], 1.0);
        }
    }
}

#[test]
fn lennard_jones_agrees_with_lammps() {
    if !lammps_is_here() {
        return;
    }
    let cell = [[5.5, 0.1, -0.3], [1.0, 5.2, 0.4], [-0.6, 1.3, 5.7]];
    let four = [[0.02, 0.0, 0.0], [0.5, 0.53, 0.0], [0.48, 0.0, 0.5], [0.0, 0.5, 0.47]];
    let mixture = structure(cell, &["Ar", "Ar", "Kr", "Ar"], &four);
    let state = rattled(&mixture.supercell([2, 1, 2]), 0.2, 11);
    for (truncation, shift) in [(Truncation::Cut, "no"), (Truncation::Shifted, "yes")] {
        let config = LennardJonesConfig {
            truncation,
            cutoff: Some(Length::new(8.5125)),
            pairs: [(
                "Ar-Kr".to_owned(),
                LennardJonesPair {
                    epsilon: Energy::new(0.0125),
                    sigma: Length::new(3.6),
                },
            )]
            .into(),
            ..LennardJonesConfig::default()
        };
        let pair = &config.pairs["Ar-Kr"];
        let commands = format!(
            "pair_style lj/cut 8.5125\npair_coeff * * {:.17e} {:.17e}\npair_coeff 1 2 {:.17e} {:.17e}\npair_modify shift {shift}",
            config.epsilon.value(),
            config.sigma.value(),
            pair.epsilon.value(),
            pair.sigma.value(),
        );
        compare(
            "lennard-jones",
            &AnalyticConfig::LennardJones(config),
            &state,
            &[],
            &commands,
        );
    }
}

#[test]
fn stillinger_weber_agrees_with_lammps() {
    if !lammps_is_here() {
        return;
    }
    // The published form, and one with another exponent of the attraction and other scales.
    let other = StillingerWeberConfig {
        attractive_exponent: 1,
        sigma: Length::new(2.2),
        gamma: 1.1,
        cosine: -0.2,
        ..StillingerWeberConfig::default()
    };
    for config in [StillingerWeberConfig::default(), other] {
        let file = format!(
            "Si Si Si {:.17e} {:.17e} {:.17e} {:.17e} {:.17e} {:.17e}\n{:.17e} {:.17e} {} {} 0.0\n",
            config.epsilon.value(),
            config.sigma.value(),
            config.reduced_cutoff,
            config.lambda,
            config.gamma,
            config.cosine,
            config.pair_strength,
            config.repulsion,
            config.repulsive_exponent,
            config.attractive_exponent,
        );
        let state = rattled(&diamond(5.431).supercell([2, 3, 2]), 0.25, 12);
        let commands = "pair_style sw\npair_coeff * * file.sw Si";
        let config = AnalyticConfig::StillingerWeber(config);
        compare("stillinger-weber", &config, &state, &[("file.sw", file)], commands);
    }
}

/// A potential file for LAMMPS of an Si–O parametrisation.
fn vashishta_file(config: &VashishtaConfig) -> String {
    // LAMMPS multiplies the charges by its own rounded constant.
    let charge = |symbol: &str| config.charges[symbol] * (HARTREE * BOHR / LAMMPS_COULOMB).sqrt();
    let mut text = String::new();
    for centre in ["Si", "O"] {
        for second in ["Si", "O"] {
            for third in ["Si", "O"] {
                let none = VashishtaPair {
                    steric_exponent: 0,
                    steric: 0.0,
                    dipole: 0.0,
                    van_der_waals: 0.0,
                };
                let pair = [format!("{centre}-{second}"), format!("{second}-{centre}")]
                    .iter()
                    .find_map(|name| config.pairs.get(name))
                    .filter(|_| second == third)
                    .unwrap_or(&none)
                    .clone();
                let no_term = VashishtaTriplet {
                    strength: Energy::new(0.0),
                    saturation: 0.0,
                    cosine: 0.0,
                    gamma: Length::new(0.0),
                    cutoff: Length::new(0.0),
                };
                let triplet = config
                    .triplets
                    .get(&format!("{second}-{centre}-{third}"))
                    .unwrap_or(&no_term);
                let is_pair = if second == third { 1.0 } else { 0.0 };
                writeln!(
                    text,
                    "{centre} {second} {third} {:.17e} {} {:.17e} {:.17e} {:.17e} {:.17e} {:.17e} {:.17e} {:.17e} \
                     {:.17e} {:.17e} {:.17e} {:.17e} {:.17e}",
                    pair.steric,
                    pair.steric_exponent,
                    is_pair * charge(centre),
                    is_pair * charge(second),
                    is_pair * config.coulomb_screening.value(),
                    pair.dipole,
                    is_pair * config.dipole_screening.value(),
                    pair.van_der_waals,
                    is_pair * config.cutoff.value(),
                    triplet.strength.value(),
                    triplet.gamma.value(),
                    triplet.cutoff.value(),
                    triplet.saturation,
                    triplet.cosine,
                )
                .unwrap();
            }
        }
    }
    text
}

#[test]
fn vashishta_agrees_with_lammps() {
    if !lammps_is_here() {
        return;
    }
    // The published form, and one with every term present.
    let mut other = VashishtaConfig {
        cutoff: Length::new(8.0),
        coulomb_screening: Length::new(4.43),
        dipole_screening: Length::new(2.5),
        ..VashishtaConfig::default()
    };
    for pair in other.pairs.values_mut() {
        pair.van_der_waals = 50.0;
    }
    for triplet in other.triplets.values_mut() {
        triplet.saturation = 0.25;
        triplet.cutoff = Length::new(2.9);
    }
    for config in [VashishtaConfig::default(), other] {
        let file = vashishta_file(&config);
        let state = rattled(&quartz().supercell([2, 1, 2]), 0.15, 13);
        // Types are numbered by atomic number: oxygen first.
        let commands = "pair_style vashishta\npair_coeff * * file.vashishta O Si";
        let config = AnalyticConfig::Vashishta(config);
        compare("vashishta", &config, &state, &[("file.vashishta", file)], commands);
    }
}
