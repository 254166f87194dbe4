//! Promise: the i-PI server speaks the protocol to the byte, and a client that dies, stalls, lies or fails to converge costs
//! one attempt and leaves nothing behind: no process, no socket file, no wrong label.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use slmc::oracle::ipi::{IpiConfig, IpiOracle, open};
use slmc::oracle::{Fault, JobDir, Labels, Oracle, OracleError};
use slmc::structure::{Cell, Species, Structure};
use slmc::units::{BOHR, HARTREE};

const ENERGY: f64 = -1.25;
const FORCES: [[f64; 3]; 2] = [[0.1, -0.2, 0.3], [-0.4, 0.5, -0.6]];
const VIRIAL: [f64; 9] = [1.0, 2.0, 3.0, 2.0, 4.0, 5.0, 3.0, 5.0, 6.0];

/// Two atoms in a triangular cell, all numbers short in bohr.
fn structure() -> Structure {
    let vectors = [[8.0, 0.0, 0.0], [1.0, 9.0, 0.0], [-2.0, 3.0, 10.0]];
    let vectors = vectors.map(|v| v.map(|x: f64| x * BOHR));
    let positions = [[0.5, 0.25, -0.125], [3.0, 4.0, 4.5]].map(|p| p.map(|x: f64| x * BOHR));
    let species: Vec<Species> = ["Si", "O"].iter().map(|s| s.parse().unwrap()).collect();
    Structure::new(Cell::new(vectors, [true; 3]).unwrap(), species, positions.to_vec()).unwrap()
}

fn job() -> JobDir<'static> {
    JobDir::new("/nonexistent/no-oracle-here-needs-a-job-folder".into())
}

fn seconds(value: f64) -> slmc::units::Duration {
    slmc::units::Duration::new(value)
}

fn header(name: &str) -> Vec<u8> {
    format!("{name:12}").into_bytes()
}

fn numbers(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(f64::to_ne_bytes).collect()
}

fn answer() -> Vec<u8> {
    let mut bytes = header("FORCEREADY");
    bytes.extend(ENERGY.to_ne_bytes());
    bytes.extend(2i32.to_ne_bytes());
    bytes.extend(numbers(FORCES.concat()));
    bytes.extend(numbers(VIRIAL));
    bytes.extend(5i32.to_ne_bytes());
    bytes.extend(b"extra");
    bytes
}

fn assert_answered(labels: &Labels) {
    assert!((labels.energy - ENERGY * HARTREE).abs() < 1e-12);
    let forces = labels.forces.as_ref().unwrap();
    for (force, sent) in forces.iter().zip(FORCES) {
        for (x, y) in force.iter().zip(sent) {
            assert!((x - y * HARTREE / BOHR).abs() < 1e-12);
        }
    }
    let stress = labels.stress.unwrap();
    for (x, y) in stress.iter().flatten().zip(VIRIAL) {
        assert!((x + y * HARTREE / structure().cell.volume()).abs() < 1e-12);
    }
}

/// What a scripted client does next.
enum Step {
    /// Reads exactly these bytes.
    Expect(Vec<u8>),
    /// Sends these.
    Reply(Vec<u8>),
}
use Step::{Expect, Reply};

fn play(mut stream: impl Read + Write + Send + 'static, script: Vec<Step>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for (number, step) in script.into_iter().enumerate() {
            match step {
                Expect(bytes) => {
                    let mut read = vec![0; bytes.len()];
                    stream.read_exact(&mut read).unwrap();
                    assert_eq!(read, bytes, "at step {number} of the script");
                }
                Reply(bytes) => stream.write_all(&bytes).unwrap(),
            }
        }
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, header("EXIT"), "the last word");
    })
}

/// What slmc must send for [`structure`]: POSDATA, the vectors as columns in row-major order and their inverse, in bohr.
fn positions() -> Vec<u8> {
    let mut bytes = header("POSDATA");
    let expected = [8.0, 1.0, -2.0, 0.0, 9.0, 3.0, 0.0, 0.0, 10.0];
    let to_bohr = 1.0 / BOHR;
    let structure = structure();
    let vectors = structure.cell.vectors();
    let columns: Vec<f64> = (0..9).map(|k| vectors[k % 3][k / 3] * to_bohr).collect();
    for (x, y) in columns.iter().zip(expected) {
        assert!((x - y).abs() < 1e-14);
    }
    bytes.extend(numbers(columns.clone()));
    let rows = [
        [columns[0], columns[3], columns[6]],
        [columns[1], columns[4], columns[7]],
        [columns[2], columns[5], columns[8]],
    ];
    let inverse = slmc::linear::inverse(&rows).unwrap();
    bytes.extend(numbers((0..9).map(|k| inverse[k % 3][k / 3])));
    bytes.extend(2i32.to_ne_bytes());
    bytes.extend(numbers(structure.positions.concat().iter().map(|x| x * to_bohr)));
    bytes
}

