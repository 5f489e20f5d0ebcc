//! What a console is expected to say, step by step, and the machine that watches it.
//!
//! A pattern is matched against whole lines and, once nothing has come for a moment, against the unfinished one
//! (a prompt). The watched process is ended by its own id with SIGKILL: QEMU may ignore anything milder.

use crate::outside::Outside;
use regex_lite::Regex;
use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Nobody wants to read these, whatever the scene. A kernel panics on purpose only at its SBSA watchdog's signal.
const ALWAYS_FORBIDDEN: &[&str] =
    &["PANIC", "panicked at", "STILL RUNNING", "guest: FAULT", "Kernel panic - not syncing: (?:[^S]|S[^B])"];
/// Silence after which an unfinished line is taken as it stands.
const QUIET: Duration = Duration::from_millis(150);
/// Lines of output a failure shows.
const TAIL: usize = 40;

/// One step of a script.
#[derive(Clone, Debug)]
pub enum Step {
    /// Wait for a line for each pattern, in any order.
    Expect(Vec<Regex>),
    /// Send these bytes to the console.
    Send(Vec<u8>),
    /// Judge the machine from outside, at whatever it is doing.
    Look(Outside),
    /// Wait until QEMU has ended by itself.
    End,
}

impl Step {
    /// A step that waits for these patterns.
    ///
    /// # Panics
    /// If a pattern is no regular expression: the scene's author must know at once.
    #[must_use]
    pub fn expect(list: &[&str]) -> Self {
        Self::Expect(patterns(list))
    }
}

/// Compiles a scene's patterns.
///
/// # Panics
/// If a pattern is no regular expression.
#[must_use]
#[expect(clippy::panic, reason = "a scene with a bad pattern is a mistake in the test, found on its first run")]
pub fn patterns(list: &[&str]) -> Vec<Regex> {
    list.iter().map(|text| Regex::new(text).unwrap_or_else(|error| panic!("{text}: {error}"))).collect()
}

/// Steps, what must never be said, and when to give up.
#[derive(Clone, Debug)]
pub struct Script {
    /// In this order.
    pub steps: Vec<Step>,
    /// At any time.
    pub forbidden: Vec<Regex>,
    /// From the launch on.
    pub limit: Duration,
}

impl Default for Script {
    fn default() -> Self {
        Self { steps: Vec::new(), forbidden: patterns(ALWAYS_FORBIDDEN), limit: Duration::from_mins(1) }
    }
}

/// Why a scene failed.
#[derive(Debug)]
pub struct Failure {
    /// One line.
    pub reason: String,
    /// The end of the console's output.
    pub tail: Vec<String>,
    /// Where all of it is.
    pub log: Option<PathBuf>,
}

impl Failure {
    /// A failure before there was any output.
    #[must_use]
    pub fn early(reason: impl Display) -> Self {
        Self { reason: reason.to_string(), tail: Vec::new(), log: None }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::early(error)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "{}", self.reason)?;
        for line in &self.tail {
            writeln!(f, "    | {line}")?;
        }
        match &self.log {
            Some(log) => write!(f, "the whole console is in {}", log.display()),
            None => Ok(()),
        }
    }
}

/// Ends the process whatever happens to the one who watches it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; either way it is gone afterwards.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Script {
    /// Runs the command and watches its console; `on_line` is told every whole line.
    ///
    /// # Errors
    /// A pattern not seen, a forbidden one seen, or the command not started.
    pub fn play(&self, mut command: Command, log: &Path, on_line: impl FnMut(&str)) -> Result<(), Failure> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut file = File::create(log)?;
        writeln!(file, "# {command:?}")?;
        let program = command.get_program().display().to_string();
        let child = command.spawn().map_err(|error| Failure::early(format!("cannot start {program}: {error}")))?;
        let mut running = Running(child);
        let (sender, chunks) = mpsc::channel();
        for pipe in [
            running.0.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
            running.0.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        ] {
            let sender = sender.clone();
            thread::spawn(move || forward(pipe, |chunk| sender.send(chunk).is_ok()));
        }
        drop(sender);
        let input = running.0.stdin.take();
        let mut watcher = Watcher {
            script: self,
            chunks,
            file,
            on_line,
            begin: Instant::now(),
            lines: Vec::new(),
            partial: Vec::new(),
            seen: 0,
            pending: Vec::new(),
        };
        watcher.run(input).map_err(|reason| Failure { reason, tail: watcher.tail(), log: Some(log.to_path_buf()) })
    }
}

/// Reads a pipe to its end.
fn forward(pipe: Option<Box<dyn Read + Send>>, send: impl Fn(Vec<u8>) -> bool) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; 4096];
    while let Ok(count) = pipe.read(&mut buffer) {
        let chunk = buffer.get(..count).unwrap_or(&[]).to_vec();
        if chunk.is_empty() || !send(chunk) {
            return;
        }
    }
}

struct Watcher<'a, F> {
    script: &'a Script,
    chunks: Receiver<Vec<u8>>,
    file: File,
    on_line: F,
    begin: Instant,
    lines: Vec<String>,
    /// The line that has no end yet.
    /// Of the line that is coming: bytes, for a character may come in two parts.
    partial: Vec<u8>,
    /// How many whole lines earlier steps used up or this step looked at.
    seen: usize,
    /// What the present step still waits for.
    pending: Vec<Regex>,
}

/// What came while waiting.
enum Heard {
    Something,
    Silence,
    End,
}

