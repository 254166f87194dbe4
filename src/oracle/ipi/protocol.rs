//! The i-PI wire: headers, positions out, forces in, every read and write with a deadline.
//!
//! Headers are 12 bytes of space-padded ASCII; integers are 32-bit and numbers 64-bit floats in native byte order; lengths
//! in bohr, energies in hartree. Protocol: Ceriotti, More and Manolopoulos, Comput. Phys. Commun. 185, 1019 (2014).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

use crate::linear::{Mat3, Vec3, transpose};

/// The length of a header in bytes.
pub(super) const HEADER: usize = 12;
/// How long a reader looks for an answer before it sleeps. An idle processor takes tens of microseconds to wake, three times for
/// each label; labels that cost milliseconds do not notice.
const VIGIL: Duration = Duration::from_micros(100);
/// Longest accepted text after the forces; more is taken for a stream out of step.
const LONGEST_EXTRAS: i32 = 256 << 20;

/// What goes wrong on the wire. After any of these the client is dropped.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("the client closed the connection")]
    Closed,
    #[error("the client did not answer within {0:.0?}")]
    TimedOut(Duration),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the client sent `{found}` where {expected} was due")]
    Unexpected { found: String, expected: &'static str },
    #[error("the client answered for {found} atoms, not {expected}")]
    AtomCount { found: i32, expected: usize },
    #[error("the client announced {0} bytes of extra text")]
    Extras(i32),
}

/// When an exchange must be over, and how long it was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    start: Instant,
    allowed: Duration,
}

impl Deadline {
    pub(super) fn after(allowed: Duration) -> Self {
        Self {
            start: Instant::now(),
            allowed,
        }
    }

    /// The time that is left.
    pub(super) fn left(&self) -> Result<Duration, ProtocolError> {
        let left = self.allowed.saturating_sub(self.start.elapsed());
        if left.is_zero() {
            return Err(ProtocolError::TimedOut(self.allowed));
        }
        Ok(left)
    }
}

/// Either kind of socket.
#[derive(Debug)]
pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_write_timeout(Some(timeout)),
            Self::Tcp(stream) => stream.set_write_timeout(Some(timeout)),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let begun = Instant::now();
        while begun.elapsed() < VIGIL {
            match recv(&*self, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((read, _)) => return Ok(read),
                // The client may need this very processor.
                Err(rustix::io::Errno::AGAIN) => std::thread::yield_now(),
                Err(error) => return Err(error.into()),
            }
        }
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(buffer),
            Self::Tcp(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a client says of itself when asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ready,
    NeedInit,
    HaveData,
    Busy,
}

/// A client's answer in its own units: hartree, hartree per bohr, and the virial in hartree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) energy: f64,
    pub(super) forces: Vec<Vec3>,
    /// Not divided by the volume, as sent: nine numbers in row-major order.
    pub(super) virial: Mat3,
}

/// A header padded to its length.
pub(super) fn header(name: &str) -> [u8; HEADER] {
    let mut bytes = [b' '; HEADER];
    for (byte, character) in bytes.iter_mut().zip(name.bytes()) {
        *byte = character;
    }
    bytes
}

/// `INIT`: the bead index and a text of one blank. `pw.x` waits for ever on an empty text; its version 6.7 takes the length
/// for a set of flags, of which 1 means everything, and reads a single byte; later versions read settings from a longer text.
pub(super) fn encode_init(bead: i32) -> Vec<u8> {
    let mut bytes = header("INIT").to_vec();
    bytes.extend(bead.to_ne_bytes());
    bytes.extend(1i32.to_ne_bytes());
    bytes.push(b' ');
    bytes
}

/// `POSDATA`: the cell, its inverse, the number of atoms and their positions. `vectors` holds lattice vectors as rows in
/// bohr and `inverse` is its inverse; on the wire lattice vectors are columns, so that both are sent transposed.
pub(super) fn encode_positions(vectors: &Mat3, inverse: &Mat3, positions: &[Vec3]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 148 + 24 * positions.len());
    bytes.extend(header("POSDATA"));
    for matrix in [transpose(vectors), transpose(inverse)] {
        bytes.extend(matrix.iter().flatten().flat_map(|x| x.to_ne_bytes()));
    }
    bytes.extend((positions.len() as i32).to_ne_bytes());
    bytes.extend(positions.iter().flatten().flat_map(|x| x.to_ne_bytes()));
    bytes
}

