//! The front matter of a model card: the small part of YAML that model cards use.
//!
//! Keys with a string, a list of strings, or a list of objects of strings. Whatever else there is, nested
//! objects and block texts among it, is passed over: a model card is never a reason to refuse a model.

use serde_json::{Map, Value};

/// The most of a model card that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// The fields between the `---` lines at the start of a model card; none if there is no such part.
pub(super) fn front_matter(card: &str) -> Map<String, Value> {
    let end = (0..=card.len().min(LONGEST)).rev().find(|end| card.is_char_boundary(*end)).unwrap_or(0);
    let text = card[..end].replace('\t', "  ");
    let mut lines = text.lines();
    if lines.next() != Some("---") {
        return Map::new();
    }
    let lines: Vec<&str> = lines.take_while(|line| *line != "---").collect();
    let mut fields = Map::new();
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        index += 1;
        let Some((key, value)) = field(line).filter(|_| !line.starts_with(' ')) else { continue };
        let block = lines[index..].iter().take_while(|line| continues(line)).count();
        let block = &lines[index..index + block];
        let value = match value {
            "" => list(block),
            "|" | ">" | "|-" | ">-" => None,
            inline if inline.starts_with('[') => inline_list(inline),
            scalar => Some(Value::from(unquoted(scalar))),
        };
        index += block.len();
        if let Some(value) = value {
            fields.insert(key.to_owned(), value);
        }
    }
    fields
}

/// The first heading of a model card.
pub(super) fn title(card: &str) -> Option<&str> {
    card.lines().take(10_000).find_map(|line| line.strip_prefix("# ")).map(str::trim)
}

/// Whether a line belongs to the key above it.
fn continues(line: &str) -> bool {
    line.is_empty() || line.starts_with([' ', '#']) || line == "-" || line.starts_with("- ")
}

/// Key and value of a line.
fn field(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let value = if value.is_empty() { value } else { value.strip_prefix(' ')? };
    let key = key.trim();
    (!key.is_empty() && !key.starts_with(['#', '-'])).then_some((key, without_comment(value).trim()))
}

/// The items of a block list; `None` if the block is something else.
fn list(block: &[&str]) -> Option<Value> {
    let mut items: Vec<Value> = Vec::new();
    for line in block.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(item) = line.strip_prefix("- ") {
            let item = without_comment(item).trim();
            items.push(match field(item).filter(|_| !item.starts_with(['"', '\''])) {
                Some((key, value)) => {
                    Value::Object(Map::from_iter([(key.to_owned(), unquoted(value).into())]))
                }
                None => Value::from(unquoted(item)),
            });
        } else if let (Some((key, value)), Some(Value::Object(last))) = (field(line), items.last_mut()) {
            last.insert(key.to_owned(), unquoted(value).into());
        }
    }
    (!items.is_empty()).then_some(Value::Array(items))
}

fn inline_list(text: &str) -> Option<Value> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let items = inner.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(Value::Array(items.map(|item| Value::from(unquoted(item))).collect()))
}

fn without_comment(value: &str) -> &str {
    let quoted = value.trim_start().starts_with(['"', '\'']);
    match value.find(" #") {
        Some(start) if !quoted => &value[..start],
        _ => value,
    }
}

fn unquoted(text: &str) -> String {
    let inner = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match (inner('"'), inner('\'')) {
        (Some(inner), _) => inner.replace("\\\"", "\"").replace("\\n", "\n").replace("\\\\", "\\"),
        (None, Some(inner)) => inner.replace("''", "'"),
        (None, None) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_a_usual_card() {
        let card = "---\nlicense: apache-2.0 # free\nlanguage:\n- en\n- \"no\"\ntags: [a, 'b c']\nmodel-index:\n- name: x\n  results:\n  - task: y\nbase_model:\n  - org/Base-7B\nempty:\ntext: |\n  anything: goes\n---\n# Title\nname: no\n";
        let fields = Value::Object(front_matter(card));
        assert_eq!(fields["license"], "apache-2.0");
        assert_eq!(fields["language"], json!(["en", "no"]));
        assert_eq!(fields["tags"], json!(["a", "b c"]));
        assert_eq!(fields["base_model"], json!(["org/Base-7B"]));
        assert_eq!(fields.get("text"), None);
        assert_eq!(fields.get("name"), None);
        assert!(front_matter("# no front matter").is_empty());
        let long = format!("---\nname: x\n{}license: y\n---\n", "# é\n".repeat(LONGEST / 4));
        assert_eq!(Value::Object(front_matter(&long)), json!({"name": "x"}));
    }
}
