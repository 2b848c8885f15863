//! Start: arguments, logging, exit code.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod arenas;

use std::io::{self, IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use ollamake::cli::{Arguments, Surroundings, tell_error};
use ollamake::config::{Config, ConfigError, LogFormat, LogLevel};
use ollamake::server;

/// How long the process waits at its end for what cannot be cancelled.
const LAST_MOMENT: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    arenas::share();
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let code = runtime.block_on(run());
            // What hangs in the disk is left behind, as by a crash.
            runtime.shutdown_timeout(LAST_MOMENT);
            code
        }
        Err(error) => fail(&format!("the threads of the program cannot be started: {error}"), 1),
    }
}

async fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let config = Config::from_environment();
    log(arguments.is_server(), config.as_ref().ok());
    match &config {
        // A wrong width is reported before any work begins, also by a command that needs nothing else.
        Err(error @ ConfigError::Width(_)) => return fail(error, 1),
        // Other mistakes are reported by the commands that they concern.
        Err(_) => {}
        Ok(config) => config.platform.choose(),
    }
    let surroundings = Surroundings {
        config,
        quiet: arguments.is_quiet(),
        serve: |config| Box::pin(async { Ok(server::run(config).await?) }),
        embed: |config, store| Box::pin(async { Ok(server::embed(config, store).await?) }),
    };
    match arguments.run(&surroundings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_unread() => ExitCode::SUCCESS,
        Err(error) => fail(&error, error.exit_code()),
    }
}

/// Where the log goes: to standard error as long as that takes it. A reader of the log that has gone is no
/// reason to leave work undone.
struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(stderr().write(bytes).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn fail(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    tell_error(error);
    ExitCode::from(code)
}

/// To standard error; `RUST_LOG` chooses in detail, `OLLAMA_DEBUG` coarsely, `OLLAMAKE_LOG` the format.
/// Commands speak for themselves, so they log only what went wrong, without the errors that they end with and
/// the warnings that they tell.
fn log(is_server: bool, config: Option<&Config>) {
    let level = config.map_or(LogLevel::Info, |config| config.log);
    let format = config.map_or(LogFormat::Text, |config| config.log_format);
    let directives = match level {
        LogLevel::Info if !is_server => {
            "warn,ollamake::server::errors=off,ollamake::create::job=error".to_owned()
        }
        level => format!("warn,ollamake={}", level.directive()),
    };
    let filter = config.and_then(|config| EnvFilter::try_new(config.log_filter.as_deref()?).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(directives));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Log)
        .log_internal_errors(false)
        .with_ansi(stderr().is_terminal());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
    }
}
