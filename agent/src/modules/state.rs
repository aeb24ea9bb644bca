//! `state`: the state engine, by name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use salt_wire::{Map, Value, map};

use super::Function;
use crate::context::{Args, Context, Error, Facts, Result, python};
use crate::fileclient::FileClient;
use crate::highstate::report::{COMPILER_ERROR, PILLAR_FAILURE, STATE_FAILURE};
use crate::highstate::{self, Compiler, Native, Options, Outcome, split_input};
use crate::host::lock;
use crate::pillar::Request;

/// The rows of `state`.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "state.apply",
        signature: "mods=None, **kwargs",
        doc: "Apply states: the given SLS, or without any the highstate. With ``test=True`` nothing is changed.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.apply stuff pillar='{\"foo\": \"bar\"}'",
        run: apply,
    },
    Function {
        name: "state.highstate",
        signature: "test=None, queue=None, state_events=None, **kwargs",
        doc: "Apply what the top file gives this minion.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.highstate exclude=sls_to_exclude",
        run: highstate,
    },
    Function {
        name: "state.sls",
        signature: "mods, test=None, exclude=None, queue=None, sync_mods=None, state_events=None, **kwargs",
        doc: "Apply the states of one or more SLS files.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.sls core,edit.vim saltenv=dev",
        run: sls,
    },
    Function {
        name: "state.sls_id",
        signature: "id_, mods, test=None, queue=None, state_events=None, **kwargs",
        doc: "Call a single ID of the given SLS files; its requisites are run with it.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.sls_id my_state my_module",
        run: sls_id,
    },
    Function {
        name: "state.single",
        signature: "fun, name, test=None, queue=None, **kwargs",
        doc: "Call a single state function.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.single pkg.installed name=vim",
        run: single,
    },
    Function {
        name: "state.low",
        signature: "data, queue=None, **kwargs",
        doc: "Call a single low chunk.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.low '{\"state\": \"pkg\", \"fun\": \"installed\", \"name\": \"vi\"}'",
        run: low,
    },
    Function {
        name: "state.high",
        signature: "data, test=None, queue=None, **kwargs",
        doc: "Apply high data, as ``state.show_highstate`` shows it.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.high '{\"vim\": {\"pkg\": [\"installed\"]}}'",
        run: high,
    },
    Function {
        name: "state.template_str",
        signature: "tem, queue=None, **kwargs",
        doc: "Apply the states of a text.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.template_str '<Template String>'",
        run: template_str,
    },
    Function {
        name: "state.top",
        signature: "topfn, test=None, queue=None, **kwargs",
        doc: "Apply the highstate of another top file.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.top reverse_top.sls",
        run: top,
    },
    Function {
        name: "state.test",
        signature: "*args, **kwargs",
        doc: "Apply states without changing anything; same arguments as ``state.apply``.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.test stuff",
        run: test,
    },
    Function {
        name: "state.show_top",
        signature: "queue=None, **kwargs",
        doc: "Show what the top file gives this minion.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.show_top",
        run: show_top,
    },
    Function {
        name: "state.show_highstate",
        signature: "queue=None, **kwargs",
        doc: "Show the high data of the top file's states.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.show_highstate",
        run: show_highstate,
    },
    Function {
        name: "state.show_lowstate",
        signature: "queue=None, **kwargs",
        doc: "Show the low chunks of the top file's states, in the order of running.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.show_lowstate",
        run: show_lowstate,
    },
    Function {
        name: "state.show_sls",
        signature: "mods, test=None, queue=None, **kwargs",
        doc: "Show the high data of SLS files.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.show_sls core,edit.vim saltenv=dev",
        run: show_sls,
    },
    Function {
        name: "state.show_low_sls",
        signature: "mods, test=None, queue=None, **kwargs",
        doc: "Show the low chunks of SLS files, in the order of running.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.show_low_sls foo saltenv=dev",
        run: show_low_sls,
    },
    Function {
        name: "state.show_states",
        signature: "queue=None, **kwargs",
        doc: "List the SLS files that the highstate takes states from.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.show_states",
        run: show_states,
    },
    Function {
        name: "state.sls_exists",
        signature: "mods, test=None, queue=None, **kwargs",
        doc: "Whether these SLS files exist and render.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.sls_exists core,edit.vim saltenv=dev",
        run: sls_exists,
    },
    Function {
        name: "state.id_exists",
        signature: "ids, mods, test=None, queue=None, **kwargs",
        doc: "Whether these IDs are in these SLS files.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.id_exists create_myfile,update_template filestate saltenv=dev",
        run: id_exists,
    },
    Function {
        name: "state.running",
        signature: "concurrent=False",
        doc: "Return a list with a text when a state function is running already.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.running",
        run: running,
    },
    Function {
        name: "state.pause",
        signature: "jid, state_id=None, duration=None",
        doc: "Hold a running state run before an ID, or before its next state.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.pause 20171130110407769519 vim",
        run: pause,
    },
    Function {
        name: "state.resume",
        signature: "jid, state_id=None",
        doc: "Let a held state run go on.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.resume 20171130110407769519",
        run: resume,
    },
    Function {
        name: "state.soft_kill",
        signature: "jid, state_id=None",
        doc: "End a state run before an ID, or before its next state.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.soft_kill 20171130110407769519 vim",
        run: soft_kill,
    },
];

