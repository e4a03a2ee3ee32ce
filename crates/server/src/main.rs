//! The `tally` binary: hands over to [`tally_server::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    tally_server::cli::main()
}
