//! Moving units of a stored tensor into the order of a view.

use std::ops::Range;

use super::walk::{Run, Walk};

/// Copies the units at positions `range` of `walk` to `output`. `stored` holds the units from index `first`
/// on.
pub(super) fn gather(
    walk: &Walk,
    range: Range<u64>,
    stored: &[u8],
    first: u64,
    unit: usize,
    output: &mut [u8],
) {
    match unit {
        1 => gather_units::<1>(walk, range, stored, first, output),
        2 => gather_units::<2>(walk, range, stored, first, output),
        4 => gather_units::<4>(walk, range, stored, first, output),
        8 => gather_units::<8>(walk, range, stored, first, output),
        _ => {
            // Blocks: the innermost stride of a view in blocks is one, so runs are copied whole.
            let mut output = output;
            for run in walk.runs(range) {
                output = copy_run(run, stored, first, unit, output);
            }
        }
    }
}

fn gather_units<const N: usize>(
    walk: &Walk,
    range: Range<u64>,
    stored: &[u8],
    first: u64,
    output: &mut [u8],
) {
    let Some((row, rows)) = walk.transposition() else {
        let mut output = output;
        for run in walk.runs(range) {
            output = copy_run(run, stored, first, N, output);
        }
        return;
    };
    let (stored, output) = (stored.as_chunks::<N>().0, output.as_chunks_mut::<N>().0);
    let mut position = range.start;
    let mut rest = output;
    while position < range.end {
        let (index, column) = (position / row.length, position % row.length);
        let whole = ((range.end - position) / row.length).min(rows - index % rows);
        let start = (walk.row_start(index) + column * row.stride - first) as usize;
        let (stride, columns) = (row.stride as usize, row.length as usize);
        let taken = if column == 0 && whole > 0 {
            let (block, after) = rest.split_at_mut(whole as usize * columns);
            transpose(&stored[start..], stride, columns, block);
            rest = after;
            whole * row.length
        } else {
            let count = (row.length - column).min(range.end - position);
            let (part, after) = rest.split_at_mut(count as usize);
            for (to, from) in part.iter_mut().zip(stored[start..].iter().step_by(stride)) {
                *to = *from;
            }
            rest = after;
            count
        };
        position += taken;
    }
}

/// Writes whole rows of `columns` units, whose columns lie `stride` apart and whose rows begin one unit after
/// the other, in tiles that stay in the cache on both sides.
fn transpose<const N: usize>(stored: &[[u8; N]], stride: usize, columns: usize, output: &mut [[u8; N]]) {
    const TILE: usize = 32;
    let rows = output.len() / columns;
    for first_row in (0..rows).step_by(TILE) {
        let tile_rows = TILE.min(rows - first_row);
        for first_column in (0..columns).step_by(TILE) {
            for column in first_column..columns.min(first_column + TILE) {
                let line = &stored[column * stride + first_row..][..tile_rows];
                for (row, unit) in line.iter().enumerate() {
                    output[(first_row + row) * columns + column] = *unit;
                }
            }
        }
    }
}

/// Copies one run to the front of `output` and returns what remains of that.
fn copy_run<'a>(run: Run, stored: &[u8], first: u64, unit: usize, output: &'a mut [u8]) -> &'a mut [u8] {
    let (to, rest) = output.split_at_mut(run.count as usize * unit);
    let from = &stored[(run.start - first) as usize * unit..];
    if run.stride == 1 {
        to.copy_from_slice(&from[..to.len()]);
    } else {
        let step = run.stride as usize * unit;
        for (index, to) in to.chunks_exact_mut(unit).enumerate() {
            to.copy_from_slice(&from[index * step..][..unit]);
        }
    }
    rest
}