/// How long a queued run waits for the one before it; Salt's own limit.
const QUEUE_LIMIT: Duration = Duration::from_secs(86_400);

/// A run's context: its own options and pillar, and the lock while it lasts.
struct Prepared {
    ctx: Context,
    files: FileClient,
    seams: Native,
    options: Options,
    _lock: Option<lock::Held>,
}

impl Prepared {
    fn compiler(&self) -> Compiler<'_> {
        Compiler::new(&self.ctx, &self.files, &self.seams, self.options.clone())
    }

    /// Environment of `state.sls` and its like.
    fn saltenv(&self) -> String {
        self.options
            .saltenv
            .clone()
            .unwrap_or_else(|| "base".to_owned())
    }
}

/// What stands in a run's way: its return, with the return code set.
type Blocked = Value;

fn prepare(
    ctx: &Context,
    args: &Args,
    holds: bool,
) -> Result<std::result::Result<Prepared, Blocked>> {
    let lock = match take_lock(ctx, args, holds)? {
        Ok(lock) => lock,
        Err(conflict) => {
            ctx.job.set_retcode(COMPILER_ERROR);
            return Ok(Err(conflict));
        }
    };
    let overrides = match args.get("pillar") {
        Value::Null => Map::new(),
        Value::Map(map) => map.clone(),
        _ => {
            return Err(Error::invocation(
                "Pillar data must be formatted as a dictionary, unless pillar_enc is specified.",
            ));
        }
    };
    if args.flag("pillar_enc") {
        return Err(Error::execution(
            "pillar_enc: encrypted pillar overrides cannot be read by this agent",
        ));
    }
    let mut settings = (*ctx.settings).clone();
    let mut request = Request::of(ctx);
    if args.extra.contains_key("saltenv") {
        let env = args.opt_text("saltenv")?;
        let locked = settings
            .opts
            .get("lock_saltenv")
            .is_some_and(Value::is_truthy);
        if locked && env != request.saltenv {
            return Err(Error::execution(
                "lock_saltenv is enabled, saltenv cannot be changed",
            ));
        }
        settings.opts.insert("saltenv".into(), env.clone().into());
        if settings
            .opts
            .get("pillarenv_from_saltenv")
            .is_some_and(Value::is_truthy)
        {
            request.pillarenv.clone_from(&env);
        }
        request.saltenv = env;
    }
    if args.extra.contains_key("pillarenv") {
        request.pillarenv = args.opt_text("pillarenv")?;
    }
    let own = request.saltenv == Request::of(ctx).saltenv
        && request.pillarenv == Request::of(ctx).pillarenv
        && overrides.is_empty();
    request.overrides = overrides;
    settings
        .opts
        .insert("pillarenv".into(), request.pillarenv.clone().into());
    let test = test_value(ctx, args);
    settings.opts.insert("test".into(), test.into());
    let mut run = ctx.clone();
    run.settings = Arc::new(settings);
    // A local pillar is compiled already; a master's is asked for anew, as Salt does for each run.
    let pillar = if own && ctx.master.is_none() {
        (*ctx.facts.pillar()).clone()
    } else {
        highstate::gather(&run, &request)?
    };
    if let Some(errors) = pillar.get("_errors")
        && !args.flag("force")
    {
        ctx.job.set_retcode(PILLAR_FAILURE);
        if !holds {
            let texts: Vec<_> = errors
                .as_list()
                .unwrap_or_default()
                .iter()
                .map(|e| format!("\n- {}", python::text(e)))
                .collect();
            return Err(Error::execution(format!(
                "Pillar failed to render. Additional info follows:\n{}",
                texts.concat()
            )));
        }
        let mut texts = vec!["Pillar failed to render with the following messages:".into()];
        texts.extend(errors.as_list().unwrap_or_default().iter().cloned());
        return Ok(Err(Value::List(texts)));
    }
    run.facts = Arc::new(Facts::new((*ctx.facts.grains()).clone(), pillar));
    let files = FileClient::new(&run);
    let mut options = Options::new(&run, &files);
    // Templates and targets of the run see what the master decided.
    let mut settings = (*run.settings).clone();
    settings.opts.extend(
        options
            .overrides
            .iter()
            .map(|(k, v)| (k.clone(), v.clone())),
    );
    run.settings = Arc::new(settings);
    options.mocked = args.flag("mock");
    if !args.get("state_events").is_null() {
        options.events = args.flag("state_events");
    }
    Ok(Ok(Prepared {
        ctx: run,
        files,
        seams: Native { request },
        options,
        _lock: lock,
    }))
}

