//! Where the catalogue is: the database of the settings, or a service.

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use url::Url;

use crate::app::archive;
use crate::app::catalogue::apply::{self, How, Wanted};
use crate::app::catalogue::import::{self, Import};
use crate::app::catalogue::{By, Catalogue, export};
use crate::cli::catalog::folder::Folder;
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::domain::catalogue::label::Label;
use crate::http::catalogue::transfer::{AppliedView, ImportedView};
use crate::net::client::{Client, Destination, Request};
use crate::server;

/// The longest time for a request to a service: it may carry a whole catalogue.
const LONGEST: Duration = Duration::from_mins(10);

/// The longest answer of a service.
const LONGEST_ANSWER: usize = 1 << 30;

/// Where the catalogue is.
pub(super) enum Place {
    /// The database of these settings, not opened yet.
    Closed(Box<Settings>),
    /// A database.
    Local(Catalogue),
    /// A service.
    Remote(Remote),
}

/// A service.
pub(super) struct Remote {
    base: Url,
    token: Option<SecretString>,
    client: Client,
}

impl Place {
    pub(super) fn local(settings: Settings) -> Self {
        Self::Closed(Box::new(settings))
    }

    pub(super) fn remote(base: Url, token_file: Option<&Path>) -> anyhow::Result<Self> {
        let token = token_file
            .map(|path| std::fs::read_to_string(path).with_context(|| format!("{}", path.display())))
            .transpose()?
            .map(|text| SecretString::from(text.trim().to_owned()));
        Ok(Self::Remote(Remote { base, token, client: Client::new(Vec::new())? }))
    }

    /// Opens the database.
    pub(super) async fn open(self) -> anyhow::Result<Self> {
        let Self::Closed(settings) = self else { return Ok(self) };
        let db = server::open_database(&settings).await?;
        Ok(Self::Local(server::catalogue(&settings, db, Arc::new(SystemClock))?))
    }

    /// Brings the catalogue to what a folder holds.
    pub(super) async fn apply(
        self,
        folder: &Folder,
        prune: Option<&Label>,
        message: Option<&str>,
        dry_run: bool,
    ) -> anyhow::Result<Value> {
        match self {
            Self::Closed(_) => bail!("the database is not open"),
            Self::Local(catalogue) => {
                let by = By { author: None, message: message.map(str::to_owned) };
                let how = How { prune: prune.cloned(), dry_run, ..How::default() };
                let wanted = Wanted::Documents(folder.documents.clone());
                let applied =
                    apply::apply(&catalogue, &by, &wanted, &how).await.map_err(|error| in_files(error, folder))?;
                Ok(serde_json::to_value(AppliedView::new(applied, dry_run))?)
            }
            Self::Remote(remote) => {
                let items: Vec<Value> = folder.documents.iter().map(wire).collect();
                let prune = prune.map(|label| if label.is_root() { "~" } else { label.as_str() });
                let body = json!({"items": items, "prune": prune, "dry_run": dry_run, "message": message});
                let sent =
                    Sent { method: Method::POST, path: "/api/v1/catalog/apply", query: &[], kind: "application/json" };
                remote.ask(sent, serde_json::to_vec(&body)?).await
            }
        }
    }

    /// Imports a QMTest database.
    pub(super) async fn import(self, path: &Path, how: Import, message: Option<&str>) -> anyhow::Result<Value> {
        match self {
            Self::Closed(_) => bail!("the database is not open"),
            Self::Local(catalogue) => {
                let by = By { author: None, message: message.map(str::to_owned) };
                let report = import::folder(&catalogue, &by, path, how).await?;
                Ok(serde_json::to_value(ImportedView::new(report, how.dry_run))?)
            }
            Self::Remote(remote) => {
                let path = path.to_owned();
                let body = tokio::task::spawn_blocking(move || archive::pack_folder(&path)).await??;
                let flags = [("dry_run", how.dry_run), ("prune", how.prune), ("bare", how.bare)];
                let mut query: Vec<(&str, String)> = flags.map(|(name, value)| (name, value.to_string())).into();
                query.extend(message.map(|message| ("message", message.to_owned())));
                let sent = Sent {
                    method: Method::POST,
                    path: "/api/v1/catalog/import",
                    query: &query,
                    kind: "application/x-tar",
                };
                remote.ask(sent, body).await
            }
        }
    }