fn init(bead: i32) -> Vec<u8> {
    let mut bytes = header("INIT");
    bytes.extend(bead.to_ne_bytes());
    bytes.extend(1i32.to_ne_bytes());
    bytes.push(b' ');
    bytes
}

fn waiting(name: &str) -> IpiConfig {
    IpiConfig {
        socket: format!("slmc-test-{name}-{}", std::process::id()),
        timeout: seconds(20.0),
        start_timeout: seconds(20.0),
        ..IpiConfig::default()
    }
}

fn open_waiting(config: &IpiConfig) -> IpiOracle {
    open(
        config,
        &structure(),
        Path::new("/nonexistent/no-folder-is-needed"),
        Path::new("."),
    )
    .unwrap()
}

#[test]
fn the_transcript_is_right_to_the_byte() {
    let config = waiting("transcript");
    let mut oracle = open_waiting(&config);
    let path = format!("/tmp/ipi_{}", config.socket);
    assert_eq!(oracle.waits_at(), Some(config.socket.as_str()));
    assert_eq!(&header("POSDATA"), b"POSDATA     ");
    let label = |script: &mut Vec<Step>, bead: Option<i32>| {
        if let Some(bead) = bead {
            script.extend([Expect(header("STATUS")), Reply(header("NEEDINIT")), Expect(init(bead))]);
        }
        script.extend([
            Expect(header("STATUS")),
            Reply(header("READY")),
            Expect(positions()),
            Expect(header("STATUS")),
            Reply(header("BUSY")),
            Expect(header("STATUS")),
            Reply(header("HAVEDATA")),
            Expect(header("GETFORCE")),
            Reply(answer()),
        ]);
    };
    let mut script = Vec::new();
    label(&mut script, Some(0));
    label(&mut script, Some(3));
    label(&mut script, None);
    let client = play(UnixStream::connect(&path).unwrap(), script);
    assert_answered(&oracle.label(&structure(), &job()).unwrap());
    oracle.select_chain(Some(3), None);
    assert_answered(&oracle.label(&structure(), &job()).unwrap());
    assert_answered(&oracle.label(&structure(), &job()).unwrap());
    drop(oracle);
    client.join().unwrap();
    assert!(!Path::new(&path).exists());
}

#[test]
fn tcp_carries_the_same_and_a_second_client_takes_over() {
    let config = IpiConfig {
        tcp: "127.0.0.1:0".to_owned(),
        ..waiting("tcp")
    };
    let mut oracle = open_waiting(&config);
    let address = oracle.waits_at().unwrap().to_owned();
    let script = || {
        vec![
            Expect(header("STATUS")),
            Reply(header("READY")),
            Expect(positions()),
            Expect(header("STATUS")),
            Reply(header("HAVEDATA")),
            Expect(header("GETFORCE")),
        ]
    };
    let mut wrong = script();
    wrong.push(Reply(header("WHATEVER")));
    let first = play(TcpStream::connect(&address).unwrap(), wrong);
    let error = oracle.label(&structure(), &job()).unwrap_err();
    assert_eq!(error.fault(), Fault::Transient);
    assert!(
        error.to_string().contains("`WHATEVER` where FORCEREADY was due"),
        "{error}"
    );
    first.join().unwrap();
    let mut right = script();
    right.push(Reply(answer()));
    let second = play(TcpStream::connect(&address).unwrap(), right);
    assert_answered(&oracle.label(&structure(), &job()).unwrap());
    drop(oracle);
    second.join().unwrap();
}

#[test]
fn nobody_calling_is_a_transient_fault_and_a_taken_name_a_fatal_one() {
    let config = IpiConfig {
        start_timeout: seconds(0.05),
        ..waiting("nobody")
    };
    let mut oracle = open_waiting(&config);
    let error = oracle.label(&structure(), &job()).unwrap_err();
    assert_eq!(error.fault(), Fault::Transient);
    assert!(
        error
            .to_string()
            .contains(&format!("no client called at /tmp/ipi_{}", config.socket)),
        "{error}"
    );
    // Another worker of this process waits there, too; another process cannot.
    let worker = open(&config, &structure(), Path::new("."), Path::new(".")).unwrap();
    drop((worker, oracle));
    let path = format!("/tmp/ipi_{}", config.socket);
    let stranger = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = open(&config, &structure(), Path::new("."), Path::new(".")).unwrap_err();
    assert_eq!(error.fault(), Fault::Fatal);
    assert!(error.to_string().contains("leave `socket` empty"), "{error}");
    drop(stranger);
    std::fs::remove_file(path).unwrap();
}

