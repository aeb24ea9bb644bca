a: {test.nop: [{parallel: true}]}
b: {test.nop: [{parallel: true}, {require: [{test: a}]}]}
c: {test.nop: [{require: [{test: b}]}]}