fn test_value(ctx: &Context, args: &Args) -> bool {
    match args.get("test") {
        Value::Null => {}
        Value::Bool(test) => return *test,
        _ => return true,
    }
    let asked = args
        .extra
        .iter()
        .any(|(k, v)| k.as_str().is_some_and(|k| k.starts_with("test")) && v.is_truthy());
    let told = |map: &Map| map.get("test") == Some(&Value::Bool(true));
    asked
        || told(&ctx.facts.pillar())
        || told(&ctx.facts.grains())
        || ctx.settings.opts.get("test").is_some_and(Value::is_truthy)
}

fn lock_path(ctx: &Context) -> std::path::PathBuf {
    ctx.settings.cachedir.join("state.lock")
}

/// One state run at a time, unless `concurrent`; `queue` waits for its turn.
fn take_lock(
    ctx: &Context,
    args: &Args,
    holds: bool,
) -> Result<std::result::Result<Option<lock::Held>, Value>> {
    // A state that runs states belongs to the run that holds the lock already.
    let nested = ctx.job.load.get("__state_run__").is_some();
    if args.flag("concurrent") || nested {
        return Ok(Ok(None));
    }
    let path = lock_path(ctx);
    let queue = match args.get("queue") {
        Value::Null => ctx
            .settings
            .opts
            .get("state_queue")
            .is_some_and(Value::is_truthy),
        other => other.is_truthy(),
    };
    let fun = ctx
        .job
        .load
        .get("fun")
        .map_or("state.apply".into(), python::text);
    let note = map! {
        "fun" => fun, "pid" => i64::from(std::process::id()), "jid" => ctx.job.jid.as_str(),
    };
    let note = Value::Map(note).to_msgpack();
    let failed = |e: std::io::Error| Error::execution(format!("{}: {e}", path.display()));
    let start = Instant::now();
    loop {
        let other = if holds {
            match lock::try_lock(&path, &note).map_err(failed)? {
                Ok(held) => return Ok(Ok(Some(held))),
                Err(other) => other,
            }
        } else {
            match lock::holder(&path) {
                None => return Ok(Ok(None)),
                Some(other) => other,
            }
        };
        if !queue || start.elapsed() > QUEUE_LIMIT {
            return Ok(Err(Value::List(vec![conflict(&other).into()])));
        }
        if ctx.job.cancel.sleep(Duration::from_millis(200)) {
            return Err(Error::execution("the queued state run was told to end"));
        }
    }
}