// ---- Clients that slmc launches: this test's own executable, told by its environment how to misbehave. ----

/// The ways a launched client misbehaves while it works in the folder of the first launch.
const MISBEHAVIOURS: [(&str, Fault, &str); 10] = [
    ("die at once", Fault::Transient, "the client closed the connection"),
    (
        "die in mid-answer",
        Fault::Transient,
        "the client closed the connection",
    ),
    ("stall", Fault::Transient, "did not answer within"),
    ("stall in mid-answer", Fault::Transient, "did not answer within"),
    ("wrong atom count", Fault::Transient, "answered for 3 atoms, not 2"),
    ("NaN", Fault::Transient, "not finite"),
    ("garbage", Fault::Transient, "`ERROR` where"),
    ("long extras", Fault::Transient, "bytes of extra text"),
    ("unconverged", Fault::Unphysical, "SCF run NOT converged"),
    ("silent", Fault::Transient, "never printed \"it converged\""),
];

/// The client process of the tests below; run by them alone.
#[test]
#[ignore = "a part of the other tests, not one itself"]
fn client_process() {
    let Ok(behaviour) = std::env::var("SLMC_TEST_CLIENT") else {
        eprintln!("skipped: no test started this client");
        return;
    };
    let first_launch = std::env::current_dir().unwrap().ends_with("launch-000");
    let behaviour = if first_launch { behaviour.as_str() } else { "good" };
    if behaviour == "never call" {
        std::thread::sleep(Duration::from_secs(1000));
    }
    assert_ne!(behaviour, "exit before calling", "told to");
    let mut stream = UnixStream::connect(std::env::var("SLMC_TEST_SOCKET").unwrap()).unwrap();
    println!("client version 7");
    let mut has_data = false;
    loop {
        let mut bytes = [0; 12];
        stream.read_exact(&mut bytes).unwrap();
        let mut reply = Vec::new();
        match std::str::from_utf8(&bytes).unwrap().trim_end() {
            "STATUS" => reply = header(if has_data { "HAVEDATA" } else { "READY" }),
            "POSDATA" => {
                stream.read_exact(&mut [0; 148 + 48]).unwrap();
                has_data = true;
                match behaviour {
                    "die at once" => std::process::exit(9),
                    "stall" => std::thread::sleep(Duration::from_secs(1000)),
                    "garbage" => reply = header("ERROR"),
                    "unconverged" => println!(" *** SCF run NOT converged ***"),
                    "silent" => {}
                    _ => println!("it converged"),
                }
            }
            "GETFORCE" => {
                reply = answer();
                has_data = false;
                match behaviour {
                    "die in mid-answer" | "stall in mid-answer" => {
                        stream.write_all(&reply[..70]).unwrap();
                        if behaviour == "die in mid-answer" {
                            std::process::exit(9);
                        }
                        std::thread::sleep(Duration::from_secs(1000));
                    }
                    "wrong atom count" => reply[20..24].copy_from_slice(&3i32.to_ne_bytes()),
                    "NaN" => reply[40..48].copy_from_slice(&f64::NAN.to_ne_bytes()),
                    "long extras" => {
                        let end = reply.len() - 5;
                        reply[end - 4..end].copy_from_slice(&(-1i32).to_ne_bytes());
                    }
                    _ => {}
                }
            }
            "EXIT" => std::process::exit(1),
            other => panic!("what is `{other}`?"),
        }
        stream.write_all(&reply).unwrap();
    }
}

fn launching(behaviour: &str) -> IpiConfig {
    let executable = std::env::current_exe().unwrap();
    IpiConfig {
        // The shell hands the socket's path to the client by its environment.
        command: format!(
            "sh -c 'SLMC_TEST_SOCKET=/tmp/ipi_$1 exec \"$2\" --ignored --exact client_process --nocapture' - {{socket}} \"{}\"",
            executable.display()
        ),
        environment: BTreeMap::from([("SLMC_TEST_CLIENT".to_owned(), behaviour.to_owned())]),
        version_pattern: "client version".to_owned(),
        converged_pattern: "it converged".to_owned(),
        timeout: seconds(if behaviour.starts_with("stall") { 0.5 } else { 20.0 }),
        start_timeout: seconds(20.0),
        ..IpiConfig::default()
    }
}

