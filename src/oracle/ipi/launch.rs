//! How a client comes and goes: the listener, the launch in a folder of its own, the wait for its call, the farewell.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::protocol::{self, Connection, Deadline, header};
use super::server::{Client, IpiOracle, Launched, reason};
use super::socket::Listener;
use super::watch::LogWatch;
use super::{Settings, fatal};
use crate::oracle::OracleError;
use crate::oracle::launch::fresh_folder;
use crate::oracle::process::{ProcessError, ProcessGroup};
use crate::structure::Structure;

impl IpiOracle {
    fn listener(&self) -> std::io::Result<Listener> {
        let Settings { socket, tcp, .. } = &self.settings;
        match (tcp.as_str(), socket.as_str()) {
            ("", "") => Listener::fresh(),
            ("", name) => Listener::named(name),
            (address, _) => Listener::tcp(address),
        }
    }

    /// A listener for the one client that is about to be launched.
    fn listen(&self) -> Result<Listener, OracleError> {
        self.listener().map_err(|error| self.cannot_listen(&error))
    }

    /// The listener for clients that somebody else starts: one for all workers, where its address is not a fresh one.
    pub(super) fn wait_for_clients(&self) -> Result<Arc<Listener>, OracleError> {
        let Settings { socket, tcp, .. } = &self.settings;
        let fresh = (tcp.is_empty() && socket.is_empty()) || tcp.ends_with(":0");
        let listener = if fresh {
            self.listener().map(Arc::new)
        } else {
            Listener::shared(&format!("{tcp} {socket}"), || self.listener())
        };
        listener.map_err(|error| self.cannot_listen(&error))
    }

    fn cannot_listen(&self, error: &std::io::Error) -> OracleError {
        let Settings { socket, tcp, .. } = &self.settings;
        OracleError::Fatal {
            oracle: self.settings.name.to_owned(),
            reason: match (tcp.as_str(), socket.as_str()) {
                ("", name) => format!(
                    "cannot open the socket /tmp/ipi_{name}: {error}; if another slmc or worker holds it, leave `socket` empty"
                ),
                (address, _) => format!("cannot listen on {address}: {error}; port 0 takes a free one"),
            },
        }
    }

    /// Launches a client for a structure and waits for its call, or waits for somebody else's.
    pub(super) fn start(&mut self, structure: &Structure) -> Result<Client, OracleError> {
        if let Some(listener) = &self.standing {
            let stream = self.await_call(listener, None)?;
            return Ok(Client {
                connection: Connection::new(stream),
                launched: None,
                structure: structure.clone(),
            });
        }
        let name = self.settings.name;
        let folder =
            fresh_folder(&self.worker_dir, "launch", &mut self.launches).map_err(|reason| OracleError::Fatal {
                oracle: name.to_owned(),
                reason,
            })?;
        let listener = self.listen()?;
        let words = self
            .recipe
            .prepare(structure, &folder, &listener, self.repair)
            .map_err(|e| fatal(name, &e))?;
        let process = ProcessGroup::start(&words, &folder, &self.settings.environment).map_err(|e: ProcessError| {
            if e.is_permanent() {
                fatal(name, &e)
            } else {
                self.transient(e.to_string())
            }
        })?;
        let called = self.await_call(&listener, Some(&process));
        let mut launched = Launched {
            log: LogWatch::new(
                process.stdout(),
                &self.settings.unconverged_patterns,
                &self.settings.converged_pattern,
            ),
            process,
            folder,
        };
        match called {
            Ok(stream) => {
                self.failed_starts = 0;
                Ok(Client {
                    connection: Connection::new(stream),
                    launched: Some(launched),
                    structure: structure.clone(),
                })
            }
            Err(error) => {
                let end = launched.process.stop(Duration::ZERO);
                let tail = launched.process.tail();
                self.recipe.clean(&launched.folder);
                // 126 and 127 are what shells and launchers return for a program they cannot run.
                let not_found = end.ends_with(": 127") || end.ends_with(": 126");
                self.failed_starts += 1;
                let reason = format!(
                    "{} ({end}); its folder is {}{tail}",
                    reason(&error),
                    launched.folder.display()
                );
                if not_found || self.failed_starts >= 2 {
                    return Err(OracleError::Fatal {
                        oracle: name.to_owned(),
                        reason,
                    });
                }
                Err(self.transient(reason))
            }
        }
    }

    fn await_call(&self, listener: &Listener, process: Option<&ProcessGroup>) -> Result<protocol::Stream, OracleError> {
        let start = Instant::now();
        loop {
            match listener.accept() {
                Ok(Some(stream)) => return Ok(stream),
                Ok(None) => {}
                Err(error) => return Err(self.transient(format!("cannot accept a client: {error}"))),
            }
            if process.is_some_and(ProcessGroup::has_ended) {
                return Err(self.transient("the client ended before it called"));
            }
            if start.elapsed() > self.settings.start_timeout {
                return Err(self.transient(format!(
                    "no client called at {} within {:.0?}",
                    listener
                        .path()
                        .map_or_else(|| listener.name().to_owned(), |path| path.display().to_string()),
                    self.settings.start_timeout
                )));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Says goodbye to the client and ends its process group. Returns its exit status and last words, where slmc launched
    /// it.
    pub(super) fn dismiss(&mut self, patience: Duration) -> String {
        self.answered = false;
        let Some(mut client) = self.client.take() else {
            return String::new();
        };
        // A client that is gone cannot be told.
        let _ = client
            .connection
            .send(&header("EXIT"), Deadline::after(Duration::from_millis(200)));
        // Closing the socket moves a client that does not understand EXIT.
        drop(client.connection);
        let Some(mut launched) = client.launched else {
            return String::new();
        };
        let end = launched.process.stop(patience);
        self.recipe.clean(&launched.folder);
        format!(
            " ({end}); its folder is {}{}",
            launched.folder.display(),
            launched.process.tail()
        )
    }
}
