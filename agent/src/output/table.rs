//! `table`: lists of rows as tables. Where a cell needs several lines Salt drops those that not all cells of
//! the row have; here they are shown.

use salt_wire::{Map, Value};

use super::color::Color;
use super::{Options, sorted};
use crate::context::python;

/// Widest column before its text is broken at a blank.
const WIDTH: usize = 50;

pub(super) fn output(data: &Value, options: &Options) -> String {
    let mut out = Vec::new();
    display(data, 0, options, &mut out);
    out.join("\n")
}

fn line(options: &Options, indent: usize, color: Color, text: &str, suffix: &str) -> String {
    let painted = options.colors.paint(color, text);
    format!("{}{painted}{suffix}", " ".repeat(indent))
}

fn display(data: &Value, indent: usize, options: &Options, out: &mut Vec<String>) {
    match data {
        Value::Map(map) => {
            for (key, value) in sorted(map) {
                out.push(line(options, indent, Color::DarkGray, &key, ":"));
                out.push(line(options, indent, Color::DarkGray, "----------", ""));
                match value {
                    Value::List(items) => rows(items, indent, options, out),
                    other => display(other, indent + 4, options, out),
                }
            }
        }
        Value::List(items) => rows(items, indent, options, out),
        _ => {}
    }
}

fn rows(items: &[Value], indent: usize, options: &Options, out: &mut Vec<String>) {
    let mut table: Vec<Vec<String>> = Vec::new();
    match items.first() {
        Some(Value::Map(first)) => {
            let Some(maps) = items
                .iter()
                .map(Value::as_map)
                .collect::<Option<Vec<&Map>>>()
            else {
                return;
            };
            table.push(sorted(first).into_iter().map(|(k, _)| title(&k)).collect());
            for map in maps {
                table.push(
                    sorted(map)
                        .into_iter()
                        .map(|(_, v)| python::text(v))
                        .collect(),
                );
            }
        }
        Some(Value::Str(_)) if items.iter().all(|i| i.as_str().is_some()) => {
            table.extend(items.iter().map(|i| vec![python::text(i)]));
        }
        Some(Value::List(_)) => {
            let Some(lists) = items.iter().map(Value::as_list).collect::<Option<Vec<_>>>() else {
                return;
            };
            table.extend(lists.iter().map(|l| l.iter().map(python::text).collect()));
        }
        _ => return,
    }
    draw(&table, indent + 4, options, out);
}

/// `a_key` as `A Key`.
fn title(key: &str) -> String {
    let mut word = false;
    key.replace('_', " ")
        .chars()
        .map(|c| {
            let upper = !word;
            word = c.is_alphabetic();
            match (word, upper) {
                (true, true) => c.to_uppercase().to_string(),
                (true, false) => c.to_lowercase().to_string(),
                _ => c.to_string(),
            }
        })
        .collect()
}

fn draw(table: &[Vec<String>], indent: usize, options: &Options, out: &mut Vec<String>) {
    let mut wrapped: Vec<Vec<Vec<String>>> = Vec::new();
    for row in table {
        let cells: Vec<Vec<String>> = row.iter().map(|cell| wrap(cell)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        let physical = (0..height).map(|at| {
            let cell = |c: &Vec<String>| c.get(at).cloned().unwrap_or_default();
            cells.iter().map(cell).collect()
        });
        wrapped.push(physical.collect());
    }
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            let cells = wrapped.iter().flatten().filter_map(|row| row.get(at));
            cells.map(|c| c.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let total = 4 + widths.iter().sum::<usize>() + 3 * widths.len().saturating_sub(1);
    let separator = line(options, indent, Color::LightGray, &"-".repeat(total), "");
    out.push(separator.clone());
    for row in wrapped {
        for physical in row {
            let cells: Vec<String> = physical
                .iter()
                .zip(&widths)
                .map(|(cell, width)| center(cell, *width))
                .collect();
            let text = format!("| {} |", cells.join(" | "));
            out.push(line(options, indent, Color::White, &text, ""));
        }
        out.push(separator.clone());
    }
}

/// Breaks at the blank behind which a word would be too wide.
fn wrap(text: &str) -> Vec<String> {
    let mut out = String::new();
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 {
            let tail = out.rsplit('\n').next().unwrap_or_default().chars().count();
            let next = word.split('\n').next().unwrap_or_default().chars().count();
            out.push(if tail + next >= WIDTH { '\n' } else { ' ' });
        }
        out.push_str(word);
    }
    out.split('\n').map(str::to_owned).collect()
}

/// As Python's `str.center`: the odd blank goes to the left of a field of odd width.
fn center(text: &str, width: usize) -> String {
    let blank = width.saturating_sub(text.chars().count());
    let left = blank / 2 + (blank & width & 1);
    format!("{}{text}{}", " ".repeat(left), " ".repeat(blank - left))
}
