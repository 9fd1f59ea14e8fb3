//! Wires settings, storage, runners, work and router together, and runs them until a stop is asked for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use url::Url;

use crate::app::agent::desk::Desk;
use crate::app::catalogue::Catalogue;
use crate::app::log::Logs;
use crate::app::session::Sessions;
use crate::app::shelf::Shelf;
use crate::app::spec::Specs;
use crate::app::streams::Streams;
use crate::app::writer::WriterOptions;
use crate::app::{App, Bells, Parts, Writer, seconds};
use crate::clock::Clock;
use crate::config::{DatabaseKind, Settings};
use crate::domain::tuxsuite::signature::PublicKey;
use crate::lifecycle::{Ending, Lifecycle};
use crate::net::client::Client;
use crate::objects::Objects;
use crate::runner::Runners;
use crate::runner::agents::Agents;
use crate::runner::breaker::{BreakerSettings, Breakers};
use crate::runner::http::Http;
use crate::runner::local::{LocalOptions, LocalRunner, Recipe, TestRecipe};
use crate::runner::subprocess::Subprocess;
use crate::runner::tuxsuite::{TuxSuite, TuxSuiteOptions};
use crate::sink::kcidb::KcidbSink;
use crate::store::Db;
use crate::{http, work};

/// How often TuxSuite is asked for the key that it signs with.
const KEY_INTERVAL: Duration = Duration::from_hours(1);

/// Where runners' programs are looked for, if our own environment does not say.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A service that is wired and listens, and does not serve yet.
#[derive(Debug)]
pub struct Server {
    app: App,
    listener: TcpListener,
    lifecycle: Lifecycle,
    tuxsuite: Arc<TuxSuite>,
    local: Option<LocalRunner>,
}

impl Server {
    /// Wires a service from settings that have been checked: opens and migrates the database, binds the address.
    ///
    /// # Errors
    /// If the database cannot be opened, the address cannot be bound, or a runner or the sink cannot be set up.
    pub async fn bind(settings: Settings, clock: Arc<dyn Clock>, lifecycle: Lifecycle) -> anyhow::Result<Self> {
        let settings = Arc::new(settings);
        let db = open_database(&settings).await?;
        let listen = settings.server.listen;
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr().context("the address listened on is not known")?;
        let base_url = match &settings.server.public_url {
            Some(url) => url.clone(),
            None => Url::parse(&format!("http://{}", reachable(address))).context("the address is no URL")?,
        };
        let client = Client::new(settings.outbound.allow.clone())?;
        let tuxsuite = Arc::new(tuxsuite(&settings, client.clone(), Arc::clone(&clock))?);
        let local = local(&settings, client.clone(), Arc::clone(&clock))?;
        let agents = Agents::new(db.clone(), Arc::clone(&clock));
        let mut runners = Runners::default().with(Arc::clone(&tuxsuite) as _).with(Arc::new(agents));
        if let Some(local) = &local {
            runners = runners.with(Arc::new(local.clone()));
        }
        for set in &settings.runners.http {
            let runner = Http::new(set.clone(), client.clone(), Arc::clone(&clock));
            runners = runners.with(Arc::new(runner.map_err(|faults| anyhow::anyhow!(faults.join("\n")))?));
        }
        for set in &settings.runners.subprocess {
            let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
            runners = runners.with(Arc::new(Subprocess::new(set.clone(), path)));
        }
        let sink = match &settings.kcidb.submit_url {
            Some(url) => Some(KcidbSink::new(
                client.clone(),
                Arc::clone(&clock),
                url.clone(),
                settings.kcidb.token.as_ref(),
                Duration::from_secs(settings.kcidb.timeout_s),
            )?),
            None => None,
        };
        let options = WriterOptions {
            queue: settings.writer.queue,
            batch: settings.writer.batch,
            writers: settings.writer.writers,
        };
        let breakers = Breakers::new(BreakerSettings {
            opens_at: settings.runs.breaker_failures,
            pause: seconds(settings.runs.breaker_pause_s),
            ..BreakerSettings::default()
        });
        let catalogue = catalogue(&settings, db.clone(), Arc::clone(&clock))?;
        let specs = Specs::new(db.clone(), Arc::clone(&clock), catalogue.clone(), client.clone());
        let specs = Specs { base_url: Some(base_url.clone()), ..specs };
        let sessions = Sessions::new(db.clone(), Arc::clone(&clock));
        let app = App::new(Parts {
            writer: Writer::start(&db, options),
            bells: Bells { advance: Arc::clone(&sessions.advance), ..Bells::default() },
            sessions,
            specs,
            logs: Logs::default(),
            streams: Streams::new(settings.server.max_event_streams, lifecycle.soft().clone()),
            catalogue,
            db,
            agents: Desk::new(clock.now()),
            origin: settings.kcidb.origin.parse()?,
            clock,
            runners,
            breakers,
            sink,
            base_url,
            settings,
        });
        Ok(Self { app, listener, lifecycle, tuxsuite, local })
    }

