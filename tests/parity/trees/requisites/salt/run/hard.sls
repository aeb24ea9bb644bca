first: test.nop
second: {test.nop: [{require: [{test: bad}]}]}
third: test.nop
bad: {test.fail_without_changes: [{failhard: true}]}
