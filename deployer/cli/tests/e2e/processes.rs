//! Processes of a local cloud: those of its functions and tasks, found by their parents and killed by their ids.

use rustix::process::{Pid, Signal, kill_process};

use crate::cloud::Cloud;

/// Kills the processes of a function, by its physical name; returns their number.
pub fn kill_function(cloud: &Cloud, name: &str) -> usize {
    let status = cloud.json(&["local", "status"]);
    let group = status["emulatorPid"].as_i64().expect("the emulator's process group");
    let wanted = format!("AWS_LAMBDA_FUNCTION_NAME={name}");
    kill(|process| process.group == group && process.has(&wanted))
}

/// Kills the processes of all tasks; returns their number.
pub fn kill_tasks(cloud: &Cloud) -> usize {
    let status = cloud.json(&["local", "status"]);
    let supervisor = status["pid"].as_i64().expect("the supervisor");
    // The emulator is a child of the supervisor as well.
    kill(|process| process.parent == supervisor && process.has_variable(contract::environment::OBJECT))
}

/// A process as `/proc` shows it.
struct Process {
    id: i32,
    parent: i64,
    group: i64,
    environment: Vec<String>,
}

impl Process {
    fn read(id: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // `pid (name) state parent group …`; the name may hold anything.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(1);
        let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let environment = std::fs::read(format!("/proc/{id}/environ")).ok()?;
        let environment = String::from_utf8_lossy(&environment).split('\0').map(str::to_owned).collect();
        Some(Self { id, parent, group, environment })
    }

    fn has(&self, line: &str) -> bool {
        self.environment.iter().any(|known| known == line)
    }

    fn has_variable(&self, name: &str) -> bool {
        self.environment.iter().any(|line| line.split('=').next() == Some(name))
    }
}

fn kill(is_wanted: impl Fn(&Process) -> bool) -> usize {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Process::read)
        .filter(is_wanted)
        .filter_map(|process| Pid::from_raw(process.id))
        .filter(|&id| kill_process(id, Signal::KILL).is_ok())
        .count()
}
