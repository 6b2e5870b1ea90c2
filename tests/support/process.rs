//! A child process that never outlives the test binary.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::eventually;

/// Becomes the program, with a watcher beside it: it kills the program when our end of the pipe closes without a word,
/// that is, when the test binary is gone or has let go of the process.
const TIED: &str = r#"exec 3<&0; { read -r _ <&3 || kill -9 $$; } >/dev/null 2>&1 & exec "$@" 3<&- </dev/null"#;

/// One of our binaries, running. Dropped, it is killed; in a test that fails, what it wrote is printed.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Process {
    /// Starts a command; its arguments and environment are kept, its pid is the program's own.
    pub fn start(name: &str, command: &Command) -> Self {
        let mut tied = Command::new("sh");
        tied.args(["-c", TIED, "sh"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => tied.env(key, value),
                None => tied.env_remove(key),
            };
        }
        tied.env("NO_PROXY", "127.0.0.1,localhost").env("NO_COLOR", "1");
        let mut child = tied
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{name} does not start: {e}"));
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), output.clone());
        collect(child.stderr.take().unwrap(), output.clone());
        Self { name: name.into(), child, output }
    }

    /// Its process id, for what the system knows of it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has written so far, on stdout and stderr.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Waits for a line with `marker` in it; returns the word that follows.
    pub async fn word_after(&mut self, marker: &str, within: Duration) -> String {
        let name = self.name.clone();
        eventually(&format!("{name} says `{marker}…`"), within, async || {
            // What it has said last may be read after its end.
            let ended =
                self.child.try_wait().unwrap().map_or(String::new(), |status| format!("it ended with {status}"));
            let output = self.output();
            let rest = output.lines().find_map(|line| line.split_once(marker)).map(|(_, rest)| rest);
            match rest {
                Some(rest) => {
                    Ok(rest.split(|c: char| c.is_whitespace() || "\",}".contains(c)).next().unwrap().to_owned())
                }
                None => Err(output + &ended),
            }
        })
        .await
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub async fn terminate(&mut self, within: Duration) -> ExitStatus {
        self.ask_to_end();
        self.ended(within).await
    }

    /// Asks it to end (SIGTERM).
    pub fn ask_to_end(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Ends it in the middle of whatever it does (SIGKILL).
    pub async fn kill(&mut self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.ended(Duration::from_secs(5)).await
    }

    /// Stops it in its tracks, as a starved or paused machine does (SIGSTOP).
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Process::freeze`] (SIGCONT).
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        eventually(&what, within, async || self.child.try_wait().unwrap().ok_or("it runs")).await
    }

    /// Whether it is still there.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn signal(&mut self, signal: Signal) {
        assert!(self.is_running(), "{} has ended:\n{}", self.name, self.output());
        // Not reaped yet, so the pid is still ours.
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A word to the watcher first: it need not act on a pid that is about to be free.
        let _ = self.child.stdin.take().map(|mut stdin| stdin.write_all(b"done\n"));
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- {} ----\n{}", self.name, self.output());
        }
    }
}

fn collect(from: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let mut output = into.lock().unwrap();
            output.push_str(&String::from_utf8_lossy(&line));
            output.push('\n');
        }
    });
}

#[tokio::test]
async fn what_a_test_starts_can_be_read_frozen_ended_and_is_gone_when_let_go() {
    let script = |text: &str| Process::start("script", Command::new("sh").args(["-c", text]));
    let mut polite = script("trap 'echo bye; exit 7' TERM; echo port=$$.; while :; do sleep 0.05; done");
    let pid = polite.word_after("port=", super::SHORT).await;
    assert_eq!(pid, format!("{}.", polite.child.id()), "the pid is the program's own");
    polite.freeze();
    polite.thaw();
    assert_eq!(polite.terminate(super::SHORT).await.code(), Some(7));
    assert!(polite.output().contains("bye"));

    let mut orphan = script("sleep 600");
    let pid = Pid::from_child(&orphan.child);
    drop(orphan.child.stdin.take());
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&orphan.ended(super::SHORT).await), Some(9));
    drop(orphan);
    assert!(rustix::process::test_kill_process(pid).is_err(), "nothing is left");
}
