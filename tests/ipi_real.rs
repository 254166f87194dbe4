//! Promise: behind the socket, the real pw.x and the real LAMMPS give energies, forces and stresses that belong together,
//! in slmc's units and signs, for any cell.

use std::path::Path;

use slmc::linear::{Mat3, Vec3, product, row_times};
use slmc::oracle::analytic::{AnalyticConfig, AnalyticOracle};
use slmc::oracle::ipi::{
    ESPRESSO_RECIPE, EspressoConfig, IpiConfig, IpiOracle, LAMMPS_RECIPE, LammpsConfig, open, open_espresso,
    open_lammps,
};
use slmc::oracle::{Fault, JobDir, Labels, Oracle};
use slmc::structure::{Cell, Species, Structure};

/// Whether a program can be run. Where it cannot, says so; where it is required, fails.
fn available(program: &str, oracle: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    let required = std::env::var("SLMC_REQUIRE_ORACLES").unwrap_or_default();
    assert!(
        found || !required.split(',').any(|name| name.trim() == oracle),
        "SLMC_REQUIRE_ORACLES asks for {oracle}, but there is no {program}"
    );
    if !found {
        eprintln!("skipped: no {program}");
    }
    found
}

/// Eight silicon atoms in the conventional cell deformed by `cell` (rows times this matrix), displaced by up to 0.1 Å.
fn silicon(deformation: &Mat3) -> Structure {
    let edge = 5.431;
    let vectors = [[edge, 0.0, 0.0], [0.0, edge, 0.0], [0.0, 0.0, edge]];
    let cell = Cell::new(product(&vectors, deformation), [true; 3]).unwrap();
    let sites: [Vec3; 8] = [
        [0.0, 0.0, 0.0],
        [0.0, 0.5, 0.5],
        [0.5, 0.0, 0.5],
        [0.5, 0.5, 0.0],
        [0.25, 0.25, 0.25],
        [0.25, 0.75, 0.75],
        [0.75, 0.25, 0.75],
        [0.75, 0.75, 0.25],
    ];
    let positions = sites.iter().enumerate().map(|(atom, site)| {
        let mut position = cell.cartesian(*site);
        for (axis, component) in position.iter_mut().enumerate() {
            *component += 0.1 * ((atom * 3 + axis) as f64 * 1.7 + 0.3).sin();
        }
        position
    });
    let silicon: Species = "Si".parse().unwrap();
    Structure::new(cell, vec![silicon; 8], positions.collect()).unwrap()
}

const UNIT: Mat3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// A shear and a stretch without symmetry.
const SHEAR: Mat3 = [[1.02, 0.03, -0.02], [-0.04, 0.97, 0.05], [0.01, 0.06, 1.01]];

fn strained(structure: &Structure, strain: &Mat3) -> Structure {
    let mut deformation = UNIT;
    for i in 0..3 {
        for j in 0..3 {
            deformation[i][j] += strain[i][j];
        }
    }
    Structure {
        cell: Cell::new(product(structure.cell.vectors(), &deformation), [true; 3]).unwrap(),
        positions: structure
            .positions
            .iter()
            .map(|p| row_times(*p, &deformation))
            .collect(),
        ..structure.clone()
    }
}

fn moved(structure: &Structure, atom: usize, axis: usize, by: f64) -> Structure {
    let mut moved = structure.clone();
    moved.positions[atom][axis] += by;
    moved
}

fn label(oracle: &mut IpiOracle, structure: &Structure, folder: &Path) -> Labels {
    let job = JobDir::new(folder.join("job"));
    oracle.label(structure, &job).unwrap()
}

fn config_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn lammps(structure: &Structure, folder: &Path) -> IpiOracle {
    open_lammps(
        &LammpsConfig::default(),
        structure,
        &folder.join("worker"),
        config_dir(),
    )
    .unwrap()
}

