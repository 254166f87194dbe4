//! The client's side of the i-PI wire: serves a potential to i-PI, ASE, slmc itself or any other server.
//!
//! Protocol: Ceriotti, More and Manolopoulos, Comput. Phys. Commun. 185, 1019 (2014).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::protocol::{HEADER, Stream, header, trimmed};
use super::socket::PREFIX;
use crate::linear::{Mat3, Vec3, ZERO3, determinant, scale, transpose};
use crate::potential::{Potential, Workspace};
use crate::structure::{Cell, Species, Structure, StructureError};
use crate::units::{BOHR, HARTREE};

/// More atoms than this are taken for a stream out of step.
const MOST_ATOMS: i32 = 100_000_000;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// A UNIX socket's file.
    Unix(PathBuf),
    /// A host and a port.
    Tcp(String),
}

impl ServerAddress {
    /// `HOST:PORT` is a TCP address, anything with a slash the path of a socket file, any other word a name NAME as i-PI has it:
    /// the file `/tmp/ipi_NAME`.
    pub fn parse(text: &str) -> Self {
        let is_port = |port: &str| port.parse::<u16>().is_ok();
        match text.rsplit_once(':') {
            _ if text.contains('/') => Self::Unix(text.into()),
            Some((host, port)) if !host.is_empty() && is_port(port) => Self::Tcp(text.to_owned()),
            _ => Self::Unix(format!("{PREFIX}{text}").into()),
        }
    }

