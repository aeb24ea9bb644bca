one: {test.succeed_with_changes: [{prereq: [{test: two}]}]}
two: {test.succeed_with_changes: [{prereq: [{test: three}]}]}
three: test.nop
four: {test.succeed_with_changes: [{prereq: [{test: five}]}]}
five: {test.succeed_with_changes: [{prereq: [{test: six}]}]}
six: test.succeed_with_changes
seven: {test.nop: [{require: [{test: nine}]}, {prereq: [{test: eight}]}]}
eight: {test.succeed_with_changes: [{require: [{test: ten}]}]}
nine: test.nop
ten: test.fail_without_changes
