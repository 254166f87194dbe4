//! The `slmc` command: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    slmc::cli::main()
}
