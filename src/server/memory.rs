//! How much memory the process takes.

/// Bytes of physical memory, mapped files included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// Now.
    pub(super) resident: u64,
    /// At most, since the process began.
    pub(super) peak: u64,
    /// Now, without pages of files, which the operating system may take back.
    pub(super) anonymous: u64,
}

/// What the operating system says about this process, where it does (Linux, `proc_pid_status(5)`).
pub(super) fn of_this_process() -> Option<Memory> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn parse(status: &str) -> Option<Memory> {
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        kibibytes.checked_mul(1024)
    };
    Some(Memory { resident: bytes("VmRSS")?, peak: bytes("VmHWM")?, anonymous: bytes("RssAnon")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_counts_in_kibibytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t   1024 kB\nRssAnon:\t 512 kB\n";
        let expected = Memory { resident: 1 << 20, peak: 2 << 20, anonymous: 1 << 19 };
        assert_eq!(parse(status), Some(expected));
        assert_eq!(parse("Name:\tx\n"), None);
    }
}
