//! The same texts through Salt's own YAML and through ours: not one difference is allowed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed unwrap in a test is a failed test, and a skipped one says why"
)]

#[path = "../../tests/harness/venv.rs"]
mod venv;

use std::io::Write as _;
use std::process::{Command, Stdio};

use salt_wire::Value;
use salt_yaml::{DumpOptions, ErrorKind, Flow};

/// Salt's answers, one line a text.
fn oracle(mode: &str, texts: &[String]) -> Option<Vec<String>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle.py");
    let mut child = Command::new(venv::program("3008.3", "python")?)
        .args([script, mode])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(texts).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let answers: Vec<_> = String::from_utf8(output.stdout)
        .unwrap()
        .split_terminator('\n')
        .map(str::to_owned)
        .collect();
    assert_eq!(answers.len(), texts.len(), "the oracle stopped early");
    Some(answers)
}

fn compare(mode: &str, texts: &[String], ours: impl Fn(&str) -> String) {
    let Some(answers) = oracle(mode, texts) else {
        return;
    };
    let mut wrong = Vec::new();
    for (text, theirs) in texts.iter().zip(answers) {
        let mine = ours(text);
        // A recursive value is none for us; Python makes one. And see node.rs for the tags.
        let known = mine.contains("recursive") || mine.contains("not supported");
        if mine != theirs && !known {
            wrong.push(format!("{text:?}\n  salt: {theirs}\n  ours: {mine}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ\n{}",
        wrong.len(),
        texts.len(),
        wrong[..wrong.len().min(25)].join("\n")
    );
}

fn canon(v: &Value) -> String {
    let join = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(",");
    match v {
        Value::Null => "null".into(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => format!("i{i}"),
        Value::Float(f) => format!("f{}", hex_float(*f)),
        Value::Str(s) => serde_json::to_string(s).unwrap(),
        Value::Bytes(b) => format!(
            "b{}",
            b.iter().map(|b| format!("{b:02x}")).collect::<String>()
        ),
        Value::List(l) => format!("[{}]", join(&mut l.iter().map(canon))),
        Value::Map(m) => format!(
            "({})",
            join(&mut m.iter().map(|(k, v)| format!("{}:{}", canon(k), canon(v))))
        ),
    }
}

/// Python's `float.hex`.
fn hex_float(f: f64) -> String {
    if f.is_nan() {
        return "nan".into();
    }
    let sign = if f.is_sign_negative() { "-" } else { "" };
    if f.is_infinite() {
        return format!("{sign}inf");
    }
    let bits = f.to_bits();
    let (exponent, mantissa) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    match (exponent, mantissa) {
        (0, 0) => format!("{sign}0x0.0p+0"),
        (0, m) => format!("{sign}0x0.{m:013x}p-1022"),
        (e, m) => format!("{sign}0x1.{m:013x}p{:+}", e as i64 - 1023),
    }
}

fn answer(result: Result<Value, salt_yaml::Error>) -> String {
    match result {
        Ok(value) => canon(&value),
        Err(e) if e.kind == ErrorKind::Value => "EValueError".into(),
        Err(e) => format!(
            "E{} {}",
            e.kind.class(),
            serde_json::to_string(&e.to_string()).unwrap()
        ),
    }
}

/// A small generator of numbers with a fixed seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const SCALARS: &[&str] = &[
    "yes",
    "No",
    "ON",
    "off",
    "y",
    "true",
    "False",
    "null",
    "~",
    "",
    "Null",
    "nULL",
    "0",
    "00",
    "007",
    "0644",
    "08",
    "0o17",
    "0x1F",
    "-0x1f",
    "0b101",
    "0b",
    "0x",
    "0_",
    "1_000",
    "-017",
    "+5",
    "+-5",
    "1:30",
    "190:20:30",
    "-1:30",
    "1:60",
    "1:2:3.5",
    "1.",
    ".5",
    "-.5",
    "1e3",
    "1.0e+3",
    "1.5E-7",
    "1.e+3",
    ".inf",
    "-.INF",
    "+.inf",
    ".nan",
    ".NaN",
    "=",
    "<<",
    "2020-01-01",
    "2020-1-1",
    "2020-01-01 10:11:12",
    "2020-01-01T10:11:12.5Z",
    "2020-01-01 1:02:03 +1:30",
    "abc",
    "a b",
    "a: b",
    "a #b",
    "'x'",
    "\"x\\ny\\x41\"",
    "'it''s'",
    "\"\\u263a\"",
    "é",
    "☃ snow",
    "!!str 12",
    "!!int '7'",
    "!!float 3",
    "!!bool yes",
    "!!null x",
    "!!int x",
    "!!binary aGVsbG8=",
    "!!binary a1b2c3",
    "! 12",
    "!foo x",
    "!!python/unicode x",
    "!!timestamp 2020-01-01",
    "!!set {a, b}",
    "!!omap {a: 1}",
    "&a x",
    "*a",
    "[a, b]",
    "{a: 1, b: [2]}",
    "[]",
    "{}",
    "{{ x }}",
    "%x",
    "@x",
    "`x`",
    "-",
    "- a",
    "?",
    "? a",
    "|",
    ">",
    "!",
    "&",
    "*",
    "---",
    "...",
    "# c",
    "#",
    "a\tb",
    "\ta",
    "[a",
    "{a",
    "{a: b, a: c}",
    "{1: a, true: b}",
    "{<<: {x: 1}, x: 2}",
    "{<<: [{x: 1}, {y: 2}]}",
    "{=: 5}",
    "{[a]: b}",
    "123456789012345678901",
    "9223372036854775808",
    "None",
    "True",
    "nan",
    "inf",
    "1e400",
    "1.7976931348623157e+308",
    "5e-324",
    "0.1",
    "1.0",
    "100000000000000000.0",
    "0.00001",
    "http://x/y",
    "a:b",
    "::",
    "a:",
    ":a",
    "x, y",
    "key=value",
    "salt://a",
    "'",
    "\"",
    "\\",
    "\"\\q\"",
    "C:\\x",
    "\u{a0}",
    "\u{2028}",
    "\u{feff}x",
    "\u{7f}",
];

fn scalar(dice: &mut Dice) -> String {
    if dice.roll(4) == 0 {
        let alphabet: Vec<char> = "0123456789_:.+-eExbobaABfntrue ~#'\"{}[],!&*|>?=<é\\"
            .chars()
            .collect();
        (0..1 + dice.roll(6))
            .map(|_| alphabet[dice.roll(alphabet.len())])
            .collect()
    } else {
        dice.pick(SCALARS).to_owned()
    }
}

fn number(dice: &mut Dice) -> String {
    let alphabet: Vec<char> = "0011223456789__::..+-eExbaf TZ".chars().collect();
    (0..1 + dice.roll(9))
        .map(|_| alphabet[dice.roll(alphabet.len())])
        .collect()
}

/// Block lines, indented as a person would, now and then wrongly.
fn block(dice: &mut Dice, indent: usize, depth: usize, out: &mut String) {
    let list = dice.roll(3) == 0;
    for n in 0..1 + dice.roll(4) {
        let shift = if dice.roll(40) == 0 { 1 } else { 0 };
        out.push_str(&" ".repeat(indent + shift));
        if dice.roll(50) == 0 {
            out.push_str("# note\n");
            out.push_str(&" ".repeat(indent));
        }
        if list {
            out.push_str("- ");
        } else {
            match dice.roll(12) {
                0 => out.push_str("<<: "),
                1 => {
                    out.push_str(
                        dice.pick(&["1", "true", "'q'", "0644", "{{ x }}", "null", "1.0", "dup"]),
                    );
                    out.push_str(": ");
                }
                _ => out.push_str(&format!("k{n}: ")),
            }
        }
        if dice.roll(12) == 0 {
            out.push_str(dice.pick(&["&a ", "&b ", "!!map ", "!!seq ", "!!str ", "!x "]));
        }
        match dice.roll(if depth == 0 { 6 } else { 9 }) {
            0 => {
                out.push_str(dice.pick(&["|", ">", "|-", "|+", ">-", "|2"]));
                out.push('\n');
                for _ in 0..dice.roll(4) {
                    out.push_str(&" ".repeat(indent + 2 + dice.roll(2)));
                    out.push_str(dice.pick(&["text", "more: text", "", "# no comment", "- x"]));
                    out.push('\n');
                }
            }
            1 => out.push_str(dice.pick(&["*a\n", "*b\n", "[*a, 1]\n", "{<<: *a, k1: 2}\n"])),
            2..6 => {
                out.push_str(&scalar(dice));
                out.push('\n');
            }
            _ => {
                out.push('\n');
                block(dice, indent + 2, depth - 1, out);
            }
        }
    }
}

fn scalars() -> Vec<String> {
    let mut dice = Dice(20);
    let mut texts: Vec<String> = SCALARS.iter().map(|&s| s.to_owned()).collect();
    texts.extend((0..3000).map(|_| scalar(&mut dice)));
    texts.extend((0..4000).map(|_| number(&mut dice)));
    texts
}

fn documents() -> Vec<String> {
    let mut dice = Dice(7);
    let mut texts = Vec::new();
    for s in SCALARS {
        texts.push(format!("key: {s}\n"));
        texts.push(format!("- {s}\n- &a {s}\n- *a\n"));
        texts.push(format!("{s}: 1\nb: {{{s}: 2}}\n"));
        texts.push(format!("[{s}, x]"));
    }
    // Blocks of text that the end of the file ends, not a line break.
    for style in ["|", "|-", "|+", ">", ">-", ">+"] {
        for rest in [
            "  x",
            "  x\n  y",
            "  x\n\n  y",
            "  x\n",
            "  x\n# c",
            "  é: x\nb: y",
        ] {
            texts.push(format!("a: {style}\n{rest}"));
        }
        texts.push(format!("a:\n  - {style}\n    x\n  - {style}\n    y"));
    }
    for _ in 0..4000 {
        let mut text = String::new();
        if dice.roll(20) == 0 {
            text.push_str(dice.pick(&[
                "---\n",
                "%YAML 1.1\n---\n",
                "%YAML 1.2\n---\n",
                "%TAG ! tag:x,\n---\n",
                "\n\n",
            ]));
        }
        block(&mut dice, 0, 3, &mut text);
        if dice.roll(30) == 0 {
            text.push_str(dice.pick(&["...\n", "--- b\n", "\t", "}", "...\nx"]));
        }
        texts.push(text);
    }
    texts
}

#[test]
fn scalars_are_resolved_as_salt_does() {
    compare("sls", &scalars(), |t| answer(salt_yaml::load(t)));
}

#[test]
fn documents_are_read_as_the_renderer_does() {
    compare("sls", &documents(), |t| answer(salt_yaml::load(t)));
}

#[test]
fn documents_are_read_as_configuration_is() {
    let texts: Vec<_> = documents()
        .into_iter()
        .filter(|t| !t.contains("!!set"))
        .collect();
    compare("plain", &texts, |t| answer(salt_yaml::load_plain(t)));
}

#[test]
fn arguments_are_read_as_the_command_line_does() {
    let mut texts = scalars();
    texts.retain(|t| !t.contains("!!set"));
    compare("arg", &texts, |t| canon(&salt_yaml::yamlify_arg(t)));
}

#[test]
fn values_are_written_as_salt_does() {
    let mut texts = documents();
    texts.extend(scalars());
    texts.extend([
        "a: 'long ".to_owned() + &"word ".repeat(60) + "'",
        "a: \"trailing  \\n \\n\\nx\"".to_owned(),
        "- \"multi\\nline\\n\"\n- \" lead\"\n- \"tab\\there\"\n- \"\\x07\\e\\u0085\\u2029\\U0001f600\"".to_owned(),
    ]);
    texts.retain(|t| !t.contains("!!set") && !t.contains('*'));
    let write = |v: &Value| {
        let mut out = Vec::new();
        for flow in [Flow::Block, Flow::Flow, Flow::Leaves] {
            for sort in [false, true] {
                let options = DumpOptions {
                    flow,
                    sort,
                    ..DumpOptions::default()
                };
                out.push(salt_yaml::dump(v, &options).unwrap());
            }
        }
        let narrow = DumpOptions {
            width: Some(20),
            ..DumpOptions::default()
        };
        out.push(salt_yaml::dump(v, &narrow).unwrap());
        let wide = DumpOptions {
            indent: Some(4),
            ..DumpOptions::default()
        };
        out.push(salt_yaml::dump(v, &wide).unwrap());
        python_json(&out)
    };
    compare("dump", &texts, |t| match salt_yaml::load_plain(t) {
        Ok(value) => write(&value),
        Err(e) => answer(Err(e)),
    });
}

/// `json.dumps` of a list of texts.
fn python_json(texts: &[String]) -> String {
    let texts: Vec<_> = texts
        .iter()
        .map(|t| serde_json::to_string(t).unwrap())
        .collect();
    format!("[{}]", texts.join(", "))
}
