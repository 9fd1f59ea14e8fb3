//! Real programs, which are waited for by what they do.

use super::*;

const LONG: Duration = Duration::from_mins(1);

/// Remembers what it is told, and can cancel at a word.
#[derive(Default)]
struct Heard {
    leader: i32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    stop_at: Option<(&'static str, CancellationToken)>,
}

impl Listener for Heard {
    fn began(&mut self, leader: i32) {
        self.leader = leader;
    }

    fn printed(&mut self, output: Output, bytes: &[u8]) {
        match output {
            Output::Stdout => self.stdout.extend_from_slice(bytes),
            Output::Stderr => self.stderr.extend_from_slice(bytes),
        }
        if let Some((word, stop)) = &self.stop_at
            && String::from_utf8_lossy(&self.stdout).contains(word)
        {
            stop.cancel();
        }
    }
}

impl Heard {
    fn stdout(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }
}

fn limits() -> Limits {
    Limits { time: LONG, silence: None, output: 1 << 20, grace: LONG }
}

async fn shell(script: &str, stdin: Option<&[u8]>, limits: Limits, stop: &CancellationToken) -> (End, Heard) {
    let mut heard = Heard { stop_at: Some(("now", stop.clone())), ..Heard::default() };
    let argv = ["sh", "-c", script].map(str::to_owned);
    let env = [("PATH".to_owned(), std::env::var_os("PATH").unwrap()), ("COLOUR".to_owned(), "red".into())];
    let spec = Spec { argv: &argv, dir: Path::new("/tmp"), env: &env, account: None, stdin, limits };
    let end = run(&spec, &mut heard, stop).await;
    (end, heard)
}

async fn run_shell(script: &str, limits: Limits) -> (End, Heard) {
    shell(script, None, limits, &CancellationToken::new()).await
}

/// Whether any process of the group is there and not only waits to be waited for.
fn lives(leader: i32) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let behind: Vec<&str> =
            stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        behind.get(2) == Some(&leader.to_string().as_str()) && behind.first() != Some(&"Z")
    })
}

#[tokio::test]
async fn a_program_is_told_what_it_may_know_and_ends_as_it_does() {
    let (end, heard) = run_shell("env | sort | grep -v ^_; pwd; echo oops >&2; exit 3", limits()).await;
    assert_eq!(end, End::Exited(3));
    let text = heard.stdout();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !["PATH=", "PWD=", "SHLVL=", "OLDPWD="].iter().any(|own| line.starts_with(own)))
        .collect();
    assert_eq!(lines, ["COLOUR=red", "/tmp"]);
    assert_eq!(heard.stderr, b"oops\n");
    assert_eq!(run_shell("kill -SEGV $$", limits()).await.0, End::Signaled(11));
}

#[tokio::test]
async fn it_reads_what_it_is_given_and_need_not() {
    let input = vec![b'x'; 1 << 20];
    let stop = CancellationToken::new();
    let (end, heard) = shell("wc -c", Some(&input), limits(), &stop).await;
    assert_eq!((end, heard.stdout().trim()), (End::Exited(0), "1048576"));
    assert_eq!(shell("exit 0", Some(&input), limits(), &stop).await.0, End::Exited(0));
    assert_eq!(run_shell("read line", limits()).await.0, End::Exited(1), "there is nothing to read");
}

#[tokio::test]
async fn what_it_leaves_running_is_killed() {
    let (end, heard) = run_shell("sleep 1000 & echo left", limits()).await;
    assert_eq!((end, heard.stdout().as_str()), (End::Exited(0), "left\n"));
    assert!(!lives(heard.leader));
}

#[tokio::test]
async fn each_limit_ends_it() {
    let short = Duration::from_millis(300);
    let (end, heard) = run_shell("sleep 1000", Limits { time: short, ..limits() }).await;
    assert_eq!(end, End::TimedOut(short));
    assert!(!lives(heard.leader));
    let (end, heard) = run_shell("echo a; sleep 1000", Limits { silence: Some(short), ..limits() }).await;
    assert_eq!((end, heard.stdout().as_str()), (End::Silent(short), "a\n"));
    let (end, heard) = run_shell("yes", Limits { output: 1000, ..limits() }).await;
    assert_eq!((end, heard.stdout.len()), (End::TooMuchOutput(1000), 1000));
    assert!(!lives(heard.leader));
    // Output in time is no silence.
    let talk = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done";
    assert_eq!(run_shell(talk, Limits { silence: Some(Duration::from_secs(5)), ..limits() }).await.0, End::Exited(0));
}

#[tokio::test]
async fn who_is_told_to_stop_may_say_a_last_word() {
    let stop = CancellationToken::new();
    let script = "trap 'echo bye; exit 9' TERM; echo now; while :; do sleep 0.05; done";
    let (end, heard) = shell(script, None, limits(), &stop).await;
    assert_eq!((end, heard.stdout().as_str()), (End::Stopped, "now\nbye\n"));
}

#[tokio::test]
async fn who_does_not_heed_it_is_killed() {
    let stop = CancellationToken::new();
    let deaf = Limits { grace: Duration::from_millis(200), ..limits() };
    let (end, heard) = shell("trap '' TERM; echo now; while :; do sleep 0.05; done", None, deaf, &stop).await;
    assert_eq!(end, End::Stopped);
    assert!(!lives(heard.leader));
}

#[tokio::test]
async fn a_future_that_is_dropped_takes_the_group_with_it() {
    let begun = CancellationToken::new();
    let mut heard = Heard { stop_at: Some(("now", begun.clone())), ..Heard::default() };
    let argv = ["sh", "-c", "echo now; sleep 1000 & sleep 1000"].map(str::to_owned);
    let env = [("PATH".to_owned(), std::env::var_os("PATH").unwrap())];
    let spec = Spec { argv: &argv, dir: Path::new("/"), env: &env, account: None, stdin: None, limits: limits() };
    let stop = CancellationToken::new();
    tokio::select! {
        end = run(&spec, &mut heard, &stop) => panic!("{end:?}"),
        () = begun.cancelled() => {}
    }
    assert!(heard.leader > 1);
    // A killed process goes a moment later.
    let gone = async {
        while lives(heard.leader) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, gone).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_started_is_told_apart_from_a_machine_that_cannot() {
    let run_argv = async |argv: &[&str], dir: &str| {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let spec = Spec { argv: &argv, dir: Path::new(dir), env: &[], account: None, stdin: None, limits: limits() };
        run(&spec, &mut Heard::default(), &CancellationToken::new()).await
    };
    for argv in [&["/nowhere/at/all"][..], &[], &["sh", "a\0b"], &["/etc/passwd"], &["./nothing"]] {
        assert!(matches!(run_argv(argv, "/").await, End::NotStarted(_)), "{argv:?}");
    }
    assert!(is_of_the_machine(&Errno::NOSPC.into()));
    assert!(!is_of_the_machine(&Errno::NOENT.into()));
}

#[tokio::test]
async fn another_user_has_none_of_roots_groups() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let argv = ["sh", "-c", "id -u; id -g; id -G"].map(str::to_owned);
    let env = [("PATH".to_owned(), std::env::var_os("PATH").unwrap())];
    let account = Some(Account { uid: 65_534, gid: 65_533 });
    let spec = Spec { argv: &argv, dir: Path::new("/"), env: &env, account, stdin: None, limits: limits() };
    let mut heard = Heard::default();
    assert_eq!(run(&spec, &mut heard, &CancellationToken::new()).await, End::Exited(0));
    assert_eq!(heard.stdout(), "65534\n65533\n65533\n");
}
