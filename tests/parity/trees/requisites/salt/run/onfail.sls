good: test.nop
bad: test.fail_without_changes
on bad: {test.nop: [{onfail: [{test: bad}]}]}
on good: {test.nop: [{onfail: [{test: good}]}]}
on one: {test.nop: [{onfail: [{test: good}, {test: bad}]}]}
on any: {test.nop: [{onfail_any: [{test: good}, {test: bad}]}]}
bad too: test.fail_without_changes
on all: {test.nop: [{onfail_all: [{test: good}, {test: bad}]}]}
on all bad: {test.nop: [{onfail_all: [{test: bad}, {test: bad too}]}]}
on later: {test.nop: [{onfail: [{test: worst}]}]}
worst: test.fail_without_changes
in it: {test.fail_without_changes: [{onfail_in: [{test: handler}]}]}
handler: test.nop
after handler of good: {test.nop: [{require: [{test: on good}]}]}
