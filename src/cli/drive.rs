//! `slmc drive`: an i-PI client that serves a trained potential to ASE, i-PI or any other server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::{Failure, Verbosity, exit};
use crate::oracle::ipi::{ClientError, Elements, ServerAddress, serve};
use crate::potential::NeuralPotential;
use crate::run::RunDirectory;
use crate::structure::Structure;

/// Arguments of `slmc drive`.
#[derive(Debug, Args)]
pub struct Drive {
    /// The folder of a potential, as `slmc train` or a run wrote it.
    potential: PathBuf,
    /// Where the server listens: NAME for the UNIX socket /tmp/ipi_NAME, a path with a slash, or HOST:PORT for TCP.
    #[arg(long, value_name = "NAME|PATH|HOST:PORT")]
    socket: String,
    /// A structure whose elements, in order, are those of the server's atoms: the protocol does not send them. Not needed for a
    /// potential of one element, nor for one inside a run directory.
    #[arg(long, value_name = "FILE")]
    structure: Option<PathBuf>,
    /// How long to wait for the server to listen.
    #[arg(long, value_name = "DURATION", default_value = "30 s")]
    patience: crate::units::Duration,
}

impl Drive {
    /// Serves until the server says goodbye.
    pub fn run(self, verbosity: Verbosity) -> Result<u8, Failure> {
        let potential =
            NeuralPotential::load(&self.potential).map_err(|error| Failure::from_error(exit::DATA, &error))?;
        let elements = self.elements(&potential)?;
        let address = ServerAddress::parse(&self.socket);
        let patience = Duration::from_secs_f64(self.patience.value().clamp(0.0, 1e9));
        let mut connection = address.connect(patience).map_err(|error| {
            Failure::from_error(exit::ORACLE, &error)
                .hint("start the server first, or give --patience; --socket takes NAME, a path or HOST:PORT")
        })?;
        if !verbosity.quiet {
            eprintln!("serving {} at {address}", self.potential.display());
        }
        let served = serve(&mut connection, &potential, &elements).map_err(|error| match error {
            ClientError::AtomCount { .. } => Failure::from_error(exit::DATA, &error)
                .hint("give the server's structure with --structure FILE, its atoms in the same order"),
            ClientError::Structure(_) => Failure::from_error(exit::DATA, &error).hint(
                "without a lattice give --structure FILE with pbc=\"F F F\": the protocol does not tell of free directions",
            ),
            ClientError::NotFinite(_) => Failure::from_error(exit::DATA, &error)
                .hint("atoms on top of each other, or far from all training structures"),
            _ => Failure::from_error(exit::ORACLE, &error),
        })?;
        if !verbosity.quiet {
            eprintln!("served {served} structures; the server said goodbye");
        }
        Ok(0)
    }

    /// The elements of the server's atoms: of a given structure, of the run that the potential is part of, or the only one there is.
    fn elements(&self, potential: &NeuralPotential) -> Result<Elements, Failure> {
        if let Some(path) = &self.structure {
            let structure = first_structure(path)?;
            check(potential, &structure, path)?;
            return Ok(Elements::Of(Box::new(structure)));
        }
        if let [only] = potential.descriptor.elements() {
            return Ok(Elements::All(*only));
        }
        if let Some(path) = start_of_run(&self.potential) {
            let structure = first_structure(&path)?;
            check(potential, &structure, &path)?;
            return Ok(Elements::Of(Box::new(structure)));
        }
        let names: Vec<String> = (potential.descriptor.elements().iter())
            .map(ToString::to_string)
            .collect();
        Err(Failure::new(
            exit::USAGE,
            format!(
                "the potential knows {}, and the i-PI protocol does not say which atom is which",
                names.join(", ")
            ),
        )
        .hint("give --structure FILE: its atoms' elements, in order, are taken for the server's"))
    }
}

fn first_structure(path: &Path) -> Result<Structure, Failure> {
    let frames = crate::formats::read(path).map_err(|error| Failure::from_error(exit::DATA, &error))?;
    frames
        .into_iter()
        .next()
        .map(|frame| frame.structure)
        .ok_or_else(|| Failure::new(exit::DATA, format!("{} holds no structure", path.display())))
}

fn check(potential: &NeuralPotential, structure: &Structure, path: &Path) -> Result<(), Failure> {
    let known = potential.descriptor.elements();
    match structure
        .elements()
        .into_iter()
        .find(|element| !known.contains(element))
    {
        Some(element) => Err(Failure::new(
            exit::DATA,
            format!("{}: the potential does not know {element}", path.display()),
        )
        .hint("use a potential trained on all its elements")),
        None => Ok(()),
    }
}

/// The starting structure of the run directory that a potential lies in: RUN/potentials/gen-NNN.
fn start_of_run(potential: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(potential).ok()?;
    absolute.ancestors().take(4).find_map(|folder| {
        let run = RunDirectory::new(folder);
        let start = run.start();
        (run.holds_run() && start.exists()).then_some(start)
    })
}
