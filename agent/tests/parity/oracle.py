"""Answers calls as salt-call --local does: one JSON case a line in, one JSON answer a line out."""
import copy, json, logging, os, sys
logging.disable(logging.CRITICAL)
import salt.client, salt.config

base = None
callers = {}
for line in sys.stdin:
    case = json.loads(line)
    root = case["root"]
    if base is None:
        os.makedirs(os.path.join(root, "etc"), exist_ok=True)
        base = salt.config.minion_config(os.path.join(root, "etc", "minion"))
        base["grains"] = salt.loader.grains(base)
    opts = copy.deepcopy(base)
    opts.update({
        "root_dir": root, "cachedir": os.path.join(root, "cache"), "pki_dir": os.path.join(root, "pki"),
        "sock_dir": os.path.join(root, "run"), "conf_file": os.path.join(root, "etc", "minion"),
        "extension_modules": os.path.join(root, "cache", "extmods"),
        "file_client": "local", "id": "minion", "log_level": "quiet", "print_metadata": False,
        "state_events": False,
    })
    opts.update(case["opts"])
    for name in ("cache", "pki", "run"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
    answer = {}
    try:
        if root not in callers:
            callers.clear()
            callers[root] = salt.client.Caller(mopts=opts)
        caller = callers[root]
        caller.sminion.functions.pack["__context__"]["retcode"] = 0
        answer["return"] = caller.cmd(case["fun"], *case["args"], **case["kwargs"])
        answer["retcode"] = caller.sminion.functions.pack["__context__"].get("retcode", 0)
    except BaseException as exc:
        answer["error"] = "%s: %s" % (type(exc).__name__, exc)
    sys.stdout.write(json.dumps(answer, default=repr) + "\n")
    sys.stdout.flush()
