//! The `tally-load` binary: hands over to [`tally_loadtest::main`].

use std::process::ExitCode;

fn main() -> ExitCode {
    tally_loadtest::main()
}
