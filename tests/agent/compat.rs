//! What is not native, run by a real Salt beside the agent: synced modules, renderers, bounds, refusals.

use std::fs;
use std::path::PathBuf;

use harness::{Agent, Client, Master, Release, until, until_some};
use serde_json::{Value, json};

const FUNCTIONS: &str = "
import os
__virtualname__ = 'own'

def __virtual__():
    return __virtualname__

def hello(name, greeting='hello'):
    '''Greets.'''
    seen = __context__.get('own.seen', 0)
    __context__['own.seen'] = seen + 1
    return '%s %s from %s of %s, %d' % (
        greeting, name, __grains__['id'], __pillar__.get('who'), seen)

def fail(kind):
    from salt.exceptions import CommandExecutionError, SaltInvocationError
    raise {'execution': CommandExecutionError, 'invocation': SaltInvocationError,
           'value': ValueError}[kind]('no ' + kind)

def pid():
    return os.getpid()

def code():
    __context__['retcode'] = 42
    return 'done'

def grow():
    return len(bytearray(os.urandom(1)) * (1 << 30))

def wait(seconds, marker):
    import time
    open(marker, 'w').close()
    time.sleep(seconds)

def cached(path):
    return __salt__['cp.cache_file'](path)
";

const STATES: &str = "
def there(name, marker=None):
    ret = {'name': name, 'changes': {}, 'result': True, 'comment': ['as', 'wanted']}
    if __opts__['test']:
        ret['result'] = None
        return ret
    ret['changes'] = {'seen': __salt__['own.hello'](name), 'env': __env__, 'id': __low__['__id__']}
    return ret

def killed(name):
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)

def broken(name):
    raise RuntimeError('not today')

def mod_watch(name, **kwargs):
    return {'name': name, 'changes': {'watched': True}, 'result': True, 'comment': ''}
";

const ABSENT: &str = "
def __virtual__():
    return (False, 'the python package nothing is missing')

def running(name):
    pass
";

const TREE: &str = "
native:
  test.succeed_with_changes: []
first:
  own.there:
    - marker: 1
second:
  own.there:
    - watch: [{test: native}]
dies:
  own.killed: []
after:
  own.there: []
raises:
  own.broken: []
last:
  test.succeed_without_changes:
    - require: [{own: after}]
";

const PY: &str = "#!py
def run():
    return {'from-py': {'test.configurable_test_state': [
        {'name': __grains__['id'] + ' ' + saltenv + ' ' + sls + ' ' + __salt__['own.hello']('py')},
        {'changes': False}, {'result': True}, {'comment': 'x'}]}}
";

fn python() -> PathBuf {
    Release::V3008.venv()
}

fn config(master: &Master, compat: &str) -> String {
    format!(
        "master: {}\nagent: {{trust: first-use, compat: {compat}}}\n",
        master.address
    )
}

/// A master with a tree that needs Salt's own Python.
fn master() -> Master {
    Master::of(Release::V3008)
        .auto_accept()
        .file("srv/salt/_modules/ownmod.py", FUNCTIONS)
        .file("srv/salt/_states/own.py", STATES)
        .file("srv/salt/_states/absent.py", ABSENT)
        .file(
            "srv/salt/_grains/own.py",
            "def own():\n    return {'own_grain': [1, 'two']}\n",
        )
        .file("srv/salt/mixed.sls", TREE)
        .file("srv/salt/fromPy.sls", PY)
        .file(
            "srv/salt/absent.sls",
            "x:\n  absent.running: []\ny:\n  test.nop: []\n",
        )
        .file("srv/salt/file.txt", "served\n")
        .file("srv/pillar/top.sls", "base: {'*': [who]}\n")
        .file("srv/pillar/who.sls", "who: pillar\n")
        .start()
}

/// The result of the state with this ID.
fn of<'a>(ret: &'a Value, id: &str) -> &'a Value {
    let all = ret.as_object().unwrap_or_else(|| panic!("{ret:#}"));
    let key = format!("_|-{id}_|-");
    all.iter()
        .find(|(tag, _)| tag.contains(&key))
        .map_or_else(|| panic!("no {id} in {ret:#}"), |(_, result)| result)
}

