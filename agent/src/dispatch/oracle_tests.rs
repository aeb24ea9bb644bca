//! Our functions beside Salt's own: the same call, the same answer, the same words for a failure.

use std::sync::Arc;

use salt_wire::{Map, Value, map};

use super::Registry;
use crate::context::{Context, Facts};
use crate::returns::load::{Outcome, Part};
use crate::testing;

#[path = "../../tests/oracle/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
#[allow(clippy::print_stderr, reason = "it says why it skips")]
mod oracle;
#[path = "../../../tests/harness/venv.rs"]
#[allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "it says why it skips"
)]
mod venv;

/// Calls as `Minion._thread_return` does.
const SALT: &str = r#"
import sys, logging, os, tempfile, traceback
logging.disable(logging.CRITICAL)
import salt.utils.msgpack as msgpack
import salt.config, salt.minion, salt.exceptions
request = msgpack.unpackb(sys.stdin.buffer.read(), raw=False, strict_map_key=False)
root = tempfile.mkdtemp()
os.makedirs(root + "/pillar")
with open(root + "/minion", "w") as fp:
    fp.write("id: minion\nroot_dir: %s\nfile_client: local\npillar_roots: {base: [%s/pillar]}\n%s" % (root, root, request["config"]))
with open(root + "/pillar/top.sls", "w") as fp:
    fp.write("base: {'*': [data]}\n")
with open(root + "/pillar/data.sls", "w") as fp:
    fp.write(request["pillar"])
opts = salt.config.minion_config(root + "/minion")
opts["grains"] = {}
minion = salt.minion.SMinion(opts)
functions = minion.functions
import copy
pillar = copy.deepcopy(functions["pillar.raw"]())
out = []
for case in request["cases"]:
    fun, arg = case
    data = {"fun": fun, "arg": arg, "jid": "20260101000000000000", "tgt": "*", "tgt_type": "glob", "ret": "", "user": "root"}
    ret = {"success": False, "retcode": 1}
    try:
        if fun not in functions:
            ret["return"] = functions.missing_fun_string(fun)
        else:
            args, kwargs = salt.minion.load_args_and_kwargs(functions[fun], arg, data)
            functions.pack["__context__"]["retcode"] = 0
            value = functions[fun](*args, **kwargs)
            code = functions.pack["__context__"].get("retcode", 0)
            if code == 0 and isinstance(value, dict) and not all(value.get(x, True) for x in ("result", "success")):
                code = 1
            ret.update({"return": copy.deepcopy(value), "retcode": code, "success": code == 0})
    except salt.exceptions.CommandNotFoundError as exc:
        ret["return"] = "Command required for '%s' not found: %s" % (fun, exc)
    except salt.exceptions.CommandExecutionError as exc:
        ret["return"] = "ERROR: %s" % exc
    except salt.exceptions.SaltInvocationError as exc:
        ret["return"] = "ERROR executing '%s': %s" % (fun, exc)
    except salt.exceptions.SaltClientError as exc:
        ret["return"] = "ERROR executing '%s': %s" % (fun, exc)
    except TypeError as exc:
        ret["return"] = "Passed invalid arguments to %s: %s\n" % (fun, exc)
    except Exception as exc:
        ret["return"] = "The minion function caused an exception: " + traceback.format_exc().strip().splitlines()[-1]
    out.append(ret)
def default(obj):
    return sorted(obj) if isinstance(obj, set) else str(obj)
sys.stdout.buffer.write(msgpack.packb({"grains": {k: v for k, v in opts["grains"].items() if k in ("os", "kernel", "saltversion")}, "pillar": pillar, "returns": out}, default=default))
"#;

const CONFIG: &str = "test.foo: configured\nown: {a: {b: 1}, list: [1, 2]}\nmine_functions: {test.version: [], alias: [{mine_function: test.echo}, hello]}\n";
const PILLAR: &str = "a: {b: {c: 1, d: [x, y, {k: v}]}, e: null, f: ''}\nsecret: s3\nn: 5\nl: [1, [2], {z: true}]\nrole: web\nroles: [db, web]\nown: {a: {c: 2}}\nmaster: {own: {z: 3}, 'x.y': 1}\nnums: {1: one}\n";

fn kw(map: Map) -> Value {
    let mut all = map! {"__kwarg__" => true};
    all.extend(map);
    all.into()
}

