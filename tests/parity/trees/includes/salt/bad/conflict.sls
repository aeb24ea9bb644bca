include: [glob.a]
a: {test.nop: [{x: 1}]}
