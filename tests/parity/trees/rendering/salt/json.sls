#!json
{"a": {"test.nop": [{"x": null}, {"y": [1, 2.5, "z"]}]}}
