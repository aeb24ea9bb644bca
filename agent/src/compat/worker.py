"""Salt's own loader behind frames of msgpack: what the agent has no native form of.

A frame is four bytes of length, then one msgpack map. The agent asks with `op` and gets `ok` or `err`;
in between come `log` lines, and `ask` where Salt wants something of the master or the minion's bus, which
only the agent can reach.
"""

import io
import logging
import os
import select
import struct
import sys
import tempfile
import threading
import traceback

PID = os.getpid()
# Modules print, and commands inherit: the pipe itself must be out of their reach.
SOURCE, SINK = os.dup(0), os.dup(1)
_null = os.open(os.devnull, os.O_RDWR)
os.dup2(_null, 0)
os.dup2(2, 1)
os.close(_null)

import msgpack  # noqa: E402

LIMIT = 64 << 20
# How long a worker that nobody uses stays; set by `rest`.
idle = None
lock = threading.RLock()


def read_exactly(size):
    data = b""
    while len(data) < size:
        part = os.read(SOURCE, min(size - len(data), 1 << 20))
        if not part:
            os._exit(0)
        data += part
    return data


def receive():
    if idle is not None and not select.select([SOURCE], [], [], idle)[0]:
        os._exit(0)
    (size,) = struct.unpack(">I", read_exactly(4))
    return msgpack.unpackb(
        read_exactly(size), raw=False, strict_map_key=False, unicode_errors="surrogateescape"
    )


def plain(value, depth=0):
    """What the agent can read: maps, lists, text, bytes, numbers, truth."""
    if depth > 100:
        return str(value)
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < (1 << 64) else str(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, dict) or hasattr(value, "items"):
        return {scalar(k): plain(v, depth + 1) for k, v in list(value.items())}
    if isinstance(value, (set, frozenset)):
        try:
            value = sorted(value)
        except TypeError:
            value = list(value)
    if isinstance(value, (list, tuple)) or hasattr(value, "__iter__"):
        return [plain(v, depth + 1) for v in value]
    return str(value)


def scalar(key):
    return key if key is None or isinstance(key, (str, int, float, bool, bytes)) else str(key)


def send(message):
    if os.getpid() != PID:
        # A forked child: the pipe belongs to its parent.
        return
    data = msgpack.packb(plain(message), use_bin_type=True, unicode_errors="surrogateescape")
    if len(data) > LIMIT:
        data = msgpack.packb(
            {"err": {"class": "CommandExecutionError", "names": ["CommandExecutionError"],
                     "message": f"the answer has {len(data)} bytes, more than {LIMIT}", "trace": ""}}
        )
    data = memoryview(struct.pack(">I", len(data)) + data)
    with lock:
        while data:
            data = data[os.write(SINK, data):]


class ToAgent(logging.Handler):
    def emit(self, record):
        try:
            send({"log": [record.levelno, record.name, self.format(record)[:8192]]})
        except Exception:  # pylint: disable=broad-except
            pass


# Before Salt is imported: its loggers are made once, at the level that they find.
logging.getLogger().addHandler(ToAgent())
logging.getLogger().setLevel(logging.WARNING)

import salt.channel.client  # noqa: E402
import salt.config  # noqa: E402
import salt.exceptions  # noqa: E402
import salt.loader  # noqa: E402
import salt.state  # noqa: E402
import salt.utils.args  # noqa: E402
import salt.utils.decorators.state  # noqa: E402
import salt.utils.event  # noqa: E402
import salt.utils.files  # noqa: E402
import salt.utils.stringio  # noqa: E402
import salt.version  # noqa: E402


def ask(**question):
    """Something that only the agent can do; its answer."""
    with lock:
        if os.getpid() != PID:
            raise salt.exceptions.SaltReqTimeoutError("a forked process cannot ask the agent")
        send(question)
        answer = receive()
    if "refused" in answer:
        raise salt.exceptions.SaltReqTimeoutError(answer["refused"])
    return answer["answer"]


