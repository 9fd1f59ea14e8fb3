//! Contradictions among the settings of runners, the sink and runs.

use std::collections::BTreeSet;

use url::Url;

use super::check::{Findings, is_loopback};
use super::database_url::DatabaseKind;
use super::services::{Agents, Kcidb, Local, Objects, Recipe, Runs, SignaturePolicy, TuxSuite};
use super::settings::Settings;
use crate::domain::address::AllowRule;
use crate::domain::tuxsuite::signature::PublicKey;

/// Looks for contradictions among the settings of what the service talks to.
pub(super) fn services(settings: &Settings, found: &mut Findings) {
    kcidb(&settings.kcidb, found);
    tuxsuite(&settings.tuxsuite, found);
    found.warn_if(
        settings.tuxsuite.is_enabled() && settings.server.public_url.is_none(),
        "server.public_url is not set: TuxSuite is told to call back at the address listened on, which it can hardly \
         reach, and then results come by polling alone",
    );
    local(&settings.local, found);
    super::check_runners::runners(settings, found);
    agents(&settings.agents, found);
    runs(settings, found);
}

fn kcidb(kcidb: &Kcidb, found: &mut Findings) {
    found.problem_if(
        kcidb.origin.is_empty()
            || !kcidb.origin.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
        "kcidb.origin may hold lower-case letters, digits and _ only",
    );
    found.problem_if(
        kcidb.token.is_some() && kcidb.submit_url.is_none(),
        "kcidb.token is set without kcidb.submit_url: set KCIDB_SUBMIT_URL too, or leave the token out",
    );
    found.warn_if(
        kcidb.submit_url.is_some() && kcidb.token.is_none(),
        "kcidb.submit_url is set without kcidb.token: a sink that asks for one will refuse every report",
    );
    if let Some(url) = &kcidb.submit_url {
        found.problem_if(!is_http(url), "kcidb.submit_url must begin with http:// or https://");
        found.problem_if(
            url.query().is_some() || url.fragment().is_some(),
            "kcidb.submit_url is an address to post to: leave out ? and #",
        );
        found.warn_if(
            url.scheme() == "http" && kcidb.token.is_some() && !is_loopback(url),
            "kcidb.submit_url is http: the token travels in the clear",
        );
    }
    pauses("kcidb", kcidb.retry_base_s, kcidb.retry_max_s, found);
    found.problem_if(
        kcidb.follow_receipts && kcidb.receipt_poll_s > kcidb.receipt_timeout_s,
        "kcidb.receipt_poll_s is longer than kcidb.receipt_timeout_s: no receipt would ever be asked for; swap them",
    );
    for (repository, tree) in &kcidb.trees {
        found.problem_if(
            Url::parse(repository).is_err() || tree.trim().is_empty(),
            format!("kcidb.trees: `{repository}` must be the URL of a git repository, and its tree must have a name"),
        );
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

fn pauses(section: &str, base: u64, max: u64, found: &mut Findings) {
    found.problem_if(
        base > max,
        format!("{section}.retry_base_s is longer than {section}.retry_max_s: the first pause cannot exceed the longest; swap them"),
    );
}

fn tuxsuite(tuxsuite: &TuxSuite, found: &mut Findings) {
    let (token, group, project) =
        (tuxsuite.token.is_some(), is_set(tuxsuite.group.as_deref()), is_set(tuxsuite.project.as_deref()));
    found.problem_if(
        tuxsuite.enabled == Some(true) && !token,
        "tuxsuite.enabled is true without tuxsuite.token: set TUXSUITE_TOKEN, or leave tuxsuite.enabled out",
    );
    found.warn_if(
        token && !(group && project),
        "tuxsuite.token is set without tuxsuite.group and tuxsuite.project: set TUXSUITE_GROUP and TUXSUITE_PROJECT",
    );
    found.warn_if(
        !token && (group || project),
        "tuxsuite.group or tuxsuite.project is set without tuxsuite.token: there is no TuxSuite runner without it",
    );
    let key = is_set(tuxsuite.public_key.as_deref());
    found.problem_if(
        tuxsuite.signature == SignaturePolicy::Required && !key && !(token && group && project),
        "tuxsuite.signature is required and no key can be known: set tuxsuite.public_key, or token, group and project \
         to ask for it, or set tuxsuite.signature to auto",
    );
    found.warn_if(
        tuxsuite.signature == SignaturePolicy::Off && key,
        "tuxsuite.public_key has no effect: tuxsuite.signature is off",
    );
    if let Some(Err(error)) = tuxsuite.public_key.as_deref().map(PublicKey::from_openssh) {
        found.problem(format!("tuxsuite.public_key is {error}"));
    }
    found.problem_if(!is_http(&tuxsuite.api_url), "tuxsuite.api_url must begin with http:// or https://");
    found.problem_if(
        !tuxsuite.api_url.username().is_empty() || tuxsuite.api_url.password().is_some(),
        "tuxsuite.api_url: leave out what stands before the @ and set tuxsuite.token",
    );
    found.warn_if(
        token && tuxsuite.api_url.scheme() == "http" && !is_loopback(&tuxsuite.api_url),
        "tuxsuite.api_url is http: the token travels in the clear",
    );
    found.problem_if(
        tuxsuite.download_hosts.is_empty(),
        "tuxsuite.download_hosts is empty: no result could be fetched; leave it out for *.tuxsuite.com",
    );
    for host in &tuxsuite.download_hosts {
        found.problem_if(
            host.parse().map_or(true, |rule| is_wide(&rule)),
            format!("tuxsuite.download_hosts: `{host}` is no host, host:port or *.suffix"),
        );
    }
    for (name, text) in [("device", &tuxsuite.device), ("target_arch", &tuxsuite.target_arch)] {
        found.problem_if(text.trim().is_empty(), format!("tuxsuite.{name} is empty: leave it out for the default"));
    }
}

/// Whether the rule names more than one address.
fn is_wide(rule: &AllowRule) -> bool {
    matches!(rule, AllowRule::Net(net) if net.prefix_len() < net.max_prefix_len())
}

fn is_set(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.trim().is_empty())
}

fn local(local: &Local, found: &mut Findings) {
    let mut names = BTreeSet::new();
    for recipe in &local.recipes {
        let name = &recipe.name;
        found.problem_if(!names.insert(name), format!("local.recipes: the name `{name}` stands twice: rename one"));
        recipe_alone(recipe, found);
    }
}

fn recipe_alone(recipe: &Recipe, found: &mut Findings) {
    let name = &recipe.name;
    found.problem_if(name.trim().is_empty(), "local.recipes: a recipe has no name: give it one");
    found.problem_if(
        recipe.build.is_empty() && recipe.test.is_empty(),
        format!("local.recipes: `{name}` has no commands: give it `build` or `test`"),
    );
    found.problem_if(
        recipe.trees.is_empty() || recipe.trees.iter().any(|tree| tree.trim().is_empty()),
        format!(
            "local.recipes: `{name}` does not say what may be checked out: list URLs or paths as its `trees`, with a / at \
             the end for all below"
        ),
    );
    found.warn_if(
        recipe.trees.iter().any(|tree| is_everything(tree)),
        format!("local.recipes: the trees of `{name}` have no bound: callers can make this machine run any code"),
    );
    for (limit, is_zero) in [("timeout_s", recipe.timeout_s == 0), ("max_output_bytes", recipe.max_output_bytes == 0)] {
        found.problem_if(is_zero, format!("local.recipes: {limit} of `{name}` is 0: give at least 1"));
    }
    let commands = recipe.build.iter().chain(recipe.test.iter().map(|test| &test.command));
    let commands = commands.chain((!recipe.compiler.is_empty()).then_some(&recipe.compiler));
    found.problem_if(
        commands.into_iter().any(|command| command.first().is_none_or(|program| program.trim().is_empty())),
        format!("local.recipes: `{name}` has an empty command: a command is a list of a program and its arguments"),
    );
    let mut tests = BTreeSet::new();
    for test in &recipe.test {
        found.problem_if(
            test.name.trim().is_empty() || !tests.insert(&test.name),
            format!("local.recipes: each test of `{name}` needs a name of its own"),
        );
    }
}

/// `/`, `https://` and their like: no host or folder at all.
fn is_everything(tree: &str) -> bool {
    let start = tree.trim_end_matches('/');
    tree.ends_with('/') && (start.is_empty() || start.ends_with(':'))
}

fn agents(agents: &Agents, found: &mut Findings) {
    found.problem_if(
        agents.lease_s < agents.heartbeat_s.saturating_mul(2),
        "agents.lease_s must be at least twice agents.heartbeat_s: else an agent is lost whose heartbeat is late once",
    );
    found.problem_if(agents.poll_max_s > 600, "agents.poll_max_s is longer than ten minutes: give at most 600 seconds");
}

fn runs(settings: &Settings, found: &mut Findings) {
    let Settings { runs, kcidb, tuxsuite, .. } = settings;
    let Runs { poll_interval_s, poll_max_interval_s, deadline_s, lease_s, .. } = *runs;
    pauses("runs", runs.retry_base_s, runs.retry_max_s, found);
    found.problem_if(
        poll_interval_s > deadline_s,
        "runs.poll_interval_s is longer than runs.deadline_s: a run would be given up before it is asked about",
    );
    found.problem_if(
        poll_interval_s > poll_max_interval_s,
        "runs.poll_interval_s is longer than runs.poll_max_interval_s: swap them",
    );
    for (name, timeout_s) in [("kcidb.timeout_s", kcidb.timeout_s), ("tuxsuite.timeout_s", tuxsuite.timeout_s)] {
        found.problem_if(
            lease_s <= timeout_s,
            format!(
                "runs.lease_s must be longer than {name}: else another worker repeats a request that is still under way"
            ),
        );
    }
}

/// Looks for contradictions among the settings of the object store.
pub(super) fn objects(settings: &Settings, found: &mut Findings) {
    let Objects { bucket, endpoint_url, access_key_id, secret_access_key, .. } = &settings.objects;
    let name = |bucket: &String| {
        bucket.strip_prefix("s3://").map(|rest| rest.split('/').next().unwrap_or_default().to_owned())
    };
    found.problem_if(
        bucket.as_ref().is_some_and(|bucket| name(bucket).is_none_or(|name| name.is_empty())),
        "objects.bucket is no bucket: write it as s3://BUCKET or s3://BUCKET/PREFIX",
    );
    found.problem_if(
        access_key_id.is_some() != secret_access_key.is_some(),
        "objects.access_key_id and objects.secret_access_key belong together: give both, or leave both out",
    );
    found.warn_if(
        endpoint_url.is_some() && bucket.is_none(),
        "objects.endpoint_url has no effect: no objects.bucket is set, so attachments are kept in a folder",
    );
    found.warn_if(
        bucket.is_none() && settings.database.kind() == Ok(DatabaseKind::Postgres),
        "the database is PostgreSQL and objects.bucket is not set: large attachments are kept in a folder of this machine, \
         which other replicas must share",
    );
}
