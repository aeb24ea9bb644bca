#!yaml
a: {test.nop: [{x: '{{ untouched }}'}]}
