"""Real Salt, one process for one tree: its configuration directory as argument; a JSON call a line in, a JSON
answer a line out. The first answer, before any call, is the grains."""

import json
import logging
import os
import signal
import sys
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

# What templates run may print; only answers go to the real standard output.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import salt.client
import salt.config
import salt.loader

SECONDS = 60


def tell(answer):
    answers.write(json.dumps(answer, default=repr) + "\n")
    answers.flush()


def late(*_):
    raise TimeoutError(f"no answer in {SECONDS} seconds")


def main():
    opts = salt.config.minion_config(os.path.join(sys.argv[1], "minion"))
    grains = salt.loader.grains(opts)
    for name in ("pid", "pythonpath", "locale_info"):
        grains.pop(name, None)
    opts["grains"] = grains
    opts["print_metadata"] = False
    tell(grains)
    caller = salt.client.Caller(mopts=opts)
    signal.signal(signal.SIGALRM, late)
    for line in sys.stdin:
        call = json.loads(line)
        signal.alarm(SECONDS)
        try:
            answer = {"return": caller.cmd(call["fun"], *call["args"])}
        except BaseException as error:  # what Salt dies of is an answer too
            answer = {"error": f"{type(error).__name__}: {error}"}
        signal.alarm(0)
        tell(answer)


main()
