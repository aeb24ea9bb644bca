"""Salt's command line programs, each in a fork of an interpreter that has them imported already: that alone takes
most of a second. Nothing else differs from the program in `bin`.

One connection to the socket for each: a line of JSON in (its words, where its output goes), two lines out (its process
id, its exit code).
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import sys

import salt.cli.call
import salt.cli.cp
import salt.cli.key
import salt.cli.run
import salt.cli.salt
import salt.client
import salt.runner
import salt.scripts
import salt.wheel


def become(words, out, err):
    """Becomes the program; does not return."""
    for fd, name in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, err)):
        os.dup2(name, fd)
        os.close(name)
    sys.argv = words
    name = words[0].replace("-", "_")
    program = getattr(salt.scripts, "salt_main" if name == "salt" else name)
    sys.exit(program())


def serve(connection):
    """Starts the program that the connection asks for, and says how it ended."""
    lines = connection.makefile("rw")
    job = json.loads(lines.readline())
    out, err = (os.open(job[name], os.O_WRONLY) for name in ("out", "err"))
    # Who ignores its children is not told how they end.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        lines.close()
        connection.close()
        become(job["words"], out, err)
    os.close(out)
    os.close(err)
    print(pid, file=lines, flush=True)
    status = os.waitpid(pid, 0)[1]
    with contextlib.suppress(BrokenPipeError):
        # Who killed it does not wait.
        print(os.waitstatus_to_exitcode(status), file=lines, flush=True)


def end_with_input(directory):
    """With standard input end the tests, and with them this."""
    served = os.getpid()
    if os.fork() == 0:
        sys.stdin.read()
        os.kill(served, signal.SIGKILL)
        shutil.rmtree(directory)
        os._exit(0)


def listen(directory):
    """Serves whoever connects to the socket in this directory."""
    end_with_input(directory)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(os.path.join(directory, "door"))
        door.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("ready", flush=True)
        while True:
            connection, _ = door.accept()
            if os.fork() == 0:
                door.close()
                serve(connection)
                os._exit(0)
            connection.close()


listen(sys.argv[1])