#[test]
fn a_salt_beside_the_agent_runs_what_is_not_native() {
    if !Release::V3008.is_installed() {
        return;
    }
    let master = master();
    let mut agent = Agent::prepare("mixed", &master.address.to_string(), "");
    let compat = format!(
        "{{python: {}, memory: 400MiB, timeout: 60s}}",
        python().display()
    );
    agent.configure(&config(&master, &compat));
    agent.run();
    agent.wait_ready();
    let mut client = Client::of(&master);
    let mut call = |fun: &str, arg: Value| client.call("mixed", fun, arg, json!({})).0;

    // Synced modules: grains at once, functions and states from then on.
    let synced = call("saltutil.sync_all", json!([]));
    assert_eq!(synced["modules"], json!(["modules.ownmod"]), "{synced:#}");
    assert_eq!(call("grains.get", json!(["own_grain"])), json!([1, "two"]));
    assert_eq!(
        call("own.hello", json!(["you", "greeting=hi"])),
        json!("hi you from mixed of pillar, 0")
    );
    // Each job has a context of its own.
    assert_eq!(
        call("own.hello", json!(["you"])),
        json!("hello you from mixed of pillar, 0")
    );
    let listed = call("sys.list_functions", json!(["own"]));
    assert!(
        listed.as_array().unwrap().contains(&json!("own.hello")),
        "{listed}"
    );
    // One of Salt's own that has no native form here.
    assert_eq!(
        call("random.get_str", json!([12])).as_str().map(str::len),
        Some(12)
    );
    // Files come through the agent's own session.
    let cached = call("own.cached", json!(["salt://file.txt"]));
    assert_eq!(
        fs::read_to_string(cached.as_str().unwrap()).unwrap(),
        "served\n"
    );

    // Failures read as Salt's.
    assert_eq!(
        call("own.fail", json!(["execution"])),
        json!("ERROR: no execution")
    );
    assert_eq!(
        call("own.fail", json!(["invocation"])),
        json!("ERROR executing 'own.fail': no invocation")
    );
    let trace = call("own.fail", json!(["value"]));
    let trace = trace.as_str().unwrap();
    assert!(
        trace.starts_with(
            "The minion function caused an exception: Traceback (most recent call last):"
        ) && trace.contains("ValueError: no value"),
        "{trace}"
    );
    assert!(
        call("own.nothing", json!([]))
            .as_str()
            .unwrap()
            .contains("is not available")
    );
    let wrong = call("own.hello", json!([]));
    assert!(
        wrong
            .as_str()
            .unwrap()
            .starts_with("Passed invalid arguments to own.hello: "),
        "{wrong}"
    );

    // More memory than it may take: this call fails, the next one works.
    let grown = call("own.grow", json!([]));
    assert!(
        grown
            .as_str()
            .unwrap()
            .contains("more than 400 MiB of memory"),
        "{grown}"
    );
    assert!(call("own.pid", json!([])).is_number());

    // Native states and Salt's in one run, with one context; one that kills the worker fails alone.
    let ret = call("state.apply", json!(["mixed"]));
    assert_eq!(of(&ret, "first")["comment"], "as\nwanted", "{ret:#}");
    assert_eq!(
        of(&ret, "first")["changes"],
        json!({"seen": "hello first from mixed of pillar, 0", "env": "base", "id": "first"})
    );
    let second = of(&ret, "second");
    assert_eq!(
        second["changes"]["seen"], "hello second from mixed of pillar, 1",
        "{ret:#}"
    );
    let dies = of(&ret, "dies");
    assert_eq!(dies["result"], false);
    assert!(
        dies["comment"]
            .as_str()
            .unwrap()
            .contains("the compat worker ended (signal: 9"),
        "{dies:#}"
    );
    assert_eq!(of(&ret, "after")["result"], true, "{ret:#}");
    let raises = of(&ret, "raises")["comment"].as_str().unwrap();
    assert!(
        raises.starts_with("An exception occurred in this state: Traceback")
            && raises.contains("RuntimeError: not today"),
        "{raises}"
    );
    assert_eq!(of(&ret, "last")["result"], true);
    let tested = call("state.apply", json!(["mixed", "test=True"]));
    assert_eq!(of(&tested, "first")["result"], Value::Null, "{tested:#}");

    // An SLS in Python.
    let ret = call("state.apply", json!(["fromPy"]));
    assert_eq!(
        of(&ret, "from-py")["name"],
        "mixed base fromPy hello py from mixed of pillar, 0",
        "{ret:#}"
    );

    // What Salt cannot load fails in Salt's words, and the rest runs.
    let ret = call("state.apply", json!(["absent"]));
    let comment = of(&ret, "x")["comment"].as_str().unwrap();
    assert!(
        comment.contains("State 'absent.running' was not found in SLS 'absent'")
            && comment.contains("the python package nothing is missing"),
        "{comment}"
    );
    assert_eq!(of(&ret, "y")["result"], true);

    // A job that is killed takes its worker along.
    let marker = agent.dir().join("own.wait");
    let jid = client
        .publish("mixed", "own.wait", json!([600, marker]), 1)
        .remove(0);
    until(60, "the worker to wait", || marker.exists());
    client.call("mixed", "saltutil.kill_job", json!([jid]), json!({}));
    until_some(30, "the job to end", || {
        let found = client
            .call("mixed", "saltutil.find_job", json!([jid]), json!({}))
            .0;
        found.get("jid").is_none().then_some(())
    });

    refusals(&master, &agent);
}

/// Without a Salt, and where it is switched off or required.
fn refusals(master: &Master, agent: &Agent) {
    let apply = |compat: &str, sls: &str| {
        agent.configure(&config(master, compat));
        agent.command("call", &["--out", "json", "state.apply", sls])
    };
    let off = apply("off", "mixed");
    assert_ne!(off.code, 0);
    for piece in [
        "the compat worker is off",
        "State 'own.there' is not available, needed by ID 'first' in SLS 'mixed'",
        "State 'own.killed' is not available, needed by ID 'dies' in SLS 'mixed'",
    ] {
        assert!(off.stdout.contains(piece), "{piece}: {off:?}");
    }
    assert!(!off.stdout.contains("native_|"), "something ran: {off:?}");
    let required = apply("{mode: require, python: /nonexistent}", "absent");
    assert_ne!(required.code, 0);
    assert!(
        required.stderr.contains("/nonexistent") && required.stderr.contains("compat is require"),
        "{required:?}"
    );
}
