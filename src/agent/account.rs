//! As whom jobs run: never as root unless the operator says so.

use std::path::Path;

/// The list of users that every Unix has.
const PASSWD: &str = "/etc/passwd";

/// A user, for the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
}

/// Who runs jobs here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users {
    /// The name of whom jobs run as, as the operator wrote it or as the system has it.
    name: String,
    /// Whom to become; nobody where the agent's own user runs them.
    account: Option<Account>,
    /// Whether a job that asks for root gets it.
    root: bool,
}

/// Why nobody can run jobs here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUser {
    /// It would be root.
    #[error(
        "the agent was started as root, and jobs do not run as root: say with `--user` as whom they run, start it as that \
         user, or pass `--allow-root`"
    )]
    Root,
    /// It is somebody else than the agent's own user, which only root could become.
    #[error("only root can run jobs as `{0}`: start the agent as that user, or as root")]
    NotRoot(String),
    /// There is no such user.
    #[error("there is no user `{0}` in /etc/passwd: want a name that is there, or UID:GID")]
    Unknown(String),
}

impl Users {
    /// As the settings have it: `user` is a name of /etc/passwd, or `UID:GID`.
    ///
    /// # Errors
    /// [`NoUser`].
    pub fn new(user: Option<&str>, allow_root: bool) -> Result<Self, NoUser> {
        let own = rustix::process::geteuid().as_raw();
        Self::among(&std::fs::read_to_string(Path::new(PASSWD)).unwrap_or_default(), own, user, allow_root)
    }

    fn among(passwd: &str, own: u32, user: Option<&str>, allow_root: bool) -> Result<Self, NoUser> {
        let root = own == 0 && allow_root;
        let Some(user) = user else {
            let name = users(passwd).find(|(_, account)| account.uid == own).map(|(name, _)| name.to_owned());
            let name = name.unwrap_or_else(|| own.to_string());
            return if own == 0 && !allow_root { Err(NoUser::Root) } else { Ok(Self { name, account: None, root }) };
        };
        let account = find(passwd, user).ok_or_else(|| NoUser::Unknown(user.to_owned()))?;
        match (own, account.uid) {
            (0, 0) if !allow_root => Err(NoUser::Root),
            (0, _) => Ok(Self { name: user.to_owned(), account: Some(account), root }),
            (own, wanted) if own == wanted => Ok(Self { name: user.to_owned(), account: None, root }),
            _ => Err(NoUser::NotRoot(user.to_owned())),
        }
    }

    /// Whom to become for a job that asks for this user, or for none.
    ///
    /// # Errors
    /// The reason, in words.
    pub(super) fn for_job(&self, asked: Option<&str>) -> Result<Option<Account>, String> {
        match asked {
            None => Ok(self.account),
            Some(name) if name == self.name => Ok(self.account),
            Some("root") if self.root => Ok(None),
            Some(name) => {
                let name: String = name.chars().take(80).collect();
                Err(format!("the job asks for the user `{name}`: this agent runs jobs as `{}`", self.name))
            }
        }
    }

    /// Whom jobs run as that ask for nobody, where that is not the agent's own user.
    pub(super) fn account(&self) -> Option<Account> {
        self.account
    }
}

fn find(passwd: &str, user: &str) -> Option<Account> {
    let numbers =
        user.split_once(':').and_then(|(uid, gid)| Some(Account { uid: uid.parse().ok()?, gid: gid.parse().ok()? }));
    numbers.or_else(|| users(passwd).find(|(name, _)| *name == user).map(|(_, account)| account))
}

/// The lines of such a list: `name:x:uid:gid:…`.
fn users(passwd: &str) -> impl Iterator<Item = (&str, Account)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        Some((name, Account { uid, gid: fields.next()?.parse().ok()? }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# no user\nlab:x:1000:100:Lab:/home/lab:/bin/sh\nbad:x:y:1\n";

    #[test]
    fn jobs_do_not_run_as_root_unless_that_is_said() {
        let users = |own, user, allow_root| Users::among(PASSWD, own, user, allow_root);
        assert_eq!(users(0, None, false), Err(NoUser::Root));
        assert_eq!(users(0, Some("root"), false), Err(NoUser::Root));
        assert_eq!(users(0, Some("0:0"), false), Err(NoUser::Root));
        assert_eq!(users(0, Some("bad"), true), Err(NoUser::Unknown("bad".to_owned())));
        assert_eq!(users(7, Some("lab"), true), Err(NoUser::NotRoot("lab".to_owned())));
        let lab = Some(Account { uid: 1000, gid: 100 });
        assert_eq!(users(0, Some("lab"), false).unwrap().for_job(None), Ok(lab));
        assert_eq!(users(0, Some("7:8"), false).unwrap().for_job(None), Ok(Some(Account { uid: 7, gid: 8 })));
        assert_eq!(users(1000, Some("lab"), false).unwrap().for_job(Some("lab")), Ok(None));
        assert_eq!(users(1000, None, true).unwrap().for_job(Some("lab")), Ok(None));
        assert_eq!(users(0, None, true).unwrap().for_job(Some("root")), Ok(None));
        assert_eq!(users(0, Some("lab"), true).unwrap().for_job(Some("root")), Ok(None));
        let refused = "the job asks for the user `root`: this agent runs jobs as `lab`".to_owned();
        for (own, allow_root) in [(0, false), (1000, true)] {
            assert_eq!(users(own, Some("lab"), allow_root).unwrap().for_job(Some("root")), Err(refused.clone()));
        }
    }
}
