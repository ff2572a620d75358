//! No client program outlives the runner, also where that is stopped from without.

use std::io;
use std::process::{Child, Command};

#[cfg(unix)]
use std::{collections::BTreeSet, sync::Mutex, sync::MutexGuard};

/// The process groups of the programs that run. Who holds this keeps others from being started.
#[cfg(unix)]
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

#[cfg(unix)]
fn running() -> MutexGuard<'static, BTreeSet<i32>> {
    // Numbers are put in and taken out whole, whoever panics.
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Starts a program, in a process group of its own where there are any.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    #[cfg(unix)]
    {
        std::os::unix::process::CommandExt::process_group(command, 0);
        let mut running = running();
        let child = command.spawn()?;
        running.insert(rustix::process::Pid::from_child(&child).as_raw_nonzero().get());
        Ok(child)
    }
    #[cfg(not(unix))]
    command.spawn()
}

/// Kills a program and all that it has started; where there are no process groups, nothing.
pub(super) fn kill_group(child: &Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        let group = Pid::from_child(child);
        // Also if it has ended by itself: what it has started may go on.
        let _ = kill_process_group(group, Signal::KILL);
        running().remove(&group.as_raw_nonzero().get());
    }
    #[cfg(not(unix))]
    let _ = child;
}

/// Kills all client programs that run, with all that they have started, and ends this process with this status.
///
/// This is for a handler of signals that runs in a thread of its own, such as that of `ctrlc`: programs in process groups of
/// their own do not see the Ctrl-C of a terminal. None is started meanwhile.
#[cfg(unix)]
pub fn kill_all_and_exit(status: i32) -> ! {
    use rustix::process::{Pid, Signal, kill_process_group};
    let running = running();
    for group in running.iter().copied().filter_map(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    std::process::exit(status)
}