/// Calls whose answers must be the same.
fn cases() -> Vec<(&'static str, Vec<Value>)> {
    let text = |s: &str| Value::from(s);
    let list = |items: &[i64]| Value::List(items.iter().map(|i| (*i).into()).collect());
    let mut cases: Vec<(&str, Vec<Value>)> = vec![
        ("test.ping", vec![]),
        ("test.ping", vec![1.into()]),
        ("test.ping", vec![text("bogus=1")]),
        ("test.ping", vec![kw(map! {"a" => list(&[1]), "b" => "x"})]),
        ("no.such", vec![]),
        ("test.nosuch", vec![]),
        ("test.version", vec![]),
        ("test.echo", vec![]),
        ("test.echo", vec![text("a"), text("b")]),
        ("test.echo", vec![text("text=[1, {a: b}]")]),
        ("test.echo", vec![text("x"), text("text=y")]),
        ("test.echo", vec![map! {"a" => Value::Null}.into()]),
        (
            "test.arg",
            vec![
                1.into(),
                text("a=1e3"),
                text("b=yes"),
                text("c==d"),
                text("d=2020-01-01"),
                text("e=a#b"),
                text("f=None"),
                text("g='1'"),
                text("h="),
                text("i=1_000"),
                text("j={a: 1}"),
                text("k=a: 1"),
            ],
        ),
        ("test.arg_clean", vec![1.5.into(), text("x=1"), Value::Null]),
        ("test.arg_repr", vec![1.into()]),
        (
            "test.arg_repr",
            vec![
                1.into(),
                text("it's"),
                2.0.into(),
                Value::Null,
                list(&[1, 2]),
            ],
        ),
        (
            "test.arg_type",
            vec![
                1.into(),
                text("a"),
                1.5.into(),
                Value::Null,
                true.into(),
                list(&[]),
                kw(map! {"m" => Map::new()}),
            ],
        ),
        ("test.kwarg", vec![text("a=1"), kw(map! {"b" => true})]),
        ("test.kwarg", vec![1.into()]),
        ("test.true", vec![]),
        ("test.false", vec![]),
        ("test.retcode", vec![]),
        ("test.retcode", vec![3.into()]),
        ("test.retcode", vec![0.into()]),
        ("test.exception", vec![]),
        ("test.exception", vec![text("Oh noes!")]),
        ("test.assertion", vec![false.into()]),
        ("test.assertion", vec![1.into()]),
        ("test.sleep", vec![0.into()]),
        ("test.sleep", vec![text("x")]),
        ("test.sleep", vec![list(&[])]),
        ("test.sleep", vec![text("-1")]),
        ("test.outputter", vec![text("x")]),
        ("test.tty", vec![text("tty0")]),
        ("test.try", vec![text("test.ping")]),
        ("test.try", vec![text("test.exception")]),
        (
            "test.try",
            vec![text("test.exception"), true.into(), text("message=boo")],
        ),
        (
            "test.cross_test",
            vec![text("test.echo"), Value::List(vec![text("x")])],
        ),
        ("test.conf_test", vec![]),
        ("test.provider", vec![text("event")]),
        ("test.provider", vec![text("nosuch")]),
        ("test.fib", vec![text("-1")]),
        ("test.deprecation_warning", vec![]),
        ("config.get", vec![text("own:a:b")]),
        ("config.get", vec![text("own:a:c")]),
        ("config.get", vec![text("own")]),
        (
            "config.get",
            vec![text("own|a"), kw(map! {"delimiter" => "|"})],
        ),
        ("config.get", vec![text("nope")]),
        ("config.get", vec![text("nope"), 5.into()]),
        (
            "config.get",
            vec![
                text("own:z"),
                text("omit_opts=True"),
                text("omit_pillar=True"),
            ],
        ),
        ("config.get", vec![text("secret"), text("omit_pillar=True")]),
        ("config.get", vec![text("own:list:1")]),
        ("config.get", vec![text("id")]),
        ("config.option", vec![text("test.foo")]),
        ("config.option", vec![text("redis.host")]),
        ("config.option", vec![text("nope")]),
        ("config.option", vec![text("nope"), text("default=x")]),
        ("config.option", vec![text("own"), text("omit_opts=True")]),
        ("config.option", vec![text("secret")]),
        ("config.option", vec![text("virt"), text("omit_all=True")]),
        ("config.option", vec![text("redis*"), text("wildcard=True")]),
        ("config.option", vec![text("nope*"), text("wildcard=True")]),
        ("config.merge", vec![text("nope"), text("d")]),
        ("config.merge", vec![text("redis.host")]),
        ("config.dot_vals", vec![text("test")]),
        ("config.dot_vals", vec![text("x")]),
        ("config.backup_mode", vec![]),
        ("config.backup_mode", vec![text("x")]),
        ("pillar.file_exists", vec![text("nope.sls")]),
        (
            "pillar.file_exists",
            vec![text("data.sls"), text("saltenv=dev")],
        ),
        ("saltutil.running", vec![]),
        ("saltutil.find_job", vec![text("1")]),
        ("saltutil.is_running", vec![text("*")]),
        ("saltutil.find_cached_job", vec![text("1")]),
        ("saltutil.signal_job", vec![text("1"), 15.into()]),
        ("saltutil.term_job", vec![text("1")]),
        ("saltutil.kill_job", vec![text("1")]),
        ("saltutil.kill_all_jobs", vec![]),
        ("saltutil.term_all_jobs", vec![]),
        ("saltutil.clear_job_cache", vec![]),
        ("saltutil.refresh_grains", vec![text("bogus=1")]),
        ("saltutil.sync_modules", vec![]),
        ("saltutil.sync_all", vec![text("refresh=False")]),
        ("key.finger", vec![]),
        ("key.finger_master", vec![text("hash_type=md5")]),
        (
            "event.fire_master",
            vec![map! {"a" => 1}.into(), text("tag")],
        ),
        ("event.fire", vec![]),
        ("mine.valid", vec![]),
        ("mine.update", vec![]),
        ("mine.get", vec![text("*"), text("test.version")]),
        ("mine.get", vec![text("*"), text("test.version,alias")]),
        ("mine.get", vec![text("nope"), text("test.version")]),
        ("mine.get", vec![text("*"), text("nosuch")]),
        (
            "mine.send",
            vec![
                text("x"),
                text("mine_function=test.echo"),
                text("text=hi"),
                text("allow_tgt=web*"),
            ],
        ),
        ("mine.get", vec![text("*"), text("x")]),
        ("mine.send", vec![text("test.nosuch")]),
        ("mine.delete", vec![text("x")]),
        ("mine.get", vec![text("*"), text("x")]),
        ("mine.flush", vec![]),
        ("mine.get", vec![text("*"), text("test.version")]),
        (
            "mine.update",
            vec![kw(map! {"mine_functions" => vec!["test.version"]})],
        ),
        ("mine.get", vec![text("*"), text("test.version")]),
        ("sys.argspec", vec![text("test.arg")]),
        ("sys.argspec", vec![text("pillar.items")]),
        ("sys.argspec", vec![text("config.get")]),
        ("sys.argspec", vec![text("nosuch")]),
        ("sys.list_functions", vec![text("test.p*")]),
        ("sys.list_functions", vec![text("key")]),
        ("sys.list_functions", vec![text("event")]),
        ("sys.list_functions", vec![text("nosuch")]),
        ("sys.list_modules", vec![text("test")]),
        ("sys.list_modules", vec![text("ev*")]),
        ("sys.doc", vec![text("nosuch")]),
        ("sys.list_state_functions", vec![text("test.no*")]),
    ];
    for mode in [
        text("644"),
        644.into(),
        text("0o755"),
        text("'0600'"),
        Value::Null,
        0.into(),
        1777.into(),
    ] {
        cases.push(("config.manage_mode", vec![mode]));
    }
    for uri in [
        "salt://x",
        "http://x",
        "/x",
        "git://x",
        "S3://x",
        "file:///x",
        "",
    ] {
        cases.push(("config.valid_fileproto", vec![text(uri)]));
    }
    for exception in [
        "TypeError",
        "ValueError",
        "KeyError",
        "OSError",
        "NotImplementedError",
        "nosuch",
        "int",
        "salt.exceptions.CommandExecutionError",
        "salt.exceptions.CommandNotFoundError",
        "salt.exceptions.SaltInvocationError",
        "salt.exceptions.SaltClientError",
        "salt.exceptions.nosuch",
        "salt.exceptions.MinionError",
        "salt.exceptions.SaltRenderError",
        "salt.exceptions.AuthenticationError",
        "salt.exceptions.SaltReqTimeoutError",
        "salt.exceptions.EauthAuthenticationError",
        "salt.exceptions.TimedProcTimeoutError",
        "salt.exceptions.SaltMasterError",
        "salt.exceptions.FileLockError",
        "salt.exceptions.CheckError",
        "salt.exceptions.PublishError",
        "salt.exceptions.NotImplemented",
    ] {
        cases.push(("test.raise_exception", vec![text(exception), text("why")]));
    }
    for key in [
        "a",
        "a:b:c",
        "a:b:d:2:k",
        "a:b:d:k",
        "a:e",
        "a:f",
        "nope",
        "n",
        "l",
        "1",
        "secret",
        "a:b:c:d",
    ] {
        cases.push(("pillar.get", vec![text(key)]));
        cases.push(("pillar.get", vec![text(key), text("unmask=True")]));
        cases.push((
            "pillar.get",
            vec![text(key), text("default=x"), text("unmask=True")],
        ));
        let below = map! {"b" => map!{"c" => 7, "z" => 1}, "y" => 2};
        cases.push((
            "pillar.get",
            vec![
                text(key),
                kw(map! {"default" => below, "merge" => true, "unmask" => true}),
            ],
        ));
        cases.push((
            "pillar.get",
            vec![
                text(key),
                kw(map! {"default" => list(&[1, 9]), "merge" => true, "unmask" => true}),
            ],
        ));
        cases.push((
            "pillar.item",
            vec![text(key), text("n"), text("unmask=True")],
        ));
        cases.push(("pillar.keys", vec![text(key)]));
        cases.push(("pillar.raw", vec![text(key)]));
        cases.push(("config.get", vec![text(key)]));
    }
    for fun in ["pillar.items", "pillar.data", "pillar.ls", "pillar.raw"] {
        cases.push((fun, vec![]));
        cases.push((fun, vec![text("unmask=True")]));
    }
    cases.push(("pillar.items", vec![text("a"), text("n")]));
    cases.push(("pillar.obfuscate", vec![text("unmask=True")]));
    cases.push(("pillar.raw", vec![text("unmask=False")]));
    let table = map! {"w*" => "is web", "db" => map!{"x" => 1}, "default" => "none", "base" => map!{"x" => 0, "y" => 2}};
    for key in ["role", "roles", "nope", "n"] {
        cases.push(("pillar.filter_by", vec![table.clone().into(), text(key)]));
        cases.push((
            "pillar.filter_by",
            vec![table.clone().into(), text(key), text("base=base")],
        ));
        cases.push((
            "pillar.filter_by",
            vec![table.clone().into(), text(key), text("default=nope")],
        ));
    }
    // Last: in Salt these change the pillar in memory.
    for merge in ["merge=overwrite", "merge=recurse"] {
        cases.push(("config.get", vec![text("own"), text(merge)]));
    }
    cases.push(("config.merge", vec![text("own")]));
    cases
}

