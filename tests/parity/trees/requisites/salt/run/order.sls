late: {test.nop: [{order: last}]}
waits: {test.nop: [{require: [{test: late}, {test: middle}]}]}
middle: {test.nop: [{require: [{test: inner}]}]}
plain: test.nop
inner: {test.nop: [{order: 99}]}
soon: {test.nop: [{order: first}]}
before: {test.nop: [{require_in: [{test: soon}]}]}
any: {test.nop: [{require_any: [{test: late}, {test: bad}]}]}
bad: test.fail_without_changes
by name: {test.nop: [{name: other}]}
by its name: {test.nop: [{require: [{test: other}]}]}
globbed: {test.nop: [{require: [{test: 'l*e'}]}]}
