//! The program of `examples/lab`, with another one before it that makes trouble.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;
use testyard::config::Settings;
use testyard::domain::status::Status;

use super::{Lab, Operation, Sent, Trouble, settings};

pub(super) struct ProgramLab(TempDir);

fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Submit => "submit",
        Operation::Find => "find",
        Operation::Poll => "poll",
        Operation::Cancel => "cancel",
        Operation::Collect => "collect",
    }
}

impl ProgramLab {
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn job(&self, uid: &str) -> PathBuf {
        self.at("lab/jobs").join(uid)
    }
}

impl Lab for ProgramLab {
    const NAME: &'static str = "bench";
    const STATUSES: &'static [Status] =
        &[Status::Fail, Status::Error, Status::Miss, Status::Pass, Status::Done, Status::Skip];
    const SIGNS: bool = false;
    const TWICE: bool = true;

    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["lab", "lab/jobs", "trouble"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        // A link, so that the lab can die.
        let shim = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/conformance/shim.sh");
        std::os::unix::fs::symlink(shim, folder.path().join("program")).unwrap();
        Self(folder)
    }

    fn configure(&self, settings: &mut Settings) {
        let path = |name: &str| self.at(name).display().to_string();
        let real = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/lab/lab.sh").to_owned();
        let environment = [("LAB", path("lab")), ("TROUBLE", path("trouble")), ("REAL", real)];
        let environment: BTreeMap<String, String> =
            environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        settings.runners = settings::subprocess(&path("program"), environment);
    }

    fn trouble(&self, operation: Operation, trouble: Trouble) {
        let line = match trouble {
            Trouble::Later(seconds) => format!("later {seconds}"),
            Trouble::Refused(why) => format!("refused {why}"),
            Trouble::Lost => "lost".to_owned(),
            Trouble::Garbage => "garbage".to_owned(),
        };
        let path = self.at("trouble").join(word(operation));
        let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    fn asked(&self, operation: Operation) -> usize {
        let asked = fs::read_to_string(self.at("trouble/asked")).unwrap_or_default();
        asked.lines().filter(|line| *line == word(operation)).count()
    }

    fn jobs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("lab/jobs")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn finish(&self, uid: &str, results: &[(&str, Status)]) {
        let line = |(name, status): &(&str, Status)| json!({"test": name, "status": status}).to_string() + "\n";
        fs::write(self.job(uid).join("results"), results.iter().map(line).collect::<String>()).unwrap();
        let worst = Status::roll_up(results.iter().map(|(_, status)| *status)).unwrap_or(Status::Done);
        fs::write(self.job(uid).join("verdict"), worst.to_string()).unwrap();
    }

    fn callback(&self, uid: &str, _: DateTime<Utc>) -> Sent {
        let question: Value = serde_json::from_slice(&fs::read(self.job(uid).join("question")).unwrap()).unwrap();
        let verdict = fs::read_to_string(self.job(uid).join("verdict")).ok();
        let phase = if verdict.is_some() { "finished" } else { "running" };
        let body = json!({"uid": uid, "phase": phase, "verdict": verdict}).to_string();
        Sent { url: question["job"]["callback_url"].as_str().unwrap().to_owned(), headers: Vec::new(), body }
    }

    fn forget(&self, uid: &str) {
        fs::remove_dir_all(self.job(uid)).unwrap();
    }

    fn is_stopped(&self, uid: &str) -> bool {
        self.job(uid).join("stop").exists()
    }

    fn die(&self) {
        fs::remove_file(self.at("program")).unwrap();
    }
}
