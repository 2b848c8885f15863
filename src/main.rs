//! Start: arguments, logging, exit code.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use ollamake::cli::Arguments;
use ollamake::server::{Config, LogLevel};

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
    // A wrong configuration is reported by the command that needs it.
    let level = Config::from_environment().map_or(LogLevel::Info, |config| config.log).directive();
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("warn,ollamake={level}")));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
}