class Channel:
    """In the place of Salt's request channel: the agent's own session to the master."""

    def __init__(self, opts):
        self.opts = opts

    def send(self, load, tries=3, timeout=60, raw=False):
        return ask(ask="request", load=load)

    def crypted_transfer_decode_dictentry(self, load, dictkey=None, timeout=60, **_):
        return ask(ask="pillar", load=load)

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


salt.channel.client.ReqChannel.factory = staticmethod(lambda opts, **_: Channel(opts))


def fire(self, data, tag, timeout=1000):
    ask(ask="fire", tag=tag, data=data)
    return True


salt.utils.event.SaltEvent.fire_event = fire


class Worker:
    def __init__(self):
        self.opts = {}
        self.context = {}
        self.state = None

    # What the agent asks.

    def begin(self, opts=None, grains=None, pillar=None, fresh=False, **_):
        """New facts; each only if it changed. What was loaded is loaded again."""
        global idle
        idle = None
        if opts is not None:
            kept = {k: self.opts[k] for k in ("grains", "pillar") if k in self.opts}
            self.opts = salt.config.DEFAULT_MINION_OPTS.copy()
            self.opts.update(opts)
            self.opts.update(kept)
            levels = {"trace": 5, "garbage": 1, "profile": 15, "all": 0, "quiet": 1000}
            level = str(opts.get("log_level") or "warning").lower()
            number = levels.get(level, getattr(logging, level.upper(), logging.WARNING))
            logging.getLogger().setLevel(number)
        if grains is not None:
            self.opts["grains"] = grains
        if pillar is not None:
            self.opts["pillar"] = pillar
        if fresh:
            self.context = {}
        self.state = None
        return {"version": salt.version.__version__}

    def rest(self, seconds=60, **_):
        global idle
        idle = seconds
        self.context = {}
        self.state = None

    def loaded(self):
        if self.state is None:
            # An empty pillar would make Salt ask for one.
            self.state = salt.state.State(
                self.opts, context=self.context, initial_pillar=self.opts.get("pillar") or {"_": 0}
            )
            if not self.opts.get("pillar") or self.opts["pillar"] == {"_": 0}:
                self.state.opts["pillar"] = {}
                self.state.load_modules()
        return self.state

    def table(self, kind):
        state = self.loaded()
        return {"modules": state.functions, "states": state.states, "renderers": state.rend}[kind]

    def find(self, kind, name, **_):
        table = self.table(kind)
        if name not in table:
            missing = getattr(table, "missing_fun_string", None)
            return {"missing": missing(name) if missing else f"'{name}' is not available."}
        found = spec(table[name])
        # Its module is loaded whole; to ask the loader for what is not there would load every module.
        found["siblings"] = [
            s for s in ("mod_init", "mod_watch", "mod_run_check", "mod_run_check_cmd")
            if kind == "states" and name.split(".")[0] + "." + s in table._dict
        ]
        return found

    def module(self, name, **_):
        functions = self.table("modules")
        # First what is loaded already; to go through the loader itself loads every module.
        return any(
            f.startswith(name + ".") for known in (functions._dict, functions) for f in list(known)
        )

    def list(self, kind, **_):
        table = self.table(kind)
        return {name: spec(table[name]) for name in sorted(table)}

    def call(self, fun, args, kwargs, **_):
        function = self.table("modules")[fun]
        self.context.pop("retcode", None)
        value = function(*args, **kwargs)
        return {"value": value, "retcode": retcode(self.context.pop("retcode", 0))}

    def run(self, fun, kwargs, low, test, **_):
        """One state function; guards, requisites and retries are the agent's."""
        state = self.loaded()
        state._mod_init(low)
        inject = {
            "__low__": low,
            "__running__": {},
            "__instance_id__": state.instance_id,
            "__lowstate__": [],
            "__user__": self.opts.get("user", "UNKNOWN"),
            "__env__": str(low.get("saltenv") or low.get("__env__") or "base"),
        }
        for table in (state.states, state.functions, getattr(state.functions, "_dunder_salt", None)):
            if table is not None:
                table.opts["test"] = test
        self.opts["test"] = test
        state.states.inject_globals = inject
        self.context["runas"] = low.get("runas")
        self.context["runas_password"] = low.get("runas_password")
        checked = salt.utils.decorators.state.OutputUnifier("content_check", "unify")
        try:
            with salt.utils.files.set_umask(low.get("__umask__")):
                ret = checked(lambda: state.states[fun](**kwargs))()
        except Exception:  # pylint: disable=broad-except
            ret = {
                "result": False,
                "name": low.get("name", low.get("__id__")),
                "changes": {},
                "comment": "An exception occurred in this state: " + traceback.format_exc(),
            }
        finally:
            state.states.inject_globals = {}
            self.context.pop("runas", None)
            self.context.pop("runas_password", None)
        self.context.pop("retcode", None)
        return ret

    def render(self, name, data, saltenv, sls, argline, path, variables, **_):
        """One renderer of a pipe."""
        state = self.loaded()
        made = None
        if path is None:
            # Salt gives text of no file a file, too: some renderers read nothing else.
            handle, path = made = tempfile.mkstemp()
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(data if isinstance(data, str) else "")
        try:
            kwargs = dict(variables, renderers=state.rend, tmplpath=path)
            if argline:
                kwargs["argline"] = argline
            given = io.StringIO(data) if isinstance(data, str) else data
            ret = state.rend[name](given, saltenv, sls, **kwargs)
        finally:
            if made:
                os.unlink(made[1])
        return ret.read() if salt.utils.stringio.is_readable(ret) else ret

    def grains(self, **_):
        """Grains of synced modules only: all others are the agent's own."""
        import inspect

        opts = dict(self.opts)
        found = {}
        functions = salt.loader.grain_funcs(opts)
        for name in list(functions):
            function = functions[name]
            if ".ext." not in getattr(function, "__module__", ""):
                continue
            takes = inspect.signature(function).parameters
            kwargs = {"grains": opts.get("grains", {})} if "grains" in takes else {}
            try:
                ret = function(**kwargs)
            except Exception:  # pylint: disable=broad-except
                logging.getLogger("salt.loader").critical(
                    "Failed to load grains defined in grain file %s", name, exc_info=True
                )
                continue
            if isinstance(ret, dict):
                found.update(ret)
        return found


