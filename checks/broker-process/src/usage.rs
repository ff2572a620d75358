//! CPU time and context switches of a process.

use core::{
    ops::{AddAssign, Sub},
    time::Duration,
};
use std::{fs, io};

/// What a process has used; of two, the later one minus the earlier one is what it used between them.
#[derive(Copy, Clone, Debug, Default)]
#[non_exhaustive]
pub struct Usage {
    /// CPU time, to the nanosecond.
    pub cpu: Duration,
    /// How much of it is user time: a part of one, counted in ticks of 10 ms, so that it takes a while to be true.
    pub user_ticks: u64,
    /// The same of system time.
    pub system_ticks: u64,
    /// Times that it went to sleep, or another one was to run.
    pub switches: u64,
}

impl Usage {
    pub(crate) fn of(process: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name, which may have blanks, ends with the last parenthesis. `utime` and `stime` are fields 14 and 15.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let mut fields = fields.split_whitespace().skip(11).map(str::parse);
        let mut ticks = || match fields.next() {
            Some(Ok(ticks)) => Ok(ticks),
            Some(Err(_)) | None => Err(io::Error::other("no utime and stime")),
        };
        let mut usage = Self {
            user_ticks: ticks()?,
            system_ticks: ticks()?,
            ..Self::default()
        };
        for task in fs::read_dir(format!("/proc/{process}/task"))? {
            let task = task?.path();
            let schedstat = fs::read_to_string(task.join("schedstat"))?;
            let cpu = schedstat.split(' ').next().and_then(|cpu| cpu.parse().ok());
            usage.cpu += Duration::from_nanos(cpu.ok_or_else(|| io::Error::other("no schedstat"))?);
            let status = fs::read_to_string(task.join("status"))?;
            usage.switches += status
                .lines()
                .filter_map(|line| line.split_once("_ctxt_switches:"))
                .filter_map(|(_, count)| count.trim().parse::<u64>().ok())
                .sum::<u64>();
        }
        Ok(usage)
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            user_ticks: self.user_ticks.saturating_sub(earlier.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(earlier.system_ticks),
            switches: self.switches.saturating_sub(earlier.switches),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, more: Self) {
        self.cpu += more.cpu;
        self.user_ticks += more.user_ticks;
        self.system_ticks += more.system_ticks;
        self.switches += more.switches;
    }
}
