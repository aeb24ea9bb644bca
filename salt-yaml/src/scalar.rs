//! Numbers and truth values from their text, as PyYAML's constructor makes them.

use salt_wire::Value;

/// Why a scalar does not fit its tag: Python's words.
pub(crate) type Misfit = String;

/// `!!bool`
pub(crate) fn boolean(text: &str) -> Result<Value, Misfit> {
    let low = text.to_lowercase();
    match low.as_str() {
        "yes" | "true" | "on" => Ok(true.into()),
        "no" | "false" | "off" => Ok(false.into()),
        _ => Err(format!("'{low}'")),
    }
}

/// `!!int` after Salt has made leading zeros harmless.
pub(crate) fn salt_int(text: &str) -> Result<Value, Misfit> {
    if text != "0" && text.starts_with('0') && !text.starts_with("0b") && !text.starts_with("0x") {
        let stripped = text.trim_start_matches('0');
        return int(if stripped.is_empty() { "0" } else { stripped });
    }
    int(text)
}

/// `!!int` as YAML 1.1 has it.
pub(crate) fn int(text: &str) -> Result<Value, Misfit> {
    let clean = text.replace('_', "");
    let (sign, body) = signed(&clean)?;
    if body == "0" {
        Ok(0.into())
    } else if let Some(bits) = body.strip_prefix("0b") {
        radix(sign, bits, 2)
    } else if let Some(hex) = body.strip_prefix("0x") {
        radix(sign, hex, 16)
    } else if body.starts_with('0') {
        radix(sign, body, 8)
    } else if body.contains(':') {
        let mut total = 0i128;
        for part in body.split(':') {
            let digit = decimal(part)?;
            total = total
                .checked_mul(60)
                .and_then(|t| t.checked_add(digit))
                .ok_or("the number is too great")?;
        }
        Ok(Value::Int(total * i128::from(sign)))
    } else if body.is_empty() {
        Err("string index out of range".into())
    } else {
        match body.parse::<i128>() {
            Ok(n) => Ok(Value::Int(n * i128::from(sign))),
            // Beyond what travels as a number anyway: its decimal text, as it would travel.
            Err(_) if body.bytes().all(|b| b.is_ascii_digit()) => Ok(Value::Str(if sign < 0 {
                format!("-{body}")
            } else {
                body.to_owned()
            })),
            Err(_) => Err(no_int(body, 10)),
        }
    }
}

/// `!!float`
pub(crate) fn float(text: &str) -> Result<Value, Misfit> {
    let clean = text.replace('_', "").to_lowercase();
    let (sign, body) = signed(&clean)?;
    let sign = f64::from(sign);
    let parse = |part: &str| {
        let trimmed = part.trim();
        let plausible = trimmed
            .bytes()
            .all(|b| b.is_ascii_digit() || b"+-.einfaty".contains(&b));
        match trimmed.parse::<f64>() {
            Ok(f) if plausible => Ok(f),
            _ => Err(format!("could not convert string to float: '{part}'")),
        }
    };
    Ok(Value::Float(match body {
        ".inf" => sign * f64::INFINITY,
        ".nan" => f64::NAN,
        _ if body.contains(':') => {
            let parts = body.split(':').map(parse).collect::<Result<Vec<_>, _>>()?;
            let (mut total, mut base) = (0.0, 1.0);
            for digit in parts.iter().rev() {
                total += digit * base;
                base *= 60.0;
            }
            sign * total
        }
        _ => sign * parse(body)?,
    }))
}

fn signed(text: &str) -> Result<(i8, &str), Misfit> {
    match text.as_bytes().first() {
        None => Err("string index out of range".into()),
        Some(b'-') => Ok((-1, &text[1..])),
        Some(b'+') => Ok((1, &text[1..])),
        Some(_) => Ok((1, text)),
    }
}

fn decimal(text: &str) -> Result<i128, Misfit> {
    text.trim().parse().map_err(|_| no_int(text, 10))
}

fn radix(sign: i8, digits: &str, radix: u32) -> Result<Value, Misfit> {
    let ok = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if !ok {
        return Err(no_int(digits, radix));
    }
    match i128::from_str_radix(digits, radix) {
        Ok(n) => Ok(Value::Int(n * i128::from(sign))),
        Err(_) => Err("the number is too great".into()),
    }
}

fn no_int(text: &str, radix: u32) -> Misfit {
    format!("invalid literal for int() with base {radix}: '{text}'")
}
