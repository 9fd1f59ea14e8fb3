//! Python, which an example is written in.

use std::path::Path;

use tokio::process::Command;
use tokio::sync::OnceCell;

/// Debian's package, where there is no Python and the tests may install it: as for PostgreSQL.
const INSTALL: &str = "apt-get -q -o DPkg::Lock::Timeout=600 update; \
                       apt-get -q -o DPkg::Lock::Timeout=600 install -y --no-install-recommends python3";

async fn is_there() -> bool {
    Command::new("python3").arg("--version").output().await.is_ok_and(|output| output.status.success())
}

/// The example agent with these arguments, to be run.
pub(crate) async fn example_agent(arguments: &[&str]) -> Command {
    static READY: OnceCell<bool> = OnceCell::const_new();
    let ready = READY.get_or_init(|| async {
        if is_there().await {
            return true;
        }
        let install = Command::new("sh").args(["-c", INSTALL]).env("DEBIAN_FRONTEND", "noninteractive").output().await;
        install.is_ok_and(|output| output.status.success()) && is_there().await
    });
    assert!(*ready.await, "no python3, and it could not be installed: install it by hand (apt-get install python3)");
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/agent.py")).args(arguments).kill_on_drop(true);
    command
}
