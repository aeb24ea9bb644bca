//! Set theory on lists and sets, and Salt's itertools.

use indexmap::IndexSet;

use super::{Filter, undefined_inside};
use crate::error::{Error, Result};
use crate::eval::{Args, Interp};
use crate::value::{Key, Val, dict, ops};

pub(super) const FILTERS: &[(&str, Filter)] = &[
    ("unique", |_, v, _| unique(&v)),
    ("union", |_, v, a| {
        let other = other(a)?;
        if both_hashable(&v, &other) {
            let mut set = set_of(&v)?;
            set.extend(set_of(&other)?);
            return Ok(Val::set(set));
        }
        unique(&ops::binary(crate::ast::Op::Add, &v, &other)?)
    }),
    ("intersect", |_, v, a| keep(&v, &other(a)?, true)),
    ("difference", |_, v, a| keep(&v, &other(a)?, false)),
    ("symmetric_difference", |_, v, a| {
        let other = other(a)?;
        let (left, right) = (keep(&v, &other, false)?, keep(&other, &v, false)?);
        if both_hashable(&v, &other) {
            let mut set = set_of(&left)?;
            set.extend(set_of(&right)?);
            return Ok(Val::set(set));
        }
        let mut items = ops::items(&left)?;
        items.extend(ops::items(&right)?);
        Ok(Val::list(items))
    }),
    ("combinations", |i, v, a| {
        arrangements(i, &v, a, Kind::Combinations)
    }),
    ("combinations_with_replacement", |i, v, a| {
        arrangements(i, &v, a, Kind::WithReplacement)
    }),
    ("permutations", |i, v, a| {
        arrangements(i, &v, a, Kind::Permutations)
    }),
    ("product", product),
    ("compress", |_, v, a| {
        let [selectors] = a.bind("compress", ["selectors"])?;
        let selectors = ops::items(&selectors.unwrap_or(Val::None))?;
        let mut kept = Vec::new();
        for (item, selector) in ops::items(&v)?.into_iter().zip(selectors) {
            if selector.truth()? {
                kept.push(item);
            }
        }
        Ok(Val::named_iter("compress", kept))
    }),
    ("zip", |_, v, a| zip(&v, a, false)),
    ("zip_longest", |_, v, a| zip(&v, a, true)),
    ("compare_lists", |_, v, a| {
        let [new] = a.bind("compare_lists", ["new"])?;
        let (old, new) = (ops::items(&v)?, ops::items(&new.unwrap_or(Val::None))?);
        let missing = |from: &[Val], to: &[Val]| -> Result<Vec<Val>> {
            let mut out = Vec::new();
            for item in from {
                if !holds(to, item)? {
                    out.push(item.clone());
                }
            }
            Ok(out)
        };
        let (added, gone) = (missing(&new, &old)?, missing(&old, &new)?);
        let mut entries = Vec::new();
        if !added.is_empty() {
            entries.push(("new", Val::list(added)));
        }
        if !gone.is_empty() {
            entries.push(("old", Val::list(gone)));
        }
        Ok(super::collection::dict_of(entries))
    }),
];

fn other(args: &Args) -> Result {
    let [other] = args.bind("set", ["lst2"])?;
    Ok(other.unwrap_or(Val::None))
}

fn both_hashable(a: &Val, b: &Val) -> bool {
    dict::hashable(a) && dict::hashable(b)
}

fn set_of(value: &Val) -> Result<IndexSet<Key>> {
    ops::items(value)?.into_iter().map(Key::new).collect()
}

