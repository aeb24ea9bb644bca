"""Publishes jobs for a benchmark: one JSON request a line in, one JSON answer a line out.

Resident, so that a round trip is measured without the start of an interpreter.
"""

import json
import sys
import time

import salt.client

client = salt.client.LocalClient(c_path=sys.argv[1])
for line in sys.stdin:
    job = json.loads(line)
    start = time.perf_counter()
    ret = client.cmd(
        job["tgt"], job["fun"], job.get("arg", []), timeout=60, tgt_type="list", kwarg=job.get("kwarg")
    )
    took = (time.perf_counter() - start) * 1000
    print(json.dumps({"ms": took, "ret": ret}), flush=True)
