before change: {test.nop: [{prereq: [{test: change}]}]}
change: test.succeed_with_changes
before nothing: {test.nop: [{prereq: [{test: nothing}]}]}
nothing: test.nop
in change: {test.nop: [{prereq_in: [{test: second}]}]}
second: test.succeed_with_changes
fails first: {test.fail_without_changes: [{prereq: [{test: third}]}]}
third: test.succeed_with_changes
after third: {test.nop: [{require: [{test: third}]}]}
before several:
  test.nop:
    - prereq: [{test: nothing}, {test: fourth}]
fourth: test.succeed_with_changes