/// Waits for a process to be gone.
fn assert_gone(id: u32) {
    let start = Instant::now();
    while Path::new(&format!("/proc/{id}")).exists() {
        assert!(start.elapsed() < Duration::from_secs(10), "process {id} lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The socket files of this process that nobody listens on, by now: there must be none.
fn leftover_sockets(oracle_socket_prefix: &str) -> Vec<String> {
    let names = std::fs::read_dir("/tmp")
        .unwrap()
        .filter_map(|e| e.ok()?.file_name().into_string().ok());
    names
        .filter(|name| name.starts_with(oracle_socket_prefix))
        .filter(|name| UnixStream::connect(Path::new("/tmp").join(name)).is_err())
        .collect()
}

#[test]
fn a_misbehaving_client_costs_one_attempt() {
    println!("{:22} {:12} message", "injected", "came out");
    for (behaviour, fault, message) in MISBEHAVIOURS {
        let folder = tempfile::tempdir().unwrap();
        let mut oracle = open(&launching(behaviour), &structure(), folder.path(), Path::new(".")).unwrap();
        assert_eq!(oracle.fingerprint().0["version"], "client version 7");
        let first = oracle.client_id().unwrap();
        let error = oracle.label(&structure(), &job()).unwrap_err();
        println!("{behaviour:22} {:12} {error}", format!("{:?}", error.fault()));
        assert_eq!(error.fault(), fault, "{behaviour}: {error}");
        assert!(error.to_string().contains(message), "{behaviour}: {error}");
        assert!(error.to_string().contains("launch-000"), "{behaviour}: {error}");
        assert_gone(first);
        // The next attempt meets a new client, and the one after it the same one.
        assert_answered(&oracle.label(&structure(), &job()).unwrap());
        let second = oracle.client_id().unwrap();
        assert_answered(&oracle.label(&structure(), &job()).unwrap());
        assert_eq!(oracle.client_id(), Some(second));
        drop(oracle);
        assert_gone(second);
    }
    assert_eq!(leftover_sockets(&format!("ipi_slmc-{}-", std::process::id())), [""; 0]);
}

#[test]
fn a_client_that_is_killed_between_labels_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut oracle = open(&launching("good"), &structure(), folder.path(), Path::new(".")).unwrap();
    assert_answered(&oracle.label(&structure(), &job()).unwrap());
    let id = oracle.client_id().unwrap();
    let process = rustix::process::Pid::from_raw(id as i32).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    let error = oracle.label(&structure(), &job()).unwrap_err();
    assert_eq!(error.fault(), Fault::Transient, "{error}");
    assert!(error.to_string().contains("signal: 9"), "{error}");
    assert_gone(id);
    assert_answered(&oracle.label(&structure(), &job()).unwrap());
}

#[test]
fn a_client_that_cannot_start_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let fails =
        |config: &IpiConfig| -> OracleError { open(config, &structure(), folder.path(), Path::new(".")).unwrap_err() };
    let missing = IpiConfig {
        command: "no-such-code --ipi {socket}".to_owned(),
        ..IpiConfig::default()
    };
    let error = fails(&missing);
    assert_eq!(error.fault(), Fault::Fatal);
    assert!(
        error.to_string().contains("`no-such-code` was not found: install it"),
        "{error}"
    );
    let launcher = IpiConfig {
        command: "sh -c 'no-such-code'".to_owned(),
        ..IpiConfig::default()
    };
    let error = fails(&launcher);
    assert_eq!(error.fault(), Fault::Fatal);
    assert!(error.to_string().contains("end of stderr"), "{error}");
    let dies = IpiConfig {
        command: "sh -c 'echo a bad input; exit 3'".to_owned(),
        ..IpiConfig::default()
    };
    let error = fails(&dies);
    assert_eq!(error.fault(), Fault::Transient);
    for part in ["ended before it called", "exit status: 3", "a bad input"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let sleeps = IpiConfig {
        start_timeout: seconds(0.2),
        ..launching("never call")
    };
    // The folder launch-000, where the client misbehaves, is taken by now.
    let fresh = tempfile::tempdir().unwrap();
    let error = open(&sleeps, &structure(), fresh.path(), Path::new(".")).unwrap_err();
    assert_eq!(error.fault(), Fault::Transient);
    assert!(
        error.to_string().contains("no client called at /tmp/ipi_slmc-"),
        "{error}"
    );
}

#[test]
fn the_socket_costs_little() {
    // Not an assertion on time: the figure is for the reader, the labels are what is checked.
    let folder = tempfile::tempdir().unwrap();
    let config = IpiConfig {
        converged_pattern: String::new(),
        ..launching("good")
    };
    let mut oracle = open(&config, &structure(), folder.path(), Path::new(".")).unwrap();
    let count = 500;
    let start = Instant::now();
    for _ in 0..count {
        assert_answered(&oracle.label(&structure(), &job()).unwrap());
    }
    let each = start.elapsed() / count;
    println!("a label of a client that answers at once takes {each:?}");
}
