a: {test.nop: [{require: {test: b}}]}
b: {test.nop: [{require: [{test: [a]}]}]}
c: {test.nop: [{require: [{test.nop: a}]}]}
d: {test.nop: [{require: [{a: b, c: d}]}]}
