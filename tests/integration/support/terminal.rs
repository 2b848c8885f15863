//! A terminal that a program draws on, and what is to be seen there.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use vt100::{Color, Parser};

const ROWS: u16 = 24;
/// What is drawn within this time is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program on a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    master: File,
    parser: Parser,
}

impl Terminal {
    /// Starts a program whose input is nothing and whose outputs are a terminal of so many columns.
    pub(crate) fn start(mut command: Command, columns: u16) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = || rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        command.stdin(Stdio::null()).stdout(slave()).stderr(slave());
        let child = command.spawn().unwrap();
        // The command holds the terminal open, and its end would never be seen.
        drop(command);
        Self { child, master: File::from(master), parser: Parser::new(ROWS, columns, 0) }
    }

    /// Reads what is drawn next; `false` at the end.
    fn read(&mut self) -> bool {
        let wait = Timespec { tv_sec: 1, tv_nsec: 0 };
        let mut ready = [PollFd::from_borrowed_fd(self.master.as_fd(), PollFlags::IN)];
        if poll(&mut ready, Some(&wait)).unwrap() == 0 {
            return true;
        }
        let mut buffer = [0; 4096];
        // The end of a terminal is an error on Linux.
        let count = self.master.read(&mut buffer).unwrap_or(0);
        self.parser.process(&buffer[..count]);
        count > 0
    }

    /// Waits until a text is to be seen; what else there is then.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let begun = Instant::now();
        while !self.parser.screen().contents().contains(text) {
            let goes_on = self.read();
            assert!(goes_on && begun.elapsed() < PATIENCE, "{text:?} is not in:\n{}", self.seen());
        }
        self.seen()
    }

    /// Waits for the end; what is to be seen then.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let begun = Instant::now();
        while self.read() {
            assert!(begun.elapsed() < PATIENCE, "it does not end:\n{}", self.seen());
        }
        (self.child.wait().unwrap(), self.seen())
    }

    /// The lines, `{31}` standing where the colour of a text changes to that one and `{}` where it ends.
    fn seen(&self) -> String {
        let screen = self.parser.screen();
        let (rows, columns) = screen.size();
        let mut lines = Vec::new();
        for row in 0..rows {
            let (mut line, mut colour) = (String::new(), Color::Default);
            for cell in (0..columns).filter_map(|column| screen.cell(row, column)) {
                if cell.fgcolor() != colour {
                    colour = cell.fgcolor();
                    line.push_str(&match colour {
                        Color::Idx(number) => format!("{{{}}}", 30 + number),
                        _ => "{}".to_owned(),
                    });
                }
                let contents = cell.contents();
                line.push_str(if contents.is_empty() { " " } else { contents });
            }
            lines.push(line.trim_end().to_owned());
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines.into_iter().map(|line| line + "\n").collect()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
