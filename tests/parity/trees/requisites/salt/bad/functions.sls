a: {test: [nop, succeed]}
b: {test: [{x: 1}]}
c:
  test.nop:
d: {test.nop: {x: 1}}
e: [test.nop]
f: 5
1: {test.nop: []}
g: {test: ['nop it']}
h: {test.nop: [{names: x}]}