fn holds(items: &[Val], wanted: &Val) -> Result<bool> {
    for item in items {
        if ops::equal(item, wanted)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unique(value: &Val) -> Result {
    if dict::hashable(value) {
        return Ok(Val::set(set_of(value)?));
    }
    let mut kept: Vec<Val> = Vec::new();
    // Fast for what can be a key, slow for the rest.
    let mut seen = IndexSet::new();
    for item in ops::items(value)? {
        let new = match Key::new(item.clone()) {
            Ok(key) => seen.insert(key),
            Err(_) => !holds(&kept, &item)?,
        };
        if new {
            kept.push(item);
        }
    }
    Ok(Val::list(kept))
}

fn keep(a: &Val, b: &Val, wanted: bool) -> Result {
    if both_hashable(a, b) {
        let other = set_of(b)?;
        let kept = set_of(a)?
            .into_iter()
            .filter(|k| other.contains(k) == wanted);
        return Ok(Val::set(kept.collect()));
    }
    let other = ops::items(b)?;
    let mut kept = Vec::new();
    for item in ops::items(a)? {
        if holds(&other, &item)? == wanted {
            kept.push(item);
        }
    }
    unique(&Val::list(kept))
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Combinations,
    WithReplacement,
    Permutations,
}

fn arrangements(interp: &Interp<'_>, value: &Val, args: &Args, kind: Kind) -> Result {
    if let Some(undefined) = undefined_inside(value) {
        return Ok(undefined);
    }
    let [size] = args.bind("itertools", ["r"])?;
    let items = ops::items(value)?;
    let size = match size.and_then(|s| s.as_index()) {
        Some(n) if n < 0 => return Err(Error::value_error("r must be non-negative")),
        Some(n) => usize::try_from(n).unwrap_or(usize::MAX),
        None => items.len(),
    };
    let mut out = Vec::new();
    if size <= 64 {
        choose(interp, &items, size, kind, &mut Vec::new(), &mut out)?;
    }
    Ok(Val::named_iter("itertools", out))
}

fn choose(
    interp: &Interp<'_>,
    items: &[Val],
    left: usize,
    kind: Kind,
    chosen: &mut Vec<usize>,
    out: &mut Vec<Val>,
) -> Result<()> {
    interp.spend(4)?;
    if left == 0 {
        interp.spend(chosen.len())?;
        let tuple = chosen.iter().map(|&i| items[i].clone());
        out.push(Val::tuple(tuple.collect()));
        return Ok(());
    }
    let start = match (kind, chosen.last()) {
        (Kind::Permutations, _) | (_, None) => 0,
        (Kind::Combinations, Some(last)) => last + 1,
        (Kind::WithReplacement, Some(last)) => *last,
    };
    for at in start..items.len() {
        if kind == Kind::Permutations && chosen.contains(&at) {
            continue;
        }
        chosen.push(at);
        choose(interp, items, left - 1, kind, chosen, out)?;
        chosen.pop();
    }
    Ok(())
}

fn product(interp: &Interp<'_>, value: Val, args: &Args) -> Result {
    if let Some(undefined) = undefined_inside(&value) {
        return Ok(undefined);
    }
    let repeat = args.keywords.iter().find(|(n, _)| &**n == "repeat");
    let repeat = repeat
        .and_then(|(_, r)| r.as_index())
        .unwrap_or(1)
        .clamp(0, 64);
    let mut pools = vec![ops::items(&value)?];
    for more in &args.positional {
        pools.push(ops::items(more)?);
    }
    let pools = std::iter::repeat_n(&pools, repeat as usize).flatten();
    let mut rows: Vec<Vec<Val>> = vec![Vec::new()];
    for pool in pools {
        let mut longer = Vec::new();
        for row in &rows {
            interp.spend(pool.len() * (row.len() + 1))?;
            for item in pool {
                let mut row = row.clone();
                row.push(item.clone());
                longer.push(row);
            }
        }
        rows = longer;
    }
    Ok(Val::named_iter(
        "product",
        rows.into_iter().map(Val::tuple).collect(),
    ))
}

fn zip(value: &Val, args: &Args, longest: bool) -> Result {
    if let Some(undefined) = undefined_inside(value) {
        return Ok(undefined);
    }
    let mut columns = vec![ops::items(value)?];
    for more in &args.positional {
        columns.push(ops::items(more)?);
    }
    let fill = args.keywords.iter().find(|(n, _)| &**n == "fillvalue");
    let fill = fill.map_or(Val::None, |(_, f)| f.clone());
    let lengths = columns.iter().map(Vec::len);
    let len = if longest {
        lengths.max()
    } else {
        lengths.min()
    };
    let rows = (0..len.unwrap_or(0)).map(|at| {
        let row = columns.iter().map(|c| c.get(at).unwrap_or(&fill).clone());
        Val::tuple(row.collect())
    });
    Ok(Val::named_iter(
        if longest { "zip_longest" } else { "zip" },
        rows.collect(),
    ))
}