fn conflict(note: &[u8]) -> String {
    let note = Value::from_msgpack(note).unwrap_or_default();
    let text = |key: &str| python::text(note.get(key).unwrap_or(&Value::Null));
    let jid = text("jid");
    format!(
        "The function \"{}\" is running as PID {} and was started at {} with jid {jid}",
        text("fun"),
        text("pid"),
        jid_to_time(&jid)
    )
}

/// The time in a job id, as Salt prints it; empty when it has none.
fn jid_to_time(jid: &str) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    if jid.len() < 20 || !jid.bytes().take(20).all(|b| b.is_ascii_digit()) {
        return String::new();
    }
    let month = jid[4..6]
        .parse::<usize>()
        .ok()
        .and_then(|m| MONTHS.get(m.wrapping_sub(1)))
        .copied()
        .unwrap_or_default();
    format!(
        "{}, {month} {} {}:{}:{}.{}",
        &jid[..4],
        &jid[6..8],
        &jid[8..10],
        &jid[10..12],
        &jid[12..14],
        &jid[14..20]
    )
}

fn finish(ctx: &Context, args: &Args, outcome: Outcome) -> Value {
    let terse = args.flag("terse")
        || ctx.settings.opts.get("state_data").and_then(Value::as_str) == Some("terse");
    let (value, code) = outcome.into_return(terse);
    ctx.job.set_retcode(code);
    value
}

/// SLS names that `state.disable` turned off.
fn disabled(ctx: &Context, names: &[String]) -> Vec<String> {
    let grains = ctx.facts.grains();
    let list = grains
        .get("state_runs_disabled")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let mut texts = Vec::new();
    for name in names {
        for pattern in list.iter().filter_map(Value::as_str) {
            if pattern.contains(".*") {
                let module = pattern.split('.').next().unwrap_or_default();
                if name.starts_with(&format!("{module}.")) {
                    texts.push(format!(
                        "The state file \"{name}\" is currently disabled by \"{pattern}\", to re-enable, run state.enable {pattern}."
                    ));
                }
            } else if pattern == name {
                texts.push(format!(
                    "The state file \"{name}\" is currently disabled, to re-enable, run state.enable {name}."
                ));
            }
        }
    }
    texts
}

macro_rules! prepared {
    ($ctx:expr, $args:expr, $holds:expr) => {
        match prepare($ctx, $args, $holds)? {
            Ok(prepared) => prepared,
            Err(blocked) => return Ok(blocked),
        }
    };
}

fn apply(ctx: &Context, args: &Args) -> Result {
    if args.flag("mods") {
        let mut given = args.clone();
        given
            .named
            .insert("exclude".into(), args.get("exclude").clone());
        sls(ctx, &given)
    } else {
        highstate(ctx, args)
    }
}

fn test(ctx: &Context, args: &Args) -> Result {
    let mut given = args.clone();
    let mods = args.rest.first().cloned();
    let mods = mods.unwrap_or_else(|| args.get("mods").clone());
    given.named.insert("mods".into(), mods);
    given.named.insert("test".into(), true.into());
    apply(ctx, &given)
}

fn highstate(ctx: &Context, args: &Args) -> Result {
    if !disabled(ctx, &["highstate".to_owned()]).is_empty() {
        return Ok(Value::Map(map! {
            "name" => "Salt highstate run is disabled. To re-enable, run state.enable highstate",
            "result" => "False", "comment" => "Disabled",
        }));
    }
    let prepared = prepared!(ctx, args, true);
    let exclude: Vec<Value> = excludes(args);
    let whitelist = split_input(args.get("whitelist"));
    let outcome = prepared.compiler().call_highstate(&exclude, &whitelist)?;
    Ok(finish(ctx, args, outcome))
}

fn excludes(args: &Args) -> Vec<Value> {
    match args.get("exclude") {
        Value::List(list) => list.clone(),
        other => split_input(other).into_iter().map(Value::from).collect(),
    }
}

fn sls(ctx: &Context, args: &Args) -> Result {
    let mods = split_input(args.get("mods"));
    let off = disabled(ctx, &mods);
    if !off.is_empty() {
        ctx.job.set_retcode(COMPILER_ERROR);
        return Ok(off.into());
    }
    let prepared = prepared!(ctx, args, true);
    let outcome = prepared
        .compiler()
        .call_sls(&prepared.saltenv(), &mods, &excludes(args))?;
    Ok(finish(ctx, args, outcome))
}

