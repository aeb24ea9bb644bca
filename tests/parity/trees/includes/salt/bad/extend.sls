extend:
  nowhere: {test: [{x: 1}]}
a: test.nop
