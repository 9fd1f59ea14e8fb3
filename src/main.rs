//! Command line → runtime → exit code. All else is the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    testyard::cli::main()
}