fn sls_id(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, true);
    let (id, mods) = (args.text("id_")?, split_input(args.get("mods")));
    let saltenv = prepared.saltenv();
    match prepared.compiler().call_id(&id, &saltenv, &mods)? {
        Some(outcome) => Ok(finish(ctx, args, outcome)),
        None => Err(Error::invocation(format!(
            "No matches for ID '{id}' found in SLS '{}' within saltenv '{saltenv}'",
            python::text(args.get("mods"))
        ))),
    }
}

fn single(ctx: &Context, args: &Args) -> Result {
    let fun = args.text("fun")?;
    let Some((state, function)) = fun.split_once('.') else {
        ctx.job.set_retcode(COMPILER_ERROR);
        return Ok("Invalid function passed".into());
    };
    let prepared = prepared!(ctx, args, true);
    let name = args.get("name").clone();
    let mut low = args.extra.clone();
    low.retain(|k, _| {
        !k.as_str().is_some_and(|k| {
            k.starts_with("__pub_")
                || matches!(
                    k,
                    "pillar" | "pillarenv" | "pillar_enc" | "mock" | "concurrent"
                )
        })
    });
    low.extend(map! {
        "state" => state, "fun" => function.split('.').next().unwrap_or(function),
        "__id__" => name.clone(), "name" => name,
    });
    let tag = highstate::tag(&low);
    match prepared.compiler().call_low(low)? {
        Err(texts) => {
            ctx.job.set_retcode(COMPILER_ERROR);
            Ok(texts.into())
        }
        Ok(result) => {
            let results = map! { tag => result };
            Ok(finish(
                ctx,
                args,
                Outcome::Ran {
                    results,
                    high: Map::new(),
                },
            ))
        }
    }
}

fn low(ctx: &Context, args: &Args) -> Result {
    let Value::Map(data) = args.get("data") else {
        return Err(Error::invocation("data must be a low chunk, a dictionary"));
    };
    let prepared = prepared!(ctx, args, true);
    Ok(match prepared.compiler().call_low(data.clone())? {
        Err(texts) => {
            ctx.job.set_retcode(COMPILER_ERROR);
            texts.into()
        }
        Ok(result) => {
            // Salt reads the one result as if it were a run of several, and so never calls it a success.
            ctx.job.set_retcode(STATE_FAILURE);
            result.into()
        }
    })
}

fn high(ctx: &Context, args: &Args) -> Result {
    let Value::Map(data) = args.get("data") else {
        return Err(Error::invocation("data must be high data, a dictionary"));
    };
    let prepared = prepared!(ctx, args, true);
    let outcome = prepared.compiler().call_high(data.clone())?;
    Ok(finish(ctx, args, outcome))
}

fn template_str(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, true);
    let outcome = prepared.compiler().call_template_str(&args.text("tem")?)?;
    Ok(finish(ctx, args, outcome))
}

fn top(ctx: &Context, args: &Args) -> Result {
    let mut prepared = prepared!(ctx, args, true);
    prepared.options.state_top = crate::fileclient::url::create(&args.text("topfn")?);
    prepared.options.state_top_saltenv = args.opt_text("saltenv")?;
    let outcome = prepared.compiler().call_highstate(&excludes(args), &[])?;
    Ok(finish(ctx, args, outcome))
}

fn shown<T: Into<Value>>(ctx: &Context, found: std::result::Result<T, Vec<String>>) -> Value {
    match found {
        Ok(value) => value.into(),
        Err(texts) => {
            ctx.job.set_retcode(COMPILER_ERROR);
            texts.into()
        }
    }
}

fn show_top(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    Ok(shown(ctx, prepared.compiler().show_top()?))
}

fn show_highstate(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    let high = prepared.compiler().show_highstate()?;
    if high.as_ref().is_ok_and(Map::is_empty) {
        ctx.job.set_retcode(STATE_FAILURE);
    }
    Ok(shown(ctx, high))
}

