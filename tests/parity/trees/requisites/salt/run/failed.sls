bad: test.fail_without_changes
second: {test.nop: [{require: [{test: bad}]}]}
third: {test.nop: [{require: [{test: second}]}]}
fourth: {test.nop: [{watch: [{test: second}]}]}
fifth: test.nop
