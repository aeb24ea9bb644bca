"""Salt's own Jinja on a list of templates: one JSON line each, the text or the exception."""

import json
import logging
import sys
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import salt.utils.templates
from salt.exceptions import CommandExecutionError, SaltRenderError


class Salt(dict):
    """What the templates call `salt`."""


def main():
    context_path, files = sys.argv[1:3]
    with open(context_path, encoding="utf-8") as f:
        variables = json.load(f)

    def fail(*args, **kwargs):
        raise CommandExecutionError("it went wrong")

    functions = Salt(
        {
            "test.echo": lambda text: text,
            "test.arg": lambda *args, **kwargs: {"args": list(args), "kwargs": kwargs},
            "test.fail": fail,
        }
    )
    for source in json.load(sys.stdin):
        context = json.loads(json.dumps(variables))
        context["salt"] = functions
        context["opts"] = {}
        context["saltenv"] = ""
        try:
            out = {"ok": salt.utils.templates.render_jinja_tmpl(source, context, tmplpath=files + "/main")}
        except SaltRenderError as e:
            cause = e.__context__
            out = {"class": type(cause).__name__, "text": str(cause), "line": e.line_num}
        except Exception as e:
            out = {"class": type(e).__name__, "text": str(e), "line": None}
        print(json.dumps(out))
        sys.stdout.flush()


main()