/// No process works below a folder, at the latest a moment from now.
fn assert_nobody_in(folder: &Path) {
    let start = std::time::Instant::now();
    loop {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let inside: Vec<_> = processes
            .map(|process| process.path())
            .filter(|process| std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder)))
            .collect();
        if inside.is_empty() {
            return;
        }
        assert!(start.elapsed().as_secs() < 10, "{inside:?} live on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// A process is gone.
fn assert_gone(id: u32) {
    assert!(!Path::new(&format!("/proc/{id}")).exists(), "process {id} lives on");
}

#[test]
fn lammps_energies_forces_and_stresses_belong_together() {
    if !available("lmp", "lammps") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let structure = silicon(&SHEAR);
    let mut oracle = lammps(&structure, folder.path());
    let labels = label(&mut oracle, &structure, folder.path());
    let (forces, stress) = (labels.forces.unwrap(), labels.stress.unwrap());
    let step = 1e-3;
    for (atom, axis) in [(0, 0), (3, 1), (6, 2)] {
        let up = label(&mut oracle, &moved(&structure, atom, axis, step), folder.path()).energy;
        let down = label(&mut oracle, &moved(&structure, atom, axis, -step), folder.path()).energy;
        let numeric = -(up - down) / (2.0 * step);
        assert!(
            (numeric - forces[atom][axis]).abs() < 1e-4,
            "{numeric} {}",
            forces[atom][axis]
        );
    }
    let step = 1e-4;
    for i in 0..3 {
        for j in 0..=i {
            let mut strain = [[0.0; 3]; 3];
            strain[i][j] += 0.5 * step;
            strain[j][i] += 0.5 * step;
            let up = label(&mut oracle, &strained(&structure, &strain), folder.path()).energy;
            let down = strain.map(|row| row.map(|x| -x));
            let down = label(&mut oracle, &strained(&structure, &down), folder.path()).energy;
            let numeric = (up - down) / (2.0 * step * structure.cell.volume());
            assert!(
                (numeric - stress[i][j]).abs() < 1e-6,
                "{i}{j} {numeric} {}",
                stress[i][j]
            );
        }
    }
    let id = oracle.client_id().unwrap();
    drop(oracle);
    assert_gone(id);
}

fn espresso(config: &EspressoConfig, structure: &Structure, folder: &Path) -> IpiOracle {
    open_espresso(config, structure, &folder.join("worker"), config_dir()).unwrap()
}

/// The energy is checked with so wide a smearing that its entropy matters: what belongs to the forces is the free energy.
#[test]
fn espresso_energies_forces_and_stresses_belong_together() {
    if !available("pw.x", "espresso") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe");
    std::fs::create_dir(&recipe).unwrap();
    let shipped = ESPRESSO_RECIPE.iter().find(|(name, _)| *name == "pw.in").unwrap().1;
    let wide = shipped.replace("degauss = 0.01", "degauss = 0.1");
    assert_ne!(wide, shipped);
    std::fs::write(recipe.join("pw.in"), wide).unwrap();
    let config = EspressoConfig {
        recipe: recipe.display().to_string(),
        ..EspressoConfig::default()
    };
    let structure = silicon(&SHEAR);
    let mut oracle = espresso(&config, &structure, folder.path());
    let labels = label(&mut oracle, &structure, folder.path());
    let forces = labels.forces.unwrap();
    let total: Vec3 = [0, 1, 2].map(|axis| forces.iter().map(|f| f[axis]).sum());
    assert!(total.iter().all(|f| f.abs() < 1e-3), "{total:?}");

    let (atom, axis, step) = (3, 1, 0.01);
    let up = label(&mut oracle, &moved(&structure, atom, axis, step), folder.path()).energy;
    let down = label(&mut oracle, &moved(&structure, atom, axis, -step), folder.path()).energy;
    let numeric = -(up - down) / (2.0 * step);
    eprintln!("force {numeric} eV/Å by differences, {} by pw.x", forces[atom][axis]);
    assert!((numeric - forces[atom][axis]).abs() < 1e-3);
    let client = oracle.client_id().unwrap();
    drop(oracle);
    assert_gone(client);
    let launch = folder.path().join("worker/launch-000");
    assert!(!launch.join("scratch").exists());
    let entropy = std::fs::read_to_string(launch.join("stdout")).unwrap();
    let entropy = entropy.lines().find_map(|line| {
        line.split_once("(-TS)")?
            .1
            .split_whitespace()
            .nth(1)?
            .parse::<f64>()
            .ok()
    });
    assert!(
        entropy.unwrap().abs() > 0.01,
        "the test needs an entropy that matters, not {entropy:?} Ry"
    );

    // pw.x's stress is the derivative at a fixed set of plane waves, which one client keeps while the cell changes little.
    let config = IpiConfig {
        command: "pw.x -in pw.in --ipi {socket}:UNIX".to_owned(),
        recipe: launch.display().to_string(),
        input: "pw.in".to_owned(),
        triangular_cell: false,
        environment: EspressoConfig::default().environment,
        ..IpiConfig::default()
    };
    let mut oracle = open(&config, &structure, &folder.path().join("fixed"), config_dir()).unwrap();
    // The first cell fixes the plane waves; the others must not need more of them.
    let scale = [[-0.015, 0.0, 0.0], [0.0, -0.015, 0.0], [0.0, 0.0, -0.015]];
    label(&mut oracle, &strained(&structure, &scale), folder.path());
    let stress = label(&mut oracle, &structure, folder.path()).stress.unwrap();
    let (i, j, step) = (2, 1, 0.004);
    let mut strain = [[0.0; 3]; 3];
    strain[i][j] += 0.5 * step;
    strain[j][i] += 0.5 * step;
    let up = label(&mut oracle, &strained(&structure, &strain), folder.path()).energy;
    let strain = strain.map(|row| row.map(|x| -x));
    let down = label(&mut oracle, &strained(&structure, &strain), folder.path()).energy;
    let numeric = (up - down) / (2.0 * step * structure.cell.volume());
    eprintln!("stress {numeric} eV/Å³ by differences, {} by pw.x", stress[i][j]);
    assert!((numeric - stress[i][j]).abs() < 1e-4);
}

#[test]
fn espresso_that_does_not_converge_gives_no_label() {
    if !available("pw.x", "espresso") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("recipe");
    std::fs::create_dir(&recipe).unwrap();
    let shipped = ESPRESSO_RECIPE.iter().find(|(name, _)| *name == "pw.in").unwrap().1;
    let hasty = shipped.replace("&electrons", "&electrons\n  electron_maxstep = 2");
    assert_ne!(hasty, shipped);
    std::fs::write(recipe.join("pw.in"), hasty).unwrap();
    let config = EspressoConfig {
        recipe: recipe.display().to_string(),
        ..EspressoConfig::default()
    };
    let structure = silicon(&UNIT);
    let mut oracle = espresso(&config, &structure, folder.path());
    let client = oracle.client_id().unwrap();
    let error = oracle
        .label(&structure, &JobDir::new(folder.path().join("job")))
        .unwrap_err();
    assert_eq!(error.fault(), Fault::Unphysical, "{error}");
    assert!(error.to_string().contains("convergence NOT achieved"), "{error}");
    assert_gone(client);
    // Only the path to the solution differs, so that the surface is the shipped one.
    let hasty = oracle.fingerprint().0;
    assert!(hasty.keys().all(|key| !key.contains("maxstep")), "{hasty:?}");
    assert_eq!(hasty["version"].split(' ').next(), Some("PWSCF"));
}

#[test]
fn lammps_agrees_with_the_embedded_stillinger_weber_in_any_cell() {
    if !available("lmp", "lammps") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let first = silicon(&UNIT).supercell([2, 2, 2]);
    let surface = AnalyticConfig::by_name("stillinger-weber").unwrap();
    let mut embedded = AnalyticOracle::new("stillinger-weber", &surface, &first).unwrap();
    let mut behind_socket = lammps(&first, folder.path());
    let client = behind_socket.client_id().unwrap();
    let swap_axes = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]];
    let reflect = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]];
    let cells = [UNIT, SHEAR, product(&SHEAR, &swap_axes), product(&SHEAR, &reflect)];
    let mut largest: [f64; 3] = [0.0; 3];
    for (number, deformation) in cells.iter().enumerate() {
        let mut structure = silicon(deformation).supercell([2, 2, 2]);
        for (atom, position) in structure.positions.iter_mut().enumerate() {
            // Every atom by itself, and in whichever image.
            let shift = [(atom % 3) as f64 - 1.0, (atom % 5) as f64 - 2.0, (atom % 2) as f64];
            let shift = row_times(shift, structure.cell.vectors());
            for axis in 0..3 {
                position[axis] += shift[axis] + 0.03 * ((atom * 7 + axis * 3 + number) as f64).cos();
            }
        }
        let here = embedded
            .label(&structure, &JobDir::new(folder.path().join("job")))
            .unwrap();
        let there = label(&mut behind_socket, &structure, folder.path());
        let worst = |a: &[Vec3], b: &[Vec3]| {
            let pairs = a.iter().flatten().zip(b.iter().flatten());
            pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
        };
        largest[0] = largest[0].max((here.energy - there.energy).abs());
        largest[1] = largest[1].max(worst(&here.forces.unwrap(), &there.forces.unwrap()));
        largest[2] = largest[2].max(worst(&here.stress.unwrap(), &there.stress.unwrap()));
    }
    println!(
        "largest differences from LAMMPS: energy {} eV, force {} eV/Å, stress {} eV/Å³",
        largest[0], largest[1], largest[2]
    );
    assert!(
        largest[0] < 1e-6 && largest[1] < 1e-6 && largest[2] < 1e-8,
        "{largest:?}"
    );
    assert_eq!(behind_socket.client_id(), Some(client), "one client answered all");

    // The same structure again, after others: the same bits.
    let again = [0, 1].map(|_| label(&mut behind_socket, &first, folder.path()));
    label(&mut behind_socket, &silicon(&SHEAR).supercell([2, 2, 2]), folder.path());
    let last = label(&mut behind_socket, &first, folder.path());
    assert!(
        again[0] == again[1] && again[0] == last,
        "a label must not depend on those before it"
    );

    // Another composition: another client.
    let small = silicon(&UNIT);
    let labels = label(&mut behind_socket, &small, folder.path());
    let here = embedded_energy(&surface, &small);
    assert!((labels.energy - here).abs() < 1e-6);
    assert_gone(client);
    for structure in [&small, &first] {
        label(&mut behind_socket, structure, folder.path());
        let count = 300;
        let start = std::time::Instant::now();
        for _ in 0..count {
            label(&mut behind_socket, structure, folder.path());
        }
        println!(
            "a LAMMPS label of {} atoms takes {:?}",
            structure.len(),
            start.elapsed() / count
        );
    }
}

