//! Importance matrices of both formats, whole and broken.

use ollamake::gguf::Gguf;
use ollamake::plan::SourceDescription;
use ollamake::quantize::{Counts, ImportanceMatrix, Selection};

use super::material::{expected, list, matrix_file};

fn read(bytes: &[u8]) -> Result<Option<ImportanceMatrix>, String> {
    let source = SourceDescription { label: "m".into(), length: bytes.len() as u64 };
    ImportanceMatrix::read(source, bytes, &Selection::default()).map_err(|error| error.to_string())
}

/// The matrices of the tiny model, in the one and the other format.
fn files() -> (Vec<u8>, Vec<u8>) {
    let files = expected("files.json");
    let file =
        |name| matrix_file(list(&files["imatrices"]).iter().find(|known| known["file"] == name).unwrap());
    (file("tiny.imatrix.gguf"), file("tiny-legacy.dat"))
}

#[test]
fn both_formats_are_read() {
    let (gguf, older) = files();
    assert!(ImportanceMatrix::is_one(&Gguf::parse(&gguf).unwrap()));
    for bytes in [&gguf, &older] {
        let matrix = read(bytes).unwrap().unwrap();
        assert_eq!((matrix.dataset.as_deref(), matrix.chunks), (Some("calibration.txt"), 7));
        assert_eq!(matrix.names().len(), 14);
        assert_eq!(matrix.get("blk.1.ffn_down.weight").unwrap().length, 512);
        assert_eq!(matrix.get("output.weight"), None);
    }
    let counts = read(&older).unwrap().unwrap().get("blk.0.attn_q.weight").unwrap().counts;
    assert_eq!(counts, Counts::Same(3.0));
    // What comes after the entries need not be there.
    let ending = 8 + "calibration.txt".len();
    let matrix = read(&older[..older.len() - ending]).unwrap().unwrap();
    assert_eq!((matrix.dataset, matrix.chunks), (None, 0));
}

#[test]
fn entries_are_selected_by_parts_of_their_names() {
    let (gguf, _) = files();
    let select = |include: &[&str], exclude: &[&str]| {
        let texts = |parts: &[&str]| parts.iter().map(|&part| part.to_owned()).collect();
        let selection = Selection { include: texts(include), exclude: texts(exclude) };
        let source = SourceDescription { label: "m".into(), length: gguf.len() as u64 };
        ImportanceMatrix::read(source, &gguf, &selection)
            .map(|matrix| matrix.map(|matrix| matrix.names().len()))
    };
    assert_eq!(select(&["attn_v", "ffn_up"], &[]), Ok(Some(4)));
    assert_eq!(select(&[], &["ffn_down"]), Ok(Some(12)));
    assert_eq!(select(&["nothing"], &[]), Ok(None));
    assert!(select(&["a"], &["b"]).is_err());
}

#[test]
fn a_matrix_that_is_cut_off_is_refused_wherever_it_is_cut() {
    let (gguf, older) = files();
    for (bytes, end) in [(&gguf, gguf.len()), (&older, older.len() - 23)] {
        for length in (0..end).step_by(97).chain([end - 1]) {
            let read = read(&bytes[..length]);
            // The padding at the end of a GGUF file may be missing.
            assert!(read.is_err() || length + 32 > bytes.len(), "{length} of {}", bytes.len());
        }
    }
}

#[test]
fn values_that_are_none_are_refused_with_their_place() {
    let (gguf, older) = files();
    let parsed = Gguf::parse(&gguf).unwrap();
    let at = |name: &str| parsed.tensor(name).unwrap().data.start as usize;
    let (sums, counts) = (at("blk.0.attn_k.weight.in_sum2"), at("blk.0.attn_k.weight.counts"));
    let older_sums = 4 + 4 + "blk.0.attn_q.weight".len() + 8;
    for (bytes, offset, tensor) in
        [(&gguf, sums + 8, "attn_k"), (&gguf, counts, "attn_k"), (&older, older_sums + 8, "attn_q")]
    {
        for value in [f32::NAN, f32::INFINITY, -1.0] {
            let mut broken = bytes.clone();
            broken[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
            let message = read(&broken).unwrap_err();
            let is_count = offset == counts;
            let place = if is_count { " at 0," } else { " at 2," };
            assert!(message.contains(tensor) && message.contains(place), "{message}");
            assert!(message.contains(&format!("the value {value}")), "{message}");
        }
    }
    // What is not used is not looked at.
    let mut broken = gguf.clone();
    broken[sums..sums + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let selection = Selection { exclude: vec!["blk.0.attn_k".into()], ..Selection::default() };
    let source = SourceDescription { label: "m".into(), length: broken.len() as u64 };
    assert!(ImportanceMatrix::read(source, &broken, &selection).is_ok());
}

#[test]
fn what_is_no_matrix_is_refused() {
    let number =
        |numbers: &[i32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let (gguf, _) = files();
    let renamed = |from: &[u8], to: &[u8]| {
        let at = gguf.windows(from.len()).position(|window| window == from).unwrap();
        let mut bytes = gguf.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    for (bytes, says) in [
        (Vec::new(), "would end within the number of entries at byte 0"),
        (b"hello, world".to_vec(), "entries"),
        (number(&[0]), "the number of entries at byte 0 is 0"),
        (number(&[1_000_000]), "1000000 entries, more than"),
        (number(&[1, -5]), "the length of the name of entry 0 at byte 4 is -5"),
        (number(&[1, i32::MAX]), "the length of the name of entry 0"),
        ([number(&[1, 1]), b"x".to_vec(), number(&[1, i32::MAX])].concat(), "the 2147483647 values of \"x\""),
        ([number(&[1, 1]), b"x".to_vec(), number(&[1, 0])].concat(), "the number of values of \"x\""),
        ([number(&[1, 1]), vec![0xff], number(&[1, 0])].concat(), "is not UTF-8 text"),
        (renamed(b"imatrix.chunk_size", b"imatrix.chunk_sort"), "key \"imatrix.chunk_size\" is missing"),
        (renamed(b"blk.0.attn_q.weight.counts", b"blk.0.attn_q.weight.number"), "has no \".counts\""),
    ] {
        let message = read(&bytes).unwrap_err();
        assert!(message.contains(says), "{message}");
    }
}
