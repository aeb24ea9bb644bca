"""Salt's own YAML on a list of texts: one line of canonical form for each (see canon)."""

import datetime
import json
import sys
import warnings
from collections import OrderedDict

warnings.simplefilter("ignore")
import salt.utils.args
import salt.utils.yaml
import yaml


def canon(v):
    if v is None:
        return "null"
    if v is True or v is False:
        return str(v).lower()
    if isinstance(v, int):
        return "i%d" % v
    if isinstance(v, float):
        return "f" + ("nan" if v != v else v.hex())
    if isinstance(v, str):
        return json.dumps(v, ensure_ascii=False)
    if isinstance(v, bytes):
        return "b" + v.hex()
    if isinstance(v, (set, frozenset)):
        return "[" + ",".join(sorted(canon(i) for i in v)) + "]"
    if isinstance(v, (list, tuple)):
        return "[" + ",".join(canon(i) for i in v) + "]"
    if isinstance(v, dict):
        return "(" + ",".join(canon(k) + ":" + canon(i) for k, i in v.items()) + ")"
    if isinstance(v, (datetime.date, datetime.datetime)):
        return "date"
    return "?" + type(v).__name__


def failed(e):
    if isinstance(e, yaml.YAMLError):
        return "E%s %s" % (type(e).__name__, json.dumps(str(e), ensure_ascii=False))
    return "EValueError"


def load(text, dictclass):
    try:
        v = yaml.load(text, Loader=lambda *a: salt.utils.yaml.SaltYamlSafeLoader(*a, dictclass=dictclass))
        return canon(v)
    except Exception as e:
        return failed(e)


def main():
    mode = sys.argv[1]
    for text in json.load(sys.stdin):
        if mode == "sls":
            out = load(text, OrderedDict)
        elif mode == "plain":
            out = load(text, dict)
        elif mode == "arg":
            out = canon(salt.utils.args.yamlify_arg(text))
        else:
            # dump what was read: block, flow and Salt's default, keys as they are and sorted
            try:
                v = yaml.load(text, Loader=lambda *a: salt.utils.yaml.SaltYamlSafeLoader(*a, dictclass=dict))
                out = json.dumps(
                    [
                        salt.utils.yaml.safe_dump(v, default_flow_style=style, sort_keys=sort)
                        for style in (False, True, None)
                        for sort in (False, True)
                    ]
                    + [
                        salt.utils.yaml.safe_dump(v, default_flow_style=False, sort_keys=False, width=20),
                        salt.utils.yaml.safe_dump(v, default_flow_style=False, sort_keys=False, indent=4),
                    ],
                    ensure_ascii=False,
                )
            except Exception as e:
                out = failed(e)
        print(out)


sys.stdout.reconfigure(encoding="utf-8", newline="\n", errors="surrogatepass")
main()