    /// Calls the server, again and again for up to `patience`: it may start later than its client.
    pub fn connect(&self, patience: Duration) -> Result<ServerConnection, ClientError> {
        let start = Instant::now();
        loop {
            let called = match self {
                Self::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
                Self::Tcp(address) => TcpStream::connect(address).and_then(|stream| {
                    stream.set_nodelay(true)?;
                    Ok(Stream::Tcp(stream))
                }),
            };
            match called {
                Ok(stream) => return Ok(ServerConnection(stream)),
                Err(source) if start.elapsed() >= patience => {
                    return Err(ClientError::NoServer {
                        address: self.to_string(),
                        source,
                    });
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl std::fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "{}", path.display()),
            Self::Tcp(address) => formatter.write_str(address),
        }
    }
}

/// An open line to a server.
#[derive(Debug)]
pub struct ServerConnection(Stream);

/// Why a client ends other than by the server's word.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no i-PI server listens at {address}: {source}")]
    NoServer {
        /// Where the client called.
        address: String,
        /// The last refusal.
        source: io::Error,
    },
    /// The line broke in the middle of a message.
    #[error("the connection to the server broke: {0}")]
    Io(#[from] io::Error),
    /// Bytes that are no message of the protocol.
    #[error("the server sent `{0}`, which is no message of the i-PI protocol")]
    Unexpected(String),
    /// `GETFORCE` without positions before it.
    #[error("the server asked for forces before it sent positions")]
    NoData,
    /// The elements of the atoms are not known.
    #[error("the server sent {sent} atoms, but the elements of {known} are known")]
    AtomCount {
        /// In the message.
        sent: i32,
        /// In the given structure.
        known: usize,
    },
    /// A cell or positions that make no structure.
    #[error("the server's structure cannot be used: {0}")]
    Structure(#[from] StructureError),
    /// Outside of the potential's domain.
    #[error("the potential has no finite answer for the structure of request {0}; nothing was sent")]
    NotFinite(u64),
}

/// Which elements the atoms are: the protocol does not say.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// All atoms are of one element, however many there are; the cell is periodic.
    All(Species),
    /// Those of this structure, in its order; the cell is periodic where this one is.
    Of(Box<Structure>),
}

impl Elements {
    fn structure(&self, vectors: Mat3, positions: Vec<Vec3>) -> Result<Structure, ClientError> {
        match self {
            Self::All(species) => {
                let cell = Cell::new(vectors, [true; 3])?;
                Ok(Structure::new(cell, vec![*species; positions.len()], positions)?)
            }
            Self::Of(known) if known.len() != positions.len() => Err(ClientError::AtomCount {
                sent: positions.len() as i32,
                known: known.len(),
            }),
            Self::Of(known) => {
                let periodic = known.cell.periodic();
                // Without any period a cell is only a box for the eye, and may be absent.
                let cell = if periodic == [false; 3] && determinant(&vectors) == 0.0 {
                    Cell::free()
                } else {
                    Cell::new(vectors, periodic)?
                };
                Ok(Structure::new(cell, known.species.to_vec(), positions)?)
            }
        }
    }
}

/// Answers until the server says `EXIT` or hangs up; the number of structures served. The same structure gets the same bits,
/// whatever was asked before.
pub fn serve(
    connection: &mut ServerConnection,
    potential: &dyn Potential,
    elements: &Elements,
) -> Result<u64, ClientError> {
    let stream = &mut connection.0;
    let mut workspace = Workspace::new();
    let mut initialised = false;
    let mut answer: Option<Vec<u8>> = None;
    let mut served = 0;
    loop {
        let Some(message) = next_header(stream)? else {
            return Ok(served);
        };
        match trimmed(&message).as_str() {
            "STATUS" => {
                let status = match (&answer, initialised) {
                    (Some(_), _) => "HAVEDATA",
                    (None, true) => "READY",
                    (None, false) => "NEEDINIT",
                };
                stream.write_all(&header(status))?;
            }
            "INIT" => {
                // The bead's index, and settings that mean nothing to a potential.
                integer(stream)?;
                let length = integer(stream)?;
                io::copy(&mut stream.take(u64::try_from(length).unwrap_or(0)), &mut io::sink())?;
                initialised = true;
            }
            "POSDATA" => {
                let vectors = transpose(&matrix(stream)?).map(|vector| scale(BOHR, vector));
                // The inverse says nothing new.
                matrix(stream)?;
                let atoms = integer(stream)?;
                if !(1..=MOST_ATOMS).contains(&atoms) {
                    return Err(ClientError::Unexpected(format!("POSDATA for {atoms} atoms")));
                }
                if let Elements::Of(known) = elements
                    && known.len() != atoms as usize
                {
                    return Err(ClientError::AtomCount {
                        sent: atoms,
                        known: known.len(),
                    });
                }
                let positions = triples(stream, atoms as usize)?;
                let positions = positions.into_iter().map(|p| scale(BOHR, p)).collect();
                let structure = elements.structure(vectors, positions)?;
                // A list carried along would let an answer depend, in its last bits, on those before it.
                workspace.reset();
                let labels = potential.evaluate(&structure, &mut workspace);
                if !labels.is_finite() {
                    return Err(ClientError::NotFinite(served + 1));
                }
                answer = Some(encode_answer(&labels, &structure));
                initialised = true;
            }
            "GETFORCE" => {
                stream.write_all(&answer.take().ok_or(ClientError::NoData)?)?;
                served += 1;
            }
            "EXIT" => return Ok(served),
            other => return Err(ClientError::Unexpected(other.to_owned())),
        }
    }
}

/// `FORCEREADY`, the energy in hartree, the number of atoms, the forces in hartree per bohr, the virial −dE/dε in hartree (zero
/// where there is no bulk) and an empty text.
fn encode_answer(labels: &crate::potential::Labels, structure: &Structure) -> Vec<u8> {
    let virial = labels.stress.map_or(ZERO3, |stress| {
        stress.map(|row| scale(-structure.cell.volume() / HARTREE, row))
    });
    let nothing = vec![[0.0; 3]; structure.len()];
    let forces = labels.forces.as_ref().unwrap_or(&nothing);
    let mut bytes = Vec::with_capacity(HEADER + 24 * structure.len() + 88);
    bytes.extend(header("FORCEREADY"));
    bytes.extend((labels.energy / HARTREE).to_ne_bytes());
    bytes.extend((structure.len() as i32).to_ne_bytes());
    bytes.extend(forces.iter().flatten().flat_map(|x| (x * BOHR / HARTREE).to_ne_bytes()));
    bytes.extend(virial.iter().flatten().flat_map(|x| x.to_ne_bytes()));
    bytes.extend(0i32.to_ne_bytes());
    bytes
}

/// The next header, or nothing where the server has hung up between two messages.
fn next_header(stream: &mut Stream) -> Result<Option<[u8; HEADER]>, ClientError> {
    let mut bytes = [0; HEADER];
    let mut filled = 0;
    while filled < HEADER {
        match stream.read(&mut bytes[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A server that was killed has hung up, too.
            Err(error) if filled == 0 && error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(bytes))
}

fn integer(stream: &mut Stream) -> Result<i32, ClientError> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    Ok(i32::from_ne_bytes(bytes))
}

fn triples(stream: &mut Stream, count: usize) -> Result<Vec<Vec3>, ClientError> {
    let mut out = Vec::new();
    // In pieces, so that a wild count asks for no memory that no bytes fill.
    let mut left = count;
    while left > 0 {
        let mut bytes = vec![0; 24 * left.min(1 << 16)];
        stream.read_exact(&mut bytes)?;
        out.extend(bytes.chunks_exact(24).map(|triple| {
            let mut vector = [0.0; 3];
            for (component, word) in vector.iter_mut().zip(triple.chunks_exact(8)) {
                *component = f64::from_ne_bytes(word.try_into().expect("chunks of eight bytes"));
            }
            vector
        }));
        left -= left.min(1 << 16);
    }
    Ok(out)
}

fn matrix(stream: &mut Stream) -> Result<Mat3, ClientError> {
    let rows = triples(stream, 3)?;
    Ok([rows[0], rows[1], rows[2]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_names_paths_or_hosts_with_ports() {
        let parse = ServerAddress::parse;
        assert_eq!(parse("silicon"), ServerAddress::Unix("/tmp/ipi_silicon".into()));
        assert_eq!(parse("/run/x:1"), ServerAddress::Unix("/run/x:1".into()));
        assert_eq!(parse("localhost:31415"), ServerAddress::Tcp("localhost:31415".into()));
        assert_eq!(parse("[::1]:80"), ServerAddress::Tcp("[::1]:80".into()));
        assert_eq!(parse("a:b"), ServerAddress::Unix("/tmp/ipi_a:b".into()));
        let error = parse("slmc-nobody-listens-here").connect(Duration::ZERO).unwrap_err();
        assert!(
            error.to_string().contains("/tmp/ipi_slmc-nobody-listens-here"),
            "{error}"
        );
    }
}