    /// What the use cases of this service share.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves, and works in the background, until a stop is asked for; then takes nothing new, finishes what has begun
    /// and returns in bounded time.
    pub async fn run(self) -> Ending {
        work::start(&self.app, &self.lifecycle);
        self.lifecycle.spawn("key", keep_key(Arc::clone(&self.tuxsuite), self.lifecycle.clone()));
        self.serve().await
    }

    /// As [`Server::run`], without the background work: for tests that turn the clock and call [`work::settle`].
    pub async fn serve(self) -> Ending {
        let deadline = Duration::from_secs(self.app.settings.server.shutdown_timeout_s);
        let router = http::router(&self.app);
        let stop = self.lifecycle.soft().clone();
        let failed = self.lifecycle.clone();
        let listener = self.listener;
        // Made once: axum would make the router anew for each connection otherwise, with all that its handlers hold.
        let serving =
            axum::serve(listener, router.into_make_service()).with_graceful_shutdown(stop.clone().cancelled_owned());
        self.lifecycle.spawn("http", async move {
            if let Err(error) = serving.await {
                failed.fail(&format!("the HTTP server failed: {error}"));
            }
        });
        stop.cancelled().await;
        let ending = self.lifecycle.shutdown(deadline).await;
        if let Some(local) = &self.local {
            local.shutdown().await;
        }
        self.app.db.close().await;
        ending
    }
}

/// The address that a runner on this machine reaches the service by.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: std::net::IpAddr =
            if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        SocketAddr::new(loopback, address.port())
    } else {
        address
    }
}

/// Opens the database of the settings and brings its schema up to date.
///
/// # Errors
/// If it cannot be opened, or is newer than this program.
pub async fn open_database(settings: &Settings) -> anyhow::Result<Db> {
    if settings.database.kind().is_ok_and(|kind| kind == DatabaseKind::Sqlite) {
        make_folder(settings.database.url.expose_secret())?;
    }
    Db::connect(settings.database.connect_url().expose_secret(), settings.database.max_connections)
        .await
        .context("cannot open the database")
}

/// Wires the catalogue on a database.
///
/// # Errors
/// If the object store cannot be opened.
pub fn catalogue(settings: &Settings, db: Db, clock: Arc<dyn Clock>) -> anyhow::Result<Catalogue> {
    let folder = settings.server.state_dir.join("objects");
    let objects = Objects::open(&settings.objects, &folder).context("cannot open the object store")?;
    Ok(Catalogue { db, clock, objects, limits: Arc::new(settings.catalogue.clone()), shelf: Shelf::default() })
}

/// Makes the folder of a SQLite file.
fn make_folder(url: &str) -> anyhow::Result<()> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let path = PathBuf::from(path.split('?').next().unwrap_or_default());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    Ok(())
}

fn tuxsuite(settings: &Settings, client: Client, clock: Arc<dyn Clock>) -> anyhow::Result<TuxSuite> {
    let set = &settings.tuxsuite;
    let hosts: Result<Vec<_>, _> = set.download_hosts.iter().map(|host| host.parse()).collect();
    let options = TuxSuiteOptions {
        api_url: set.api_url.clone(),
        token: set.token.clone().filter(|_| set.is_enabled()),
        group: set.group.clone(),
        project: set.project.clone(),
        download_hosts: hosts.context("tuxsuite.download_hosts")?,
        timeout: Duration::from_secs(set.timeout_s),
        max_results_bytes: set.max_results_bytes,
        max_log_bytes: set.max_log_bytes,
    };
    let key = set.public_key.as_deref().map(PublicKey::from_openssh).transpose().context("tuxsuite.public_key")?;
    Ok(TuxSuite::new(options, set.signature, key, client, clock))
}

fn local(settings: &Settings, client: Client, clock: Arc<dyn Clock>) -> anyhow::Result<Option<LocalRunner>> {
    let set = &settings.local;
    if set.recipes.is_empty() {
        return Ok(None);
    }
    let recipes = set.recipes.iter().map(|recipe| Recipe {
        name: recipe.name.clone(),
        trees: recipe.trees.clone(),
        build: recipe.build.clone(),
        compiler: recipe.compiler.clone(),
        tests: recipe
            .test
            .iter()
            .map(|test| TestRecipe { name: test.name.clone(), command: test.command.clone() })
            .collect(),
        timeout: Duration::from_secs(recipe.timeout_s),
        max_output_bytes: recipe.max_output_bytes,
    });
    let options = LocalOptions {
        work_dir: set.work_dir.clone().unwrap_or_else(|| settings.server.state_dir.join("local")),
        recipes: recipes.collect(),
        max_jobs: set.max_jobs,
    };
    Ok(Some(LocalRunner::new(options, clock, client)?))
}

/// Learns the key that TuxSuite signs with, and again from time to time, for a group may change it.
async fn keep_key(tuxsuite: Arc<TuxSuite>, lifecycle: Lifecycle) {
    loop {
        if let Err(error) = tuxsuite.refresh_key().await {
            tracing::info!(cause = %error, "TuxSuite's public key is not known; unsigned callbacks are only hints");
        }
        let next = tokio::time::sleep(KEY_INTERVAL);
        if lifecycle.soft().run_until_cancelled(next).await.is_none() {
            return;
        }
    }
}
