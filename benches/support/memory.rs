/// Bytes that a line such as `VmHWM` of a process's status counts (Linux, `proc_pid_status(5)`); nothing once
/// the process is gone.
pub(crate) fn memory(process: u32, line: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let count = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'))?;
    let kibibytes: u64 = count.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}
