a: {test.nop: [{require: [{test: nowhere}]}]}
b: {test.nop: [{watch: [{file: /x}]}, {require: [plain]}]}
