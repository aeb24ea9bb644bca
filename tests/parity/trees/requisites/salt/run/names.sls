several: {test.nop: [{names: [x, y, z]}]}
on one of them: {test.nop: [{require: [{test: y}]}]}
on all: {test.nop: [{require: [{test: several}]}]}
not a text: {test.nop: [{require: [{test: 5}]}]}
