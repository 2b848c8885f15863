//! The recorded conversations, read from their Markdown.
//!
//! Each exchange is a heading of the third level, a line `Request: ...`, perhaps a fenced body, and a fenced
//! answer with its status line, headers and chunk framing. Headings of the first level begin a new store.

use std::collections::BTreeMap;

/// A request and what a genuine server answered.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) name: String,
    /// The heading of the first level that it stands under.
    pub(super) part: String,
    /// The heading of the second level.
    pub(super) section: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    /// As it stands in the text; `<2963072 bytes>` for what was left out.
    pub(super) body: String,
    pub(super) answer: Recorded,
}

/// A recorded answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorded {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
    /// Whether the recording shows the beginning of the body only.
    pub(super) is_cut: bool,
}

/// All exchanges of a conversation, and the headings of those that the text tells in another form.
pub(super) fn read(text: &str) -> (Vec<Exchange>, Vec<String>) {
    let (mut exchanges, mut others) = (Vec::new(), Vec::new());
    let (mut part, mut section) = (String::new(), String::new());
    let mut lines = Lines { lines: text.lines().collect(), at: 0 };
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("### ") {
            match exchange(&mut lines, name, &part, &section) {
                Some(exchange) => exchanges.push(exchange),
                None => others.push(name.to_owned()),
            }
        } else if let Some(title) = line.strip_prefix("## ") {
            section = title.to_owned();
        } else if let Some(title) = line.strip_prefix("# ") {
            part = title.to_owned();
            section.clear();
        }
    }
    (exchanges, others)
}

struct Lines<'a> {
    lines: Vec<&'a str>,
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.at).copied()?;
        self.at += 1;
        Some(line)
    }

    /// The next line that is not empty, unless it is a heading.
    fn peek_content(&mut self) -> Option<&'a str> {
        while self.lines.get(self.at)?.is_empty() {
            self.at += 1;
        }
        Some(self.lines[self.at]).filter(|line| !line.starts_with('#'))
    }

    /// What stands between the fences that come next.
    fn fenced(&mut self) -> Option<Vec<&'a str>> {
        self.peek_content().filter(|line| *line == "```")?;
        self.at += 1;
        let start = self.at;
        while self.next()? != "```" {}
        Some(self.lines[start..self.at - 1].to_vec())
    }
}

fn exchange(lines: &mut Lines<'_>, name: &str, part: &str, section: &str) -> Option<Exchange> {
    let request = lines.peek_content()?.strip_prefix("Request: `")?;
    let (line, rest) = request.split_once('`')?;
    let (method, path) = line.split_once(' ')?;
    lines.next();
    let body = lines.fenced().map(|lines| lines.join("\n")).unwrap_or_default();
    lines.peek_content()?.strip_prefix("Response (raw bytes")?;
    lines.next();
    let answer = recorded(&lines.fenced()?)?;
    Some(Exchange {
        name: name.to_owned(),
        part: part.to_owned(),
        section: section.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers(rest),
        body,
        answer,
    })
}

/// The headers of a request: `headers {'Origin': 'http://localhost:3000'}`.
fn headers(text: &str) -> Vec<(String, String)> {
    let quoted: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
    quoted.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

fn recorded(lines: &[&str]) -> Option<Recorded> {
    let (head, body) = lines.split_at(lines.iter().position(|line| line.is_empty())?);
    let status = head[0].split(' ').nth(1)?.parse().ok()?;
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in head[1..].iter().filter_map(|line| line.split_once(": ")) {
        let values = headers.entry(name.to_lowercase()).or_default();
        if !values.is_empty() {
            values.push_str(", ");
        }
        values.push_str(value);
    }
    let is_cut = body.iter().any(|line| line.starts_with("...["));
    let body: Vec<&str> = body.iter().copied().filter(|line| !line.starts_with("...[")).collect();
    let body = match headers.contains_key("transfer-encoding") {
        // The lengths of chunks count bytes that the recording replaced by `$OLLAMA_MODELS`.
        true => body.into_iter().filter(|line| line.starts_with('{')).collect::<Vec<_>>().join("\n"),
        false => body.join("\n").trim().to_owned(),
    };
    Some(Recorded { status, headers, body, is_cut })
}
