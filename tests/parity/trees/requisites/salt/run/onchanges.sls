changes: test.succeed_with_changes
quiet: test.nop
bad: test.fail_with_changes
on changes: {test.nop: [{onchanges: [{test: changes}]}]}
on quiet: {test.nop: [{onchanges: [{test: quiet}]}]}
on bad: {test.nop: [{onchanges: [{test: bad}]}]}
on any: {test.nop: [{onchanges_any: [{test: quiet}, {test: changes}]}]}
on both: {test.nop: [{onchanges: [{test: quiet}, {test: changes}]}]}
and required: {test.nop: [{onchanges: [{test: changes}]}, {require: [{test: bad}]}]}
after on quiet: {test.nop: [{require: [{test: on quiet}]}]}
in it: {test.succeed_with_changes: [{onchanges_in: [{test: given}]}]}
given: test.nop
