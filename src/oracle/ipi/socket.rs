//! Where clients call: a UNIX socket under a fresh name, or a TCP port; the socket file never outlives its listener.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::protocol::Stream;

/// Where pw.x, LAMMPS and every other i-PI client look for a UNIX socket's file: `/tmp/ipi_NAME`.
pub(super) const PREFIX: &str = "/tmp/ipi_";

/// Numbers the sockets of this process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The listeners that several workers of this process share, by address.
static SHARED: Mutex<BTreeMap<String, Weak<Listener>>> = Mutex::new(BTreeMap::new());

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

    /// The open listener of this address, shared by all workers that wait there, or a new one: each client that calls goes to
    /// the worker that is without one.
    pub(super) fn shared(address: &str, open: impl FnOnce() -> io::Result<Self>) -> io::Result<Arc<Self>> {
        // Nothing is ever left half done under this lock.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = shared.get(address).and_then(Weak::upgrade) {
            return Ok(listener);
        }
        let listener = Arc::new(open()?);
        shared.insert(address.to_owned(), Arc::downgrade(&listener));
        Ok(listener)
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

    /// The host and port that a client calls, for TCP; where slmc listens on all of the machine's addresses, the host is its
    /// name, so that clients on other nodes find it.
    pub(super) fn host_and_port(&self) -> Option<(String, u16)> {
        match &self.kind {
            Kind::Unix { .. } => None,
            Kind::Tcp { address, .. } if address.ip().is_unspecified() => {
                let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
                Some((name, address.port()))
            }
            Kind::Tcp { address, .. } => Some((address.ip().to_string(), address.port())),
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
    fn workers_that_wait_at_one_address_share_it() {
        let name = format!("slmc-test-shared-{}", std::process::id());
        let open = || Listener::shared(&name, || Listener::named(&name)).unwrap();
        let (one, two) = (open(), open());
        assert!(Arc::ptr_eq(&one, &two));
        let path = one.path().unwrap().to_owned();
        drop(one);
        assert!(path.exists());
        drop(two);
        assert!(!path.exists());
        assert!(open().path().unwrap().exists());
    }

    #[test]
    fn a_listener_on_all_addresses_gives_the_machine_s_name() {
        let host = |address: &str| Listener::tcp(address).unwrap().host_and_port().unwrap();
        assert_eq!(host("127.0.0.1:0").0, "127.0.0.1");
        let (name, port) = host("0.0.0.0:0");
        assert!(!name.is_empty() && name != "0.0.0.0" && port != 0);
        assert_eq!(Listener::fresh().unwrap().host_and_port(), None);
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