#[test]
fn lammps_in_real_units_with_two_elements_gives_the_formula() {
    if !available("lmp", "lammps") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = LAMMPS_RECIPE.iter().find(|(name, _)| *name == "in.lammps").unwrap().1;
    let field = "pair_style lj/cut 9.0\npair_coeff 1 1 0.25 3.4\npair_coeff 2 2 0.5 3.6\npair_coeff 1 2 0.3 3.5";
    let script = script
        .replace("metal", "real")
        .replace("pair_style      sw", field)
        .replace("pair_coeff      * * Si.sw {elements}", "# {elements}");
    assert!(script.contains("units           real") && !script.contains("Si.sw"));
    std::fs::write(folder.path().join("in.lammps"), script).unwrap();
    let config = LammpsConfig {
        recipe: folder.path().display().to_string(),
        ..LammpsConfig::default()
    };
    // Krypton first: its type is the second, by atomic number.
    let species = ["Kr", "Kr", "Ar"].map(|symbol| symbol.parse::<Species>().unwrap());
    let positions = vec![[1.0, 1.0, 1.0], [4.7, 1.0, 1.0], [1.0, 4.9, 1.0]];
    let structure = Structure::new(Cell::cubic(30.0).unwrap(), species.to_vec(), positions).unwrap();
    let mut oracle = open_lammps(&config, &structure, &folder.path().join("worker"), config_dir()).unwrap();
    let labels = label(&mut oracle, &structure, folder.path());
    let pair = |epsilon: f64, sigma: f64, r: f64| 4.0 * epsilon * ((sigma / r).powi(12) - (sigma / r).powi(6));
    let diagonal = f64::hypot(3.7, 3.9);
    let expected = pair(0.5, 3.6, 3.7) + pair(0.3, 3.5, 3.9) + pair(0.3, 3.5, diagonal);
    let kcal_per_mol = "1 kcal/mol".parse::<slmc::units::Energy>().unwrap().value();
    assert!(
        (labels.energy / (expected * kcal_per_mol) - 1.0).abs() < 1e-7,
        "{} {}",
        labels.energy,
        expected * kcal_per_mol
    );
    assert!((oracle.fingerprint().0["code"]).contains("LAMMPS"));
    drop(oracle);
    assert_nobody_in(folder.path());
}