impl<F: FnMut(&str)> Watcher<'_, F> {
    fn run(&mut self, mut input: Option<impl Write>) -> Result<(), String> {
        for step in &self.script.steps {
            match step {
                Step::Expect(patterns) => self.expect(patterns)?,
                Step::Send(bytes) => {
                    let pipe = input.as_mut().ok_or("the console takes no input")?;
                    pipe.write_all(bytes).and_then(|()| pipe.flush()).map_err(|error| format!("send: {error}"))?;
                }
                Step::Look(outside) => {
                    let seen = outside.judge().map_err(|failure| failure.reason)?;
                    let _ = writeln!(self.file, "# seen from outside: {seen:?}");
                }
                Step::End => while !matches!(self.listen("QEMU to end")?, Heard::End) {},
            }
        }
        Ok(())
    }

    fn expect(&mut self, patterns: &[Regex]) -> Result<(), String> {
        self.pending = patterns.to_vec();
        loop {
            while let Some(line) = self.lines.get(self.seen) {
                self.seen = self.seen.saturating_add(1);
                self.pending.retain(|pattern| !pattern.is_match(line));
                if self.pending.is_empty() {
                    return Ok(());
                }
            }
            let missing = self.pending.iter().map(|pattern| format!("`{pattern}`")).collect::<Vec<_>>().join(" and ");
            match self.listen(&missing)? {
                Heard::Something => {}
                Heard::Silence => {
                    let prompt = String::from_utf8_lossy(&self.partial);
                    self.pending.retain(|pattern| prompt.is_empty() || !pattern.is_match(&prompt));
                    if self.pending.is_empty() {
                        return Ok(());
                    }
                }
                Heard::End if self.seen < self.lines.len() => {}
                Heard::End => return Err(format!("QEMU ended before {missing}")),
            }
        }
    }

    /// Takes in what comes next; `purpose` is what the caller waits for.
    fn listen(&mut self, purpose: &str) -> Result<Heard, String> {
        let left = self.script.limit.saturating_sub(self.begin.elapsed());
        if left.is_zero() {
            return Err(format!("gave up after {} s waiting for {purpose}", self.script.limit.as_secs()));
        }
        match self.chunks.recv_timeout(left.min(QUIET)) {
            Ok(chunk) => self.hear(&chunk).map(|()| Heard::Something),
            Err(RecvTimeoutError::Timeout) => Ok(Heard::Silence),
            Err(RecvTimeoutError::Disconnected) => {
                if !self.partial.is_empty() {
                    self.hear(b"\n")?;
                }
                Ok(Heard::End)
            }
        }
    }

    fn hear(&mut self, chunk: &[u8]) -> Result<(), String> {
        // A log that cannot be written is no reason to judge the scene.
        let _ = self.file.write_all(chunk);
        self.partial.extend_from_slice(chunk);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            (self.on_line)(&line);
            let forbidden = self.script.forbidden.iter().find(|pattern| pattern.is_match(&line));
            let verdict = forbidden.map_or(Ok(()), |pattern| Err(format!("`{pattern}` must not be said: {line}")));
            self.lines.push(line);
            verdict?;
        }
        Ok(())
    }

    fn tail(&self) -> Vec<String> {
        let mut tail: Vec<_> = self.lines.iter().rev().take(TAIL).rev().cloned().collect();
        tail.extend((!self.partial.is_empty()).then(|| String::from_utf8_lossy(&self.partial).into_owned()));
        tail
    }
}

#[cfg(test)]
mod tests {
    //! The watcher against a shell that plays QEMU.
    use super::{Failure, Script, Step, patterns};
    use std::process::Command;
    use std::time::{Duration, Instant};

    fn play(script: &str, steps: Vec<Step>) -> Result<(), Failure> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let log =
            std::env::temp_dir().join(format!("scene-test-{}-{:?}", std::process::id(), std::thread::current().id()));
        let script = Script { steps, limit: Duration::from_secs(5), ..Script::default() };
        let result = script.play(command, &log, |_| ());
        std::fs::remove_file(log).unwrap();
        result
    }

    #[test]
    fn lines_of_a_step_may_come_in_any_order() {
        play("echo b; echo a", vec![Step::expect(&["^a$", "^b$"])]).unwrap();
    }

    #[test]
    fn a_character_may_come_in_two_parts() {
        play("printf 'l\\303'; sleep 0.2; printf '\\244ufer\\n'", vec![Step::expect(&["^läufer$"])]).unwrap();
    }

    #[test]
    fn steps_must_come_in_their_order() {
        let steps = || vec![Step::expect(&["^a$"]), Step::expect(&["^b$"])];
        play("echo a; echo b", steps()).unwrap();
        assert!(play("echo b; echo a", steps()).unwrap_err().reason.contains("ended before `^b$`"));
    }

    #[test]
    fn a_forbidden_line_fails_at_once() {
        let failure = play("echo 'attacker: STILL RUNNING'; sleep 60", vec![Step::expect(&["never"])]).unwrap_err();
        assert!(failure.reason.contains("must not be said"), "{failure}");
        assert!(failure.tail.iter().any(|line| line.contains("STILL RUNNING")));
    }

    #[test]
    fn a_prompt_without_a_newline_is_answered() {
        let steps =
            vec![Step::expect(&["^> $"]), Step::Send(b"cells\n".to_vec()), Step::expect(&["got cells"]), Step::End];
        play("printf '> '; read line; echo got $line", steps).unwrap();
    }

    #[test]
    fn a_command_that_never_ends_is_given_up_and_killed() {
        let script = Script { steps: vec![Step::End], forbidden: patterns(&[]), limit: Duration::from_secs(1) };
        let (mut command, begin) = (Command::new("sleep"), Instant::now());
        command.arg("60");
        let log = std::env::temp_dir().join(format!("scene-kill-{}", std::process::id()));
        let failure = script.play(command, &log, |_| ()).unwrap_err();
        std::fs::remove_file(log).unwrap();
        assert!(failure.reason.contains("gave up after 1 s"), "{failure}");
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}
