//! `state`: the state engine, by name. `prepare.rs` has what comes before and after a run, `show.rs` the functions
//! that only look, `control.rs` those that steer.

mod control;
mod prepare;
mod show;

use std::path::Path;

use salt_wire::{Map, Value, map};

use super::Function;
use crate::context::{Args, Context, Error, Result, python};
use crate::highstate::last::LastHighstate;
use crate::highstate::report::{COMPILER_ERROR, STATE_FAILURE};
use crate::highstate::{self, Outcome, split_input};
use prepare::{disabled, finish, prepare, prepared};

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
        name: "state.template",
        signature: "tem, queue=None, **kwargs",
        doc: "Apply the states of a file of this machine.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.template '<Path to template on the minion>'",
        run: template,
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
        run: show::show_top,
    },
    Function {
        name: "state.show_highstate",
        signature: "queue=None, **kwargs",
        doc: "Show the high data of the top file's states.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.show_highstate",
        run: show::show_highstate,
    },
    Function {
        name: "state.show_lowstate",
        signature: "queue=None, **kwargs",
        doc: "Show the low chunks of the top file's states, in the order of running.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.show_lowstate",
        run: show::show_lowstate,
    },
    Function {
        name: "state.show_sls",
        signature: "mods, test=None, queue=None, **kwargs",
        doc: "Show the high data of SLS files.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.show_sls core,edit.vim saltenv=dev",
        run: show::show_sls,
    },
    Function {
        name: "state.show_low_sls",
        signature: "mods, test=None, queue=None, **kwargs",
        doc: "Show the low chunks of SLS files, in the order of running.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.show_low_sls foo saltenv=dev",
        run: show::show_low_sls,
    },
    Function {
        name: "state.show_states",
        signature: "queue=None, **kwargs",
        doc: "List the SLS files that the highstate takes states from.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.show_states",
        run: show::show_states,
    },
    Function {
        name: "state.sls_exists",
        signature: "mods, test=None, queue=None, **kwargs",
        doc: "Whether these SLS files exist and render.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.sls_exists core,edit.vim saltenv=dev",
        run: show::sls_exists,
    },
    Function {
        name: "state.id_exists",
        signature: "ids, mods, test=None, queue=None, **kwargs",
        doc: "Whether these IDs are in these SLS files.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.id_exists create_myfile,update_template filestate saltenv=dev",
        run: show::id_exists,
    },
    Function {
        name: "state.running",
        signature: "concurrent=False",
        doc: "Return a list with a text when a state function is running already.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.running",
        run: control::running,
    },
    Function {
        name: "state.pause",
        signature: "jid, state_id=None, duration=None",
        doc: "Hold a running state run before an ID, or before its next state.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.pause 20171130110407769519 vim",
        run: control::pause,
    },
    Function {
        name: "state.resume",
        signature: "jid, state_id=None",
        doc: "Let a held state run go on.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.resume 20171130110407769519",
        run: control::resume,
    },
    Function {
        name: "state.soft_kill",
        signature: "jid, state_id=None",
        doc: "End a state run before an ID, or before its next state.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.soft_kill 20171130110407769519 vim",
        run: control::soft_kill,
    },
    Function {
        name: "state.get_pauses",
        signature: "jid=None",
        doc: "Show what is held of running state runs.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.get_pauses",
        run: control::get_pauses,
    },
    Function {
        name: "state.disable",
        signature: "states",
        doc: "Keep states, or the highstate, from running.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.disable highstate,test.succeed_without_changes",
        run: control::disable,
    },
    Function {
        name: "state.enable",
        signature: "states",
        doc: "Let states, or the highstate, run again.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.enable highstate",
        run: control::enable,
    },
    Function {
        name: "state.list_disabled",
        signature: "",
        doc: "List what may not run.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.list_disabled",
        run: control::list_disabled,
    },
    Function {
        name: "state.request",
        signature: "mods=None, **kwargs",
        doc: "Test a run and keep it for ``state.run_request``.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.request stuff",
        run: control::request,
    },
    Function {
        name: "state.check_request",
        signature: "name=None",
        doc: "Show the runs that were asked for.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.check_request",
        run: control::check_request,
    },
    Function {
        name: "state.clear_request",
        signature: "name=None",
        doc: "Forget a run that was asked for, or all of them.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.clear_request",
        run: control::clear_request,
    },
    Function {
        name: "state.run_request",
        signature: "name='default', **kwargs",
        doc: "Do a run that was asked for.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.run_request",
        run: control::run_request,
    },
    Function {
        name: "state.clear_cache",
        signature: "",
        doc: "Remove cached state data.\n\nCLI Example:\n\n.. code-block:: bash\n\n    salt '*' state.clear_cache",
        run: control::clear_cache,
    },
];

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
    LastHighstate::keep(&prepared.ctx, &outcome);
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

fn template(ctx: &Context, args: &Args) -> Result {
    let mut file = args.text("tem")?;
    if !file.ends_with(".sls") {
        file.push_str(".sls");
    }
    let prepared = prepared!(ctx, args, true);
    let outcome = prepared.compiler().call_template(Path::new(&file))?;
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
