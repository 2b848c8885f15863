//! Which tensors of several plans hold the same numbers.

use std::collections::HashMap;

use super::PlannedTensor;
use super::derivation::Derivation;
use super::member::Member;
use super::node::Node;
use super::operation::Operation;
use super::program::Program;
use super::stored::Stored;
use super::weighing::Weighing;

/// Tensors of several files, one of each, that are made of the same numbers.
pub(super) struct Group<'w> {
    /// What gives the numbers, unless it is what gives those of the first encoding.
    core: Option<Node<'w>>,
    /// The ways in which they are stored.
    pub(super) encodings: Vec<Encoding<'w>>,
    /// Whether bytes that one encoding copies may be read in the place of the numbers: they are the same, and
    /// what has to be looked at is looked at with the bytes.
    pub(super) reads_copies: bool,
}

/// One way to store the numbers of a group.
pub(super) struct Encoding<'w> {
    pub(super) program: &'w Program<'w>,
    /// What has to be done to the numbers first.
    pub(super) finish: Vec<Operation>,
    /// Whose tensors are stored so.
    pub(super) takers: Vec<Taker>,
}

/// A tensor of one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taker {
    /// The number of the file.
    pub(super) member: usize,
    /// The number of the tensor in it.
    pub(super) tensor: usize,
}

impl<'w> Group<'w> {
    /// All tensors of the files, in an order that is that of each file, in groups of the same numbers.
    ///
    /// Where files have the same tensors in different orders, there is no such order for all of them; some
    /// tensors are then a group of their own in each file.
    pub(super) fn all(members: &'w [Member<'w>]) -> Vec<Self> {
        rows(members).into_iter().map(|row| Self::of(members, &row)).collect()
    }

    fn of(members: &'w [Member<'w>], row: &[Taker]) -> Self {
        let derivation = |taker: &Taker| &members[taker.member].plan.tensors[taker.tensor].derivation;
        let is_one_derivation = row.iter().all(|taker| derivation(taker) == derivation(&row[0]));
        let core = self::core(derivation(&row[0])).0;
        let mut encodings: Vec<Encoding<'w>> = Vec::new();
        for &taker in row {
            let member = &members[taker.member];
            let program = &member.programs[taker.tensor];
            let finish = if is_one_derivation { Vec::new() } else { self::core(derivation(&taker)).1 };
            let is_stored_so = |encoding: &&mut Encoding<'w>| {
                let other = &members[encoding.takers[0].member];
                encoding.finish == finish
                    && encoding.program.tensor.element_type == program.tensor.element_type
                    && weighs_alike((other, encoding.program.tensor), (member, program.tensor))
            };
            match encodings.iter_mut().find(is_stored_so) {
                Some(encoding) => encoding.takers.push(taker),
                None => encodings.push(Encoding { program, finish, takers: vec![taker] }),
            }
        }
        let reads_copies = !core.requires_finite();
        let core = (!is_one_derivation).then(|| Node::compile(core));
        Self { core, encodings, reads_copies }
    }

    /// What gives the numbers.
    pub(super) fn node(&self) -> &Node<'w> {
        self.core.as_ref().unwrap_or(&self.encodings[0].program.node)
    }

    /// Of an encoding that is weighed, if any is; rows are the same in all of them.
    pub(super) fn weighing(&self) -> Option<&Weighing<'w>> {
        self.encodings.iter().find_map(|encoding| encoding.program.weighing.as_ref())
    }
}

/// The tensors of all files, those of the same numbers together.
fn rows(members: &[Member<'_>]) -> Vec<Vec<Taker>> {
    let tensors = |member: usize| members[member].plan.tensors.as_slice();
    let numbered =
        |member| tensors(member).iter().enumerate().map(|(number, tensor)| (&*tensor.name, number));
    let numbers: Vec<HashMap<&str, usize>> =
        (0..members.len()).map(|member| numbered(member).collect()).collect();
    let mut next = vec![0; members.len()];
    let mut rows = Vec::new();
    loop {
        let takers = (0..members.len()).map(|member| Taker { member, tensor: next[member] });
        let heads: Vec<Taker> = takers.filter(|head| head.tensor < tensors(head.member).len()).collect();
        // One that a file has further behind waits until that file has come to it.
        let is_due = |head: &&Taker| {
            let name = &*tensors(head.member)[head.tensor].name;
            let behind = |member: usize| {
                let tensor = *numbers[member].get(name)?;
                let taker = Taker { member, tensor };
                (tensor > next[member] && is_same(members, **head, taker)).then_some(())
            };
            (0..members.len()).all(|member| behind(member).is_none())
        };
        let Some(&first) = heads.iter().find(is_due).or(heads.first()) else { return rows };
        let row: Vec<Taker> = heads.into_iter().filter(|&head| is_same(members, first, head)).collect();
        row.iter().for_each(|taker| next[taker.member] += 1);
        rows.push(row);
    }
}

/// Whether two tensors are made of the same numbers.
fn is_same(members: &[Member<'_>], one: Taker, other: Taker) -> bool {
    if one == other {
        return true;
    }
    let of = |taker: Taker| (&members[taker.member], &members[taker.member].plan.tensors[taker.tensor]);
    let ((one, tensor), (other, other_tensor)) = (of(one), of(other));
    tensor.name == other_tensor.name
        && tensor.shape.without_trailing_ones() == other_tensor.shape.without_trailing_ones()
        && reads_the_same((one, core(&tensor.derivation).0), (other, core(&other_tensor.derivation).0))
}

/// Whether two tensors' columns matter alike.
fn weighs_alike(one: (&Member<'_>, &PlannedTensor), other: (&Member<'_>, &PlannedTensor)) -> bool {
    match (&one.1.importance, &other.1.importance) {
        (None, None) => true,
        (Some(importance), Some(others)) => {
            reads_the_same((one.0, &importance.sums), (other.0, &others.sums))
                && reads_the_same((one.0, &importance.counts), (other.0, &others.counts))
        }
        _ => false,
    }
}

/// Whether two derivations are the same, and read the same sources.
fn reads_the_same(one: (&Member<'_>, &Derivation), other: (&Member<'_>, &Derivation)) -> bool {
    let place = |stored: &Stored| {
        let at = |places: &[usize], source: usize| places.get(source).copied();
        let is_same = |source| at(&one.0.places, source) == at(&other.0.places, source);
        match stored.extents().into_iter().all(|(location, _)| is_same(location.source)) {
            true => Ok(()),
            false => Err(()),
        }
    };
    one.1 == other.1 && one.1.for_each_stored(&mut |stored| place(stored)).is_ok()
}

/// The derivation beneath what only checks or rounds its numbers, and that, in the order in which it is done.
fn core(derivation: &Derivation) -> (&Derivation, Vec<Operation>) {
    let (mut core, mut outer) = (derivation, Vec::new());
    while let Derivation::Map {
        operation: operation @ (Operation::RequireFinite | Operation::Round(_)),
        input,
    } = core
    {
        outer.insert(0, *operation);
        core = input;
    }
    (core, outer)
}