#[test]
fn ranks_under_mpirun_end_with_their_launcher() {
    if !available("pw.x", "espresso") || !available("mpirun", "mpirun") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut environment = EspressoConfig::default().environment;
    for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] {
        environment.insert(name.to_owned(), "1".to_owned());
    }
    let config = EspressoConfig {
        launch: "mpirun --oversubscribe -np 2".to_owned(),
        environment,
        // Too short for any calculation.
        timeout: slmc::units::Duration::new(0.05),
        ..EspressoConfig::default()
    };
    let structure = silicon(&UNIT);
    let mut oracle = espresso(&config, &structure, folder.path());
    assert_eq!(oracle.fingerprint().0["version"].split(' ').next(), Some("PWSCF"));
    let error = oracle
        .label(&structure, &JobDir::new(folder.path().join("job")))
        .unwrap_err();
    assert_eq!(error.fault(), Fault::Transient);
    assert!(error.to_string().contains("did not answer within"), "{error}");
    assert_nobody_in(folder.path());
}

fn embedded_energy(surface: &AnalyticConfig, structure: &Structure) -> f64 {
    let mut oracle = AnalyticOracle::new("stillinger-weber", surface, structure).unwrap();
    oracle.label(structure, &JobDir::new("unused".into())).unwrap().energy
}

