changes: test.succeed_with_changes
quiet: test.nop
bad: test.fail_with_changes
watches: {test.nop: [{watch: [{test: changes}]}]}
watches quiet: {test.nop: [{watch: [{test: quiet}]}]}
watches bad: {test.nop: [{watch: [{test: bad}]}]}
watches any: {test.nop: [{watch_any: [{test: bad}, {test: changes}]}]}
changes itself: {test.succeed_with_changes: [{watch: [{test: changes}]}]}
watches later: {test.nop: [{watch: [{test: later}]}]}
later: test.succeed_with_changes