fn show_lowstate(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    // Errors are shown as they are, without a return code, as Salt does.
    Ok(match prepared.compiler().show_lowstate()? {
        Ok(chunks) => Value::List(chunks),
        Err(texts) => texts.into(),
    })
}

fn show_sls(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    let mods = split_input(args.get("mods"));
    let high = prepared.compiler().show_sls(&prepared.saltenv(), &mods)?;
    Ok(shown(ctx, high))
}

fn show_low_sls(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    let mods = split_input(args.get("mods"));
    let chunks = prepared
        .compiler()
        .show_low_sls(&prepared.saltenv(), &mods)?;
    Ok(shown(ctx, chunks.map(Value::List)))
}

fn show_states(ctx: &Context, args: &Args) -> Result {
    let prepared = prepared!(ctx, args, false);
    Ok(match prepared.compiler().show_lowstate()? {
        Ok(chunks) => {
            let mut names: Vec<Value> = Vec::new();
            for sls in chunks.iter().filter_map(|c| c.get("__sls__")) {
                if !names.contains(sls) {
                    names.push(sls.clone());
                }
            }
            Value::List(names)
        }
        Err(texts) => {
            ctx.job.set_retcode(COMPILER_ERROR);
            texts.into()
        }
    })
}

fn sls_exists(ctx: &Context, args: &Args) -> Result {
    Ok(matches!(show_sls(ctx, args)?, Value::Map(_)).into())
}

fn id_exists(ctx: &Context, args: &Args) -> Result {
    let chunks = show_low_sls(ctx, args)?;
    let known: Vec<&str> = chunks
        .as_list()
        .unwrap_or_default()
        .iter()
        .filter_map(|c| c.get("__id__").and_then(Value::as_str))
        .collect();
    let all = split_input(args.get("ids"))
        .iter()
        .all(|id| known.contains(&id.as_str()));
    Ok(all.into())
}

fn running(ctx: &Context, args: &Args) -> Result {
    if args.flag("concurrent") {
        return Ok(Value::List(Vec::new()));
    }
    let texts: Vec<String> = lock::holder(&lock_path(ctx))
        .map(|note| conflict(&note))
        .into_iter()
        .collect();
    Ok(texts.into())
}

/// Reads, changes and writes what holds a run.
fn change_pause(ctx: &Context, args: &Args, change: impl FnOnce(&mut Map, &str)) -> Result {
    let jid = args.text("jid")?;
    if jid.is_empty() || !jid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(Error::invocation(format!("'{jid}' is no job id")));
    }
    let id = args
        .opt_text("state_id")?
        .unwrap_or_else(|| "__all__".to_owned());
    let dir = ctx.settings.cachedir.join("state_pause");
    let path = dir.join(jid);
    let failed = |e: std::io::Error| Error::execution(format!("{}: {e}", path.display()));
    crate::host::fs::make_dirs(&dir, 0o700).map_err(failed)?;
    let mut data = std::fs::read(&path)
        .ok()
        .and_then(|b| Value::from_msgpack(&b).ok())
        .and_then(|v| v.as_map().cloned())
        .unwrap_or_default();
    change(&mut data, &id);
    crate::host::fs::write_atomic(&path, &Value::Map(data).to_msgpack(), 0o600).map_err(failed)?;
    Ok(Value::Null)
}

fn pause(ctx: &Context, args: &Args) -> Result {
    let duration = args.get("duration").clone();
    change_pause(ctx, args, |data, id| {
        let mut entry = Map::new();
        if duration.is_truthy() {
            entry.insert("duration".into(), duration);
        }
        data.insert(id.into(), entry.into());
    })
}

fn resume(ctx: &Context, args: &Args) -> Result {
    change_pause(ctx, args, |data, id| {
        data.shift_remove(id);
        if id == "__all__" {
            data.clear();
        }
    })
}

fn soft_kill(ctx: &Context, args: &Args) -> Result {
    change_pause(ctx, args, |data, id| {
        data.insert(id.into(), map! { "kill" => true }.into());
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_jid() {
        assert_eq!(
            jid_to_time("20261121015654448075"),
            "2026, Nov 21 01:56:54.448075"
        );
        assert_eq!(jid_to_time("req"), "");
    }
}
