//! Stands in for VASP in the tests: reads POSCAR, INCAR, KPOINTS and POTCAR as strictly as VASP does, answers from an analytic
//! surface, writes what VASP writes, and misbehaves when told to.
//!
//! What to do wrong is told by the environment variable `VASP_REPLICA_FAULT` (see `fault`), when by `VASP_REPLICA_AT` (the number
//! of the call from 1; absent: at each). Calls are counted in the file `VASP_REPLICA_COUNT`, which also serves as a log.

mod input;
mod output;

use std::io::{BufRead, Write};
use std::time::Duration;

use slmc::oracle::analytic::{AnalyticConfig, build};
use slmc::potential::{Labels, Workspace};
use slmc::structure::{Cell, Structure};

use input::Input;
use output::Files;

fn main() {
    if let Err(message) = run() {
        println!("{message}");
        eprintln!("{message}");
        std::process::exit(1);
    }
}

/// What is to go wrong in this call.
fn fault() -> String {
    let call = count();
    let wanted = std::env::var("VASP_REPLICA_AT")
        .ok()
        .and_then(|text| text.parse::<u64>().ok());
    if wanted.is_some_and(|wanted| wanted != call) {
        return String::new();
    }
    std::env::var("VASP_REPLICA_FAULT").unwrap_or_default()
}

/// The number of this call, from 1.
fn count() -> u64 {
    let Ok(path) = std::env::var("VASP_REPLICA_COUNT") else {
        return 1;
    };
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .expect("the counter");
    // In one piece: others append at the same time.
    let line = format!("{}\n", std::env::current_dir().expect("a folder").display());
    file.write_all(line.as_bytes()).expect("the counter");
    std::fs::read_to_string(&path).expect("the counter").lines().count() as u64
}

/// Energy, forces and stress of the surface; a second self-consistent solution lies `above` eV higher.
fn evaluate(structure: &Structure) -> Result<Labels, String> {
    let name = std::env::var("VASP_REPLICA_SURFACE").unwrap_or_else(|_| "stillinger-weber".to_owned());
    let config = AnalyticConfig::by_name(&name).ok_or("no such surface")?;
    let surface = build(&config, structure).map_err(|error| error.to_string())?;
    Ok(surface.evaluate(structure, &mut Workspace::new()))
}

fn run() -> Result<(), String> {
    let fault = fault();
    println!(" running on    1 total cores\n vasp.6.3.0 20Jan22 (replica) complex");
    if fault == "hang" {
        std::thread::sleep(Duration::from_secs(1000));
    }
    if fault == "license" {
        return Err("licensing error: no valid license".to_owned());
    }
    let input = Input::read()?;
    println!(" POSCAR, INCAR and KPOINTS ok, starting setup");
    let warm = input.warm()?;
    println!(
        " {}\n entering main loop",
        if warm {
            "the WAVECAR file was read successfully"
        } else {
            "WAVECAR not read"
        }
    );
    let mut structure = input.structure.clone();
    let mut files = Files::new(&input, &fault);
    let mut step = 0;
    loop {
        step += 1;
        let mut labels = evaluate(&structure)?;
        // The second solution is only found from wavefunctions.
        if warm && let Ok(above) = std::env::var("VASP_REPLICA_SECOND_SOLUTION") {
            labels.energy += above.parse::<f64>().map_err(|error| error.to_string())?;
        }
        // Repairs: what does not converge, until the INCAR is this.
        let stubborn = match fault.as_str() {
            "unconverged" => true,
            "unconverged-warm" => warm,
            "unconverged-fast" => input.tag("ALGO").is_none_or(|algorithm| algorithm != "All"),
            "unconverged-once" => input.most_steps() <= 60,
            _ => false,
        };
        let steps = if stubborn {
            input.most_steps()
        } else {
            if warm { 5 } else { 12 }.min(input.most_steps() - 1)
        };
        if fault == "crash" {
            println!("DAV:   1     0.642208910419E+01");
            return Err("forrtl: severe (174): SIGSEGV, segmentation fault occurred".to_owned());
        }
        if fault == "edddav" {
            return Err("Error EDDDAV: Call to ZHEGV failed. Returncode =  8 1  8".to_owned());
        }
        if fault == "out-of-memory" {
            let _ = std::process::Command::new("kill")
                .args(["-9", &std::process::id().to_string()])
                .status();
        }
        files.ionic_step(&structure, &labels, steps, stubborn, step);
        if fault == "stale" {
            return Ok(());
        }
        if !input.interactive {
            break;
        }
        files.flush(false);
        if std::path::Path::new("STOPCAR").exists() || !next_positions(&mut structure, &input)? {
            break;
        }
        if fault == "crash-second" {
            return Err("forrtl: severe (174): SIGSEGV, segmentation fault occurred".to_owned());
        }
    }
    files.finish();
    if input.writes_wavefunctions {
        std::fs::write("WAVECAR", "wavefunctions of the replica\n").map_err(|error| error.to_string())?;
    }
    if fault == "exit-code" {
        std::process::exit(3);
    }
    Ok(())
}

/// Reads positions from standard input as interactive VASP does; `false` at its end.
fn next_positions(structure: &mut Structure, input: &Input) -> Result<bool, String> {
    println!("POSITIONS: reading from stdin");
    std::io::stdout().flush().map_err(|error| error.to_string())?;
    let mut lines = std::io::stdin().lock().lines();
    let mut positions = Vec::new();
    for _ in 0..structure.len() {
        let Some(line) = lines.next() else { return Ok(false) };
        let line = line.map_err(|error| error.to_string())?;
        let numbers: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        let numbers: [f64; 3] = numbers
            .map_err(|error| error.to_string())?
            .try_into()
            .map_err(|_| "three coordinates were expected".to_owned())?;
        positions.push(numbers);
    }
    let cell: &Cell = &input.structure.cell;
    *structure = structure.with_positions(positions.into_iter().map(|position| cell.cartesian(position)).collect());
    Ok(true)
}
