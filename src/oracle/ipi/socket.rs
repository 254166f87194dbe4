//! Where clients call: a UNIX socket under a fresh name, or a TCP port; the socket file never outlives its listener.

use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::protocol::Stream;

/// Where pw.x, LAMMPS and every other i-PI client look for a UNIX socket's file: `/tmp/ipi_NAME`.
const PREFIX: &str = "/tmp/ipi_";

/// Numbers the sockets of this process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// An open socket that waits for clients.
#[derive(Debug)]
pub(super) struct Listener {
    kind: Kind,
    name: String,
}

#[derive(Debug)]
enum Kind {
    Unix { listener: UnixListener, path: PathBuf },
    Tcp { listener: TcpListener, address: SocketAddr },
}

impl Listener {
    /// A UNIX socket under a name that nobody else has: the process's identifier and a counter.
    pub(super) fn fresh() -> io::Result<Self> {
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = format!("slmc-{}-{number}", std::process::id());
            match Self::bind(&name) {
                // Another host's or container's process of the same number, sharing the folder.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                other => return other,
            }
        }
    }

    /// A UNIX socket under a given name. A file left behind by a listener that is gone is replaced; one that somebody
    /// listens on is an error.
    pub(super) fn named(name: &str) -> io::Result<Self> {
        match Self::bind(name) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let path = PathBuf::from(format!("{PREFIX}{name}"));
                let left_behind = std::fs::symlink_metadata(&path)?.file_type().is_socket()
                    && UnixStream::connect(&path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
                if !left_behind {
                    return Err(error);
                }
                std::fs::remove_file(&path)?;
                Self::bind(name)
            }
            other => other,
        }
    }

    fn bind(name: &str) -> io::Result<Self> {
        let path = PathBuf::from(format!("{PREFIX}{name}"));
        let listener = UnixListener::bind(&path)?;
        // From here on dropping removes the file.
        let this = Self {
            kind: Kind::Unix {
                listener,
                path: path.clone(),
            },
            name: name.to_owned(),
        };
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        if let Kind::Unix { listener, .. } = &this.kind {
            listener.set_nonblocking(true)?;
        }
        Ok(this)
    }

    /// A TCP port; port 0 takes any free one.
    pub(super) fn tcp(address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self {
            kind: Kind::Tcp { listener, address },
            name: address.to_string(),
        })
    }

    /// The name a client is given: that of the UNIX socket without its folder, or host:port.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The TCP host and port, or `localhost` and 0 for a UNIX socket.
    pub(super) fn host_and_port(&self) -> (String, u16) {
        match &self.kind {
            Kind::Unix { .. } => ("localhost".to_owned(), 0),
            Kind::Tcp { address, .. } => (address.ip().to_string(), address.port()),
        }
    }

    /// The socket's file, for UNIX sockets.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Unix { path, .. } => Some(path),
            Kind::Tcp { .. } => None,
        }
    }

    /// A client that has called, if one has.
    pub(super) fn accept(&self) -> io::Result<Option<Stream>> {
        let accepted = match &self.kind {
            Kind::Unix { listener, .. } => listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(false)?;
                Ok(Stream::Unix(stream))
            }),
            Kind::Tcp { listener, .. } => listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }),
        };
        match accepted {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = self.path() {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fresh_and_files_removed() {
        let (one, two) = (Listener::fresh().unwrap(), Listener::fresh().unwrap());
        assert_ne!(one.name(), two.name());
        let path = one.path().unwrap().to_owned();
        assert_eq!(path, Path::new(&format!("/tmp/ipi_{}", one.name())));
        assert!(path.exists());
        drop(one);
        assert!(!path.exists() && two.path().unwrap().exists());
    }

    #[test]
    fn a_file_left_behind_is_replaced_but_a_live_one_is_not() {
        let name = format!("slmc-test-left-{}", std::process::id());
        let path = format!("{PREFIX}{name}");
        drop(UnixListener::bind(&path).unwrap());
        assert!(Path::new(&path).exists());
        let listener = Listener::named(&name).unwrap();
        assert_eq!(Listener::named(&name).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        std::fs::write(&path, "not a socket").unwrap();
        assert!(Listener::named(&name).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
