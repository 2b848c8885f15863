use std::time::Duration;

/// What all threads of a process, and the children that it has waited for, have run so far (Linux,
/// `proc_pid_stat(5)`, in ticks of ten milliseconds); nothing once the process is gone.
pub(crate) fn processor_time(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = fields.split(' ').skip(11).take(4).map(str::parse::<u64>).sum::<Result<u64, _>>().ok()?;
    Some(Duration::from_millis(10 * ticks))
}
