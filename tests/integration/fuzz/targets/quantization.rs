//! Importance matrices and recipes.

use ollamake::plan::SourceDescription;
use ollamake::quantize::{Counts, ImportanceMatrix, Recipe, Selection, Target};

/// What an accepted matrix says lies inside its file, and every value is a number that can weigh.
pub(super) fn imatrix(bytes: &[u8]) {
    let source = SourceDescription { label: "m".to_owned(), length: bytes.len() as u64 };
    let Ok(Some(matrix)) = ImportanceMatrix::read(source, bytes, &Selection::default()) else { return };
    let floats = |offset: u64, count: u64| {
        let end = offset + 4 * count;
        bytes[offset as usize..end as usize]
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
    };
    assert!(matrix.names().len() > 0);
    for name in matrix.names() {
        let entry = matrix.get(name).expect("an entry of this name");
        assert!(floats(entry.sums, entry.length).all(|sum| sum >= 0.0 && sum.is_finite()), "{name}");
        match entry.counts {
            Counts::Same(count) => assert!(count > 0.0),
            Counts::Each { offset, count } => {
                assert!(entry.length % count == 0 && floats(offset, count).all(|count| count.fract() == 0.0));
            }
        }
    }
}

/// What is written of a recipe reads as the same, and what it means does not depend on the writing.
pub(super) fn recipe(bytes: &[u8]) {
    let Ok(recipe) = Recipe::from_text(&String::from_utf8_lossy(bytes)) else { return };
    let again = Recipe::from_object(recipe.to_object()).expect("what was written can be read");
    assert_eq!(again, recipe);
    let target: Target = "Q4_K_M".parse().expect("a type");
    let meant = recipe.scheme(target).map_err(|error| error.to_string());
    assert_eq!(again.scheme(target).map_err(|error| error.to_string()), meant);
    if let Ok(scheme) = meant {
        for tensor_type in &scheme.tensor_types {
            let again = tensor_type.to_string().parse();
            assert_eq!(again.as_ref(), Ok(tensor_type));
        }
    }
}
