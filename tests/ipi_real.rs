//! Promise: behind the socket, the real pw.x and the real LAMMPS give energies, forces and stresses that belong together,
//! in slmc's units and signs, for any cell.

use std::path::Path;

use slmc::linear::{Mat3, Vec3, product, row_times};
use slmc::oracle::ipi::{
    ESPRESSO_RECIPE, EspressoConfig, IpiConfig, IpiOracle, LammpsConfig, open, open_espresso, open_lammps,
};
use slmc::oracle::{JobDir, Labels, Oracle};
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

/// Nothing of an oracle's client is left: no process, no socket file of this process.
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
    eprintln!("{:?}\n{labels:?}", oracle.fingerprint());
    let (forces, stress) = (labels.forces.unwrap(), labels.stress.unwrap());
    let step = 1e-3;
    for (atom, axis) in [(0, 0), (3, 1), (6, 2)] {
        let up = label(&mut oracle, &moved(&structure, atom, axis, step), folder.path()).energy;
        let down = label(&mut oracle, &moved(&structure, atom, axis, -step), folder.path()).energy;
        let numeric = -(up - down) / (2.0 * step);
        eprintln!("{numeric} {}", forces[atom][axis]);
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
            eprintln!("{i}{j} {numeric} {}", stress[i][j]);
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
