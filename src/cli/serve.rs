//! `testyard serve` and `testyard healthcheck`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::cli::{USAGE, fail, print};
use crate::clock::SystemClock;
use crate::config::{Flags, Log, Problems, Settings, Surroundings, load};
use crate::lifecycle::{Ending, Lifecycle};
use crate::net::client::{Client, Destination, Request};
use crate::server::Server;
use crate::telemetry;

/// The settings of a command that ends by itself: as [`settings`], but its log tells only of what is wrong, unless the
/// operator has asked for more.
pub(super) fn settings_for_command(flags: &Flags, surroundings: &Surroundings) -> Result<Settings, ExitCode> {
    checked(flags, surroundings, |filter| if filter == Log::default().filter { "warn" } else { filter })
}

/// The settings, if they can be used; otherwise what to change is printed.
fn settings(flags: &Flags, surroundings: &Surroundings) -> Result<Settings, ExitCode> {
    checked(flags, surroundings, |filter| filter)
}

fn checked(
    flags: &Flags,
    surroundings: &Surroundings,
    filter: impl FnOnce(&str) -> &str,
) -> Result<Settings, ExitCode> {
    let complain = |problems: Problems| {
        for problem in problems.0 {
            eprintln!("testyard: {}", problem.0);
        }
        ExitCode::from(USAGE)
    };
    let (settings, warnings) = load(flags, surroundings).and_then(crate::config::Loaded::checked).map_err(complain)?;
    if let Err(error) = telemetry::init(settings.log.format, filter(&settings.log.filter)) {
        eprintln!("testyard: {error}");
        return Err(ExitCode::from(USAGE));
    }
    for warning in warnings {
        tracing::warn!("{}", warning.0);
    }
    Ok(settings)
}

/// Runs the service until a signal stops it.
pub(super) fn run(flags: &Flags, surroundings: &Surroundings) -> ExitCode {
    let settings = match settings(flags, surroundings) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    match in_runtime(serve(settings)) {
        Ok(ending) => ending.into(),
        Err(error) => fail(&error),
    }
}

async fn serve(settings: Settings) -> anyhow::Result<Ending> {
    let lifecycle = Lifecycle::new();
    lifecycle.listen_for_signals()?;
    let server = Server::bind(settings, Arc::new(SystemClock), lifecycle).await?;
    let address = server.address()?;
    tracing::info!(%address, database = ?server.app().db.dialect(), "listening");
    // For people and scripts: with port 0 this is the only way to learn the port.
    print(&format!("Testyard listens on http://{address}; its API can be browsed at http://{address}/docs\n"));
    Ok(server.run().await)
}

/// Asks the service that these settings describe whether it can serve.
pub(super) fn healthcheck(flags: &Flags, surroundings: &Surroundings) -> ExitCode {
    let settings = match settings(flags, surroundings) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let asked = in_runtime(async move {
        let mut address = settings.server.listen;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let url = Url::parse(&format!("http://{address}/readyz"))?;
        let request =
            Request { destination: Destination::Configured, timeout: Duration::from_secs(5), ..Request::get(url) };
        let response = Client::new(Vec::new())?.send(request).await?;
        anyhow::ensure!(response.status.is_success(), "the service answers {}", response.status);
        Ok(())
    });
    match asked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Runs a future to its end on a runtime of its own.
pub(super) fn in_runtime<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}
