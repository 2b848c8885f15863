//! How the files of a split model are called (llama.cpp, `gguf-split`).

/// The parts of `NAME-00001-of-00003.gguf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardName<'a> {
    /// What all files of the model begin with.
    pub model: &'a str,
    /// Which of the files it is, counted from 1, in digits.
    number: &'a str,
    /// How many files there are, in digits.
    count: &'a str,
}

impl<'a> ShardName<'a> {
    /// Takes a file's name apart; nothing for one that is formed in another way.
    pub fn parse(name: &'a str) -> Option<Self> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
        let (model, number) = rest.rsplit_once('-')?;
        (is_number(number) && is_number(count)).then_some(Self { model, number, count })
    }

    /// Which of the files it is, counted from 1.
    pub fn number(self) -> Option<u64> {
        self.number.parse().ok()
    }

    /// The names of all files of the model.
    pub fn all(self) -> Option<impl Iterator<Item = String>> {
        let Self { model, count, .. } = self;
        let shards: u16 = count.parse().ok()?;
        Some((1..=shards).map(move |number| format!("{model}-{number:05}-of-{count}.gguf")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_of_one_model_share_a_name() {
        let model = |name| ShardName::parse(name).map(|name| name.model);
        assert_eq!(model("m-q4-00002-of-00010.gguf"), Some("m-q4"));
        assert_eq!(ShardName::parse("m-00002-of-00010.gguf").and_then(ShardName::number), Some(2));
        assert_eq!(model("dir/m-00001-of-00002.gguf"), Some("dir/m"));
        for other in ["m.gguf", "m-x-of-00010.gguf", "m-00001-of-.gguf", "m-00001-of-00002.bin"] {
            assert_eq!(model(other), None, "{other}");
        }
        let all = ShardName::parse("m-00002-of-00002.gguf").and_then(ShardName::all);
        assert!(all.unwrap().eq(["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]));
        assert!(ShardName::parse("m-00001-of-99999999.gguf").unwrap().all().is_none());
    }
}
