//! Instants to kill at.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

/// How often events are looked for.
const GRAIN: Duration = Duration::from_micros(50);

/// An instant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// So long from now.
    After(Duration),
    /// So long after the file of so many has come, gone or been renamed.
    Event(u64, Duration),
}

/// Sees files come and go in a store.
pub(super) struct Watch(OwnedFd);

impl Watch {
    /// Watches a store from now on.
    pub(super) fn new(root: &Path) -> Self {
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let flags = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO;
        for directory in [
            "blobs",
            "ollamake/temporary",
            "ollamake/partial",
            "ollamake/uploads",
            "manifests/registry.ollama.ai/library",
        ] {
            inotify::add_watch(&watch, root.join(directory), flags).unwrap();
        }
        Self(watch)
    }

    /// Waits for an instant, at the longest until `latest`. Answers with the number of events that it saw.
    pub(super) fn wait(&self, moment: Moment, latest: Duration) -> u64 {
        let begin = Instant::now();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.0, &mut buffer);
        let mut seen = 0;
        loop {
            match moment {
                Moment::After(time) if begin.elapsed() >= time => return seen,
                Moment::Event(number, later) if seen >= number => {
                    thread::sleep(later);
                    return seen;
                }
                _ if begin.elapsed() >= latest => return seen,
                _ => {}
            }
            match reader.next() {
                Ok(_) => seen += 1,
                Err(rustix::io::Errno::AGAIN) => thread::sleep(GRAIN),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
