//! A command in a terminal, for questions.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Time within which a text must be shown.
const PATIENCE: Duration = Duration::from_secs(90);

/// A program of Python that runs another in a terminal of its own, and passes on what is typed and what is shown.
const TERMINAL: &str = r#"
import os, pty, select, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
sources = [0, terminal]
while True:
    for source in select.select(sources, [], [])[0]:
        try:
            data = os.read(source, 4096)
        except OSError:
            data = b""
        if source == terminal and not data:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        if not data:
            sources.remove(0)
        os.write(terminal if source == 0 else 1, data)
"#;

/// A command in a terminal.
pub struct Terminal {
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    /// Starts the command.
    pub fn start(command: &Command) -> Self {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python");
        let mut terminal = Command::new(python);
        terminal.args(["-c", TERMINAL]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => terminal.env(name, value),
                None => terminal.env_remove(name),
            };
        }
        terminal.current_dir(command.get_current_dir().expect("a folder"));
        let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        let shown = Arc::new(Mutex::new(String::new()));
        let (text, mut out) = (Arc::clone(&shown), child.stdout.take().expect("stdout"));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut buffer) {
                text.lock().expect("not poisoned").push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { child, shown }
    }

    /// Types a text.
    pub fn types(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin");
        stdin.write_all(text.as_bytes()).expect("typed");
        stdin.flush().expect("typed");
    }

    /// Waits for the end, and returns the exit code.
    pub fn ends(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }

    /// Waits until a text was shown so many times.
    pub fn shows(&self, text: &str, times: usize) {
        let begun = Instant::now();
        while self.shown.lock().expect("not poisoned").matches(text).count() < times {
            let shown = self.shown.lock().expect("not poisoned").clone();
            assert!(begun.elapsed() < PATIENCE, "`{text}` is not shown {times} times:\n{shown}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Gone already, unless the test has failed; the terminal goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