def retcode(value):
    try:
        return int(value)
    except (TypeError, ValueError):
        return 1


def spec(function):
    """Parameters and help text."""
    found = {"doc": getattr(function, "__doc__", None) or ""}
    try:
        known = salt.utils.args.get_function_argspec(function)
    except (TypeError, ValueError):
        known = None
    if known is None:
        found.update(args=[], defaults=[], varargs="args", keywords="kwargs")
    else:
        found.update(
            args=list(known.args or []), defaults=list(known.defaults or []),
            varargs=known.varargs, keywords=known.keywords,
        )
    return found


def failure(error):
    return {
        "class": type(error).__module__ + "." + type(error).__name__
        if type(error).__module__ != "builtins" else type(error).__name__,
        "names": [c.__name__ for c in type(error).__mro__],
        "message": str(error),
        "trace": traceback.format_exc(),
    }


def main():
    worker = Worker()
    while True:
        request = receive()
        op = request.pop("op")
        try:
            answer = {"ok": getattr(worker, op)(**request)}
        except (Exception, SystemExit) as error:  # pylint: disable=broad-except
            answer = {"err": failure(error)}
        if op == "rest":
            continue
        try:
            send(answer)
        except Exception as error:  # pylint: disable=broad-except
            send({"err": failure(error)})


try:
    main()
except OSError:
    # The agent is gone.
    os._exit(0)
