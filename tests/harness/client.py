"""Publishes jobs for tests and the benchmark: one JSON request a line in, one JSON answer a line out.

Resident, so that a round trip is measured without the start of an interpreter.
"""

import json
import sys
import time

import salt.client
import salt.exceptions

# Salt prints some of its complaints; the answers must not be among them.
answers, sys.stdout = sys.stdout, sys.stderr
client = salt.client.LocalClient(c_path=sys.argv[1])


def call(job):
    """One job, waited for."""
    start = time.perf_counter()
    try:
        ret = client.cmd(
            job["tgt"],
            job["fun"],
            job.get("arg", []),
            timeout=job.get("timeout", 60),
            tgt_type=job.get("tgt_type", "list"),
            kwarg=job.get("kwarg"),
        )
    except salt.exceptions.SaltClientError:
        # Nobody matches the target.
        ret = {}
    return {"ms": (time.perf_counter() - start) * 1000, "ret": ret}


def job_(job):
    """One job for several minions: the whole return of each, as it came over the bus."""
    tgt, timeout = job["tgt"], job.get("timeout", 60)
    pub = client.run_job(
        tgt, job["fun"], job["arg"], tgt_type="list", kwarg=job["kwarg"], timeout=timeout
    )
    returns = {}
    for event in client.get_iter_returns(
        pub["jid"], pub["minions"], timeout=timeout, tgt=tgt, tgt_type="list", raw=True
    ):
        data = (event or {}).get("data", {})
        if "return" in data:
            returns[data["id"]] = data
    return {"ret": returns}


def publish(job):
    """Jobs that nobody waits for: their ids."""
    return {
        "jids": [
            client.cmd_async(job["tgt"], job["fun"], job.get("arg", []), tgt_type="list")
            for _ in range(job["times"])
        ]
    }


def returns(job):
    """What the job cache holds of these jobs."""
    return {"returns": {jid: client.get_cache_returns(jid) for jid in job["jids"]}}


for line in sys.stdin:
    job = json.loads(line)
    answer = {"call": call, "job": job_, "publish": publish, "returns": returns}[job.pop("do")](job)
    print(json.dumps(answer), file=answers, flush=True)