    /// Exports a QMTest database into a new folder.
    pub(super) async fn export(self, path: &Path, revision: Option<i64>) -> anyhow::Result<Value> {
        let empty = std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
        ensure!(empty, "{} is not empty: name a new folder", path.display());
        let (mut file, revision) = match self {
            Self::Closed(_) => bail!("the database is not open"),
            Self::Local(catalogue) => {
                let exported = export::archive(&catalogue, revision).await?;
                (exported.file, Value::from(exported.revision))
            }
            Self::Remote(remote) => {
                let query: Vec<(&str, String)> =
                    revision.map(|revision| ("revision", revision.to_string())).into_iter().collect();
                let sent = Sent { method: Method::GET, path: "/api/v1/catalog/export", query: &query, kind: "" };
                let mut file = tempfile::tempfile()?;
                file.write_all(&remote.send(sent, None).await?)?;
                file.rewind()?;
                (file, revision.map_or(Value::from("latest"), Value::from))
            }
        };
        let path: PathBuf = path.to_owned();
        let files = tokio::task::spawn_blocking(move || archive::lay_out(&mut file, &path)).await??;
        Ok(json!({"revision": revision, "files": files}))
    }
}

/// An item as the service takes it.
fn wire((name, document): &(apply::Name, Value)) -> Value {
    let mut members: Map<String, Value> = document.as_object().cloned().unwrap_or_default();
    members.insert("kind".to_owned(), Value::from(name.0.to_string()));
    members.insert("label".to_owned(), Value::from(name.1.as_str()));
    Value::Object(members)
}

/// Tells faults by the file that they are in.
fn in_files(error: crate::app::AppError, folder: &Folder) -> anyhow::Error {
    let crate::app::AppError::Faults { faults, .. } = &error else { return error.into() };
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| {
            let mut parts = fault.pointer.splitn(4, '/').skip(2);
            let place: Option<usize> = parts.next().and_then(|place| place.parse().ok());
            let file = place.and_then(|place| folder.files.get(place)).map(|file| file.display().to_string());
            let inside = parts.next().map(|rest| format!("/{rest}: ")).unwrap_or_default();
            format!("{}: {inside}{}", file.unwrap_or_default(), fault.detail)
        })
        .collect();
    anyhow::anyhow!("nothing was changed:\n{}", lines.join("\n"))
}

/// A request to a service.
struct Sent<'a> {
    method: Method,
    path: &'a str,
    query: &'a [(&'a str, String)],
    kind: &'static str,
}

impl Remote {
    async fn ask(&self, sent: Sent<'_>, body: Vec<u8>) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.send(sent, Some(body)).await?)?)
    }

    async fn send(&self, sent: Sent<'_>, body: Option<Vec<u8>>) -> anyhow::Result<bytes::Bytes> {
        let mut url = self.base.join(sent.path)?;
        if !sent.query.is_empty() {
            url.query_pairs_mut().extend_pairs(sent.query);
        }
        let mut request = Request {
            method: sent.method,
            destination: Destination::Configured,
            timeout: LONGEST,
            max_bytes: LONGEST_ANSWER,
            body: body.map(Into::into),
            ..Request::get(url)
        };
        if !sent.kind.is_empty() {
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(sent.kind));
        }
        if let Some(token) = &self.token {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .context("the token holds letters that no header can")?;
            bearer.set_sensitive(true);
            request.headers.insert(AUTHORIZATION, bearer);
        }
        let response = self.client.send(request).await?;
        if response.status.is_success() {
            return Ok(response.body);
        }
        let problem: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("no reason was given").to_owned();
        bail!("the service answers {}: {detail}", response.status)
    }
}