fn ours(context: &Context, fun: &str, arg: &[Value]) -> Map {
    let load = map! {
        "fun" => fun, "arg" => Value::List(arg.to_vec()), "jid" => "20260101000000000000", "tgt" => "*",
        "tgt_type" => "glob", "ret" => "", "user" => "root",
    };
    let result = Registry.run(context, fun, arg, Some(&load));
    let outcome = Outcome {
        result,
        retcode: context.job.retcode(),
    };
    let part = Part::new(fun, outcome, &NoDocs);
    let mut value = part.value;
    // Where in Python's files it happened is not ours to tell.
    if let Some(text) = value.as_str()
        && let Some(trace) = text.strip_prefix("The minion function caused an exception: ")
    {
        let last = trace.trim().lines().last().unwrap_or_default();
        value = format!("The minion function caused an exception: {last}").into();
    }
    map! {"return" => value, "retcode" => part.retcode, "success" => part.success}
}

struct NoDocs;

impl crate::returns::load::Docs for NoDocs {
    fn doc(&self, _: &str) -> String {
        String::new()
    }
    fn starting_with(&self, _: &str) -> Map {
        Map::new()
    }
}

#[test]
fn functions_answer_as_salts() {
    let Some(python) = venv::program("3008.3", "python") else {
        return;
    };
    let cases = cases();
    let request = map! {
        "config" => CONFIG, "pillar" => PILLAR,
        "cases" => Value::List(cases.iter().map(|(fun, arg)| Value::List(vec![(*fun).into(), Value::List(arg.clone())])).collect()),
    };
    let answer = oracle::ask(&python, SALT, &request.into());
    let dir = tempfile::tempdir().unwrap();
    let mut opts = salt_yaml::load_config(CONFIG)
        .unwrap()
        .0
        .as_map()
        .unwrap()
        .clone();
    let roots = map! {"base" => vec![dir.path().join("pillar").display().to_string()]};
    opts.insert("pillar_roots".into(), roots.into());
    let mut context = testing::context(dir.path(), opts);
    context.functions = Arc::new(Registry);
    context.facts = Arc::new(Facts::new(
        answer.get("grains").unwrap().as_map().unwrap().clone(),
        answer.get("pillar").unwrap().as_map().unwrap().clone(),
    ));
    let mut different = Vec::new();
    for ((fun, arg), theirs) in cases
        .iter()
        .zip(answer.get("returns").unwrap().as_list().unwrap())
    {
        let ours = ours(&context, fun, arg);
        for key in ["return", "retcode", "success"] {
            if Some(&ours[key]) != theirs.get(key) {
                different.push(format!(
                    "{fun} {arg:?}\n    {key}: ours   {:?}\n    {key}: theirs {:?}",
                    ours[key],
                    theirs.get(key)
                ));
            }
        }
    }
    assert!(
        different.is_empty(),
        "{} differences in {} calls:\n{}",
        different.len(),
        cases.len(),
        different.join("\n")
    );
}
