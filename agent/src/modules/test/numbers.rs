//! Computations that take their time: for measurements.

use std::time::Instant;

use salt_wire::Value;

use super::value_error;
use crate::context::{Args, Context, Error, Result};
use crate::modules::python_int;

/// Steps in which a long computation looks whether its job was ended.
const STRIDE: usize = 1024;

pub(super) fn fib(ctx: &Context, args: &Args) -> Result {
    let num = python_int(args.get("num"))?;
    if num < 0 {
        return Err(value_error("Negative number is not allowed!"));
    }
    let start = Instant::now();
    // Decimal digits, the lowest first: the numbers outgrow every machine word soon.
    let (mut previous, mut current) = (vec![0u8], vec![1u8]);
    let num = usize::try_from(num).unwrap_or(usize::MAX);
    if num == 0 {
        current = vec![0];
    }
    for step in 1..num {
        if step % STRIDE == 0 && ctx.job.cancel.is_cancelled() {
            break;
        }
        let sum = add(&previous, &current);
        previous = std::mem::replace(&mut current, sum);
    }
    let digits: String = current.iter().rev().map(|d| char::from(b'0' + d)).collect();
    let value = digits
        .parse::<i128>()
        .map_or_else(|_| Value::from(digits), Value::Int);
    Ok(Value::List(vec![
        value,
        start.elapsed().as_secs_f64().into(),
    ]))
}

fn add(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut sum: Vec<u8> = (0..a.len().max(b.len()))
        .map(|at| {
            let digit = a.get(at).unwrap_or(&0) + b.get(at).unwrap_or(&0) + carry;
            carry = digit / 10;
            digit % 10
        })
        .collect();
    if carry > 0 {
        sum.push(carry);
    }
    sum
}

pub(super) fn collatz(ctx: &Context, args: &Args) -> Result {
    let start = python_int(args.get("start"))?;
    if start < 1 {
        // Salt would never end here.
        return Err(Error::invocation(
            "the sequence of numbers below 1 has no end",
        ));
    }
    let begin = Instant::now();
    let mut steps = Vec::new();
    let mut here = Value::Int(start);
    while here.as_float() != Some(1.0) {
        if steps.len() % STRIDE == 0 && ctx.job.cancel.is_cancelled() {
            break;
        }
        // Python's division gives a float, and the sequence goes on with floats from there.
        let next = match here {
            Value::Int(i) if i % 2 == 0 => Value::Float(i as f64 / 2.0),
            Value::Int(i) => i
                .checked_mul(3)
                .and_then(|i| i.checked_add(1))
                .map_or(Value::Float(i as f64 * 3.0 + 1.0), Value::Int),
            Value::Float(f) if f % 2.0 == 0.0 => Value::Float(f / 2.0),
            Value::Float(f) => Value::Float(f * 3.0 + 1.0),
            _ => break,
        };
        steps.push(std::mem::replace(&mut here, next));
    }
    Ok(Value::List(vec![
        Value::List(steps),
        begin.elapsed().as_secs_f64().into(),
    ]))
}
