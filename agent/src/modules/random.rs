//! `random`: what is made by chance, and choices that a seed settles.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use salt_jinja::twister::Twister;
use salt_wire::Value;

use super::{Function, python_int, row};
use crate::context::{Args, Context, Error, Result};
use crate::host::digest;

/// The rows of `random`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "random.get_str",
        "length=20, chars=None, lowercase=True, uppercase=True, digits=True, punctuation=True, whitespace=False, printable=False",
        get_str,
        "Return a random text of this length, of these kinds of characters or of ``chars``.",
        "salt '*' random.get_str 128\n    salt '*' random.get_str 128 chars='abc123.!()'"
    ),
    row!(
        "random.hash",
        "value, algorithm='sha512'",
        hash,
        "Return the checksum of a value.",
        "salt '*' random.hash 'I am a string' md5"
    ),
    row!(
        "random.rand_int",
        "start=1, end=10, seed=None",
        rand_int,
        "Return a random number between two numbers, both included; with a seed always the same.",
        "salt '*' random.rand_int 1 10"
    ),
    row!(
        "random.sample",
        "value, size, seed=None",
        |_, args| {
            let size = python_int(args.get("size"))?;
            chosen(args, usize::try_from(size).ok())
        },
        "Return so many items of a list; with a seed always the same.",
        "salt '*' random.sample '[\"one\", \"two\"]' 1 seed='something'"
    ),
    row!(
        "random.seed",
        "range=10, hash=None",
        seed,
        "Return a number below ``range`` that this minion's id, or ``hash``, settles.",
        "salt '*' random.seed 10 hash=None"
    ),
    row!(
        "random.shadow_hash",
        "crypt_salt=None, password=None, algorithm='sha512'",
        super::shadow::gen_password,
        "Return a password's hash as /etc/shadow takes it: sha512 or sha256.",
        "salt '*' random.shadow_hash 'My5alT' 'MyP@asswd' sha512"
    ),
    row!(
        "random.shuffle",
        "value, seed=None",
        |_, args| chosen(args, None),
        "Return a list in another order; with a seed always the same.",
        "salt '*' random.shuffle '[\"one\", \"two\"]' seed='something'"
    ),
    row!(
        "random.str_encode",
        "value, encoder='base64'",
        str_encode,
        "Return a text in base64.",
        "salt '*' random.str_encode 'I am a new string' base64"
    ),
];

fn wrong(kind: &'static str, message: impl Into<String>) -> Error {
    Error::Exception {
        kind,
        message: message.into(),
    }
}

/// A number of the kernel's below this one.
fn below(bound: u64) -> Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| Error::execution(e.to_string()))?;
    Ok(u64::from_le_bytes(bytes) % bound.max(1))
}

const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
const WHITESPACE: &str = " \t\n\r\x0b\x0c";

fn get_str(_: &Context, args: &Args) -> Result {
    let length = python_int(args.get("length")).map_err(|e| Error::execution(words(&e)))?;
    let mut letters = args.opt_text("chars")?.unwrap_or_default();
    let all = args.flag("printable");
    if all {
        letters.clear();
    }
    if letters.is_empty() {
        let lower: String = ('a'..='z').collect();
        for (wanted, kind) in [
            ("lowercase", lower.as_str()),
            ("uppercase", &lower.to_uppercase()),
            ("digits", "0123456789"),
            ("punctuation", PUNCTUATION),
            ("whitespace", WHITESPACE),
        ] {
            if all || args.flag(wanted) {
                letters += kind;
            }
        }
    }
    let letters: Vec<char> = letters.chars().collect();
    let length = usize::try_from(length).unwrap_or_default();
    if letters.is_empty() && length > 0 {
        return Err(Error::execution("Cannot choose from an empty sequence"));
    }
    if length > 1 << 20 {
        return Err(Error::execution("a text of more than 1 MiB is not made"));
    }
    let mut text = String::new();
    for _ in 0..length {
        let at = usize::try_from(below(letters.len() as u64)?).unwrap_or_default();
        text.push(letters[at]);
    }
    Ok(text.into())
}