#[test]
fn two_workers_have_their_own_clients() {
    if !available("lmp", "lammps") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let structure = silicon(&UNIT);
    let mut one = lammps(&structure, &folder.path().join("one"));
    let mut two = lammps(&structure, &folder.path().join("two"));
    assert_ne!(one.client_id(), two.client_id());
    assert_eq!(one.fingerprint(), two.fingerprint());
    let labels = label(&mut one, &structure, folder.path());
    assert_eq!(labels, label(&mut two, &structure, folder.path()));
}

#[test]
fn what_a_recipe_lacks_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |text: &str, structure: &Structure| {
        std::fs::write(folder.path().join("pw.in"), text).unwrap();
        let config = EspressoConfig {
            recipe: folder.path().display().to_string(),
            ..EspressoConfig::default()
        };
        let error = open_espresso(&config, structure, &folder.path().join("worker"), config_dir()).unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal);
        error.to_string()
    };
    let shipped = ESPRESSO_RECIPE.iter().find(|(name, _)| *name == "pw.in").unwrap().1;
    let structure = silicon(&UNIT);
    for (from, to, message) in [
        ("K_POINTS gamma", "", "K_POINTS is missing"),
        ("ecutwfc = 12", "", "`ecutwfc` is missing"),
        ("degauss = 0.01", "nosym = .false.", "`nosym` must be .true."),
        (
            "disk_io = 'none'",
            "calculation = 'relax'",
            "`calculation` must be 'scf'",
        ),
        ("Si 28.085 Si.pbe-rrkj.UPF", "", "ATOMIC_SPECIES lacks a line for Si"),
        ("Si.pbe-rrkj.UPF", "no-such-file.UPF", "ESPRESSO_PSEUDO"),
        (
            "degauss = 0.01",
            "starting_magnetization(1) = 0.1",
            "counts the species",
        ),
    ] {
        let error = fails(&shipped.replace(from, to), &structure);
        // Where Debian's pseudopotentials are absent, that is what is named.
        let no_files = error.contains("no folder holds") && !Path::new("/usr/share/espresso/pseudo").is_dir();
        assert!(error.contains(message) || no_files, "{message}: {error}");
    }
    let mut script = LAMMPS_RECIPE
        .iter()
        .find(|(name, _)| *name == "in.lammps")
        .unwrap()
        .1
        .replace("metal", "lj");
    let config = LammpsConfig {
        recipe: folder.path().display().to_string(),
        ..LammpsConfig::default()
    };
    for message in ["`units metal` or `units real`", "placeholder {address}"] {
        std::fs::write(folder.path().join("in.lammps"), &script).unwrap();
        let error = open_lammps(&config, &structure, &folder.path().join("worker"), config_dir()).unwrap_err();
        assert!(
            error.fault() == Fault::Fatal && error.to_string().contains(message),
            "{error}"
        );
        script = script.replace("{address}", "fixed 1 unix");
    }
}
