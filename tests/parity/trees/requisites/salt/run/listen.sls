changes: test.succeed_with_changes
quiet: test.nop
listens: {test.nop: [{listen: [{test: changes}]}]}
listens quiet: {test.nop: [{listen: [{test: quiet}]}]}
listens nowhere: {test.nop: [{listen: [{test: nowhere}]}]}
makes listen: {test.succeed_with_changes: [{listen_in: [{test: quiet}]}]}
