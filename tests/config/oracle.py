"""Salt's own reading of minion configurations: a directory per line in, its opts as JSON per line out."""

import json
import logging
import sys

import salt.config

logging.disable(logging.CRITICAL)

for line in sys.stdin:
    path = line.rstrip("\n") + "/minion"
    try:
        opts = salt.config.minion_config(path, ignore_config_errors=False)
        answer = {k: v for k, v in dict(opts).items() if not str(k).startswith("__")}
    except SystemExit:
        answer = None
    except Exception as error:  # what Salt dies of is an error of the configuration too
        print(f"{path}: {error!r}", file=sys.stderr)
        answer = None
    print(json.dumps(answer, default=str), flush=True)
