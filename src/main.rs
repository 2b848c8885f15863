//! Start: arguments, logging, exit code.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use ollamake::cli::Arguments;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log();
    match arguments.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// To standard error; `RUST_LOG` chooses in detail, `OLLAMA_DEBUG` coarsely.
fn log() {
    let debug = std::env::var("OLLAMA_DEBUG").is_ok_and(|value| !["", "0", "false"].contains(&value.as_str()));
    let default = if debug { "ollamake=debug,info" } else { "ollamake=info,warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
}