/// A failure without its class.
fn words(error: &Error) -> String {
    match error {
        Error::Exception { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

fn hash(_: &Context, args: &Args) -> Result {
    let value = args.get("value");
    let bytes = match value {
        Value::Str(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => {
            return Err(Error::Arguments(
                "object supporting the buffer API required".to_owned(),
            ));
        }
    };
    match digest::bytes(bytes, &args.text("algorithm")?) {
        Ok(sum) => Ok(sum.into()),
        Err(_) => Err(wrong(
            "salt.exceptions.SaltException",
            "You must specify a valid algorithm.",
        )),
    }
}

/// A generator that a value settles, as `random.seed(value)` does.
fn seeded(value: &Value) -> Result<Twister> {
    match value {
        Value::Str(text) => Ok(Twister::of_text(text)),
        Value::Int(number) => Ok(Twister::of_number(*number)),
        Value::Bool(flag) => Ok(Twister::of_number(i128::from(*flag))),
        _ => Err(Error::Arguments(
            "The only supported seed types are: None,\nint, float, str, bytes, and bytearray."
                .to_owned(),
        )),
    }
}

fn rand_int(_: &Context, args: &Args) -> Result {
    let (start, end) = (python_int(args.get("start"))?, python_int(args.get("end"))?);
    let width = end - start + 1;
    if width <= 0 {
        return Err(wrong(
            "ValueError",
            format!(
                "empty range for randrange() ({start}, {}, {width})",
                end + 1
            ),
        ));
    }
    let width = u64::try_from(width).map_err(|e| wrong("OverflowError", e.to_string()))?;
    let step = match args.get("seed") {
        Value::Null => below(width)?,
        seed => seeded(seed)?.below(width),
    };
    Ok(Value::Int(start + i128::from(step)))
}

fn seed(ctx: &Context, args: &Args) -> Result {
    let id = Value::from(ctx.settings.id.as_str());
    let hash = match args.get("hash") {
        Value::Null => ctx.facts.grains().get("id").cloned().unwrap_or(id),
        given => given.clone(),
    };
    let mut random = seeded(&hash)?;
    match u64::try_from(python_int(args.get("range"))?) {
        Ok(range) if range > 0 => Ok(random.below(range).into()),
        _ => Err(wrong("ValueError", "empty range for randrange()")),
    }
}

/// `count` of the items, or all of them, in another order.
fn chosen(args: &Args, count: Option<usize>) -> Result {
    let items = match args.get("value") {
        Value::List(items) => items.clone(),
        Value::Str(text) => text.chars().map(|c| c.to_string().into()).collect(),
        _ => {
            return Err(Error::Arguments(
                "Population must be a sequence.  For dicts or sets, use sorted(d).".to_owned(),
            ));
        }
    };
    let count = match (count, args.named.contains_key("size")) {
        (Some(count), _) if count <= items.len() => count,
        (None, false) => items.len(),
        _ => {
            return Err(wrong(
                "ValueError",
                "Sample larger than population or is negative",
            ));
        }
    };
    let mut random = match args.get("seed") {
        Value::Null => Twister::of_number(i128::from(below(u64::MAX)?)),
        Value::Str(seed) => {
            // Salt seeds with the checksum of the seed.
            let sum = digest::bytes(seed.as_bytes(), "sha512");
            Twister::of_text(&sum.map_err(|e| Error::execution(e.to_string()))?)
        }
        _ => {
            return Err(Error::Arguments(
                "object supporting the buffer API required".to_owned(),
            ));
        }
    };
    let places = random.sample(items.len(), count);
    Ok(Value::List(
        places.into_iter().map(|at| items[at].clone()).collect(),
    ))
}

fn str_encode(_: &Context, args: &Args) -> Result {
    let (value, encoder) = (args.get("value"), args.text("encoder")?);
    let bytes = match value {
        Value::Str(text) => text.as_bytes().to_vec(),
        Value::Bytes(bytes) => bytes.clone(),
        _ => Vec::new(),
    };
    let text = matches!(value, Value::Str(_) | Value::Bytes(_));
    // Bytes have no `encode` in Python 3: every encoder but base64 fails so.
    if encoder != "base64" || !text {
        return Err(Error::invocation("Value must be an encode-able string"));
    }
    Ok(STANDARD.encode(bytes).into())
}