/// One client's end of the line.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream }
    }

    /// Sends all of `bytes` before the deadline.
    pub(super) fn send(&mut self, bytes: &[u8], deadline: Deadline) -> Result<(), ProtocolError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.stream.set_write_timeout(deadline.left()?)?;
            match self.stream.write(rest) {
                Ok(0) => return Err(ProtocolError::Closed),
                Ok(sent) => rest = &rest[sent..],
                Err(error) => Self::excuse(error)?,
            }
        }
        Ok(())
    }

    /// Fills `buffer` before the deadline.
    fn fill(&mut self, buffer: &mut [u8], deadline: Deadline) -> Result<(), ProtocolError> {
        let mut filled = 0;
        while filled < buffer.len() {
            self.stream.set_read_timeout(deadline.left()?)?;
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => return Err(ProtocolError::Closed),
                Ok(read) => filled += read,
                Err(error) => Self::excuse(error)?,
            }
        }
        Ok(())
    }

    /// Interruptions and expired waits are looked at again against the deadline; the rest is an error.
    fn excuse(error: io::Error) -> Result<(), ProtocolError> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, TimedOut, WouldBlock};
        match error.kind() {
            Interrupted | WouldBlock | TimedOut => Ok(()),
            BrokenPipe | ConnectionReset | ConnectionAborted => Err(ProtocolError::Closed),
            _ => Err(ProtocolError::Io(error)),
        }
    }

    fn array<const N: usize>(&mut self, deadline: Deadline) -> Result<[u8; N], ProtocolError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, deadline)?;
        Ok(bytes)
    }

    fn integer(&mut self, deadline: Deadline) -> Result<i32, ProtocolError> {
        Ok(i32::from_ne_bytes(self.array(deadline)?))
    }

    /// Asks for the client's status.
    pub(super) fn status(&mut self, deadline: Deadline) -> Result<Status, ProtocolError> {
        self.send(&header("STATUS"), deadline)?;
        let reply: [u8; HEADER] = self.array(deadline)?;
        match trimmed(&reply).as_str() {
            "READY" => Ok(Status::Ready),
            "NEEDINIT" => Ok(Status::NeedInit),
            "HAVEDATA" => Ok(Status::HaveData),
            "BUSY" => Ok(Status::Busy),
            other => Err(ProtocolError::Unexpected {
                found: other.to_owned(),
                expected: "READY, NEEDINIT or HAVEDATA",
            }),
        }
    }

    /// Asks for the forces of the positions last sent, for `atoms` atoms.
    pub(super) fn forces(&mut self, atoms: usize, deadline: Deadline) -> Result<Answer, ProtocolError> {
        self.send(&header("GETFORCE"), deadline)?;
        let reply: [u8; HEADER] = self.array(deadline)?;
        if reply != header("FORCEREADY") {
            return Err(ProtocolError::Unexpected {
                found: trimmed(&reply),
                expected: "FORCEREADY",
            });
        }
        let energy = f64::from_ne_bytes(self.array(deadline)?);
        let found = self.integer(deadline)?;
        if usize::try_from(found) != Ok(atoms) {
            return Err(ProtocolError::AtomCount { found, expected: atoms });
        }
        let mut bytes = vec![0; 24 * atoms + 72];
        self.fill(&mut bytes, deadline)?;
        let mut triples = bytes.chunks_exact(24).map(|triple| {
            let mut vector = [0.0; 3];
            for (component, word) in vector.iter_mut().zip(triple.chunks_exact(8)) {
                *component = f64::from_ne_bytes(word.try_into().expect("chunks of eight bytes"));
            }
            vector
        });
        let forces = triples.by_ref().take(atoms).collect();
        let mut virial = crate::linear::ZERO3;
        for (row, triple) in virial.iter_mut().zip(triples) {
            *row = triple;
        }
        let extras = self.integer(deadline)?;
        if !(0..=LONGEST_EXTRAS).contains(&extras) {
            return Err(ProtocolError::Extras(extras));
        }
        self.fill(&mut vec![0; extras as usize], deadline)?;
        Ok(Answer { energy, forces, virial })
    }
}

/// A header without its padding, fit for a message.
pub(super) fn trimmed(header: &[u8]) -> String {
    String::from_utf8_lossy(header).trim_end().to_owned()
}
