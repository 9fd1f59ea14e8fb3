//! Process groups that outlived the agent that had started them.

use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

/// The leader of a process group, so that it is not taken for another that has its number later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Its number, which is the group's too.
    pid: i32,
    /// When it was started, in ticks after the machine was.
    started: u64,
    /// Which start of the machine that was.
    boot: String,
}

impl Leader {
    /// The process of this number, as it is now. `None` where the system does not tell.
    pub(super) fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, started: started(pid)?, boot: boot()? })
    }

    /// Kills what is left of its group, if that can be no other; says whether there was any.
    pub(super) fn kill_group(&self) -> bool {
        // A number is given anew only once neither a process nor a group has it: where the leader is gone, a group of its
        // number is what it left, unless the machine was started anew.
        let is_ours = boot().as_ref() == Some(&self.boot) && started(self.pid).is_none_or(|at| at == self.started);
        let Some(leader) = Pid::from_raw(self.pid).filter(|_| is_ours && self.pid > 1) else { return false };
        match kill_process_group(leader, Signal::KILL) {
            Ok(()) => true,
            Err(Errno::SRCH) => false,
            Err(error) => {
                tracing::warn!(%error, pid = self.pid, "a process group that an earlier agent left could not be killed");
                false
            }
        }
    }
}

fn boot() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

/// The 22nd field of `/proc/PID/stat` (`man 5 proc_pid_stat`). The second, the program's name, may hold blanks and parentheses.
fn started(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_group_is_killed_by_who_knows_its_leader_and_no_other_is() {
        let mut child = Command::new("sleep").arg("1000").process_group(0).stdin(Stdio::null()).spawn().unwrap();
        let leader = Leader::of(i32::try_from(child.id()).unwrap()).unwrap();
        let later = Leader { started: leader.started + 1, ..leader.clone() };
        let elsewhere = Leader { boot: "another".to_owned(), ..leader.clone() };
        assert!(!later.kill_group());
        assert!(!elsewhere.kill_group());
        assert!(child.try_wait().unwrap().is_none(), "it was taken for another");
        assert!(leader.kill_group());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!leader.kill_group());
    }
}
