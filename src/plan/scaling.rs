//! Auto scaling: what begins and ends, and which figures it makes nobody's business.

use std::borrow::Cow;

use super::steps::TableStep;
use crate::schema::{Capacity, Dimension, Scaling, Table};

/// What is wanted, with each figure that auto scaling moves as it is live.
///
/// That is so where auto scaling is declared, and where somebody else has set it up: writing the figure back would only
/// start a quarrel. Where it is to end, the figure counts again.
pub(super) fn follow<'a>(want: &'a Table, live: &Table) -> Cow<'a, Table> {
    let is_provisioned = |table: &Table| matches!(table.capacity, Capacity::Provisioned(_));
    if !is_provisioned(want) || !is_provisioned(live) {
        return Cow::Borrowed(want);
    }
    let mut followed = want.clone();
    let is_moved = |index: Option<&str>, dimension| {
        let scales = |scaling| matches!(scaling, Some(&Scaling::Between(_)));
        let want = want.scaling_of(index, dimension);
        scales(want) || (want.is_none() && scales(live.scaling_of(index, dimension)))
    };
    followed.capacity = capacity(want.capacity, live.capacity, |of| is_moved(None, of));
    for (name, index) in &mut followed.global_indexes {
        if let Some(live) = live.global_indexes.get(name) {
            index.capacity = capacity(index.capacity, live.capacity, |of| is_moved(Some(name), of));
        }
    }
    Cow::Owned(followed)
}

fn capacity(want: Capacity, live: Capacity, is_moved: impl Fn(Dimension) -> bool) -> Capacity {
    let (Capacity::Provisioned(mut want), Capacity::Provisioned(live)) = (want, live) else {
        return want;
    };
    if is_moved(Dimension::Read) {
        want.read = live.read;
    }
    if is_moved(Dimension::Write) {
        want.write = live.write;
    }
    Capacity::Provisioned(want)
}

/// What ends: it comes before a change of the figures, which it would take back.
pub(super) fn ends(want: &Table, live: &Table) -> Vec<TableStep> {
    let end = |(index, dimension, scaling): (Option<&str>, Dimension, &Scaling)| {
        let is_on = matches!(live.scaling_of(index, dimension), Some(Scaling::Between(_)));
        let is_end = is_on && *scaling == Scaling::Off;
        is_end.then(|| TableStep::Unscale { index: index.map(str::to_owned), dimension })
    };
    managed(want).filter_map(end).collect()
}

/// What begins or changes. An index that is about to be made is scaled by nothing yet.
pub(super) fn begins(want: &Table, live: &Table) -> Vec<TableStep> {
    let begin = |(index, dimension, scaling): (Option<&str>, Dimension, &Scaling)| {
        let is_made = index.is_some_and(|index| !live.global_indexes.contains_key(index));
        let live = match live.scaling_of(index, dimension) {
            None if is_made => &Scaling::Off,
            live => live?,
        };
        let Scaling::Between(range) = scaling else { return None };
        let range = match live {
            Scaling::Between(live) => range.over(live),
            Scaling::Off => range.clone(),
        };
        let step = || TableStep::Scale { index: index.map(str::to_owned), dimension, range };
        (!scaling.is_met_by(live)).then(step)
    };
    managed(want).filter_map(begin).collect()
}

/// What of a table and its indexes is managed.
fn managed(want: &Table) -> impl Iterator<Item = (Option<&str>, Dimension, &Scaling)> {
    let indexes = want.index_scaling.iter().map(|(name, of)| (Some(name.as_str()), of));
    let all = std::iter::once((None, &want.scaling)).chain(indexes);
    all.flat_map(|(index, of)| {
        let each = Dimension::ALL.into_iter();
        each.filter_map(move |dimension| Some((index, dimension, of.of(dimension)?)))
    })
}
